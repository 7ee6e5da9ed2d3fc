//! `irc` on rows in the program: members stay when the process is killed, replaced or left for
//! another node, and events go on; who is gone leaves.

use std::time::Duration;

use ubf_client::{Client, Events, Level, SessionPlan};
use ubf_codec::{Term, ubf};
use ubf_net::testing::{ScriptedPeer, within};

use crate::folder::Folder;
#[cfg(target_os = "linux")]
use crate::handoff::stage;
use crate::process::{Program, command};

/// A server; whatever is said to it, and by it, is held against the contracts.
fn start(folder: &Folder, name: &str, address: &str, more: &[&str]) -> Program {
    Program::spawn(plan(folder, name, address, more))
}

/// A successor that ends at a step.
#[cfg(target_os = "linux")]
fn faulty(folder: &Folder, name: &str, address: &str, fault: &str) -> std::process::Child {
    let mut command = plan(folder, name, address, &["--take-over"]);
    command.env("UBF_FAULT", fault).stderr(std::process::Stdio::null());
    command.spawn().unwrap()
}

fn plan(folder: &Folder, name: &str, address: &str, more: &[&str]) -> std::process::Command {
    let (data, control) = (folder.file(&format!("{name}-data")), control(folder, name));
    let arguments = [
        "--listen",
        address,
        "--log",
        "json",
        "--contract-mode",
        "enforce",
        "--service",
        "irc",
        "--data",
        &data,
        "--control",
        &control,
    ];
    command(&[&arguments, more].concat())
}

fn control(folder: &Folder, name: &str) -> String {
    folder.file(&format!("{name}-control"))
}

/// Asks a server as its operator does.
async fn operate(folder: &Folder, name: &str, request: Term) -> Term {
    let client = Client::builder()
        .address(format!("unix:{}", control(folder, name)))
        .service("control")
        .versions([2])
        .call_time(Duration::from_secs(20));
    let client = within(client.connect()).await.unwrap();
    within(client.call(request)).await.unwrap().response().to_term()
}

/// How often a contract was broken: each count of it that is not 0.
async fn breaks(folder: &Folder, name: &str) -> Vec<String> {
    let status = operate(folder, name, ubf!(status)).await.to_string();
    let broken = status.match_indices("{contract_").map(|(at, _)| status.get(at..).unwrap());
    let counts = broken.filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()));
    counts.filter(|count| !count.ends_with(",0")).collect()
}

/// Somebody with a client.
pub(crate) struct Person {
    client: Client,
    events: Events,
}

impl Person {
    async fn new(addresses: &[&str], version: u32) -> Self {
        let client = addresses.iter().fold(Client::builder(), |client, &at| client.address(at));
        let client = client
            .service("irc")
            .versions([version])
            .session(SessionPlan::demanded(Level::Durable))
            .call_time(Duration::from_secs(60))
            .keep_events()
            .connect();
        let client = within(client).await.unwrap();
        let events = client.events().unwrap();
        Self { client, events }
    }

    #[track_caller]
    fn asks(&self, request: &str, reply: &str) -> impl Future<Output = ()> {
        let (client, reply) = (self.client.clone(), reply.to_owned());
        let request: Term = request.parse().unwrap();
        async move {
            let answered = within(client.call(request.clone())).await.unwrap();
            assert_eq!(answered.response().to_string(), reply, "{request}");
        }
    }

    async fn hears(&mut self, event: &str) {
        let heard = within(self.events.next_event()).await.unwrap();
        assert_eq!(heard.event().to_string(), event);
    }

    /// Ends its session.
    async fn leaves(self) {
        within(self.client.close(Duration::from_secs(5))).await;
    }
}

/// Joe, who speaks version 2, and somebody who speaks version 1 are in a group.
pub(crate) async fn two(addresses: &[&str]) -> (Person, Person) {
    let mut joe = Person::new(addresses, 2).await;
    joe.asks("{logon,\"joe\"}", "{ok,\"joe\"}").await;
    joe.asks("{join,\"erlang\"}", "ok").await;
    let old = Person::new(addresses, 1).await;
    old.asks("logon", "{ok,\"guest1\"}").await;
    old.asks("{join,\"erlang\"}", "true").await;
    joe.hears("{joins,\"guest1\",\"erlang\"}").await;
    (joe, old)
}

