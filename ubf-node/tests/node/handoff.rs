//! The rows and sessions of a service go from node to node, under load, and either node dies or
//! hangs (U5).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use ubf_client::tls::ClientTls;
use ubf_client::{Builder, Client, Level, SessionPlan};
use ubf_codec::{Term, TermRef, View, ubf};
use ubf_net::testing::within;

use crate::process::{Program, command};

const CLIENTS: u64 = 2;
const CALLERS_EACH: u64 = 3;
/// No caller makes more.
const MAX_CALLS: u64 = 100_000;

/// A folder that is gone when the test has ended.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = name.replace(':', "-");
        let path = std::env::temp_dir().join(format!("ubf-{}-handoff-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _is_gone = std::fs::remove_dir_all(&self.0).is_ok();
    }
}

/// A node, which may be started again.
struct Node {
    folder: Arc<Folder>,
    name: &'static str,
    address: String,
    program: Option<Program>,
}

impl Node {
    fn new(folder: &Arc<Folder>, name: &'static str) -> Self {
        let (folder, address) = (Arc::clone(folder), "127.0.0.1:0".to_owned());
        Self { folder, name, address, program: None }
    }

    fn file(&self, kind: &str) -> String {
        self.folder.0.join(format!("{}-{kind}", self.name)).to_str().unwrap().to_owned()
    }

    /// Where nodes and operators speak to it.
    fn control(&self) -> String {
        format!("unix:{}", self.file("control"))
    }

    fn start(&mut self, fault: &str, more: &[&str]) {
        let (control, data) = (self.file("control"), self.file("data"));
        let arguments = [
            "--listen",
            &self.address,
            "--log",
            "json",
            "--service",
            "kv",
            "--control",
            &control,
            "--data",
            &data,
        ];
        let mut command = command(&[&arguments, more].concat());
        command.env("UBF_FAULT", fault);
        let program = Program::spawn(command);
        self.address = program.address().to_owned();
        self.program = Some(program);
    }

    /// Waits for its end by a fault.
    async fn has_died(&mut self) {
        let program = self.program.take().unwrap();
        let ended = tokio::task::spawn_blocking(move || program.status());
        assert_eq!(within(ended).await.unwrap(), None, "ended by a signal");
    }

    fn end(&mut self) {
        let program = self.program.take().unwrap();
        program.signal("TERM");
        assert_eq!(program.status(), Some(0));
    }

    async fn operator(&self) -> Client {
        let client = Client::builder()
            .address(self.control())
            .service("control")
            .versions([2])
            .call_time(Duration::from_secs(20));
        within(client.connect()).await.unwrap()
    }

    /// Asks its control socket for something.
    async fn ask(&self, request: Term) -> Term {
        let reply = self.operator().await.call(request).await;
        reply.map_or_else(|error| Term::string(error.to_string()), |reply| reply.response().into())
    }

    async fn hand_off(&self, to: &Self) -> Term {
        self.ask(ubf!({hand_off, all, (to.control().as_str()), (Term::Undefined)})).await
    }

    /// Whether it owns the rows.
    async fn owns(&self) -> bool {
        let rows = self.ask(ubf!({rows, all})).await.to_string();
        assert!(rows.contains("not owned") || rows.starts_with("{rows,"), "{rows}");
        rows.starts_with("{rows,")
    }
}

/// Two nodes: the first one has the rows, the other one waits for them.
fn two(name: &str, faults: [&str; 2]) -> [Node; 2] {
    let folder = Arc::new(Folder::new(name));
    let [mut a, mut b] = [Node::new(&folder, "a"), Node::new(&folder, "b")];
    a.start(faults[0], &[]);
    b.start(faults[1], &["--standby"]);
    [a, b]
}

/// Clients that write all the time.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    answered: watch::Receiver<u64>,
    callers: JoinSet<(u64, Vec<u64>)>,
}

impl Load {
    async fn start(nodes: &[Node; 2]) -> Self {
        Self::at([&nodes[0].address, &nodes[1].address]).await
    }

