//! Log, journal, signals and the operator's socket never stop or end what they are beside.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::process::{Program, command, exchange, rest, run};

/// A name in the folder for what is temporary.
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ubf-side-{}-{name}", std::process::id()))
}

#[test]
fn a_reader_of_the_log_that_goes_away_ends_nothing() {
    let mut program = Program::start(&["--log-filter", "debug"]);
    program.close_log();
    let mut client = program.connect();
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    program.signal("TERM");
    assert_eq!(rest(client), "0 ? {'closing''shutdown'1}$");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn a_reader_of_the_log_that_is_stuck_holds_nobody_up() {
    // Nothing reads the pipe while so many clients are turned away that it would be full.
    let program = Program::start(&["--log-filter", "trace"]);
    for _ in 0..700 {
        let mut client = program.connect();
        client.write_all(b"}}}$").unwrap();
        let mut told = [0; 16];
        client.read_exact(&mut told).unwrap();
    }
    let mut client = program.connect();
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    program.signal("TERM");
    assert_eq!(rest(client), "0 ? {'closing''shutdown'1}$");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn l3_lines_that_one_peer_causes_are_limited_and_the_log_says_so() {
    let mut program = Program::start(&["--log-filter", "info"]);
    for _ in 0..30 {
        assert!(rest(refused(&program)).starts_with("0 ? {'no_common_version'"));
    }
    program.signal("TERM");
    let left_out = program.logs("lines that peers caused were left out");
    assert_eq!(left_out["lines"], 20, "{left_out}");
    assert_eq!(left_out["pid"], program.id(), "numbers are numbers");
    assert_eq!(program.status(), Some(0));
}

/// A client without a version in common with the server.
fn refused(program: &Program) -> TcpStream {
    let mut client = program.connect();
    client.write_all(b"0 {'negotiate'1?#77&#}$").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    client
}

#[test]
fn a_log_on_a_full_disk_ends_nothing() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program =
        command(&["--listen", &address.to_string()]).stderr(Stdio::from(full)).spawn().unwrap();
    let mut client = loop {
        if let Ok(client) = TcpStream::connect(address) {
            break client;
        }
        assert!(program.try_wait().unwrap().is_none(), "it ended");
    };
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    crate::process::signal(program.id(), "TERM");
    assert_eq!(rest(client), "0 ? {'closing''shutdown'1}$");
    assert_eq!(program.wait().unwrap().code(), Some(0));
}

#[test]
fn hup_usr1_and_usr2_end_nothing_and_quit_drains() {
    let (socket, journal) = (path("signals.socket"), path("signals.journal"));
    let arguments = ["--control", socket.to_str().unwrap(), "--journal", journal.to_str().unwrap()];
    let mut program = Program::start(&arguments);
    let mut client = program.connect();
    exchange(&mut client, "1 'a'$", "1 ? {'a''start'}$");
    for name in ["USR1", "USR2"] {
        program.signal(name);
        program.logs("a signal without a meaning here: ignored");
    }
    // As logrotate does it.
    let moved = path("signals.journal.1");
    std::fs::rename(&journal, &moved).unwrap();
    program.signal("HUP");
    program.logs("journal reopened");
    exchange(&mut client, "1 'b'$", "1 ? {'b''start'}$");
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "{'executed'?1 'a'}$\n");
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), "{'executed'?1 'b'}$\n");
    program.signal("QUIT");
    assert_eq!(rest(client), "0 ? {'closing''shutdown'2}$");
    assert_eq!(program.status(), Some(0));
    assert!(!socket.exists(), "no file is left");
    std::fs::remove_file(journal).unwrap();
    std::fs::remove_file(moved).unwrap();
}

