//! `ubf call`, as it is called.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::common::server::{Server, nobody};
use crate::common::{Ran, bad, file, ubf};

fn call(args: &[&str]) -> Ran {
    ubf(&[&["call"], args].concat(), "")
}

/// The packets that a trace shows, in the given direction.
fn packets<'a>(trace: &'a str, arrow: &str) -> Vec<&'a str> {
    trace
        .lines()
        .filter_map(|line| line.split_once(&format!(" {arrow} ")))
        .map(|(_, packet)| packet)
        .collect()
}

#[test]
fn the_response_goes_to_stdout_and_the_rest_to_stderr() {
    let server = Server::of_2003();
    let ran =
        call(&["--versions", "1-3,6,8,10,11", &server.address, "{get,\"a.txt\",[1,2],<<1,2>>,?}"]);
    assert_eq!(ran.out, "{get,\"a.txt\",[1,2],<<1,2>>,?}\n");
    assert_eq!(ran.err, format!("state start, in version 10, at {}\n", server.address));
    assert_eq!(ran.status, 0);
}

#[test]
fn each_version_of_the_server_can_be_asked_for() {
    let server = Server::of_2003();
    for version in ["1", "2", "3", "4", "5", "9", "10", "14"] {
        let ran = call(&["--versions", version, &server.address, "x"]);
        assert_eq!((ran.status, ran.out.as_str()), (0, "x\n"));
        assert!(ran.err.contains(&format!("in version {version},")), "{}", ran.err);
    }
}

#[test]
fn a_negative_number_is_a_term() {
    let server = Server::of_2003();
    assert_eq!(call(&[&server.address, "-5"]).out, "-5\n");
}

#[test]
fn options_may_stand_anywhere() {
    let server = Server::of_2003();
    let addresses = format!("{},{}", server.address, server.address);
    let args = ["--versions", "3", &addresses, "--timeout", "5", "{a,-1}", "--idempotent"];
    let ran = call(&args);
    assert_eq!((ran.status, ran.out.as_str()), (0, "{a,-1}\n"), "{ran:?}");
    assert!(ran.err.contains("in version 3,"), "{}", ran.err);
}

#[test]
fn an_address_and_a_request_are_wanted() {
    for (args, words) in [
        (&["call", "127.0.0.1:4000"][..], "a call wants an address and a request"),
        (&["call", "here", "{a}"], "here: not an address: expected one like 192.0.2.7:4000"),
    ] {
        let message = bad(2, args, "");
        assert!(
            message.contains(words) && message.contains("\n\nhint: ubf call ADDRESS REQUEST"),
            "{message}"
        );
    }
    let message = bad(2, &["call", "127.0.0.1:4000", "127.0.0.1:4001", "{a}"], "");
    assert!(message.contains("hint: several addresses have commas between them"), "{message}");
}

#[test]
fn several_requests_are_made_in_their_order() {
    let server = Server::of_2003();
    let ran = call(&[&server.address, "one", "{two,2}", "[3]"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "one\n{two,2}\n[3]\n"));
    assert_eq!(ran.err.lines().count(), 3, "{}", ran.err);
}

#[test]
fn requests_are_read_from_stdin_and_from_files() {
    let server = Server::of_2003();
    // An argument may have 128 KiB on Linux.
    let large = format!("\"{}\"", "x".repeat(200_000));
    let ran = ubf(&["call", &server.address, "first", "-"], format!("{large}\n{{a,\n 1}}\n"));
    assert_eq!((ran.status, ran.out), (0, format!("first\n{large}\n{{a,1}}\n")), "{}", ran.err);
    let path = file("call-requests.txt", b"one % a comment\n\n{two,\n2}.\n");
    let ran = call(&["--file", path.to_str().unwrap(), &server.address]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "one\n{two,2}\n"), "{}", ran.err);
    let ran = call(&["--file", "no-such-file", &server.address]);
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("cannot read no-such-file: No such file"), "{}", ran.err);
}

#[test]
fn after_a_call_that_fails_no_more_are_made() {
    let server = Server::of_2003();
    let ran = call(&[&server.address, "one", "{event_in,1}", "three"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, "one\n"), "{}", ran.err);
    let ran = ubf(&["call", &server.address, "-"], "one\n{two\n}}\nthree\n");
    assert_eq!((ran.status, ran.out.as_str()), (1, "one\n"), "{}", ran.err);
    assert!(ran.err.contains("error: stdin: expected"), "{}", ran.err);
    // The command line is looked at before anything is sent.
    let ran = call(&[&server.address, "one", "{two"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""), "{}", ran.err);
}

