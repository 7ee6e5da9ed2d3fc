//! The program `ubf-server`, its signals and exit statuses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// No program of these tests takes so long to end.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Program {
    child: Child,
    /// `None`: nobody reads it any longer.
    log: Option<BufReader<ChildStderr>>,
    address: String,
}

/// Waits until a log has something to read, or has ended. Not for ever.
fn has_more(log: &BufReader<ChildStderr>, until: Instant) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).unwrap();
    let mut fds = [PollFd::new(log.get_ref(), PollFlags::IN)];
    !log.buffer().is_empty() || poll(&mut fds, Some(&left)).unwrap() > 0
}

/// Whatever these tests send and get is held against the contracts.
const LISTENING: &[&str] =
    &["--listen", "127.0.0.1:0", "--log", "json", "--contract-mode", "enforce"];

pub(crate) fn command(arguments: &[&str]) -> Command {
    prepared(Command::new(env!("CARGO_BIN_EXE_ubf-server")), arguments)
}

fn prepared(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    command(arguments).stdout(Stdio::piped()).output().unwrap()
}

impl Program {
    /// Starts the program, and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(command(&[LISTENING, arguments].concat()))
    }

    /// Starts a program that logs this line before it listens.
    pub(crate) fn spawn_until(shell: Command, line: &str) -> Self {
        Self::spawn_as_it_is(prepared(shell, LISTENING), line)
    }

    /// The same, with the command's own arguments and streams.
    pub(crate) fn spawn_as_it_is(mut command: Command, line: &str) -> Self {
        let mut child = command.spawn().unwrap();
        let log = Some(BufReader::new(child.stderr.take().unwrap()));
        let mut program = Self { child, log, address: String::new() };
        program.logs(line);
        program.address = program.logs("listening")["address"].as_str().unwrap().to_owned();
        program
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the program ended");
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == "listening" {
                break entry["address"].as_str().unwrap().to_owned();
            }
        };
        Self { child, log: Some(log), address }
    }

    /// Starts a program that tells by HTTP how it is, and where.
    pub(crate) fn start_watched(arguments: &[&str]) -> (Self, String) {
        let arguments = [LISTENING, &["--admin-http", "127.0.0.1:0"], arguments].concat();
        let mut child = command(&arguments).spawn().unwrap();
        let log = Some(BufReader::new(child.stderr.take().unwrap()));
        let mut program = Self { child, log, address: String::new() };
        let admin = program.logs("metrics and health")["address"].as_str().unwrap().to_owned();
        program.address = program.logs("listening")["address"].as_str().unwrap().to_owned();
        (program, admin)
    }

    /// Starts a program that has operators who come by a network, and tells where.
    pub(crate) fn start_with_operators(arguments: &[&str]) -> (Self, String) {
        Self::start_with_operators_and_fault(arguments, "")
    }

    /// The same, which stops or ends by itself at a named step.
    pub(crate) fn start_with_operators_and_fault(
        arguments: &[&str],
        fault: &str,
    ) -> (Self, String) {
        let mut command = command(&[LISTENING, arguments].concat());
        let mut child = command.env("UBF_FAULT", fault).spawn().unwrap();
        let log = Some(BufReader::new(child.stderr.take().unwrap()));
        let mut program = Self { child, log, address: String::new() };
        let operators = program.logs("operators")["address"].as_str().unwrap().to_owned();
        program.address = program.logs("listening")["address"].as_str().unwrap().to_owned();
        (program, operators)
    }

    /// Starts a program that may have ended before it listens.
    pub(crate) fn spawn_quietly(mut command: Command) -> Self {
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        Self { child, log: None, address: String::new() }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as the system does: it has no time for anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has stopped by itself.
    pub(crate) fn is_stopped(&self) -> bool {
        use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

        let process = WaitId::Pid(Pid::from_child(&self.child));
        // It may end instead, too: then its test fails.
        let ends = WaitIdOptions::STOPPED | WaitIdOptions::EXITED;
        let looks = ends | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let status = waitid(process, looks).unwrap();
        assert!(status.as_ref().is_none_or(WaitIdStatus::stopped), "the program has ended");
        status.is_some()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Nobody reads the log from here on.
    pub(crate) fn close_log(&mut self) {
        self.log = None;
    }

    /// The exit status. The log is read to its end, so that the program never waits for this one.
    /// A program that goes on is killed, and the test fails.
    pub(crate) fn status(mut self) -> Option<i32> {
        let process = rustix::process::Pid::from_child(&self.child);
        let (ended, ends) = mpsc::channel::<()>();
        let watchdog = thread::spawn(move || {
            let goes_on = ends.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            if goes_on {
                rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
            }
            goes_on
        });
        if let Some(log) = &mut self.log {
            log.read_to_string(&mut String::new()).unwrap();
        }
        let status = self.child.wait().unwrap().code();
        drop(ended);
        assert!(!watchdog.join().unwrap(), "the program went on for {PATIENCE:?}");
        status
    }
}

/// A test that fails leaves no program behind.
impl Drop for Program {
    fn drop(&mut self) {
        let _is_killed = self.child.kill().is_ok();
        let _has_ended = self.child.wait().is_ok();
    }
}

impl Program {
    /// How long it waits after it could not accept. The longest wait is never reached where this is
    /// asked for.
    fn pause(&mut self) -> u64 {
        let pause = self.logs("cannot accept")["pause_ms"].as_u64().unwrap();
        assert_ne!(pause, 1_000, "the waits do not begin again");
        pause
    }

    /// The next line of the log with this message.
    pub(crate) fn logs(&mut self, message: &str) -> serde_json::Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut line = String::new();
            let log = self.log.as_mut().unwrap();
            assert!(has_more(log, until), "no line says {message:?}");
            assert!(log.read_line(&mut line).unwrap() > 0, "the program ended");
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == message {
                return entry;
            }
        }
    }
}

