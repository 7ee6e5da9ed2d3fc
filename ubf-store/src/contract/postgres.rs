//! The engine in PostgreSQL, over a server of the tests' own; without its programs the tests say that
//! they are skipped.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tokio_postgres::NoTls;
use ubf_state::{Epoch, Known, NotCommitted, ShardId};

use super::{Engine, batch, holds};
use crate::store::{ClaimError, Store};
use crate::testing::TestPostgres;
use crate::{Postgres, PostgresTimes};

fn open(server: &TestPostgres) -> Postgres {
    Postgres::open(&server.connection()).unwrap()
}

#[test]
fn postgres_keeps_what_every_store_promises() {
    let Some(server) = TestPostgres::start("store").unwrap() else {
        eprintln!("skipped: this machine has no PostgreSQL");
        return;
    };
    let connection = server.connection();
    let opened = move || Box::new(Postgres::open(&connection).unwrap()) as Box<dyn Store>;
    holds(&Engine { open: Box::new(opened), is_concurrent: true });
    t5_a_claim_waits_for_a_commit_on_its_way(&server);
    a_fence_without_a_row_lock_is_found(&server);
    t4_a_commit_whose_answer_is_lost_is_unknown(&server);
    an_ended_connection_is_made_again(&server);
    t6_nodes_say_what_they_know(&server);
    two_nodes_make_the_tables_at_once(&server);
    drop(server);
    assert!(Postgres::open("host=/no/such/folder user=ubf").is_err());
    assert!(Postgres::open("this is no connection string").is_err());
}

/// Plain statements on a connection of the test's own.
struct Plain {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl Plain {
    fn new(server: &TestPostgres) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(&server.connection(), NoTls)).unwrap();
        runtime.spawn(connection);
        Self { runtime, client }
    }

    fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }

    fn count(&self, sql: &str) -> i64 {
        self.runtime.block_on(self.client.query_one(sql, &[])).unwrap().get(0)
    }
}

/// What came of a claim that was made while a commit of the owner before it waited.
struct Raced {
    claimed: Result<Epoch, ClaimError>,
    is_committed: bool,
}

/// The owner's commit has looked at the epoch, and waits for a row that somebody holds. Then
/// another owner claims.
fn race(server: &TestPostgres, shard: u32, has_no_lock: bool) -> Raced {
    let times = PostgresTimes { lock: Duration::from_millis(500), ..PostgresTimes::default() };
    let mut first = open(server);
    first.claim(ShardId(shard), Epoch(0)).unwrap();
    first.commit(&batch(shard, 1, &[(b"x", Some(b"1"))])).unwrap();
    let plain = Plain::new(server);
    plain.run(&format!("BEGIN; SELECT FROM ubf_rows WHERE shard = {shard} FOR UPDATE"));

    let connection = server.connection();
    let owner = thread::spawn(move || {
        let mut first = Postgres::open(&connection).unwrap();
        if has_no_lock {
            first.without_lock();
        }
        first.commit(&batch(shard, 1, &[(b"x", Some(b"2"))])).is_ok()
    });
    // The server says when the commit waits.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let other = Plain::new(server);
    let is_waiting = (0..100_000).any(|_| other.count(waits) > 0);
    assert!(is_waiting, "the commit waits for the row");

    let mut second = Postgres::open_with(&server.connection(), times).unwrap();
    let claimed = second.claim(ShardId(shard), Epoch(1));
    plain.run("ROLLBACK");
    Raced { claimed, is_committed: owner.join().unwrap() }
}

fn t5_a_claim_waits_for_a_commit_on_its_way(server: &TestPostgres) {
    let Raced { claimed, is_committed } = race(server, 21, false);
    // The commit held the shard's row, so the claim waited for its time and then gave up.
    assert!(matches!(claimed, Err(ClaimError::Failed(_))), "{claimed:?}");
    assert!(is_committed);
    let mut second = open(server);
    assert_eq!(second.claim(ShardId(21), Epoch(1)).unwrap(), Epoch(2));
    let late = second.commit(&batch(21, 1, &[(b"x", Some(b"3"))])).unwrap_err();
    assert_eq!(late.outcome(), NotCommitted::Fenced { epoch: Epoch(2) });
}

/// The mutant: the epoch is looked at without a lock.
fn a_fence_without_a_row_lock_is_found(server: &TestPostgres) {
    let Raced { claimed, is_committed } = race(server, 22, true);
    assert!(claimed.is_ok() && is_committed, "a fenced-off owner commits: the race finds it");
}

const PASS: u8 = 0;
const CUT_ANSWER: u8 = 1;
const CUT_REQUEST: u8 = 2;

/// A proxy before the server that can cut a connection before a request, or before its answer.
struct Proxy {
    port: u16,
    mode: Arc<AtomicU8>,
    answered: Arc<OnceLock<()>>,
}

impl Proxy {
    fn start(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, answered) = (Arc::new(AtomicU8::new(PASS)), Arc::new(OnceLock::new()));
        let (shared, seen) = (Arc::clone(&mode), Arc::clone(&answered));
        // It ends with the process of the tests: it waits for connections and holds nothing.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&socket).unwrap();
                carry(client, server, &shared, &seen);
            }
        });
        Self { port, mode, answered }
    }
}

