//! One process takes the place of another one, under load, and either of them dies or hangs (U2,
//! U4).

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::watch;
use tokio::task::JoinSet;
use ubf_client::{CallError, Client, Level, SessionPlan};
use ubf_codec::{StreamDecoder, TermRef, View, ubf};
use ubf_net::testing::{Authority, within};
use ubf_node::control::Response;

use crate::folder::Folder;
use crate::process::{Program, command, run};

const CLIENTS: u64 = 4;
const CALLERS_EACH: u64 = 4;
const CALLERS: u64 = CLIENTS * CALLERS_EACH;
/// No caller makes more.
const MAX_CALLS: u64 = 200_000;

/// A server, as all of a test are started.
struct Place {
    folder: Folder,
    service: &'static str,
    is_durable: bool,
    address: String,
    /// It speaks TLS, and each client shows a certificate.
    tls: Option<Authority>,
}

impl Place {
    fn new(name: &str, service: &'static str, is_durable: bool) -> Self {
        let address = "127.0.0.1:0".to_owned();
        let folder = Folder::new(&format!("takeover-{name}"));
        Self { folder, service, is_durable, address, tls: None }
    }

    fn over_tls(name: &str, service: &'static str) -> Self {
        let authority = Authority::new(&format!("takeover-{name}"));
        authority.sign_host("server", "127.0.0.1");
        authority.sign_host("till", "till.example");
        Self { tls: Some(authority), ..Self::new(name, service, false) }
    }

    fn command(&self, more: &[&str]) -> Command {
        let control = self.folder.file("control");
        let mut arguments = vec![
            "--listen",
            &self.address,
            "--log",
            "json",
            "--service",
            self.service,
            "--control",
            &control,
            "--hard-stop",
            "5s",
        ];
        let (data, journal) = (self.folder.file("data"), self.folder.file("journal"));
        if self.is_durable {
            arguments.extend(["--data", &data]);
        } else {
            arguments.extend(["--journal", &journal]);
        }
        arguments.extend(more);
        let mut command = command(&arguments);
        if let Some(authority) = &self.tls {
            for (flag, file) in [
                ("--tls-cert", "server.pem"),
                ("--tls-key", "server.key"),
                ("--tls-client-ca", "ca.pem"),
            ] {
                command.arg(flag).arg(authority.file(file));
            }
        }
        command
    }

    fn client(&self) -> ubf_client::Builder {
        let builder = Client::builder().address(&self.address).service(self.service);
        match &self.tls {
            Some(authority) => builder.tls(authority.client_as("till")),
            None => builder,
        }
    }

    /// What the server that is in this place has counted.
    fn counters(&self) -> BTreeMap<String, u64> {
        let mut operator = UnixStream::connect(self.folder.file("control")).unwrap();
        operator.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        operator.write_all(b"2 'status'$").unwrap();
        let mut answer = Vec::new();
        BufReader::new(operator).read_until(b'$', &mut answer).unwrap();
        let body = answer.strip_prefix(b"2 ? ").unwrap();
        let body = StreamDecoder::new().decode(&mut BytesMut::from(body)).unwrap().unwrap();
        let View::Tuple(parts) = body.root().view() else { panic!("a response and a state") };
        match Response::read(2, parts.get(0).unwrap()) {
            Some(Response::Status(status)) => status.counters,
            other => panic!("{other:?}"),
        }
    }

    /// The first one. The others are told the address that it got.
    fn first(&mut self, fault: &str) -> Program {
        let mut command = self.command(&[]);
        command.env("UBF_FAULT", fault);
        let program = Program::spawn(command);
        self.address = program.address().to_owned();
        program
    }

    fn successor(&self, fault: &str) -> Command {
        let mut command = self.command(&["--take-over"]);
        command.env("UBF_FAULT", fault);
        command
    }

    /// What was executed, and how often: `{executed,Service,Version,{call,Caller,Number}}`.
    fn executed(&self) -> HashMap<(i64, i64), u64> {
        let journal = std::fs::read(self.folder.file("journal")).unwrap();
        let mut buffer = BytesMut::from(&*journal);
        let mut decoder = StreamDecoder::new();
        let mut executed = HashMap::new();
        while let Some(record) = decoder.decode(&mut buffer).unwrap() {
            let View::Tuple(record) = record.root().view() else { panic!("a record") };
            let Some(View::Tuple(call)) = record.get(3).map(|call| call.view()) else {
                panic!("a request")
            };
            let [_, caller, number] = call.to_array().unwrap();
            let call = (caller.as_i64().unwrap(), number.as_i64().unwrap());
            *executed.entry(call).or_default() += 1;
        }
        executed
    }
}