    /// Clients that know these addresses.
    pub(crate) async fn at(addresses: [&str; 2]) -> Self {
        Self::with(addresses, |builder| builder).await
    }

    /// The same, by TLS: the certificates of servers are for `localhost`.
    pub(crate) async fn by_tls(addresses: [&str; 2], tls: ClientTls) -> Self {
        let by_name = addresses.map(|address| address.replace("127.0.0.1", "localhost"));
        Self::with(by_name.each_ref().map(String::as_str), |builder| builder.tls(tls.clone())).await
    }

    async fn with(addresses: [&str; 2], change: impl Fn(Builder) -> Builder) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(watch::Sender::new(0));
        let answered = answers.subscribe();
        let mut callers = JoinSet::new();
        for client in 0..CLIENTS {
            let builder = Client::builder()
                .address(addresses[0])
                .address(addresses[1])
                .service("kv")
                .versions([3])
                .session(SessionPlan::demanded(Level::Durable))
                .call_time(Duration::from_secs(60));
            let handle = within(change(builder).connect()).await.unwrap();
            for caller in 0..CALLERS_EACH {
                let number = client * CALLERS_EACH + caller;
                let (is_over, answers) = (Arc::clone(&is_over), Arc::clone(&answers));
                callers.spawn(write(handle.clone(), number, is_over, answers));
            }
        }
        Self { is_over, answered, callers }
    }

    /// Waits until so many more calls are answered.
    pub(crate) async fn goes_on(&mut self, count: u64) {
        let goal = *self.answered.borrow() + count;
        within(self.answered.wait_for(|answered| *answered >= goal)).await.unwrap();
    }

    /// Each write has a revision of its own, and none is missing: none was lost, or ran twice.
    pub(crate) async fn end(mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let (mut calls, mut revisions) = (0, Vec::new());
        while let Some(caller) = within(self.callers.join_next()).await {
            let (made, ours) = caller.unwrap();
            calls += made;
            revisions.extend(ours);
        }
        revisions.sort_unstable();
        assert!(revisions.iter().copied().eq(1..=calls), "each write has run once");
    }
}

async fn write(
    client: Client,
    number: u64,
    is_over: Arc<AtomicBool>,
    answers: Arc<watch::Sender<u64>>,
) -> (u64, Vec<u64>) {
    let (mut calls, mut revisions) = (0, Vec::new());
    while calls < MAX_CALLS && !is_over.load(Ordering::Relaxed) {
        let key = format!("{number} {calls}");
        let reply = client.call(ubf!({put, (key.as_str()), (calls)})).await;
        revisions.push(revision(reply.unwrap().response()));
        calls += 1;
        answers.send_modify(|count| *count += 1);
    }
    (calls, revisions)
}

/// The revision in `{'ok',Revision}`: each write has the next one.
fn revision(response: TermRef<'_>) -> u64 {
    let View::Tuple(parts) = response.view() else { panic!("{response}") };
    parts.get(1).and_then(|revision| revision.as_u64()).unwrap_or_else(|| panic!("{response}"))
}

