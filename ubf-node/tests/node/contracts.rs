//! The services keep the contracts that come with them; and how the versions of these contracts
//! relate is what it was decided to be.

use ubf_codec::{Term, View};
use ubf_contract::compare::{Comparison, Verdict};
use ubf_contract::{Checker, Contract, Faker, Reader, RuleKind};
use ubf_node::contract_text;
use ubf_node::services::{Echo, Irc, Kv};
use ubf_server::testing::{Answer, TestServer};
use ubf_server::{Contracts, Handler, Versions};

use crate::process::{self, Program};

pub(crate) fn contract(service: &str, version: u32) -> Contract {
    Reader::new().read(contract_text(service, version).unwrap()).unwrap()
}

/// The service, which may not break its contracts.
pub(crate) fn held<H: Handler>(service: &str, handler: H) -> Contracts<H> {
    let versions = handler.versions();
    versions.iter().fold(Contracts::new(handler), |held, version| {
        held.version(version, contract(service, version.get()))
    })
}

/// A request that the contract allows in that state, at random.
fn request(
    contract: &Contract,
    faker: &mut Faker<'_>,
    checker: &Checker,
    state: &str,
    at: usize,
) -> Term {
    let rules = &contract.state(state.as_bytes()).unwrap().rules;
    let calls: Vec<_> = rules
        .iter()
        .filter_map(|rule| match &rule.kind {
            RuleKind::Call { request, .. } => Some(request),
            RuleKind::EventOut(_) | RuleKind::EventIn(_) => None,
        })
        .collect();
    let node = checker.graph().of_rule(calls[at % calls.len()]).unwrap();
    faker.term(node).unwrap()
}

/// Random requests, each of which the contract allows in the state of the session.
async fn random_session(service: &str, version: u32, handler: impl Handler, requests: usize) {
    let handler = held(service, handler);
    let counts = handler.counts();
    let server = TestServer::of(handler).await.unwrap();
    let mut client = server.client(version);
    let contract = contract(service, version);
    let checker = Checker::new(contract.clone());
    let mut faker = Faker::new(&checker, 15).with_max_terms(20);
    let mut state = "start".to_owned();
    for at in 0..requests {
        let request = request(&contract, &mut faker, &checker, &state, at * 7 + at / 5);
        let answer = client.call(request.clone()).await.unwrap();
        let Answer::Reply { response, state: next } = &answer else {
            panic!("{request}: {answer:?}")
        };
        let is_broken = ["clientBrokeContract", "serverBrokeContract"]
            .iter()
            .any(|name| response.to_string().starts_with(&format!("{{{name},")));
        assert!(!is_broken, "{service} {version}, seed 15: {request} -> {response}");
        let View::Atom(next) = next.as_ref().view() else { panic!("{answer:?}") };
        state = next.to_latin1();
    }
    let counts = counts();
    assert_eq!((counts.client_broke, counts.server_broke), (0, 0), "{service} {version}");
}

#[tokio::test]
async fn c4_the_services_keep_their_contracts() {
    for version in Kv::VERSIONS {
        random_session("kv", version, Kv::new(&Versions::of([version])), 400).await;
    }
    for version in Irc::VERSIONS {
        random_session("irc", version, Irc::new(&Versions::of([version])), 400).await;
    }
    random_session("echo", 7, Echo::new(Versions::of([7])), 50).await;
}

/// What a change is, both ways: whether old clients are served by new servers, new clients by old
/// ones, and the reasons.
fn verdicts(service: &str, old: u32, new: u32) -> (Verdict, Verdict, Vec<String>) {
    let [old, new] = [old, new].map(|version| contract(service, version));
    let report = Comparison::new(&old, &new).run();
    let reasons: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    (report.backward, report.forward, reasons)
}

/// A change of these contracts that is not meant fails here: what clients see of kv changes with
/// each version, so that each wants a number of its own, and none may stand in for another.
#[test]
fn k1_each_version_of_a_service_breaks_both_ways_and_so_has_its_number() {
    for (service, old, new) in [
        ("kv", 1, 2),
        ("kv", 2, 3),
        ("kv", 1, 3),
        ("irc", 1, 2),
        ("ledger", 1, 2),
        ("ledger", 2, 3),
    ] {
        let (backward, forward, reasons) = verdicts(service, old, new);
        assert_eq!(
            (backward, forward),
            (Verdict::Breaks, Verdict::Breaks),
            "{service} {old} to {new}: {reasons:?}"
        );
    }
    let kv_and_irc = [("kv", 1), ("kv", 2), ("kv", 3), ("irc", 1), ("irc", 2)];
    let others = [("echo", 1), ("ledger", 1), ("ledger", 2), ("ledger", 3)];
    for (service, version) in kv_and_irc.into_iter().chain(others) {
        let (backward, forward, reasons) = verdicts(service, version, version);
        assert_eq!(
            (backward, forward, reasons),
            (Verdict::Serves, Verdict::Serves, Vec::new()),
            "{service} {version}"
        );
    }
}

#[test]
fn a_contract_from_the_command_line_is_enforced_and_shown() {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("ubf-node-contract-{}.con", std::process::id()));
    let small =
        "+NAME(\"echo\"). +VSN(\"1\"). +TYPES n() :: 1..9. +STATE start n() => n() & start.";
    std::fs::write(&file, small).unwrap();
    let given = format!("echo/2={}", file.display());
    let socket = file.with_extension("socket");
    let control = socket.display().to_string();
    let program =
        Program::start(&["--versions", "1-2", "--contract", &given, "--control", &control]);
    let mut client = program.connect();
    process::exchange(&mut client, "2 9$", "2 ? {9'start'}$");
    process::exchange(
        &mut client,
        "2 10$",
        "2 ? {{'clientBrokeContract'10#{'input'{'prim'1 1'n'}#{'output'{'prim'1 1'n'}'start'}&}&}'start'}$",
    );
    // Version 1 has the contract that comes with the program.
    process::exchange(&mut client, "1 10$", "1 ? {10'start'}$");
    process::exchange(&mut client, "1 'contract'$", "1 ? {{'contract'{{'name'\"echo\"}");
    drop(client);
    #[cfg(unix)]
    assert!(status(&socket).contains("{'contract_client_broke'1}"), "{}", status(&socket));
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    std::fs::remove_file(&file).unwrap();

    for (given, text) in [
        ("kv", "ubf-server: --contract: kv: no file is named\n\nhint: --contract kv=FILE"),
        ("tv=x", "ubf-server: --contract: tv: not one of echo, kv, irc, ledger\n"),
        ("kv/0=x", "ubf-server: --contract: kv/0=x: not a version"),
        ("kv=/nonexistent.con", "ubf-server: --contract: cannot read /nonexistent.con"),
    ] {
        let output = process::run(&["--contract", given, "--check-config"]);
        assert_eq!(output.status.code(), Some(2), "{given}");
        let seen = String::from_utf8(output.stderr).unwrap();
        assert!(seen.starts_with(text), "{seen}");
    }
}

/// What an operator is told.
#[cfg(unix)]
fn status(socket: &std::path::Path) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};

    let mut operator = std::os::unix::net::UnixStream::connect(socket).unwrap();
    operator.write_all(b"1 'status'$").unwrap();
    let mut answer = Vec::new();
    BufReader::new(operator).read_until(b'$', &mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}
