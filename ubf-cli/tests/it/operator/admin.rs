//! `ubf admin`: what it shows, and what it says when something is wrong.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

use super::program::{Server, socket, ubf};

const ANYWHERE: &str = "127.0.0.1:0";

#[test]
fn shows_and_changes_a_server() {
    let server =
        Server::start("shows", ANYWHERE, &["--versions", "1-5,9,10,14", "--service", "echo"]);
    let status = server.admin(&["status"]);
    assert_eq!((status.status, status.err.as_str()), (0, ""));
    assert!(
        status.out.starts_with("phase       serving\nlistens on  127.0.0.1:"),
        "{}",
        status.out
    );
    assert!(status.out.contains("\necho         1-5,9,10,14  -\n"), "{}", status.out);

    let withdrawn = server.admin(&["withdraw", "10"]).out;
    assert!(
        withdrawn.contains("\n? (default)  1-5,9,14  10\necho         1-5,9,14  10\n"),
        "{withdrawn}"
    );
    let restored = server.admin(&["restore", "10", "--service", "echo"]).out;
    assert!(
        restored.contains("\n? (default)  1-5,9,14     10\necho         1-5,9,10,14  -\n"),
        "{restored}"
    );
    let restored = server.admin(&["restore", "10", "--service", "?"]).out;
    assert!(restored.contains("\n? (default)  1-5,9,10,14  -\n"), "{restored}");

    assert!(
        server.admin(&["peers", "b.example:4000"]).out.contains("\npeers       b.example:4000\n")
    );
    let load = server.admin(&["load", "--high", "10", "--unit", "calls"]).out;
    assert!(
        load.contains("\nload marks  above 10 calls to b.example:4000, until below 8\n"),
        "{load}"
    );
    assert!(!server.admin(&["load"]).out.contains("load marks"));
    assert!(server.admin(&["peers"]).out.contains("\npeers       none\n"));

    let connections = server.admin(&["connections", "--json"]).out;
    assert_eq!(
        connections,
        "{\"by_version\":[],\"connections\":0,\"list\":[],\"more_after\":null}\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&server.admin(&["--json", "status"]).out).expect("JSON");
    assert_eq!(
        (&json["phase"], &json["addresses"][0]),
        (&"serving".into(), &server.address.clone().into())
    );

    let ended = server.admin(&["shutdown"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(server.status(), Some(0));
}

#[test]
fn clients_are_counted_by_what_they_say_they_are() {
    let server = Server::start("agents", ANYWHERE, &[]);
    let mut client = TcpStream::connect(&server.address).expect("it listens");
    client.write_all(b"0 {'negotiate'1?#3&#{'agent'\"old/1\"}&}$").expect("it reads");
    // It has agreed when its answer begins.
    client.read_exact(&mut [0; 4]).expect("it answers");
    let out = server.admin(&["status"]).out;
    assert!(out.contains("\nagent  connections\nold/1  1\n"), "{out}");
    let json: serde_json::Value =
        serde_json::from_str(&server.admin(&["--json", "status"]).out).expect("JSON");
    assert_eq!(json["connections_by_agent"][0]["agent"], "old/1");
    assert_eq!(server.admin(&["shutdown"]).status, 0);
}

#[test]
fn sessions_are_listed_with_a_connection_and_without_one() {
    let server = Server::start("sessions", ANYWHERE, &["--max-keep", "30s"]);
    assert_eq!(server.admin(&["sessions"]).out, "0 sessions, 0 parked\n");
    let mut client = TcpStream::connect(&server.address).expect("it listens");
    let id = "0123456789abcdef";
    let open = format!("0 {{'negotiate'1?#3&#{{'session'16~{id}~8 4096 60000}}&}}$");
    client.write_all(open.as_bytes()).expect("it reads");
    client.read_exact(&mut [0; 4]).expect("it answers");
    let json = || -> serde_json::Value {
        serde_json::from_str(&server.admin(&["sessions", "--json"]).out).expect("JSON")
    };
    let listed = json();
    let (list, name) = (&listed["list"][0], listed["list"][0]["name"].as_str().expect("a name"));
    assert_eq!((&list["number"], &list["connection"]), (&1.into(), &1.into()));
    assert_eq!((&list["parked"], &list["resumes"]), (&false.into(), &0.into()));
    assert!(!name.is_empty() && !id.contains(name), "the name is a secret: {name}");
    let out = server.admin(&["sessions"]).out;
    assert!(out.starts_with("1 session, 0 parked\n\nnumber  name "), "{out}");
    assert!(out.contains(&format!("\n1       {name}  ? (default)  127.0.0.1:")), "{out}");
    drop(client);
    // The server notices when it reads on.
    while json()["list"][0]["parked"] != true {}
    assert!(server.admin(&["sessions"]).out.contains("  1           parked  "));
    assert_eq!(server.admin(&["sessions", "--after", "1"]).out, "0 sessions, 0 parked\n");
    let status: serde_json::Value =
        serde_json::from_str(&server.admin(&["status", "--json"]).out).expect("JSON");
    assert_eq!(status["counters"]["sessions"], 1);
}

#[test]
fn a_call_ends_its_session_and_leaves_none_behind() {
    let server = Server::start("call-sessions", ANYWHERE, &[]);
    let ran = ubf(&["call", &server.address, "hello", "again"]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "hello\nagain\n"), "{}", ran.err);
    while server.admin(&["sessions"]).out != "0 sessions, 0 parked\n" {}
    let status: serde_json::Value =
        serde_json::from_str(&server.admin(&["status", "--json"]).out).expect("JSON");
    let counted = |name: &str| status["counters"][name].as_u64();
    assert_eq!((counted("sessions"), counted("sessions_expired")), (Some(1), Some(0)));
    assert_eq!((counted("sessions_given_up"), counted("answers_lost")), (Some(0), Some(0)));
}

#[test]
fn without_room_for_sessions_none_is_granted() {
    let server = Server::start("no-sessions", ANYWHERE, &["--max-sessions", "0"]);
    let mut client = TcpStream::connect(&server.address).expect("it listens");
    client
        .write_all(b"0 {'negotiate'1?#3&#{'session'16~0123456789abcdef~8 4096 60000}&}$")
        .expect("it reads");
    let mut answer = Vec::new();
    while answer.last() != Some(&b'$') {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("it answers");
        answer.extend(byte);
    }
    let answer = String::from_utf8(answer).expect("ASCII");
    assert!(answer.starts_with("3 ? {'agreed'") && !answer.contains("session"), "{answer}");
    assert_eq!(server.admin(&["sessions"]).out, "0 sessions, 0 parked\n");
}

#[test]
fn what_the_server_refuses_is_said_and_shows_in_the_exit_status() {
    let server = Server::start("refuses", ANYWHERE, &[]);
    for (arguments, why) in [
        (&["undrain"][..], "it does not drain"),
        (&["drain"], "it has no peers to send clients to"),
        (&["withdraw", "99"], "no service has this version"),
        (&["restore", "1", "--service", "kv"], "no service has this version"),
    ] {
        let ran = server.admin(arguments);
        let expected = format!("error: {}: the server refuses: {why}\n", server.socket.display());
        assert_eq!((ran.status, ran.err, ran.out.as_str()), (1, expected, ""));
    }
}

#[test]
fn marks_of_which_the_low_one_is_above_the_high_one_are_refused_before_a_server_is_asked() {
    let ran =
        ubf(&["admin", "-c", "/nonexistent/s", "load", "--high", "5", "--low", "10", "b:4000"]);
    let expected = "error: the low mark, 10, is above the high one, 5\n\nhint: clients are sent away above --high, ";
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(ran.err.starts_with(expected), "{}", ran.err);
}

#[test]
fn a_drain_shows_where_clients_go_and_can_be_undone() {
    let server = Server::start("drain", ANYWHERE, &[]);
    // Somebody has to be there, or the server ends at once.
    let mut client = TcpStream::connect(&server.address).expect("it listens");
    client.write_all(b"1 'here'$").expect("it reads");
    while !server.admin(&["connections"]).out.starts_with("1 connection, 1 without negotiation") {}
    let drain = server.admin(&["drain", "b.example:4000,c.example:4000", "--grace", "1h"]).out;
    assert!(
        drain.starts_with("phase       draining, 1 h 0 min left\n") || drain.contains(", 59 min "),
        "{drain}"
    );
    assert!(drain.contains("\nNextIP      b.example:4000,c.example:4000\n"), "{drain}");
    assert!(server.admin(&["undrain"]).out.starts_with("phase       serving\n"));
}

#[test]
fn who_is_no_server_is_told_from_one_that_is_dead() {
    let path = socket("strangers");
    let name = path.to_str().expect("UTF-8").to_owned();
    let status = |arguments: &[&str]| {
        let ran = ubf(&[&["admin", "-c", &name, "status"], arguments].concat());
        assert_eq!((ran.status, ran.out.as_str()), (2, ""));
        ran.err
    };
    let hint = "\n\nhint: a server makes this file when it is started with --control PATH\n";
    assert_eq!(status(&[]), format!("error: {name}: No such file or directory{hint}"));

    let listener = UnixListener::bind(&path).expect("the folder can be written");
    assert!(
        status(&["--timeout", "20ms"])
            .starts_with(&format!("error: {name}: no answer in time\n\nhint: --timeout"))
    );
    let stranger = std::thread::spawn(move || {
        // The first is the one that gave up.
        drop(listener.accept());
        let (mut stream, _) = listener.accept().expect("a client");
        stream.write_all(b"220 mail.example ESMTP\r\n").expect("it reads");
        let (stream, _) = listener.accept().expect("a client");
        drop((stream, listener));
    });
    assert!(status(&[]).contains("what answers does not speak UBF: "));
    assert!(status(&[]).contains("the connection is lost: "));
    stranger.join().expect("no panic");

    // A process that another test is about to start may hold the listener for a moment.
    let hint = ": Connection refused\n\nhint: the file is there, but its server is dead";
    assert!((0..100).any(|_| status(&[]).contains(hint)));
    std::fs::remove_file(&path).expect("it is there");
}

#[test]
fn help_lines_fit_the_screen() {
    for help in [
        &["admin", "--help"][..],
        &["admin", "-h"],
        &["admin", "drain", "--help"],
        &["serve", "--help"],
    ] {
        let help = ubf(help).out;
        assert!(help.contains("Usage: ubf "), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn several_servers_are_answered_as_a_table() {
    let [one, two] = ["several-1", "several-2"]
        .map(|name| Server::start(name, ANYWHERE, &["--versions", "1-3,10"]));
    let gone = socket("several-3");
    let sockets = [&one.socket, &two.socket, &gone].map(|path| path.to_str().expect("UTF-8"));
    let all = sockets.join(",");
    let ran = ubf(&["admin", "--control", &all, "withdraw", "10"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    let lines: Vec<&str> = ran.out.trim_start().lines().collect();
    assert_eq!(lines.len(), 4, "{}", ran.out);
    assert!(lines[0].starts_with("server ") && lines[0].contains("  phase    "), "{}", ran.out);
    for (line, socket) in lines[1..3].iter().zip(sockets) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..6], [socket, "serving", "0", "0", "1-3", "?"], "{line}");
    }
    assert!(lines[3].contains("no answer"), "{}", ran.out);
    let message = format!("error: {}: No such file or directory\n", gone.display());
    assert!(ran.err.starts_with(&message), "{}", ran.err);

    let ran = ubf(&["admin", "--json", "-c", sockets[0], "-c", sockets[1], "status"]);
    let documents: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named: Vec<_> = documents.iter().map(|status| status["control"].as_str()).collect();
    assert_eq!(named, [Some(sockets[0]), Some(sockets[1])]);
}

#[test]
fn the_environment_can_name_the_server() {
    let server = Server::start("environment", ANYWHERE, &[]);
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_ubf"))
        .args(["admin", "status"])
        .env("UBF_CONTROL", &server.socket)
        .output()
        .expect("ubf starts");
    assert!(ran.stdout.starts_with(b"phase       serving\n"), "{ran:?}");
    let ran = ubf(&["admin", "status"]);
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(ran.err.starts_with("error: which server?\n\nhint: --control names"), "{}", ran.err);
}

#[test]
fn a_status_that_is_watched_is_shown_again_and_again() {
    let server = Server::start("watched", ANYWHERE, &[]);
    let mut watch = std::process::Command::new(env!("CARGO_BIN_EXE_ubf"))
        .args(["admin", "status", "--watch=10ms", "--json", "--control"])
        .arg(&server.socket)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("ubf starts");
    let lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let phases: Vec<_> = lines
        .take(3)
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.expect("UTF-8")).expect("JSON"))
        .map(|status| status["phase"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(phases, vec![Some("serving".to_owned()); 3]);
    // Its output is gone: it ends by itself.
    assert!(watch.wait().expect("it ends").success());
}

#[test]
fn a_status_tells_whether_log_and_journal_are_written() {
    let journal = socket("health").with_extension("journal");
    let name = journal.to_str().expect("UTF-8");
    let server = Server::start("health", ANYWHERE, &["--journal", name]);
    let out = server.admin(&["status"]).out;
    assert!(out.contains("\njournal     written\nlog         written\n"), "{out}");
    let json: serde_json::Value =
        serde_json::from_str(&server.admin(&["--json", "status"]).out).expect("JSON");
    let well = serde_json::json!({"failing": false, "missing": 0});
    assert_eq!((&json["journal"], &json["log"]), (&well, &well));
    drop(server);
    std::fs::remove_file(&journal).expect("it is there");

    let server = Server::start("health", ANYWHERE, &[]);
    let out = server.admin(&["status"]).out;
    assert!(!out.contains("\njournal ") && out.contains("\nlog         written\n"), "{out}");
}

/// A server that speaks version 1 alone: it agrees, and answers as many requests as there are
/// answers.
fn old_server(name: &str, answers: &'static [&'static str]) -> (PathBuf, JoinHandle<Vec<String>>) {
    let path = socket(name);
    let listener = UnixListener::bind(&path).expect("the folder can be written");
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream);
        let mut requests = Vec::new();
        for answer in ["1 ? {'agreed'1\"control\"#1&#}$"].iter().chain(answers) {
            let mut request = Vec::new();
            reader.read_until(b'$', &mut request).expect("a request");
            requests.push(String::from_utf8(request).expect("ASCII"));
            reader.get_mut().write_all(answer.as_bytes()).expect("it reads");
        }
        requests
    });
    (path, server)
}