/// Clients that call all the time.
struct Load {
    is_over: Arc<AtomicBool>,
    answered: watch::Receiver<u64>,
    callers: JoinSet<Caller>,
    clients: Vec<Client>,
}

/// What one caller has seen.
#[derive(Clone)]
struct Caller {
    number: u64,
    calls: u64,
    /// Calls whose fate is not known.
    in_doubt: Vec<u64>,
    revisions: Vec<u64>,
}

impl Load {
    async fn start(place: &Place) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(watch::Sender::new(0));
        let answered = answers.subscribe();
        let mut callers = JoinSet::new();
        let mut clients = Vec::new();
        let level = if place.is_durable { Level::Durable } else { Level::Memory };
        for client in 0..CLIENTS {
            let connect = place
                .client()
                .versions([1, 3])
                .session(SessionPlan::demanded(level))
                .call_time(Duration::from_secs(60))
                .connect();
            let handle = within(connect).await.unwrap();
            clients.push(handle.clone());
            for caller in (0..CALLERS_EACH).map(|caller| client * CALLERS_EACH + caller) {
                let (handle, is_over) = (handle.clone(), Arc::clone(&is_over));
                let (answers, is_durable) = (Arc::clone(&answers), place.is_durable);
                callers.spawn(call(handle, caller, is_durable, is_over, answers));
            }
        }
        Self { is_over, answered, callers, clients }
    }

    /// Waits until so many more calls are answered.
    async fn goes_on(&mut self, count: u64) {
        let goal = *self.answered.borrow() + count;
        within(self.answered.wait_for(|answered| *answered >= goal)).await.unwrap();
    }

    async fn end(mut self) -> Vec<Caller> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut callers = Vec::new();
        while let Some(caller) = within(self.callers.join_next()).await {
            callers.push(caller.unwrap());
        }
        callers
    }
}

async fn call(
    client: Client,
    number: u64,
    is_durable: bool,
    is_over: Arc<AtomicBool>,
    answers: Arc<watch::Sender<u64>>,
) -> Caller {
    let mut caller = Caller { number, calls: 0, in_doubt: Vec::new(), revisions: Vec::new() };
    while caller.calls < MAX_CALLS && !is_over.load(Ordering::Relaxed) {
        let call = caller.calls;
        let request = if is_durable {
            ubf!({put, (format!("{number} {call}").as_str()), (call)})
        } else {
            ubf!({call, (number), (call)})
        };
        match client.call(request.clone()).await {
            Ok(reply) if is_durable => caller.revisions.push(revision(reply.response())),
            Ok(reply) => assert_eq!(reply.response(), request),
            Err(CallError::Indeterminate { .. }) => caller.in_doubt.push(call),
            Err(error) => panic!("{error}"),
        }
        caller.calls += 1;
        answers.send_modify(|count| *count += 1);
    }
    caller
}

/// The revision in `{'ok',Revision}`: each write has the next one.
fn revision(response: TermRef<'_>) -> u64 {
    let View::Tuple(parts) = response.view() else { panic!("{response}") };
    parts.get(1).and_then(|revision| revision.as_u64()).unwrap_or_else(|| panic!("{response}"))
}

/// Each call was executed once; one in doubt at most once. How many are in doubt.
fn check_executed(place: &Place, callers: &[Caller]) -> usize {
    let mut executed = place.executed();
    let mut in_doubt = 0;
    for caller in callers {
        in_doubt += caller.in_doubt.len();
        for call in 0..caller.calls {
            let key = (i64::try_from(caller.number).unwrap(), i64::try_from(call).unwrap());
            let count = executed.remove(&key).unwrap_or(0);
            let is_right = count == 1 || count == 0 && caller.in_doubt.contains(&call);
            assert!(is_right, "call {key:?} was executed {count} times");
        }
    }
    assert_eq!(executed.len(), 0, "nothing else was executed");
    in_doubt
}

