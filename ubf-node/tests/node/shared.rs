//! Nodes that have one database: ownership goes from one to the other, by hand-off, by suspicion
//! when the owner is killed or stopped, and is never had by two (U5, U6); and one server over a
//! database, which is killed and loses nothing (T3, T4). Without PostgreSQL on the machine the tests
//! say that they are skipped.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use tokio::time::Instant;
use ubf_codec::{Term, ubf};
use ubf_net::testing::within;
use ubf_store::testing::TestPostgres;

use crate::elsewhere::{self, Hall, Mended, cut_at};
use crate::handoff::{Load, stage};
use crate::irc_rows;
use crate::process::{Program, command};

/// A node of the database.
struct Node {
    name: &'static str,
    folder: PathBuf,
    address: String,
    program: Option<Program>,
}

impl Node {
    fn start(database: &TestPostgres, name: &'static str) -> Self {
        Self::start_first(database, name, &[])
    }

    /// As a release that knows something else.
    fn start_first(database: &TestPostgres, name: &'static str, more: &[&str]) -> Self {
        // Whoever beats says where clients find it before it listens.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let folder = database.folder().with_extension("nodes");
        fs::create_dir_all(&folder).unwrap();
        let mut node = Self { name, folder, address, program: None };
        node.start_as(database, "", more);
        node
    }

    fn start_again(&mut self, database: &TestPostgres, fault: &str) {
        self.start_as(database, fault, &[]);
    }

    /// As a release that knows something else.
    fn start_as(&mut self, database: &TestPostgres, fault: &str, more: &[&str]) {
        let (control, url) = (self.control(), database.url());
        let arguments = [
            "--listen",
            &self.address,
            "--log",
            "json",
            "--service",
            "kv",
            "--control",
            &control,
            "--store",
            &url,
            "--standby",
        ];
        let mut command = command(&[&arguments[..], more].concat());
        command.env("UBF_FAULT", fault);
        self.program = Some(Program::spawn(command));
    }

    fn control(&self) -> String {
        self.folder.join(self.name).to_str().unwrap().to_owned()
    }

    async fn ask(&self, request: Term) -> String {
        let address = format!("unix:{}", self.control());
        let client = ubf_client::Client::builder()
            .address(address)
            .service("control")
            .versions([2])
            .call_time(std::time::Duration::from_secs(20));
        let client = within(client.connect()).await.unwrap();
        client.call(request).await.unwrap().response().to_string()
    }

    async fn owns(&self) -> bool {
        self.ask(ubf!({rows, all})).await.starts_with("{rows,")
    }

    async fn hand_off(&self, to: &Self) -> Term {
        let to = format!("unix:{}", to.control());
        let request = ubf!({hand_off, all, (to.as_str()), (Term::Undefined)});
        self.ask(request).await.parse().unwrap()
    }

    fn kill(&mut self) {
        self.program.as_mut().unwrap().kill();
    }

    fn signal(&self, signal: &str) {
        self.program.as_ref().unwrap().signal(signal);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _is_gone = fs::remove_file(self.control()).is_ok();
        let _is_empty = fs::remove_dir(&self.folder).is_ok();
    }
}

/// A database, if this machine has one.
#[expect(clippy::print_stdout, reason = "who runs the tests wants to know what was not tested")]
fn started(name: &str) -> Option<TestPostgres> {
    let database = TestPostgres::start(name).unwrap();
    if database.is_none() {
        println!("skipped: there is no PostgreSQL on this machine");
    }
    database
}

