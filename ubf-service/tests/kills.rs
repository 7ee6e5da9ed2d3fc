//! A process that is killed at named moments: before a commit, and after it and before anybody is
//! told. Its clients get each answer, once.
//!
//! This program starts itself as the server that dies, over a file as a real one has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail loudly"
)]

#[allow(dead_code, unreachable_pub, reason = "it is for the tests of servers, too")]
#[path = "server/support.rs"]
mod support;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::ubf;
use ubf_net::testing::within;
use ubf_proto::Random;
use ubf_server::{Server, Service};
use ubf_service::server::{Keeper, KeeperConfig};
use ubf_state::{Base, Batch, Epoch, Page, Scan, ShardId};
use ubf_store::{ClaimError, CommitError, Redb, Store, StoreError};

/// When a process ends, without a word to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    BeforeCommit(u64),
    AfterCommit(u64),
    Never,
}

impl Death {
    fn to_words(self) -> [String; 2] {
        match self {
            Self::BeforeCommit(number) => ["before".into(), number.to_string()],
            Self::AfterCommit(number) => ["after".into(), number.to_string()],
            Self::Never => ["never".into(), "0".into()],
        }
    }

    fn from_words(words: &[String]) -> Self {
        let number = words[1].parse().unwrap();
        match words[0].as_str() {
            "before" => Self::BeforeCommit(number),
            "after" => Self::AfterCommit(number),
            _ => Self::Never,
        }
    }
}

/// A file whose process dies at one of its commits.
struct Deadly {
    file: Redb,
    death: Death,
    commits: u64,
}

impl Store for Deadly {
    fn is_shared(&self) -> bool {
        false
    }
    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.file.epoch(shard)
    }
    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        self.file.claim(shard, seen)
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.commits += 1;
        if self.death == Death::BeforeCommit(self.commits) {
            die();
        }
        self.file.commit(batch)?;
        if self.death == Death::AfterCommit(self.commits) {
            die();
        }
        Ok(())
    }
    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.file.get(shard, key)
    }
    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        self.file.scan(shard, scan)
    }
    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn ubf_store::Snapshot>, StoreError> {
        self.file.snapshot(shard)
    }
    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>> {
        self.file.base(shard)
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Box::new(self.file).close()
    }
}

/// Nothing is dropped, nothing is flushed: as when the system kills it.
fn die() -> ! {
    std::process::abort()
}

/// The server that dies: its address, its file, its death.
fn serve(words: &[String]) {
    let file = Redb::open(&words[1]).unwrap();
    let store = Deadly { file, death: Death::from_words(&words[2..]), commits: 0 };
    let keeper =
        Keeper::start(support::Counter::default(), Box::new(store), KeeperConfig::default())
            .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let owner = Arc::clone(&keeper);
        let builder = Server::builder().listen(&words[0]).owned_service(Service::DEFAULT, owner);
        let server = builder.bind().await.unwrap();
        println!("{}", server.addresses()[0]);
        assert!(server.run().await.is_clean());
    });
}

/// The process of the server.
struct Process(Child);

impl Process {
    fn start(address: &str, file: &Path, death: Death) -> (Self, String) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("serve").arg(address).arg(file).args(death.to_words());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "it did not begin");
        (Self(child), line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _is_killed = self.0.kill().is_ok();
        let _has_ended = self.0.wait().is_ok();
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _is_gone = std::fs::remove_dir_all(&self.0).is_ok();
    }
}

/// Adds one, again and again; what was counted each time.
async fn count(client: Client, stop: watch::Receiver<bool>) -> Vec<u64> {
    let mut counted = Vec::new();
    while !*stop.borrow() {
        let reply = client.call(ubf!({add, "a", 1})).await.expect("no call is in doubt");
        counted.push(reply.response().as_u64().unwrap());
        // A call that writes nothing has a number, too, which is not stored at once.
        let read = client.call(ubf!({read, "a"})).await.expect("no call is in doubt");
        assert!(read.response().as_u64() >= counted.last().copied(), "what was answered is there");
    }
    counted
}

async fn clients(address: &str) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..3 {
        let client = Client::builder()
            .address(address)
            .versions([1, 2])
            .session(SessionPlan::demanded(Level::Durable))
            .call_time(Duration::from_secs(60))
            .connect();
        clients.push(within(client).await.unwrap());
    }
    clients
}

async fn check(seed: u64, deaths: u64) {
    let mut random = Random::new(seed);
    let path = std::env::temp_dir().join(format!("ubf-kills-{}-{seed}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    let folder = Folder(path);
    let file = folder.0.join("counts.redb");
    let (process, address) = Process::start("127.0.0.1:0", &file, Death::Never);
    let (stop, stopped) = watch::channel(false);
    let counting: Vec<_> = clients(&address)
        .await
        .into_iter()
        .flat_map(|client| [client.clone(), client])
        .map(|client| tokio::spawn(count(client, stopped.clone())))
        .collect();
    drop(process);
    for _ in 0..deaths {
        // The first commits of a process are those of sessions that go on.
        let number = 1 + random.below(12);
        let death = if random.below(2) == 0 {
            Death::BeforeCommit(number)
        } else {
            Death::AfterCommit(number)
        };
        let (mut process, _) = Process::start(&address, &file, death);
        let died = tokio::task::spawn_blocking(move || process.0.wait().map(|_| process));
        within(died).await.unwrap().unwrap();
    }
    let (last, _) = Process::start(&address, &file, Death::Never);
    stop.send(true).unwrap();
    let mut all = Vec::new();
    for counting in counting {
        all.extend(within(counting).await.unwrap());
    }
    all.sort_unstable();
    let expected: Vec<u64> = (1..=all.len() as u64).collect();
    assert!(all == expected, "seed {seed}: each call has run once, and none besides: {all:?}");
    drop(last);
    println!("seed {seed}: {deaths} deaths, {} calls, each answered and run once", all.len());
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "serve") {
        return serve(&words[1..]);
    }
    if words.iter().any(|word| word == "--list") {
        // Runners of tests ask so.
        if !words.iter().any(|word| word == "--ignored") {
            println!("t3_a_process_that_dies_at_a_commit_loses_nothing: test");
        }
        return;
    }
    let deaths = if std::env::var_os("UBF_LONG").is_some() { 200 } else { 12 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for seed in [1, 2] {
        runtime.block_on(check(seed, deaths));
    }
}