#[test]
fn the_log_names_the_limit_that_was_met_and_its_value() {
    let start = |limit| Program::start(&["--log-filter=info,ubf_server=debug", limit]);
    let ends = |program: &mut Program, limit: &str, value: u64| {
        let closed = program.logs("closed");
        assert_eq!(
            (&closed["limit"], &closed["value_ms"]),
            (&limit.into(), &value.into()),
            "{closed}"
        );
    };
    let mut program = start("--max-negotiation-time=20ms");
    assert_eq!(rest(program.connect()), "0 ? {'closing''negotiation_time'0}$");
    ends(&mut program, "max_negotiation_time", 20);

    let mut program = start("--max-packet-time=30ms");
    let mut slow = program.connect();
    exchange(&mut slow, "1 1$", "1 ? {1'start'}$");
    slow.write_all(b"1 {").unwrap();
    assert_eq!(rest(slow), "0 ? {'closing''packet_time'1}$");
    ends(&mut program, "max_packet_time", 30);

    let mut program = start("--max-connections=1");
    let mut deep = program.connect();
    exchange(&mut deep, "1 1$", "1 ? {1'start'}$");
    assert_eq!(rest(program.connect()), "0 ? {'closing''too_many_connections'0}$");
    assert_eq!(program.logs("turned away")["max_connections"], 1);
    deep.write_all(format!("1 {}", "{".repeat(513)).as_bytes()).unwrap();
    // The first packet had four bytes, and the header of this one has two.
    assert_eq!(rest(deep), "0 ? {'error''limit-depth'518}$");
    let reason = program.logs("closed")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("deeper than 512 (max_depth)"), "{reason}");
}

pub(crate) fn signal(process: u32, name: &str) {
    let kill = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(kill.unwrap().success());
}

pub(crate) fn exchange(stream: &mut TcpStream, request: &str, reply: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut seen = vec![0; reply.len()];
    stream.read_exact(&mut seen).unwrap();
    assert_eq!(String::from_utf8_lossy(&seen), reply);
}

pub(crate) fn rest(mut stream: TcpStream) -> String {
    let mut seen = String::new();
    stream.read_to_string(&mut seen).unwrap();
    seen
}