#[test]
fn an_older_server_is_asked_in_its_own_version() {
    let (path, server) = old_server("older", &["1 ? {{'sessions'3#{?7 2}&}'serving'}$"]);
    let ran = ubf(&["admin", "-c", path.to_str().expect("UTF-8"), "connections"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let expected = "3 connections, 1 without negotiation\n\nservice      version  connections\n";
    assert!(ran.out.starts_with(expected), "{}", ran.out);
    let requests = server.join().expect("no panic");
    assert!(requests[0].contains("#2&1&") || requests[0].contains("#1&2&"), "{}", requests[0]);
    assert_eq!(requests[1].trim(), "1 'sessions'$");
    std::fs::remove_file(&path).expect("it is there");
}

/// Who can be told from others by its agent, and has agreed when this returns.
fn client(server: &Server, agent: &str) -> TcpStream {
    let mut client = TcpStream::connect(&server.address).expect("it listens");
    let negotiate = format!("0 {{'negotiate'1?#3&#{{'agent'\"{agent}\"}}&}}$");
    client.write_all(negotiate.as_bytes()).expect("it reads");
    let answer = packet(&mut client);
    assert!(answer.contains("'agreed'"), "{answer}");
    client
}

/// The next packet. Those of an engine hold no `$` of their own.
fn packet(client: &mut TcpStream) -> String {
    let mut packet = Vec::new();
    while !packet.ends_with(b"$") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("it answers");
        packet.extend(byte);
    }
    String::from_utf8(packet).expect("ASCII")
}

/// All that comes until the connection ends.
fn rest(mut client: TcpStream) -> String {
    let mut rest = String::new();
    client.read_to_string(&mut rest).expect("ASCII, and then the end");
    rest
}

#[test]
fn connections_are_listed_in_pages_and_each_can_be_closed_or_moved() {
    let server = Server::start("each", ANYWHERE, &[]);
    let clients = ["one/1", "two/1", "three/1"].map(|agent| client(&server, agent));
    let ran = server.admin(&["connections"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("3 connections\n"), "{}", ran.out);
    let line = ran.out.lines().find(|line| line.contains("two/1")).expect("it is listed");
    let address = clients[1].local_addr().expect("an address").to_string();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[1..7], [&address, "?", "(default)", "3", "two/1", "0"], "{line}");

    // Page by page.
    let page = |after: u64| -> serde_json::Value {
        let after = after.to_string();
        let ran = server.admin(&["connections", "--json", "--limit", "2", "--after", &after]);
        serde_json::from_str(&ran.out).expect("JSON")
    };
    let first = page(0);
    let agents = |page: &serde_json::Value| -> Vec<String> {
        let list = page["list"].as_array().expect("a list").iter();
        list.map(|one| one["agent"].as_str().expect("an agent").to_owned()).collect()
    };
    assert_eq!(
        (agents(&first), &first["connections"]),
        (vec!["one/1".into(), "two/1".into()], &3.into())
    );
    let number = |index: usize| first["list"][index]["number"].as_u64().expect("a number");
    assert_eq!(first["more_after"].as_u64(), Some(number(1)));
    let second = page(number(1));
    assert_eq!(
        (agents(&second), &second["more_after"]),
        (vec!["three/1".into()], &serde_json::Value::Null)
    );

    let [one, mut two, three] = clients;
    let kicked = server.admin(&["kick", &number(0).to_string(), "--hard-stop", "1s"]);
    assert_eq!(kicked.status, 0, "{kicked:?}");
    let said = rest(one);
    assert!(said.contains("'closing'") && said.contains("'operator'"), "{said}");
    let moved = server.admin(&["move", &number(1).to_string(), "b.example:4000"]);
    assert_eq!(moved.status, 0, "{moved:?}");
    let said = packet(&mut two);
    assert!(said.contains("\"b.example:4000\"") && said.contains("'moved'"), "{said}");
    // A client that stays after its grace is closed.
    let moved = server.admin(&["move", &number(1).to_string(), "b.example:4000", "--grace", "0s"]);
    assert_eq!(moved.status, 0, "{moved:?}");
    let said = rest(two);
    assert!(said.contains("'closing'") && said.contains("'operator'"), "{said}");
    // The third is where it was.
    let left = server.admin(&["connections"]).out;
    assert!(left.contains("three/1") && !left.contains("one/1"), "{left}");
    drop(three);
}

#[test]
fn a_cordon_turns_new_clients_away_until_it_is_taken_back() {
    let server = Server::start("cordon", ANYWHERE, &[]);
    let there = client(&server, "one/1");
    let ran = server.admin(&["uncordon"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.ends_with(": the server refuses: it is not cordoned\n"), "{}", ran.err);
    let ran = server.admin(&["cordon", "b.example:4000"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let clients = "clients     1, cordoned: new ones are sent to b.example:4000\n";
    assert!(ran.out.contains(clients), "{}", ran.out);
    let refused = TcpStream::connect(&server.address).expect("it listens");
    assert_eq!(rest(refused), "0 \"b.example:4000\" {'closing''cordoned'0}$");
    let ran = server.admin(&["uncordon"]);
    assert!(ran.status == 0 && !ran.out.contains("cordoned"), "{ran:?}");
    drop((client(&server, "two/1"), there));
}

#[test]
fn what_is_said_of_one_connection_can_be_refused() {
    let server = Server::start("no-one", ANYWHERE, &[]);
    for (arguments, why) in [
        (&["kick", "99"][..], "no connection has this number"),
        (&["move", "99", "b:1"], "no connection has this number"),
        (&["move", "99"], "it has no peers to send clients to"),
    ] {
        let ran = server.admin(arguments);
        assert_eq!((ran.status, ran.out.as_str()), (1, ""), "{arguments:?}");
        assert!(ran.err.ends_with(&format!(": the server refuses: {why}\n")), "{}", ran.err);
    }
    let ran = server.admin(&["connections", "--limit", "0"]);
    assert_eq!(ran.status, 2, "{ran:?}");
}

#[test]
fn the_level_of_the_log_is_changed_or_the_filter_is_refused() {
    let server = Server::start("level", ANYWHERE, &[]);
    assert_eq!(server.admin(&["log-level", "info,ubf_server=debug"]).status, 0);
    let ran = server.admin(&["log-level", "verbose"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains(": the server refuses: "), "{}", ran.err);
}

#[test]
fn a_server_that_stays_after_a_drain_serves_again() {
    let server = Server::start("stays", ANYWHERE, &[]);
    let drain = server.admin(&["drain", "b.example:4000", "--stay", "--grace", "0s"]);
    assert_eq!((drain.status, drain.err.as_str()), (0, ""));
    assert!(drain.out.starts_with("phase       draining"), "{}", drain.out);
    assert!(server.admin(&["undrain"]).out.starts_with("phase       serving\n"));
    assert_eq!(server.admin(&["shutdown"]).status, 0);
    assert_eq!(server.status(), Some(0));
}

#[test]
fn an_older_server_is_too_old_for_what_is_new() {
    let (path, server) = old_server("too-old", &[]);
    let name = path.to_str().expect("UTF-8");
    let ran = ubf(&["admin", "-c", name, "kick", "7"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    let expected = format!("error: {name}: the server is too old: version 1 of the contract");
    assert!(ran.err.starts_with(&expected), "{}", ran.err);
    server.join().expect("no panic");
    std::fs::remove_file(&path).expect("it is there");
}

#[test]
fn the_end_of_a_drain_can_be_waited_for() {
    let server = Server::start("waits", ANYWHERE, &[]);
    let client = client(&server, "silent/1");
    // The client stays where it is.
    let drain = ["drain", "b.example:4000", "--stay", "--grace", "1h", "--wait=100ms"];
    let ran = server.admin(&drain);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.ends_with(": the drain goes on: 1 client left\n"), "{}", ran.err);
    // It goes, while somebody waits for that.
    drop(client);
    let ran = server.admin(&["drain", "b.example:4000", "--stay", "--wait"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("phase       draining"), "{}", ran.out);
    // And without --stay until the server has ended.
    let ran = server.admin(&["drain", "b.example:4000", "--wait"]);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("phase       stopped"), "{}", ran.out);
    assert_eq!(server.status(), Some(0));
}

#[test]
fn a_call_that_a_drain_cuts_shows_in_the_exit_status() {
    let server = Server::start("cuts", ANYWHERE, &["--service", "echo"]);
    let mut client = client(&server, "deaf/1");
    // The reply has no room on its way, as nobody reads it.
    let text = "x".repeat(12 << 20);
    client.write_all(format!("3 \"{text}\"$").as_bytes()).expect("it reads");
    let is_executed = || {
        let json: serde_json::Value =
            serde_json::from_str(&server.admin(&["--json", "status"]).out).expect("JSON");
        json["counters"]["requests"] == 1
    };
    while !is_executed() {}
    let ran = server.admin(&["drain", "b:1", "--grace", "0s", "--hard-stop", "0s", "--wait"]);
    assert_eq!((ran.status, ran.out.as_str()), (1, ""));
    assert!(ran.err.ends_with(": the drain is over: 1 call cut\n"), "{}", ran.err);
    assert_eq!(server.status(), Some(3));
}