/// How far a hand-off has come, as its giver tells.
pub(crate) fn stage(report: &Term) -> String {
    let View::Tuple(parts) = report.as_ref().view() else { return report.to_string() };
    let Some(View::List(reports)) = parts.get(1).map(|list| list.view()) else {
        return report.to_string();
    };
    let Some(View::Tuple(last)) = reports.iter().next().map(|report| report.view()) else {
        return report.to_string();
    };
    last.get(3).unwrap().as_str().unwrap().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_rows_and_sessions_go_to_another_node_and_back() {
    let [mut a, mut b] = two("back", ["", ""]);
    assert!(a.owns().await && !b.owns().await);
    let nodes = [a, b];
    let mut load = Load::start(&nodes).await;
    [a, b] = nodes;
    load.goes_on(100).await;
    assert_eq!(stage(&a.hand_off(&b).await), "given");
    load.goes_on(100).await;
    assert!(!a.owns().await && b.owns().await);
    assert_eq!(stage(&b.hand_off(&a).await), "given");
    load.goes_on(100).await;
    assert!(a.owns().await && !b.owns().await);
    // The node that has nothing is started again, and gets the rows once more.
    b.end();
    b.start("", &["--standby"]);
    assert_eq!(stage(&a.hand_off(&b).await), "given");
    load.goes_on(100).await;
    load.end().await;
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_client_without_a_session_is_sent_on_and_loses_no_call() {
    let [mut a, mut b] = two("plain", ["", ""]);
    let connect = Client::builder().address(&a.address).service("kv").versions([3]).connect();
    let client = within(connect).await.unwrap();
    let put = |key: &'static str| {
        let client = client.clone();
        async move { revision(within(client.call(ubf!({put, (key), 1}))).await.unwrap().response()) }
    };
    assert_eq!(put("a").await, 1);
    assert_eq!(stage(&a.hand_off(&b).await), "given");
    assert_eq!(put("b").await, 2);
    let reply = within(client.call(ubf!({get, "a"}))).await.unwrap();
    assert_eq!(reply.response().to_string(), "{value,1,1}");
    assert_eq!(reply.connection().address.to_string(), b.address);
    drop(client);
    a.end();
    b.end();
}

/// One of the nodes dies at a step of a hand-off, and is started again: one of them serves.
async fn dies(fault: &str) {
    let is_giver = fault.starts_with("abort:a-");
    let faults = if is_giver { [fault, ""] } else { ["", fault] };
    let nodes = two(fault, faults);
    let mut load = Load::start(&nodes).await;
    load.goes_on(20).await;
    let [mut a, mut b] = nodes;
    {
        let program = if is_giver { a.program.take() } else { b.program.take() };
        let program = program.unwrap();
        let (operator, to) = (a.operator().await, b.control());
        let asked = tokio::spawn(async move {
            operator.call(ubf!({hand_off, all, (to.as_str()), (Term::Undefined)})).await
        });
        let ended = tokio::task::spawn_blocking(move || program.status());
        assert_eq!(within(ended).await.unwrap(), None, "{fault}: ended by a signal");
        if is_giver {
            a.start("", &[]);
        } else {
            b.start("", &["--standby"]);
        }
        asked.abort();
    }
    load.goes_on(20).await;
    let owners = [a.owns().await, b.owns().await];
    assert!(owners[0] != owners[1], "{fault}: {owners:?}");
    // And so it is for the next hand-off.
    let (from, to) = if owners[0] { (&a, &b) } else { (&b, &a) };
    let mut report = from.hand_off(to).await;
    // The one before may not have ended for the other node: it had two seconds.
    while ["just handed them off", "under way"].iter().any(|it| report.to_string().contains(it)) {
        report = from.hand_off(to).await;
    }
    assert_eq!(stage(&report), "given", "{fault}");
    load.goes_on(20).await;
    load.end().await;
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_giver_that_dies_before_the_commit_point_goes_on_when_it_is_back() {
    for step in ["abort:a-suspended", "abort:a-sent", "abort:a-prepared"] {
        dies(step).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_giver_that_dies_behind_the_commit_point_leaves_the_rows_to_the_taker() {
    for step in ["abort:a-moved", "abort:a-active"] {
        dies(step).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_taker_that_dies_before_the_commit_point_costs_nothing() {
    for step in ["abort:b-offered", "abort:b-copied", "abort:b-prepared"] {
        dies(step).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_taker_that_dies_behind_the_commit_point_serves_when_it_is_back() {
    for step in ["abort:b-activating", "abort:b-owned", "abort:b-active"] {
        dies(step).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_taker_that_hangs_costs_two_seconds() {
    let nodes = two("hangs", ["", "stop:b-copied"]);
    let mut load = Load::start(&nodes).await;
    load.goes_on(20).await;
    let [mut a, mut b] = nodes;
    let report = a.hand_off(&b).await.to_string();
    assert!(report.contains("did not answer in time"), "{report}");
    load.goes_on(20).await;
    b.program.as_ref().unwrap().signal("CONT");
    // Its copy is of an attempt that was given up, which it is told.
    load.goes_on(20).await;
    assert!(a.owns().await && !b.owns().await);
    load.end().await;
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u5_a_copy_of_a_node_that_is_lost_is_adopted_by_an_operator() {
    let nodes = two("adopted", ["abort:a-prepared", ""]);
    let mut load = Load::start(&nodes).await;
    load.goes_on(20).await;
    let [mut a, mut b] = nodes;
    let (operator, to) = (a.operator().await, b.control());
    // The answer is lost with the node.
    let asked = tokio::spawn(async move {
        operator.call(ubf!({hand_off, all, (to.as_str()), (Term::Undefined)})).await
    });
    a.has_died().await;
    asked.abort();
    assert!(!b.owns().await, "in doubt, nobody owns them");
    b.end();
    b.start("", &["--standby", "--adopt"]);
    load.goes_on(20).await;
    assert!(b.owns().await);
    load.end().await;
    b.end();
}

#[tokio::test]
async fn u5_what_a_node_does_not_take_is_said() {
    let [mut a, mut b] = two("said", ["", ""]);
    let speak = |node: &Node| {
        let client = Client::builder().address(node.control()).service("handoff").versions([1]);
        async move { within(client.connect()).await.unwrap() }
    };
    let offer = |versions: &str, bytes: u64| -> Term {
        format!("{{offer,\"kv\",{{5,1,77}},{versions},{bytes},\"unix:/a\",\"a.example:4000\"}}")
            .parse()
            .unwrap()
    };
    let (owner, taker) = (speak(&a).await, speak(&b).await);
    let ask = |client: &Client, request: Term| {
        let call = client.call(request);
        async move { within(call).await.unwrap().response().to_string() }
    };
    for (client, request, said) in [
        (&owner, offer("{{2,2,2},{1,1,1}}", 9), "it has rows of this service, and serves them"),
        (&taker, offer("{{2,2,2},{1,1,1}}", (64 << 20) + 1), "67108865 bytes are more than"),
        (&taker, offer("{{9,9,9},{1,1,1}}", 9), "state version 9"),
        (&taker, offer("{{2,2,2},{1,1,9}}", 9), "format 9"),
        (&taker, "{rows,\"kv\",{5,1,77},0,[]}".parse().unwrap(), "no rows of this attempt"),
        (&taker, "{copy,\"kv\",{5,1,77},9}".parse().unwrap(), "no rows of this attempt"),
        (&taker, "{ask,\"kv\",{5,1,77}}".parse().unwrap(), "{aborted,{5,1,77}}"),
        (&taker, "{activate,\"kv\",{5,1,77}}".parse().unwrap(), "undecided"),
        (&taker, "{ask,\"irc\",{5,1,77}}".parse().unwrap(), "irc has no rows here"),
        (&taker, "{give,\"kv\"}".parse().unwrap(), "clientBrokeContract"),
    ] {
        let answer = ask(client, request.clone()).await;
        assert!(answer.contains(said), "{request}: {answer}");
    }
    // What has come is not what was sent.
    assert!(ask(&taker, offer("{{2,2,2},{1,1,1}}", 9)).await.starts_with("{ready,"));
    let record = "{rows,\"kv\",{5,1,77},0,[<<\"\\x10record\">>,<<\"1 {}$\">>]}";
    let record: Term = record.replace("\\x10", "\u{10}").parse().unwrap();
    assert_eq!(ask(&taker, record).await, "ok");
    let copy = ask(&taker, "{copy,\"kv\",{5,1,77},9}".parse().unwrap()).await;
    assert!(copy.contains("not what was sent"), "{copy}");
    assert!(!b.owns().await);
    for (to, said) in [
        (b.control().replace("b-control", "c-control"), "c-control"),
        (a.control(), "it has rows of this service, and serves them"),
    ] {
        let request = ubf!({hand_off, all, (to.as_str()), (Term::Undefined)});
        let report = a.ask(request).await.to_string();
        assert!(report.starts_with("{error,") && report.contains(said), "{report}");
    }
    assert!(a.owns().await);
    let last = a.ask(ubf!(last_hand_offs)).await.to_string();
    assert!(last.contains("back"), "{last}");
    drop((owner, taker));
    a.end();
    b.end();
}