#[test]
fn accepting_waits_longer_each_time_while_descriptors_are_used_up_and_goes_on_when_there_are_some()
{
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ubf-server")]);
    let mut program = Program::spawn(prepared(shell, LISTENING));
    // The second time shows that the waits begin again.
    for _ in 0..2 {
        // The system makes more connections than the server has descriptors for.
        let mut crowd: Vec<TcpStream> = (0..60).map(|_| program.connect()).collect();
        // Before come the last waits of the first time, and such as end when a place becomes free.
        let mut waits: Vec<u64> = Vec::new();
        while !waits.ends_with(&[10, 20, 40]) {
            waits.push(program.pause());
            assert!(waits.len() < 100, "{waits:?}");
        }
        // Who has been accepted is served meanwhile.
        exchange(&mut crowd[0], "1 1$", "1 ? {1'start'}$");
        drop(crowd);
        exchange(&mut program.connect(), "1 1$", "1 ? {1'start'}$");
    }
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn s1_sessions_are_granted_as_the_settings_say() {
    let granted = |settings: &[&str]| {
        let program = Program::start(settings);
        let mut client = program.connect();
        let wish = "0 {'negotiate'1?#1&#{'session'16~0123456789abcdef~8 1000 60000}&}$";
        client.write_all(wish.as_bytes()).unwrap();
        let mut agreed = Vec::new();
        BufReader::new(client).read_until(b'$', &mut agreed).unwrap();
        program.signal("INT");
        assert_eq!(program.status(), Some(0));
        String::from_utf8(agreed).unwrap()
    };
    let wanted = "{'session'8 1000 16777216 5000'memory'}";
    let agreed = granted(&["--max-keep", "5s"]);
    assert!(agreed.contains(wanted), "{agreed}");
    let agreed = granted(&["--max-sessions", "0"]);
    assert!(agreed.contains("'agreed'") && !agreed.contains("'session'"), "{agreed}");
}

#[cfg(unix)]
#[test]
fn an_operator_is_served_while_descriptors_are_used_up() {
    use std::os::unix::net::UnixStream;

    let socket = std::env::temp_dir().join(format!("ubf-{}-spare.socket", std::process::id()));
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ubf-server")]);
    // Who is connected stays.
    let stays = ["--max-negotiation-time", "1h", "--control", socket.to_str().unwrap()];
    let arguments = [LISTENING, &stays].concat();
    let mut program = Program::spawn(prepared(shell, &arguments));
    let crowd: Vec<TcpStream> = (0..60).map(|_| program.connect()).collect();
    program.pause();
    // Each one needs a descriptor, and gives it back.
    for _ in 0..10 {
        let mut operator = UnixStream::connect(&socket).unwrap();
        operator.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        operator.write_all(b"1 'status'$").unwrap();
        let mut seen = Vec::new();
        BufReader::new(operator).read_until(b'$', &mut seen).unwrap();
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.contains("'status'") && seen.ends_with("'serving'}$"), "{seen}");
    }
    drop(crowd);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn sigterm_without_peers_answers_says_goodbye_and_exits_with_0() {
    let program = Program::start(&["--versions", "1-5,9,10,14"]);
    let mut client = program.connect();
    let agreed = format!(
        "10 ? {{'agreed'1?#1&2&3&4&5&9&10&14&#{{'max_packet'16777216}}&{{'agent'\"ubf-server/{}\"}}&}}$",
        env!("CARGO_PKG_VERSION")
    );
    exchange(&mut client, "0 {'negotiate'1?#1&2&3&6&8&10&11&#}$", &agreed);
    exchange(&mut client, "10 {'a'?}$", "10 ? {{'a'?}'start'}$");
    program.signal("TERM");
    assert_eq!(rest(client), "0 ? {'closing''shutdown'2}$");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn sigterm_with_peers_drains_until_the_clients_are_gone() {
    let program = Program::start(&["--peers", "b.example:4000"]);
    let mut client = program.connect();
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    program.signal("TERM");
    // An idle client is told where to go.
    let moved = "0 \"b.example:4000\" {'moved'";
    exchange(&mut client, "", moved);
    drop(client);
    assert_eq!(program.status(), Some(0));
}

#[test]
fn a_second_sigterm_stops_now() {
    let program = Program::start(&["--peers", "b.example:4000", "--grace", "1000s"]);
    let mut client = program.connect();
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    program.signal("TERM");
    exchange(&mut client, "", "0 \"b.example:4000\" {'moved'");
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn a_reply_that_was_cut_shows_in_the_exit_status() {
    let program = Program::start(&[]);
    let mut client = program.connect();
    // More than two sockets hold: the reply is on its way when the program is told to stop.
    let text = "x".repeat(15_000_000);
    exchange(&mut client, &format!("1 \"{text}\"$"), "1 ? {\"");
    program.signal("INT");
    assert_eq!(program.status(), Some(3));
}

#[test]
fn services_are_found_by_name_and_the_file_says_the_same_as_flags() {
    let file = std::env::temp_dir().join(format!("ubf-server-test-{}.toml", std::process::id()));
    std::fs::write(&file, "service = [\"echo\", \"kv\"]\nversions = \"1-5\"\n").unwrap();
    let program = Program::start(&["--config", file.to_str().unwrap()]);
    let mut client = program.connect();
    exchange(
        &mut client,
        "0 {'negotiate'1\"kv\"#1&2&3&4&#}$",
        "3 ? {'agreed'1\"kv\"#1&2&3&#{'max_packet'",
    );
    let mut others = TcpStream::connect(&program.address).unwrap();
    exchange(&mut others, "4 {'put'1 2}$", "4 ? {{'put'1 2}'start'}$");
    std::fs::remove_file(&file).unwrap();
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn what_was_answered_is_in_the_journal_even_after_sigkill() {
    let file = std::env::temp_dir().join(format!("ubf-server-test-{}.journal", std::process::id()));
    let program = Program::start(&["--journal", file.to_str().unwrap()]);
    let mut client = program.connect();
    let requests: String = (0..1000).map(|number| format!("1 {{'call'7 {number}}}$")).collect();
    let replies: String =
        (0..1000).map(|number| format!("1 ? {{{{'call'7 {number}}}'start'}}$")).collect();
    exchange(&mut client, &requests, &replies);
    program.signal("KILL");
    assert_eq!(program.status(), None);
    let expected: String =
        (0..1000).map(|number| format!("{{'executed'?1 {{'call'7 {number}}}}}$\n")).collect();
    assert!(std::fs::read_to_string(&file).unwrap() == expected);
    std::fs::remove_file(&file).unwrap();
}

#[cfg(unix)]
#[test]
fn an_operator_who_knows_nothing_but_bytes_shuts_the_program_down() {
    use std::os::unix::net::UnixStream;

    let socket =
        std::env::temp_dir().join(format!("ubf-server-test-{}.socket", std::process::id()));
    let program =
        Program::start(&["--control", socket.to_str().unwrap(), "--peers", "b.example:4000"]);
    let mut client = program.connect();
    exchange(&mut client, "1 'here'$", "1 ? {'here''start'}$");
    let mut operator = UnixStream::connect(&socket).unwrap();
    let requests = "1 {'drain'?1000000?}$1 'undrain'$1 {'withdraw'\"echo\"3}$1 {'shut_down'?}$";
    operator.write_all(requests.as_bytes()).unwrap();
    let mut seen = String::new();
    operator.read_to_string(&mut seen).unwrap();
    let replies =
        "1 ? {'ok''draining'}$1 ? {'ok''serving'}$1 ? {'ok''serving'}$1 ? {'ok''closing'}$";
    assert_eq!(seen, format!("{replies}0 ? {{'closing''shutdown'4}}$"));
    assert!(rest(client).ends_with("0 ? {'closing''shutdown'1}$"));
    assert_eq!(program.status(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    for (arguments, status, text) in [
        (&["--versions", "0"][..], 2, "ubf-server: --versions: '0' is no version: "),
        (&["--peers", "b"], 2, "ubf-server: --peers: b: not an address"),
        (&["--config", "/nonexistent.toml"], 2, "ubf-server: /nonexistent.toml: cannot be read: "),
        (
            &["--service", "kv", "--versions", "9", "--listen", "127.0.0.1:0"],
            1,
            "ubf-server: service kv has no version",
        ),
        (&["--load-high", "9"], 2, "ubf-server: --load-high: load marks without peers\n\nhint: "),
        (
            &["--listen", "127.0.0.1:0", "--control", "/nonexistent/s"],
            1,
            "ubf-server: cannot listen on /nonexistent/s",
        ),
        (
            &["--journal", "/nonexistent/journal"],
            1,
            "ubf-server: cannot write /nonexistent/journal",
        ),
        (
            &["--listen", "nowhere"],
            1,
            "ubf-server: cannot listen on nowhere: invalid socket address\n\nhint: ",
        ),
        (&["--listen", "127.0.0.1:0", "--control", "/"], 1, "ubf-server: cannot listen on /"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        let seen = String::from_utf8(output.stderr).unwrap();
        assert!(seen.starts_with(text), "{seen}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = run(&["--listen", &taken.local_addr().unwrap().to_string()]);
    let seen = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{seen}");
    assert!(seen.contains("\n\nhint: another program listens there"), "{seen}");
    let version = run(&["--version"]);
    let wanted = format!("ubf-server {}\n", ubf_node::VERSION);
    assert_eq!(String::from_utf8(version.stdout).unwrap(), wanted);
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("Exit status:"));
}
