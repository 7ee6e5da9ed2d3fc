//! `ubf repl`, as a script: what it does at a terminal is the same, but for the editing of lines.

use crate::common::server::{Server, nobody};
use crate::common::{Ran, ubf};

const VERSIONS_OF_2003: [&str; 2] = ["--versions", "1-3,6,8,10,11"];

fn repl(args: &[&str], script: &str) -> Ran {
    ubf(&[&["repl"], args].concat(), script)
}

#[test]
fn the_example_of_2003_can_be_typed() {
    let server = Server::of_2003();
    let args = [&VERSIONS_OF_2003[..], &[&server.address]].concat();
    let ran =
        repl(&args, "{get,\"a.txt\"}\n:fail 10\n{get,\n \"b.txt\"}\nlist\n:versions\n:status\n");
    assert_eq!(
        (ran.status, ran.out.as_str()),
        (0, "{get,\"a.txt\"}\n{get,\"b.txt\"}\nlist\n"),
        "{}",
        ran.err
    );
    let agreed = |version| {
        let agent = concat!("ubf-server/", env!("CARGO_PKG_VERSION"));
        let with = format!("agreed on version {version} with {}", server.address);
        let spoken = "which speaks 1-5,9,10,14";
        (format!("{with}, {spoken}"), format!("{with} ({agent}), {spoken}"))
    };
    let (session, rest) = ran.err.split_once('\n').unwrap();
    assert!(session.starts_with("a session, "), "{}", ran.err);
    let lines: Vec<&str> = rest.lines().collect();
    let is = |line: &str, (without, with): (String, String)| line == without || line == with;
    assert!(is(lines[0], agreed(10)), "{}", ran.err);
    assert_eq!(
        lines[1..4],
        [
            "version 10 is in quarantine",
            "fell back from 10 to 8: crash",
            "refused, and sent again: {version,8}"
        ]
    );
    assert!(is(lines[4], agreed(3)), "{}", ran.err);
    assert_eq!(
        lines[5..8],
        ["ours        1-3,6,8,10,11", "the server  1-5,9,10,14", "in force    3"]
    );
    assert!(lines[8].starts_with("quarantine  10, for "), "{}", ran.err);
    assert_eq!(lines[9], format!("ready, version 3, at {}", server.address));
    assert_eq!(lines[10], "calls 3, done 3, errors 0, indeterminate 0, refused and sent again 1");
    assert_eq!(lines[11], "negotiations 2, fallbacks 1, moves 0, connections lost 0, events 0");
}

#[test]
fn events_are_shown_before_the_reply_that_came_after_them() {
    let server = Server::of_2003();
    let ran = repl(
        &["--service", "chat", &server.address],
        "{say,1}\n:event {say,2}\n:wait 2\n:event a\n:wait\n",
    );
    assert_eq!(
        (ran.status, ran.out.as_str()),
        (0, "event {say,1}\n{say,1}\nevent {say,2}\nevent a\n"),
        "{}",
        ran.err
    );
}

#[test]
fn trace_shows_the_packets_while_it_is_on() {
    let server = Server::of_2003();
    let args = [&VERSIONS_OF_2003[..], &[&server.address]].concat();
    let ran = repl(&args, "a\n:trace on\n{b,\"c\"}\n:trace off\nd\n");
    let packets: Vec<&str> = ran
        .err
        .lines()
        .filter_map(|line| line.split_once(" ms  #"))
        .map(|(_, rest)| rest)
        .collect();
    assert_eq!(packets, ["0 -> 10 {'b'\"c\"}$", "0 <- 10 ? {{'b'\"c\"}'start'}$"], "{}", ran.err);
}

#[test]
fn another_service_is_another_session() {
    let server = Server::of_2003();
    let ran =
        repl(&[&server.address], ":service chat\na\n:service nobody\n:service\n:service ?\nb\n");
    assert_eq!(ran.out, "event a\na\nb\n");
    // A service that is not there leaves the one before as it was.
    assert_eq!(ran.status, 1);
    assert!(
        ran.err.contains("no common version") && ran.err.contains("service chat\n"),
        "{}",
        ran.err
    );
}

#[test]
fn a_script_goes_on_after_an_error_and_its_exit_status_shows_it() {
    let server = Server::of_2003();
    let ran = repl(&[&server.address], "a\n\n{b,\n,}\n:nope\n:fail 77\nc\n:quit\nnever\n");
    assert_eq!((ran.status, ran.out.as_str()), (1, "a\nc\n"));
    for text in [
        "expected a term, found ','",
        "  line 3 of the script\n",
        "error: no such command: :nope\n  line 5 of the script\n\nhint: :help lists the commands\n",
        "error: the client has no version 77: it has 1-20\n",
    ] {
        assert!(ran.err.contains(text), "{text}: {}", ran.err);
    }
    let ran = repl(&["--service", "crash", &server.address], "a\n");
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("error: the server's handler for version 1 crashed"), "{}", ran.err);
}

#[test]
fn help_lists_the_commands() {
    let server = Server::of_2003();
    let ran = repl(&[&server.address], ":help\n");
    for command in [
        ":contract [FILE|off]",
        ":event TERM",
        ":fail [VERSION]",
        ":quit",
        ":service [NAME]",
        ":trace on|off",
        ":versions",
        ":wait",
    ] {
        assert!(ran.err.contains(command), "{command}: {}", ran.err);
    }
}

#[test]
fn an_event_that_does_not_come_is_not_waited_for_longer_than_told() {
    let server = Server::of_2003();
    let ran = repl(&["--timeout", "50ms", &server.address], ":wait\n");
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("error: no event in time\n"), "{}", ran.err);
}

#[test]
fn no_server_is_said_before_anything_else() {
    let ran = repl(&[&nobody()], "a\n");
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("cannot connect: Connection refused\n\nhint: is the server running"),
        "{}",
        ran.err
    );
}

#[test]
fn requests_are_held_against_the_contract_before_they_are_sent() {
    let server = Server::of_2003();
    let ran = repl(
        &["--service", "irc", &server.address],
        "groups\n:contract\ngroups\n{logon,\"joe\"}\ngroups\n{join,erlang}\n:contract off\n{join,erlang}\n",
    );
    assert_eq!(ran.status, 1, "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("{clientBrokeContract,groups,"), "{}", ran.out);
    assert_eq!(lines[1..3], ["{ok,\"joe\"}", "[]"]);
    assert!(lines[3].starts_with("{clientBrokeContract,{join,erlang},"), "{}", ran.out);
    for text in [
        "requests are checked: contract irc, 2 states\n",
        "error: not sent, the contract does not allow it: in state start: ",
        "error: not sent, the contract does not allow it: in state active: element 2: \
         expected ubfstring(), found erlang",
        "hint: :contract off sends it all the same\n",
        "requests are not checked\n",
    ] {
        assert!(ran.err.contains(text), "{text}: {}", ran.err);
    }
    // A server that knows nothing of contracts answers as to any request.
    let ran = repl(&["--service", "chat", &server.address], ":contract\n");
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("error: what the server answers to 'contract' is no contract: "));
}
