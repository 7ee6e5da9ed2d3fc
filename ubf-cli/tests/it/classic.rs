//! `--classic`: servers that know no versions.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::common::server::{Server, nobody};
use crate::common::{Ran, ubf};

fn run(args: &[&str], input: &str) -> Ran {
    ubf(args, input)
}

fn call(args: &[&str]) -> Ran {
    run(&[&["call", "--classic"], args].concat(), "")
}

#[test]
fn several_requests_are_made_in_one_session() {
    let server = Server::of_2003();
    let ran = call(&["--start", "echo", &server.classic, "{get,\"a\"}", "[1,2]"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "{get,\"a\"}\n[1,2]\n"), "{}", ran.err);
    let state = format!("state start, at {}\n", server.classic);
    assert_eq!(ran.err, state.repeat(2));
    let ran = call(&[&server.classic, "services"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "[\"echo\",\"chat\",\"crash\",\"irc\"]\n"));
    let ran = call(&["--json", "--start", "echo", &server.classic, "one"]);
    let wanted = format!(
        "{{\"response\":{{\"$atom\":\"one\"}},\"state\":{{\"$atom\":\"start\"}},\"address\":\"{}\"}}\n",
        server.classic
    );
    assert_eq!((ran.status, ran.out), (0, wanted), "{}", ran.err);
}

#[test]
fn what_goes_wrong_is_said_with_what_to_do() {
    let server = Server::of_2003();
    let ran = call(&["--start", "absent", &server.classic, "x"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("no such service; it has "), "{}", ran.err);
    // The server says that the contract is broken: an answer like others.
    let (nonsense, start) = ("{nonsense,1}", ["--start", "irc", &server.classic]);
    let ran = call(&[&start[..], &[nonsense]].concat());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.starts_with("{clientBrokeContract,{nonsense,1},["), "{}", ran.out);
    assert_eq!(call(&[&["--fail"], &start[..], &[nonsense]].concat()).status, 1);
    let ran = call(&["--json", "--start", "crash", &server.classic, "x"]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.out.contains("\"kind\":\"indeterminate\"") && ran.out.contains("\"may_have_run\":true"),
        "{}",
        ran.out
    );
    let ran = call(&[&nobody(), "x"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("cannot connect") && ran.err.contains("is the server running"),
        "{}",
        ran.err
    );
    for args in [
        &["call", "--classic", "--service", "a", "b:1", "x"][..],
        &["call", "--start", "a", "b:1", "x"],
        &["call", "--classic", "--idempotent", "b:1", "x"],
        &["call", "--classic", "--flavour", "jo", "b:1", "x"],
    ] {
        assert_eq!(run(args, "").status, 2, "{args:?}");
    }
}

#[test]
fn a_server_that_is_silent_or_of_another_kind_gets_a_hint() {
    // A stock server of 2.x says nothing, and answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let playing = thread::spawn(move || {
        let (_silent, _) = listener.accept().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = [0; 8];
        stream.read_exact(&mut heard).unwrap();
        stream.write_all(b"{\"a server\",'start'}$\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        heard
    });
    let ran = call(&["--timeout", "200ms", &address, "info"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("did not say hello in time") && ran.err.contains("--no-hello"),
        "{}",
        ran.err
    );
    let ran = call(&["--no-hello", "--trace", &address, "info"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "\"a server\"\n"), "{}", ran.err);
    assert!(
        ran.err.contains("-> 'info'$") && ran.err.contains("<- {\"a server\",'start'}$"),
        "{}",
        ran.err
    );
    assert_eq!(&playing.join().unwrap(), b"'info'$\n");
    // Who calls one as if it knew versions is told so.
    let server = Server::of_2003();
    let ran = run(&["call", "--timeout", "3s", &server.classic, "x"], "");
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("--classic talks to servers of the time before"), "{}", ran.err);
}

#[test]
fn a_conversation_has_starts_states_events_and_a_contract() {
    let server = Server::of_2003();
    let script = ":services\n:start chat\n{hello,1}\n:event {news,2}\n:wait 2\n:state\n:quit\n";
    let ran = run(&["repl", "--classic", &server.classic], script);
    assert_eq!(ran.status, 0, "{}", ran.err);
    for shown in [
        "[\"echo\",\"chat\",\"crash\",\"irc\"]\n",
        "ok\n",
        "{hello,1}\n",
        "event {hello,1}\n",
        "event {news,2}\n",
    ] {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
    assert!(
        ran.err.contains("hello from \"meta_server\"") && ran.err.contains("state active"),
        "{}",
        ran.err
    );
    let script = ":contract\n{nonsense,1}\n:contract off\n{nonsense,1}\n";
    let ran = run(&["repl", "--classic", "--start", "irc", &server.classic], script);
    assert_eq!(ran.status, 1);
    assert!(ran.err.contains("requests are checked: contract irc"), "{}", ran.err);
    assert!(
        ran.err.contains("the contract does not allow the message")
            && ran.err.contains(":contract off sends it all the same"),
        "{}",
        ran.err
    );
    assert!(ran.out.contains("{clientBrokeContract,{nonsense,1},"), "{}", ran.out);
}

#[test]
fn a_contract_is_shown_as_the_server_tells_it() {
    let server = Server::of_2003();
    let ran =
        run(&["contract", "show", "--classic", "--start", "irc", "--text", &server.classic], "");
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.starts_with("+NAME(\"irc\")."), "{}", ran.out);
    let ran = run(&["contract", "show", "--classic", &server.classic], "");
    assert!(
        ran.out.starts_with("meta_server\n") && ran.out.contains("startSession"),
        "{}",
        ran.out
    );
}