#[test]
fn a_broken_contract_is_a_failure_if_that_is_wanted() {
    let server = Server::of_2003();
    // The service repeats what it is told.
    let broken = "{clientBrokeContract,{lsit},[list]}";
    assert_eq!(call(&[&server.address, broken]).status, 0);
    let ran = call(&["--fail", &server.address, broken, "next"]);
    assert_eq!((ran.status, ran.out), (1, format!("{broken}\n")));
    assert_eq!(call(&["--fail", &server.address, "{error,clientBrokeContract}"]).status, 0);
}

#[test]
fn errors_are_documents_too() {
    let server = Server::of_2003();
    let error = |args: &[&str], status| {
        let ran = call(&[&["--json"], args].concat());
        assert_eq!((ran.status, ran.err.as_str()), (status, ""), "{}", ran.out);
        let document: serde_json::Value =
            serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
        let error = &document["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("message"), error["may_have_run"].as_bool().unwrap())
    };
    let (kind, message, may_have_run) = error(&["--service", "crash", &server.address, "x"], 1);
    assert_eq!((kind.as_str(), may_have_run), ("failed", true));
    assert!(message.starts_with("the server's handler for version 1 crashed: "), "{message}");
    let (kind, message, may_have_run) = error(&[&nobody(), "x"], 2);
    assert_eq!((kind.as_str(), may_have_run), ("unreachable", false));
    assert!(message.ends_with("cannot connect: Connection refused"), "{message}");
    assert_eq!(error(&[&server.address, "{x"], 1).0, "bad_request");
    assert_eq!(error(&[&server.address], 2).0, "bad_arguments");
    assert_eq!(error(&[&server.address, "good", "{event_in,1}"], 1).0, "not_taken");
}

/// Agrees on version 3 and gives one answer.
fn answer_once(mut stream: impl std::io::Read + std::io::Write) {
    let mut heard = Vec::new();
    let mut hear = |stream: &mut dyn std::io::Read, end: &str| {
        while !String::from_utf8_lossy(&heard).ends_with(end) {
            let mut piece = [0; 1000];
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0);
            heard.extend_from_slice(&piece[..count]);
        }
    };
    hear(&mut stream, "}&}$");
    stream.write_all(b"3 ? {'agreed'1?#3&#}$").unwrap();
    hear(&mut stream, "3 'x'$");
    stream.write_all(b"3 ? {'yes''start'}$").unwrap();
    // Until the client is gone.
    while stream.read(&mut [0; 100]).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_server_that_comes_later_is_waited_for() {
    let address = nobody();
    let waiting = {
        let address = address.clone();
        thread::spawn(move || call(&["--wait", "60s", "--versions", "3", &address, "x"]))
    };
    let listener = TcpListener::bind(&address).unwrap();
    let server = thread::spawn(move || answer_once(listener.accept().unwrap().0));
    let ran = waiting.join().unwrap();
    assert_eq!((ran.status, ran.out.as_str()), (0, "yes\n"), "{}", ran.err);
    server.join().unwrap();
    let ran = call(&["--wait", "300ms", &nobody(), "x"]);
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("no server came in time: 127.0.0.1:"), "{}", ran.err);
    assert!(ran.err.contains("Connection refused"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_an_address() {
    let path = std::env::temp_dir().join(format!("ubf-call-{}.socket", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || answer_once(listener.accept().unwrap().0));
    let address = format!("unix:{}", path.display());
    let ran = call(&["--versions", "3", &address, "x"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "yes\n"), "{}", ran.err);
    assert_eq!(ran.err, format!("state start, in version 3, at {address}\n"));
    server.join().unwrap();
    std::fs::remove_file(&path).unwrap();
    let ran = call(&["--versions", "3", &address, "x"]);
    assert!(ran.err.contains("hint: is the server running, and is the path right?"), "{}", ran.err);
}

#[test]
fn json_says_it_all_in_one_document() {
    let server = Server::of_2003();
    let ran = call(&["--json", &server.address, "{a,\"b\"}"]);
    let expected = format!(
        r#"{{"response":{{"$tuple":[{{"$atom":"a"}},"b"]}},"state":{{"$atom":"start"}},"version":14,"address":"{}"}}"#,
        server.address
    );
    assert_eq!((ran.status, ran.out, ran.err.as_str()), (0, expected + "\n", ""));
}

#[test]
fn an_event_is_taken() {
    let server = Server::of_2003();
    let ran = call(&["--event", "--service", "chat", &server.address, "hello"]);
    let expected = format!("taken, in version 3, at {}\n", server.address);
    assert_eq!((ran.status, ran.out.as_str(), ran.err), (0, "", expected));
    let ran = call(&["--event", "--json", "--service", "chat", &server.address, "hello"]);
    assert!(ran.out.starts_with(r#"{"taken":true,"version":3,"#), "{}", ran.out);
}

#[test]
fn the_first_address_that_works_is_used() {
    let server = Server::of_2003();
    let ran = call(&[&format!("{},{}", nobody(), server.address), "x"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "x\n"));
    assert!(ran.err.contains(&server.address), "{}", ran.err);
}

#[test]
fn trace_shows_every_packet_as_it_was() {
    // A server of literal bytes. The client's list has a random number that no program has.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        let mut hear = |stream: &mut std::net::TcpStream, end: &str| {
            while !String::from_utf8_lossy(&heard).ends_with(end) {
                let mut piece = [0; 1000];
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0);
                heard.extend_from_slice(&piece[..count]);
            }
        };
        hear(&mut stream, "}&}$");
        stream.write_all(b"10 ? {'agreed'1?#1&2&3&4&5&9&10&14&#}$\n10 \"127.0.0.1").unwrap();
        hear(&mut stream, "10 {'get'\"a.txt\"}$");
        stream.write_all(b":1\" {{'ok'2~\x1b\xff~}'start'}$").unwrap();
        // Until the client is gone.
        while stream.read(&mut [0; 100]).is_ok_and(|count| count > 0) {}
    });
    let ran = call(&["--trace", "--versions", "1-3,6,8,10,11", &address, "{get,\"a.txt\"}"]);
    server.join().unwrap();
    assert_eq!((ran.status, ran.out.as_str()), (0, "{ok,<<27,255>>}\n"), "{}", ran.err);

    let sent = packets(&ran.err, "->");
    assert!(
        sent[0].starts_with("0 {'negotiate'1?#1&2&3&6&8&10&11&") && sent[0].ends_with("}&}$"),
        "{}",
        ran.err
    );
    assert_eq!(sent[1], "10 {'get'\"a.txt\"}$");
    assert_eq!(
        packets(&ran.err, "<-"),
        [
            "10 ? {'agreed'1?#1&2&3&4&5&9&10&14&#}$",
            "10 \"127.0.0.1:1\" {{'ok'2~\\x1B\\xFF~}'start'}$",
        ]
    );
    for words in [
        "offers versions 1-3,6,8,10,11 to the default service",
        "agrees, and speaks 1-5,9,10,14",
        "the next message goes to 127.0.0.1:1",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    assert!(ran.err.lines().next().unwrap().contains(" ms  #"), "{}", ran.err);
}

#[test]
fn a_call_that_fails_says_why() {
    let server = Server::of_2003();
    let message = bad(1, &["call", "--service", "crash", &server.address, "x"], "");
    assert!(
        message.starts_with("error: the server's handler for version 1 crashed: "),
        "{message}"
    );
    let message = bad(1, &["call", &server.address, "{event_in,1}"], "");
    assert!(message.contains("hint: {event_in,X} is an event: --event"), "{message}");
}

#[test]
fn a_call_that_is_not_answered_in_time_says_that_it_may_have_run() {
    // It never accepts: what the client sends stays in the socket.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"3 ? {'agreed'1?#3&#}$").unwrap();
        while stream.read(&mut [0; 100]).is_ok_and(|count| count > 0) {}
    });
    let message = bad(1, &["call", "--timeout", "200ms", "--versions", "3", &address, "x"], "");
    assert_eq!(
        message,
        "error: no reply in time; the call may have run\n\nhint: --timeout gives it more time\n"
    );
    server.join().unwrap();
}

#[test]
fn a_term_that_is_wrong_is_pointed_into() {
    let message = bad(1, &["call", &nobody(), "{a,\"x\" 3}"], "");
    assert_eq!(
        message,
        "error: expected ',' or '}', found '3', at column 8\n\n  {a,\"x\" 3}\n         ^\n"
    );
}

#[test]
fn no_server_no_service_and_no_common_version_are_told_apart() {
    let server = Server::of_2003();
    for (args, text) in [
        (
            &[nobody().as_str(), "x"][..],
            "cannot connect: Connection refused\n\nhint: is the server running",
        ),
        (
            &["--versions", "7", &server.address, "x"],
            "no common version: the server speaks 1-5,9,10,14\n\nhint: --versions",
        ),
        (
            &["--service", "nobody", &server.address, "x"],
            "no version of this service\n\nhint: it has no such service",
        ),
        (&["--versions", "0", &server.address, "x"], "as in 1-3,10"),
        (&[&server.address], "a call wants an address and a request"),
        (&["nowhere", "x"], "nowhere"),
    ] {
        let message = bad(2, &[&["call"], args].concat(), "");
        assert!(message.contains(text), "{args:?}: {message}");
    }
}