/// A database, and two nodes: the first one owns the rows.
async fn two(name: &str) -> Option<(TestPostgres, Node, Node)> {
    let database = started(name)?;
    let mut a = Node::start(&database, "a");
    a.program.as_mut().unwrap().logs("the rows were claimed, and are served here");
    let b = Node::start(&database, "b");
    assert!(a.owns().await && !b.owns().await);
    Some((database, a, b))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u6_another_node_owns_the_rows_when_their_owner_is_killed() {
    let Some((database, mut a, b)) = two("killed").await else { return };
    let mut load = Load::at([&a.address, &b.address]).await;
    load.goes_on(50).await;
    a.kill();
    let killed = Instant::now();
    load.goes_on(50).await;
    eprintln!("calls go on {} ms after the owner was killed", killed.elapsed().as_millis());
    assert!(b.owns().await);
    // It watches from here on, and is the next one.
    a.start_again(&database, "");
    assert!(!a.owns().await && b.owns().await);
    assert_eq!(stage(&b.hand_off(&a).await), "given");
    load.goes_on(50).await;
    assert!(a.owns().await && !b.owns().await);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u6_an_owner_that_was_stopped_finds_another_one_and_harms_nobody() {
    let Some((_database, a, b)) = two("stopped").await else { return };
    let mut load = Load::at([&a.address, &b.address]).await;
    load.goes_on(50).await;
    a.signal("STOP");
    // Clients find the silence of a busy server by themselves, after a while.
    while !b.owns().await {
        tokio::task::yield_now().await;
    }
    a.signal("CONT");
    load.goes_on(50).await;
    assert!(!a.owns().await && b.owns().await);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_ownership_goes_to_another_node_and_nothing_is_copied() {
    let Some((database, a, mut b)) = two("given").await else { return };
    let mut load = Load::at([&a.address, &b.address]).await;
    load.goes_on(50).await;
    assert_eq!(stage(&a.hand_off(&b).await), "given");
    load.goes_on(50).await;
    assert!(!a.owns().await && b.owns().await);
    assert_eq!(stage(&b.hand_off(&a).await), "given");
    load.goes_on(50).await;
    // One that dies before it has claimed them costs a moment.
    for fault in ["abort:b-claiming", "abort:b-claimed"] {
        b.signal("TERM");
        assert_eq!(b.program.take().unwrap().status(), Some(0));
        b.start_again(&database, fault);
        let report = a.hand_off(&b).await;
        assert!(report.to_string().starts_with("{error,"), "{report}");
        assert_eq!(b.program.take().unwrap().status(), None, "ended by a signal");
        b.start_again(&database, "");
        load.goes_on(50).await;
        assert!(a.owns().await != b.owns().await);
        if b.owns().await {
            assert_eq!(stage(&b.hand_off(&a).await), "given");
        }
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_ownership_goes_to_a_node_of_another_machine_also_when_its_link_is_cut() {
    let Some(database) = started("elsewhere") else { return };
    let (hall, url) = (Hall::new("shared"), database.url());
    let mut nodes = Vec::new();
    for name in ["a", "b"] {
        // Whoever beats says where clients find it before it listens.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let more = ["--store", &url, "--standby", "--advertise", &address, "--listen", &address];
        let mut node = elsewhere::Node::start(&hall, name, &more).await;
        if name == "a" {
            node.program.logs("the rows were claimed, and are served here");
        }
        nodes.push(node);
    }
    let [a, b] = <[_; 2]>::try_from(nodes).ok().unwrap();
    let mut load = Load::by_tls([&a, &b].map(|node| node.program.address()), hall.client()).await;
    load.goes_on(20).await;
    // An owner that is suspended for long may be suspected; what was claimed is the other one's,
    // whether or not that could say it. `cut_at` looks that one of them owns the rows.
    cut_at("a-suspended", [&a, &b], Mended::TooLate, &mut load).await;
    if !a.owns().await {
        assert_eq!(stage(&b.hand_off(&a).await), "given");
    }
    cut_at("b-claimed", [&a, &b], Mended::TooLate, &mut load).await;
    assert!(b.owns().await);
    assert_eq!(stage(&b.hand_off(&a).await), "given");
    load.goes_on(20).await;
    assert!(a.owns().await && !b.owns().await);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_a_node_that_is_behind_claims_nothing_sends_clients_on_and_catches_up() {
    let Some(database) = started("behind") else { return };
    let mut a = Node::start(&database, "a");
    a.program.as_mut().unwrap().logs("the rows were claimed, and are served here");
    let mut b = Node::start(&database, "b");
    b.signal("TERM");
    assert_eq!(b.program.take().unwrap().status(), Some(0));
    let mut load = Load::at([&a.address, &b.address]).await;
    load.goes_on(20).await;
    // The rows are of version 2.
    b.start_as(&database, "", &["--knows", "1"]);
    let report = a.hand_off(&b).await.to_string();
    assert!(report.contains("has state version 2, and this program knows 1 to 1"), "{report}");
    load.goes_on(20).await;
    // Whoever knows it alone, and a version that it has, is sent on.
    let by_b = ubf_client::Client::builder().address(&b.address).service("kv").versions([2]);
    let by_b = by_b.start().unwrap();
    let reply = within(by_b.call(ubf!({get, "nothing"}))).await.unwrap();
    assert_eq!(reply.connection().address.to_string(), a.address);
    drop((reply, by_b));
    a.kill();
    b.program.as_mut().unwrap().logs("the rows are not claimed");
    assert!(!b.owns().await);
    b.signal("TERM");
    assert_eq!(b.program.take().unwrap().status(), Some(0));
    b.start_as(&database, "", &["--knows", "1-2"]);
    load.goes_on(20).await;
    assert!(b.owns().await);
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t6_nothing_is_finalized_that_another_node_of_the_store_does_not_know() {
    let Some(database) = started("finalized") else { return };
    let mut a = Node::start_first(&database, "a", &["--state-version", "1"]);
    a.program.as_mut().unwrap().logs("the rows were claimed, and are served here");
    let watched = "the owner of the rows is watched";
    let mut b = Node::start_first(&database, "b", &["--knows", "1"]);
    b.program.as_mut().unwrap().logs(watched);
    let refused = a.ask(ubf!({finalize, all})).await;
    let why = format!("the node {} may own the rows, and knows state version 1 to 1", b.address);
    assert!(refused.starts_with("{error,") && refused.contains(&why), "{refused}");
    assert!(a.ask(ubf!({rows, all})).await.contains("{1,1,1}"), "nothing was raised");
    // Its next release stands in its place.
    b.signal("TERM");
    assert_eq!(b.program.take().unwrap().status(), Some(0));
    b.start_again(&database, "");
    b.program.as_mut().unwrap().logs(watched);
    let finalized = a.ask(ubf!({finalize, all})).await;
    assert!(finalized.starts_with("{finalized,"), "{finalized}");
    // What the rows can hold from here on is offered.
    let mut load = Load::at([&a.address, &b.address]).await;
    load.goes_on(20).await;
    assert_eq!(stage(&a.hand_off(&b).await), "given");
    load.goes_on(20).await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_server_over_a_database_that_is_killed_loses_nothing_and_runs_nothing_twice() {
    let Some(database) = started("served") else { return };
    let url = database.url();
    let start = |address: &str| {
        let listen = ["--listen", address, "--log", "json", "--store", &url];
        Program::spawn(command(&[&listen[..], &["--service", "kv,irc"]].concat()))
    };
    let mut program = start("127.0.0.1:0");
    let address = program.address().to_owned();
    let (mut joe, mut old) = irc_rows::two(&[&address]).await;
    let mut load = Load::at([&address, &address]).await;
    for kill in 0..3 {
        load.goes_on(50).await;
        program.kill();
        program = start(&address);
        irc_rows::still_there(&mut joe, &mut old, &format!("killed {kill}")).await;
    }
    load.goes_on(50).await;
    load.end().await;
    drop((joe, old));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}