/// Each write has a revision of its own, and none is missing.
fn check_revisions(callers: &[Caller]) {
    let mut revisions: Vec<u64> =
        callers.iter().flat_map(|caller| &caller.revisions).copied().collect();
    revisions.sort_unstable();
    let calls = callers.iter().map(|caller| caller.calls).sum::<u64>();
    assert!(callers.iter().all(|caller| caller.in_doubt.is_empty()), "no call is in doubt");
    assert!(revisions.iter().copied().eq(1..=calls), "each write has run once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_a_successor_under_load_loses_no_call_and_repeats_none() {
    let mut place = Place::new("load", "echo", false);
    let mut program = place.first("");
    let mut load = Load::start(&place).await;
    for _ in 0..3 {
        load.goes_on(500).await;
        let mut successor = Program::spawn(place.successor(""));
        load.goes_on(500).await;
        successor.logs("this process has taken over");
        assert_eq!(program.status(), Some(0), "the predecessor has lost nothing");
        program = successor;
    }
    let callers = load.end().await;
    assert_eq!(check_executed(&place, &callers), 0, "no call is in doubt");
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u3_over_tls_each_session_goes_on_by_one_connection_and_one_resume() {
    let mut place = Place::over_tls("tls", "echo");
    let program = place.first("");
    let mut load = Load::start(&place).await;
    load.goes_on(200).await;
    let mut successor = Program::spawn(place.successor(""));
    successor.logs("this process has taken over");
    assert_eq!(program.status(), Some(0), "the predecessor has lost nothing");
    load.goes_on(200).await;
    let clients = load.clients.clone();
    let callers = load.end().await;
    for (client, number) in clients.iter().zip(CALLERS..) {
        // Whoever has called nobody since connects at the latest here.
        within(client.call(ubf!({call, (number), 0}))).await.unwrap();
    }
    let last: Vec<Caller> = (CALLERS..CALLERS + CLIENTS)
        .map(|number| Caller { number, calls: 1, in_doubt: Vec::new(), revisions: Vec::new() })
        .collect();
    assert_eq!(check_executed(&place, &[callers, last].concat()), 0, "no call is in doubt");
    let counters = place.counters();
    for (name, wanted) in [
        ("connections", CLIENTS),
        ("sessions_taken", CLIENTS),
        ("sessions_resumed", CLIENTS),
        ("sessions", 0),
        ("handshakes_failed", 0),
    ] {
        assert_eq!(counters[name], wanted, "{name}: {counters:?}");
    }
    drop(clients);
    successor.signal("TERM");
    assert_eq!(successor.status(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_rows_go_along_and_each_write_runs_once() {
    let mut place = Place::new("rows", "kv", true);
    let mut program = place.first("");
    let mut load = Load::start(&place).await;
    for _ in 0..2 {
        load.goes_on(200).await;
        let mut successor = Program::spawn(place.successor(""));
        load.goes_on(200).await;
        successor.logs("this process has taken over");
        assert_eq!(program.status(), Some(0), "the predecessor has lost nothing");
        program = successor;
    }
    check_revisions(&load.end().await);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

/// A successor that dies or hangs before it may serve costs nobody anything.
async fn successor_fails(is_durable: bool, fault: &str) {
    let service = if is_durable { "kv" } else { "echo" };
    let mut place = Place::new(&fault.replace(':', "-"), service, is_durable);
    let mut program = place.first("");
    let mut load = Load::start(&place).await;
    load.goes_on(100).await;
    let mut successor = place.successor(fault).spawn().unwrap();
    // One that hangs is killed.
    let ended = tokio::task::spawn_blocking(move || successor.wait());
    assert!(!within(ended).await.unwrap().unwrap().success(), "{fault}");
    load.goes_on(100).await;
    // Another one can take over.
    let mut good = Program::spawn(place.successor(""));
    load.goes_on(100).await;
    good.logs("this process has taken over");
    program.signal("CONT");
    assert_eq!(program.status(), Some(0), "{fault}");
    program = good;
    let callers = load.end().await;
    if is_durable {
        check_revisions(&callers);
    } else {
        assert_eq!(check_executed(&place, &callers), 0, "{fault}: no call is in doubt");
    }
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_a_successor_that_dies_before_it_serves_costs_nothing() {
    let faults =
        ["abort:s-warm", "abort:s-given", "abort:s-opened", "abort:s-ready", "abort:s-told"];
    for fault in faults {
        successor_fails(false, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_a_successor_that_hangs_before_it_serves_is_killed() {
    for fault in ["stop:s-given", "stop:s-told"] {
        successor_fails(false, fault).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_rows_come_back_from_a_successor_that_fails() {
    for fault in ["abort:s-given", "abort:s-ready", "stop:s-opened"] {
        successor_fails(true, fault).await;
    }
}

/// A successor that fails when it serves, or a predecessor that dies, leaves a server that serves.
async fn somebody_fails(is_durable: bool, fault: &str, may_lose: bool) {
    let service = if is_durable { "kv" } else { "echo" };
    let mut place = Place::new(&fault.replace(':', "-"), service, is_durable);
    let program = place.first(fault);
    let mut load = Load::start(&place).await;
    load.goes_on(100).await;
    // Each fault is of one of the two.
    let successor = Program::spawn_quietly(place.successor(fault));
    let (fails, survivor) =
        if fault.contains(":p-") { (program, successor) } else { (successor, program) };
    let ended = tokio::task::spawn_blocking(move || fails.status());
    assert_eq!(within(ended).await.unwrap(), None, "{fault}: ended by a signal");
    load.goes_on(100).await;
    let callers = load.end().await;
    if is_durable {
        check_revisions(&callers);
    } else {
        let in_doubt = check_executed(&place, &callers) as u64;
        assert!(in_doubt <= if may_lose { CALLERS } else { 0 }, "{fault}: {in_doubt} in doubt");
    }
    survivor.signal("TERM");
    assert_eq!(survivor.status(), Some(0), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_a_predecessor_that_dies_leaves_its_place_to_the_successor() {
    // Sessions in memory that were not given yet end with their process.
    for (fault, may_lose) in [
        ("abort:p-suspended", true),
        ("abort:p-given", false),
        ("abort:p-going", false),
        ("abort:p-gone", false),
    ] {
        somebody_fails(false, fault, may_lose).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_rows_are_served_by_the_successor_when_the_predecessor_dies() {
    for fault in ["abort:p-suspended", "abort:p-given", "abort:p-gone"] {
        somebody_fails(true, fault, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u4_a_successor_that_fails_when_it_serves_is_replaced_by_its_guard() {
    // It has said that it takes the connections.
    for fault in ["abort:s-serving", "stop:s-serving"] {
        somebody_fails(false, fault, true).await;
    }
    somebody_fails(true, "abort:s-serving", false).await;
}

#[test]
fn without_the_option_a_server_does_not_take_over() {
    let mut place = Place::new("option", "echo", false);
    let program = place.first("");
    let control = place.folder.file("control");
    let output = run(&["--listen", &place.address, "--control", &control]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another server lives at the control socket"), "{said}");
    assert!(said.contains("hint: --take-over takes its place"), "{said}");
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    // Where nobody is, it serves as usual.
    let alone = Program::spawn(place.successor(""));
    alone.signal("TERM");
    assert_eq!(alone.status(), Some(0));
}

/// A server whose listener somebody else has opened and keeps, as systemd does.
fn activated(listener: &std::net::TcpListener, more: &str) -> Program {
    Program::spawn(activating(listener, &format!("--listen fd:web {more}")))
}

fn activating(listener: &std::net::TcpListener, arguments: &str) -> Command {
    let ours = std::os::fd::OwnedFd::from(listener.try_clone().unwrap());
    let program = env!("CARGO_BIN_EXE_ubf-server");
    let line = format!(
        "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec {program} --log json {arguments} 3<&0 </dev/null"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).stdin(ours).stdout(std::process::Stdio::null());
    shell.stderr(std::process::Stdio::piped());
    shell
}

#[test]
fn u1_a_listener_of_a_supervisor_is_open_while_no_process_is_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = activated(&listener, "");
    assert_eq!(program.address(), listener.local_addr().unwrap().to_string());
    crate::process::exchange(&mut program.connect(), "1 1$", "1 ? {1'start'}$");
    program.kill();
    // Nobody is refused.
    let mut client = program.connect();
    let program = activated(&listener, "");
    crate::process::exchange(&mut client, "1 2$", "1 ? {2'start'}$");
    drop(client);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn u1_a_listener_that_was_handed_over_in_vain_is_said() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_vain = "a listener that was handed over is not used: --listen fd:NAME uses it";
    let command = activating(&listener, "--listen 127.0.0.1:0");
    let program = Program::spawn_as_it_is(command, in_vain);
    assert_ne!(program.address(), listener.local_addr().unwrap().to_string());
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn u1_a_listener_that_was_not_handed_over_is_an_error() {
    let output = run(&["--listen", "fd:web"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("fd:web: no such listener was handed over (LISTEN_FDS)"), "{said}");
}