/// Carries bytes both ways.
fn carry(client: TcpStream, server: UnixStream, mode: &Arc<AtomicU8>, seen: &Arc<OnceLock<()>>) {
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let upwards = Arc::clone(mode);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from_client.read(&mut buffer) {
            if upwards.load(Ordering::SeqCst) == CUT_REQUEST {
                break;
            }
            if to_server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Either side may have closed already.
        let _is_closed = (from_client.shutdown(Shutdown::Both), to_server.shutdown(Shutdown::Both));
    });
    let (downwards, seen) = (Arc::clone(mode), Arc::clone(seen));
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from_server.read(&mut buffer) {
            if downwards.load(Ordering::SeqCst) == CUT_ANSWER {
                seen.get_or_init(|| ());
                break;
            }
            if to_client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _is_closed = (from_server.shutdown(Shutdown::Both), to_client.shutdown(Shutdown::Both));
    });
}

/// The connection dies in a commit, before or after the server has done it.
fn t4_a_commit_whose_answer_is_lost_is_unknown(server: &TestPostgres) {
    for (shard, mode, is_done) in [(23, CUT_ANSWER, true), (24, CUT_REQUEST, false)] {
        let proxy = Proxy::start(server.socket());
        let connection = format!("host=127.0.0.1 port={} user=ubf dbname=postgres", proxy.port);
        let mut store = Postgres::open(&connection).unwrap();
        store.claim(ShardId(shard), Epoch(0)).unwrap();
        store.commit(&batch(shard, 1, &[(b"x", Some(b"1"))])).unwrap();
        proxy.mode.store(mode, Ordering::SeqCst);
        let lost = store.commit(&batch(shard, 1, &[(b"x", Some(b"2"))])).unwrap_err();
        assert_eq!(lost.outcome(), NotCommitted::Unknown);
        proxy.mode.store(PASS, Ordering::SeqCst);
        assert_eq!(proxy.answered.get().is_some(), is_done);
        // T4: a claim settles it, and the rows tell.
        assert_eq!(store.claim(ShardId(shard), Epoch(1)).unwrap(), Epoch(2));
        let value = store.get(ShardId(shard), b"x").unwrap().unwrap();
        assert_eq!(&value[..], if is_done { b"2" } else { b"1" });
    }
}

fn an_ended_connection_is_made_again(server: &TestPostgres) {
    let mut store = open(server);
    store.claim(ShardId(25), Epoch(0)).unwrap();
    let plain = Plain::new(server);
    plain.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ubf-store'",
    );
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ubf-store'";
    assert!((0..100_000).any(|_| plain.count(left) == 0), "the server has ended them");
    // The commit may be the first to meet the end, and then nobody knows what came of it (T4).
    if let Err(error) = store.commit(&batch(25, 1, &[(b"x", Some(b"1"))])) {
        assert_eq!(error.outcome(), NotCommitted::Unknown);
        assert_eq!(store.claim(ShardId(25), Epoch(1)).unwrap(), Epoch(2));
        store.commit(&batch(25, 2, &[(b"x", Some(b"1"))])).unwrap();
    }
    assert!(store.get(ShardId(25), b"x").unwrap().is_some());
}

fn t6_nodes_say_what_they_know(server: &TestPostgres) {
    let [mut one, mut other] = [open(server), open(server)];
    let (shard, old) = (ShardId(26), Known { oldest: 1, newest: 1, format: 1 });
    let new = Known { newest: 2, ..old };
    assert_eq!(one.announced(shard).unwrap(), []);
    one.announce(shard, "a:1", old).unwrap();
    other.announce(shard, "b:1", new).unwrap();
    other.announce(ShardId(27), "c:1", new).unwrap();
    let known = |store: &mut Postgres| {
        let all = store.announced(shard).unwrap().into_iter();
        all.map(|of| (of.node, of.known)).collect::<Vec<_>>()
    };
    assert_eq!(known(&mut other), [("a:1".to_owned(), old), ("b:1".to_owned(), new)]);
    // The next release of a node.
    one.announce(shard, "a:1", new).unwrap();
    assert_eq!(known(&mut other), [("a:1".to_owned(), new), ("b:1".to_owned(), new)]);
    let plain = Plain::new(server);
    plain.run("UPDATE ubf_nodes SET said = said - interval '1 hour' WHERE node = 'a:1'");
    let ages: Vec<_> = one.announced(shard).unwrap().into_iter().map(|of| of.age).collect();
    assert!(ages[0] >= Duration::from_secs(3_600) && ages[1] < Duration::from_secs(600));
    plain.run("UPDATE ubf_nodes SET said = said - interval '1 day' WHERE node = 'a:1'");
    other.announce(shard, "b:1", old).unwrap();
    assert_eq!(known(&mut one), [("b:1".to_owned(), old)]);
    assert_eq!(plain.count("SELECT count(*) FROM ubf_nodes WHERE shard = 26"), 1);
}

fn two_nodes_make_the_tables_at_once(server: &TestPostgres) {
    let plain = Plain::new(server);
    for _ in 0..5 {
        plain.run("DROP TABLE ubf_about, ubf_shards, ubf_rows, ubf_nodes");
        let opened = [(); 4].map(|()| {
            let connection = server.connection();
            thread::spawn(move || Postgres::open(&connection).map(drop))
        });
        for thread in opened {
            thread.join().unwrap().unwrap();
        }
    }
    plain.run("UPDATE ubf_about SET format = 2");
    let error = Postgres::open(&server.connection()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the tables have a format that is not known here");
}
