//! The program with `--data`: it is killed, and nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::{TermRef, View, ubf};
use ubf_net::testing::within;
use ubf_proto::Random;

use crate::folder::Folder;
use crate::process::{Program, command, run};

fn start(address: &str, folder: &Folder) -> Program {
    let data = ["--listen", address, "--log", "json", "--service", "kv", "--data", folder.text()];
    Program::spawn(command(&data))
}

async fn connect(address: &str) -> Client {
    let client = Client::builder()
        .address(address)
        .service("kv")
        .versions([3])
        .session(SessionPlan::demanded(Level::Durable))
        .call_time(Duration::from_secs(60))
        .connect();
    within(client).await.unwrap()
}

/// The revision in `{'ok',Revision}`: each write has the next one.
fn revision(response: TermRef<'_>) -> u64 {
    let View::Tuple(parts) = response.view() else { panic!("{response}") };
    parts.get(1).and_then(|revision| revision.as_u64()).unwrap_or_else(|| panic!("{response}"))
}

/// One of several writers: each write is made when the one before is answered.
async fn write(client: Client, writer: u64, count: u64, done: Arc<watch::Sender<u64>>) -> Vec<u64> {
    let mut revisions = Vec::new();
    for number in 0..count {
        let key = format!("{writer} {number}");
        let reply = client.call(ubf!({put, (key.as_str()), (number)})).await;
        revisions.push(revision(reply.unwrap().response()));
        done.send_modify(|done| *done += 1);
    }
    revisions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_a_server_that_is_killed_under_load_loses_nothing_and_runs_nothing_twice() {
    const WRITERS: u64 = 16;
    const WRITES: u64 = 60;
    const KILLS: u64 = 8;
    let folder = Folder::new("killed");
    let mut program = start("127.0.0.1:0", &folder);
    let address = program.address().to_owned();
    let clients = [connect(&address).await, connect(&address).await];
    let done = Arc::new(watch::Sender::new(0));
    let mut watched = done.subscribe();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = clients[usize::from(writer % 2 == 0)].clone();
            tokio::spawn(write(client, writer, WRITES, Arc::clone(&done)))
        })
        .collect();
    let mut random = Random::new(14);
    for kill in 1..=KILLS {
        // Always in the midst of something: all writers write all the time.
        let at = kill * WRITERS * WRITES / (KILLS + 1) + random.below(WRITERS);
        within(watched.wait_for(|done| *done >= at)).await.unwrap();
        program.kill();
        program = start(&address, &folder);
    }
    let mut revisions = Vec::new();
    for writer in writers {
        revisions.extend(within(writer).await.unwrap());
    }
    revisions.sort_unstable();
    let all: Vec<u64> = (1..=WRITERS * WRITES).collect();
    assert!(revisions == all, "each write has run once: {revisions:?}");
    // A value of each writer is there.
    let reply = within(clients[0].call(ubf!({get, "3 59"}))).await.unwrap();
    assert!(reply.response().to_string().starts_with("{value,59,"), "{}", reply.response());
    drop(clients);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn a_folder_is_open_in_one_process_and_the_second_one_says_so() {
    let folder = Folder::new("one");
    let first = start("127.0.0.1:0", &folder);
    let arguments =
        ["--listen", "127.0.0.1:0", "--service", "kv", "--data", folder.text(), "--log", "json"];
    let second = run(&arguments);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    let process = first.id();
    let expected = format!(
        "kv.redb: the store cannot be used: the store is open in another process: process {process}"
    );
    assert!(said.contains(&expected), "{said}");
    first.signal("TERM");
    assert_eq!(first.status(), Some(0));
}

#[tokio::test]
async fn contracts_are_held_and_the_journal_is_written_for_rows_too() {
    let folder = Folder::new("held");
    let journal = folder.path().join("journal");
    let data = folder.path().join("data");
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--log",
        "json",
        "--service",
        "kv",
        "--data",
        data.to_str().unwrap(),
        "--journal",
        journal.to_str().unwrap(),
        "--contract-mode",
        "enforce",
    ];
    let program = Program::spawn(command(&arguments));
    let client = connect(program.address()).await;
    let call = |request| {
        let client = client.clone();
        async move { within(client.call(request)).await.unwrap().response().to_string() }
    };
    assert_eq!(call(ubf!({put, "a", 7})).await, "{ok,1}");
    let broken = call(ubf!({put, "a"})).await;
    assert!(broken.starts_with("{clientBrokeContract,{put,\"a\"},["), "{broken}");
    assert!(broken.contains("put"), "in the words of the contract: {broken}");
    let contract = call(ubf!(contract)).await;
    assert!(contract.contains("kv"), "{contract}");
    assert_eq!(call(ubf!({get, "a"})).await, "{value,7,1}");
    drop(client);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    let records = std::fs::read_to_string(&journal).unwrap();
    let expected = "{'executed'\"kv\"3 {'put'\"a\"7}}$\n{'executed'\"kv\"3 {'get'\"a\"}}$\n";
    assert_eq!(records, expected);
}

#[test]
fn what_does_not_fit_together_is_said() {
    for (arguments, said) in [
        (&["--data", "x"][..], "no service that is served has rows"),
        (&["--service", "kv", "--store", "mysql://x"], "no database that is known"),
        (&["--service", "kv", "--state-version", "1"], "no rows are kept"),
        (
            &["--service", "kv", "--data", "x", "--state-version", "3"],
            "not a state version of kv, which has 1 to 2",
        ),
        (&["--service", "ledger"], "ledger keeps its rows in a store, and none is named"),
        (&["--service", "ledger", "--data", "x", "--state-version", "kv=1"], "kv is not served"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(said), "{text}");
    }
}