/// They are still members, and hear each other.
pub(crate) async fn still_there(joe: &mut Person, old: &mut Person, text: &str) {
    joe.asks("{members,\"erlang\"}", "[\"guest1\",\"joe\"]").await;
    old.asks(&format!("{{msg,\"erlang\",\"{text}\"}}"), "true").await;
    joe.hears(&format!("{{msg,\"guest1\",\"erlang\",\"{text}\"}}")).await;
    joe.asks(&format!("{{msg,\"erlang\",\"{text}!\"}}"), "ok").await;
    old.hears(&format!("{{msg,\"joe\",\"erlang\",\"{text}!\"}}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_outlive_kill_9_and_leave_with_their_sessions() {
    let folder = Folder::new("irc-killed");
    let mut program = start(&folder, "a", "127.0.0.1:0", &[]);
    let address = program.address().to_owned();
    let (mut joe, mut old) = two(&[&address]).await;
    // A client that is gone before the server, and does not come back.
    let mut lost = ScriptedPeer::connect(&*address).await;
    let option = "{'session'16~0123456789abcdef~8 1000 200}";
    lost.send(&format!("0 {{'negotiate'1\"irc\"#2&#{option}&}}$")).await;
    assert!(lost.packet().await.contains("'durable'"));
    let joined = "2 ? {{'ok'\"lost\"}'active'}$2 ? {'ok''active'}$";
    lost.exchange("2 {'logon'\"lost\"}$2 {'join'\"erlang\"}$", joined).await;
    for person in [&mut joe, &mut old] {
        person.hears("{joins,\"lost\",\"erlang\"}").await;
    }
    program.kill();
    drop(lost);
    program = start(&folder, "a", &address, &[]);
    // Its time runs anew, and is short.
    for person in [&mut joe, &mut old] {
        person.hears("{leaves,\"lost\",\"erlang\"}").await;
    }
    still_there(&mut joe, &mut old, "still there?").await;
    program.kill();
    program = start(&folder, "a", &address, &[]);
    // Who has no connection cannot say that the session ends.
    still_there(&mut joe, &mut old, "and now?").await;
    old.leaves().await;
    joe.hears("{leaves,\"guest1\",\"erlang\"}").await;
    joe.asks("{members,\"erlang\"}", "[\"joe\"]").await;
    assert_eq!(breaks(&folder, "a").await, [""; 0]);
    joe.leaves().await;
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_stay_when_a_successor_takes_over_and_when_another_node_does() {
    let folder = Folder::new("irc-moved");
    let first = start(&folder, "a", "127.0.0.1:0", &[]);
    let other = start(&folder, "b", "127.0.0.1:0", &["--standby"]);
    let addresses = [first.address().to_owned(), other.address().to_owned()];
    let (mut joe, mut old) = two(&[&addresses[0], &addresses[1]]).await;
    let successor = start(&folder, "a", &addresses[0], &["--take-over"]);
    still_there(&mut joe, &mut old, "in place").await;
    assert_eq!(first.status(), Some(0), "the predecessor has lost nothing");
    let to = format!("unix:{}", control(&folder, "b"));
    let request = ubf!({hand_off, all, (to.as_str()), (Term::Undefined)});
    assert_eq!(stage(&operate(&folder, "a", request).await), "given");
    still_there(&mut joe, &mut old, "over there").await;
    assert_eq!(breaks(&folder, "b").await, [""; 0]);
    joe.leaves().await;
    old.hears("{leaves,\"joe\",\"erlang\"}").await;
    old.leaves().await;
    for program in [successor, other] {
        program.signal("TERM");
        assert_eq!(program.status(), Some(0));
    }
}

/// A member who loses the connection, and comes back with bytes of his own.
#[cfg(target_os = "linux")]
struct Lost {
    done: u64,
    turn: u64,
}

#[cfg(target_os = "linux")]
impl Lost {
    /// Joins, and is gone. He has seen no event.
    async fn joins(address: &str) -> Self {
        let mut peer = ScriptedPeer::connect(address).await;
        let option = "{'session'16~0123456789abcdef~8 10000 60000}";
        peer.send(&format!("0 {{'negotiate'1\"irc\"#2&#{option}&}}$")).await;
        assert!(peer.packet().await.contains("'durable'"));
        let joined = "2 ? {{'ok'\"lost\"}'active'}$2 ? {'ok''active'}$";
        peer.exchange("2 {'logon'\"lost\"}$2 {'join'\"erlang\"}$", joined).await;
        Self { done: 2, turn: 1 }
    }

    /// Comes back, hears these texts of joe's and nothing else, loses none, and is gone again. He
    /// does not say that he has seen them.
    async fn hears(&mut self, address: &str, texts: &[&str]) {
        self.turn += 1;
        let mut peer = ScriptedPeer::connect(address).await;
        let option = format!("{{'resume'16~0123456789abcdef~{} 0 {}}}", self.done, self.turn);
        peer.send(&format!("0 {{'negotiate'1\"irc\"#2&#{option}&}}$")).await;
        let resumed = peer.packet().await;
        assert!(resumed.contains("{'resumed'2 0}"), "no event is lost: {resumed}");
        for text in texts {
            peer.expect(&format!("2 ? {{'event_out'{{'msg'\"joe\"\"erlang\"\"{text}\"}}}}$")).await;
        }
        peer.exchange("0 'ping'$", "0 ? 'pong'$").await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u2_u5_what_a_member_has_not_seen_goes_along_in_place_and_to_another_node() {
    let folder = Folder::new("irc-unseen");
    let first = start(&folder, "a", "127.0.0.1:0", &[]);
    let other = start(&folder, "b", "127.0.0.1:0", &["--standby"]);
    let addresses = [first.address().to_owned(), other.address().to_owned()];
    let joe = Person::new(&[&addresses[0], &addresses[1]], 2).await;
    joe.asks("{logon,\"joe\"}", "{ok,\"joe\"}").await;
    joe.asks("{join,\"erlang\"}", "ok").await;
    let mut lost = Lost::joins(&addresses[0]).await;
    joe.asks("{msg,\"erlang\",\"one\"}", "ok").await;
    // A successor that dies leaves them where they are.
    let mut failing = faulty(&folder, "a", &addresses[0], "abort:s-opened");
    let ended = tokio::task::spawn_blocking(move || failing.wait());
    assert!(!within(ended).await.unwrap().unwrap().success());
    joe.asks("{msg,\"erlang\",\"two\"}", "ok").await;
    lost.hears(&addresses[0], &["one", "two"]).await;
    let successor = start(&folder, "a", &addresses[0], &["--take-over"]);
    joe.asks("{msg,\"erlang\",\"three\"}", "ok").await;
    lost.hears(&addresses[0], &["one", "two", "three"]).await;
    assert_eq!(first.status(), Some(0), "the predecessor has lost nothing");
    let to = format!("unix:{}", control(&folder, "b"));
    let request = ubf!({hand_off, all, (to.as_str()), (Term::Undefined)});
    assert_eq!(stage(&operate(&folder, "a", request).await), "given");
    joe.asks("{msg,\"erlang\",\"four\"}", "ok").await;
    lost.hears(&addresses[1], &["one", "two", "three", "four"]).await;
    joe.leaves().await;
    for program in [successor, other] {
        program.signal("TERM");
        assert_eq!(program.status(), Some(0));
    }
}

#[tokio::test]
async fn a_client_without_a_session_is_refused_and_a_backup_has_nobody() {
    let folder = Folder::new("irc-plain");
    let program = start(&folder, "a", "127.0.0.1:0", &[]);
    let mut plain = ScriptedPeer::connect(program.address()).await;
    let refused = "0 ? {'refused''no_session'#1&2&1}$";
    plain.exchange("1 'logon'$", refused).await;
    let (joe, old) = two(&[program.address()]).await;
    let backup = folder.file("backup");
    let made = operate(&folder, "a", ubf!({back_up, all, (backup.as_str())})).await.to_string();
    // The record of the rows' versions alone.
    assert!(made.starts_with("{backed_up,\"irc\",1,"), "{made}");
    drop((joe, old, plain));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}