#[test]
fn hup_takes_from_the_file_what_may_change_while_the_server_runs() {
    let file = path("reload.toml");
    std::fs::write(&file, "peers = \"b.example:4000\"\n").unwrap();
    let mut program = Program::start(&["--config", file.to_str().unwrap()]);
    std::fs::write(&file, "peers = \"c.example:4000\"\n").unwrap();
    program.signal("HUP");
    program.logs(
        "reloaded: peers, load marks, grace, hard stop, log filter; the rest takes a restart",
    );
    let mut client = program.connect();
    exchange(
        &mut client,
        "0 {'negotiate'1?#1&#}$",
        "1 ? {'agreed'1?#1&2&3&#{'max_packet'16777216}&{'peers'\"c.example:4000\"}&",
    );
    std::fs::write(&file, "peers = 7\n").unwrap();
    program.signal("HUP");
    let wrong = program.logs("a setting is wrong")["problem"].as_str().unwrap().to_owned();
    assert!(wrong.contains("reload.toml:1: peers: 7: not an address"), "{wrong}");
    program.logs("no setting is reloaded");
    program.signal("INT");
    assert_eq!(program.status(), Some(0));
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_socket_or_a_journal_that_another_server_uses_is_an_error_at_the_start() {
    let (socket, journal) = (path("twice.socket"), path("twice.journal"));
    let arguments = ["--control", socket.to_str().unwrap(), "--journal", journal.to_str().unwrap()];
    let first = Program::start(&arguments);
    for (arguments, why) in [
        (&arguments[..2], "another server lives at the control socket"),
        (&arguments[2..], "another server writes this journal"),
    ] {
        let second = run(&[&["--listen", "127.0.0.1:0"], arguments].concat());
        let told = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(1), "{told}");
        assert!(told.contains(why), "{told}");
    }
    let long = path(&"k".repeat(120));
    let second = run(&["--listen", "127.0.0.1:0", "--control", long.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    assert!(socket.exists(), "the first one's is still there");
    first.signal("TERM");
    assert_eq!(first.status(), Some(0));
    std::fs::remove_file(journal).unwrap();
}

#[test]
fn all_addresses_of_both_kinds_can_be_listened_on_at_one_port() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (v4, v6) = (format!("0.0.0.0:{port}"), format!("[::]:{port}"));
    let mut program = Program::start(&["--listen", &v4, "--listen", &v6]);
    // Each has a line; the first was read at the start.
    program.logs("listening");
    program.logs("listening");
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    }
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn an_operator_changes_what_is_logged_and_sees_that_log_and_journal_are_written() {
    let (socket, journal) = (path("filter.socket"), path("filter.journal"));
    let arguments = ["--control", socket.to_str().unwrap(), "--journal", journal.to_str().unwrap()];
    let mut program = Program::start(&arguments);
    let mut operator = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let mut ask = |request: &str, reply: &str| {
        operator.write_all(request.as_bytes()).unwrap();
        let mut seen = vec![0; reply.len()];
        operator.read_exact(&mut seen).unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), reply);
    };
    ask("2 {'set_log_filter'\"verbose\"}$", "2 ? {{'error'{'bad_filter'\"");
    ask("", "verbose: not one of off, error, warn, info, debug, trace\"}}'serving'}$");
    ask("2 {'set_log_filter'\"debug\"}$", "2 ? {'ok''serving'}$");
    exchange(&mut program.connect(), "1 'here'$", "1 ? {'here''start'}$");
    program.logs("connected");
    let mut status = String::new();
    operator.write_all(b"2 'status'$").unwrap();
    while !status.ends_with("'serving'}$") {
        let mut piece = [0; 4096];
        let count = operator.read(&mut piece).unwrap();
        assert!(count > 0, "{status}");
        status.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    for health in ["{'journal'{'false'0}}", "{'log'{'false'0}}"] {
        assert!(status.contains(health), "{status}");
    }
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    std::fs::remove_file(journal).unwrap();
}

#[test]
fn r7_an_address_that_stands_for_all_of_a_machine_is_no_place_to_send_clients_to() {
    for arguments in [["--advertise", "0.0.0.0:4000"], ["--peers", "b:1,[::]:4000"]] {
        let output = run(&[&["--listen", "127.0.0.1:0"], &arguments[..]].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("not an address that a client can go to"), "{told}");
    }
}

#[test]
fn clients_come_by_a_unix_socket_too() {
    let socket = path("clients.socket");
    let listen = format!("unix:{}", socket.display());
    let program = Program::start(&["--listen", &listen]);
    let mut client = loop {
        // The line about the network's address comes first.
        if let Ok(client) = std::os::unix::net::UnixStream::connect(&socket) {
            break client;
        }
    };
    client.write_all(b"1 'here'$").unwrap();
    let mut seen = [0; 20];
    client.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"1 ? {'here''start'}$");
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_configuration_is_checked_without_a_server() {
    let file = path("check.toml");
    std::fs::write(&file, "max-connections = 0\n").unwrap();
    let right = run(&["--check-config", "--listen", "127.0.0.1:1"]);
    assert_eq!((right.status.code(), right.stderr.len()), (Some(0), 0));
    let shown = String::from_utf8(right.stdout).unwrap();
    assert!(shown.starts_with("listen = [\"127.0.0.1:1\"]  # --listen\n"), "{shown}");
    assert!(shown.contains("\n# journal is not set\n"), "{shown}");
    assert!(shown.contains("\n[drain]\ngrace = \"30s\"  # default\n"), "{shown}");
    for arguments in
        [["--config", file.to_str().unwrap()], ["--log-filter", "verbose"], ["--peers", "b"]]
    {
        let wrong = run(&[&["--check-config"], &arguments[..]].concat());
        assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn the_limit_of_descriptors_is_raised_and_what_is_too_little_is_said() {
    use std::process::Command;

    let program = env!("CARGO_BIN_EXE_ubf-server");
    for (limits, line) in [
        ("ulimit -Sn 100", "limit raised"),
        (
            "ulimit -n 100",
            "too few descriptors for --max-connections: raise the hard limit (ulimit -Hn), or lower it",
        ),
    ] {
        let mut shell = Command::new("sh");
        let script = format!("{limits} && exec \"$0\" \"$@\"");
        shell.args(["-c", &script, program, "--max-connections", "150"]);
        let program = Program::spawn_until(shell, line);
        program.signal("INT");
        assert_eq!(program.status(), Some(0));
    }
}
