//! Versioned clients while one process takes the place of another one (U2): their connections go
//! along, and they notice nothing, with a session or without.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::folder::Folder;
use crate::process::{Program, command};

const CLIENTS: u64 = 6;
/// No client makes more calls.
const MAX_CALLS: u64 = 200_000;

trait Socket: Read + Write + Send {}
impl<S: Read + Write + Send> Socket for S {}

struct Place {
    folder: Folder,
    is_durable: bool,
}

impl Place {
    fn new(name: &str, is_durable: bool) -> Self {
        Self { folder: Folder::new(&format!("live-{name}")), is_durable }
    }

    fn command(&self, address: &str, more: &[&str], fault: &str) -> Command {
        let file = |name| self.folder.file(name);
        let (control, data) = (file("control"), file("data"));
        let unix = format!("unix:{}", file("socket"));
        let mut arguments = vec!["--listen", address, "--listen", &unix, "--log", "json"];
        arguments.extend(["--control", &control]);
        let service = if self.is_durable { "kv" } else { "echo" };
        arguments.extend(["--service", service]);
        if self.is_durable {
            arguments.extend(["--data", &data]);
        }
        arguments.extend(more);
        let mut command = command(&arguments);
        command.env("UBF_FAULT", fault);
        command
    }

    fn first(&self, fault: &str) -> Program {
        Program::spawn(self.command("127.0.0.1:0", &[], fault))
    }

    fn successor(&self, address: &str, fault: &str) -> Command {
        self.command(address, &["--take-over"], fault)
    }

    /// A client's connection: every other one by the Unix socket.
    fn connect(&self, address: &str, number: u64) -> Box<dyn Socket> {
        let wait = Some(Duration::from_secs(20));
        if number.is_multiple_of(2) {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(wait).unwrap();
            return Box::new(stream);
        }
        let stream = UnixStream::connect(self.folder.file("socket")).unwrap();
        stream.set_read_timeout(wait).unwrap();
        Box::new(stream)
    }
}

/// Sends this, and hears that and nothing else. An end of the connection is a failure.
fn exchange(stream: &mut dyn Socket, sent: &str, expected: &str) {
    stream.write_all(sent.as_bytes()).unwrap();
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).unwrap_or_else(|error| panic!("{expected}: {error}"));
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

/// Reads one packet. No text in it has a dollar.
fn packet(stream: &mut dyn Socket) -> String {
    let (mut packet, mut byte) = (String::new(), [0]);
    while !packet.ends_with('$') {
        stream.read_exact(&mut byte).unwrap();
        packet.push(char::from(byte[0]));
    }
    packet
}

/// Negotiates, with a session of this name and level if the client has one.
fn negotiate(stream: &mut dyn Socket, number: u64, level: Option<&str>) {
    let session = level.map_or(String::new(), |_| {
        format!("{{'session'16~session of {number:05}~64 65536 60000}}&")
    });
    stream.write_all(format!("0 {{'negotiate'1?#1&3&#{session}}}$").as_bytes()).unwrap();
    let agreed = packet(stream);
    assert!(agreed.starts_with("3 ? {'agreed'"), "{agreed}");
    assert!(level.is_none_or(|level| agreed.contains(level)), "{agreed}");
}

/// Clients that call all the time, each on the connection that it has made at first.
struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<u64>>,
}

impl Load {
    fn start(place: &Place, address: &str) -> Self {
        let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..CLIENTS).map(|number| {
            let mut stream = place.connect(address, number);
            let level = match number % 3 {
                0 => None,
                _ if place.is_durable => Some("durable"),
                _ => Some("memory"),
            };
            negotiate(&mut *stream, number, level);
            let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
            let call = if place.is_durable { call_rows } else { call_echo };
            let has_session = level.is_some();
            std::thread::spawn(move || {
                let mut calls = 0;
                while calls < MAX_CALLS && !is_over.load(Ordering::Relaxed) {
                    call(&mut *stream, number, calls);
                    if has_session && calls % 20 == 0 {
                        // S3: what the client has.
                        let seen = format!("0 {{'seen'{} 0}}$", calls / 20 * 20);
                        stream.write_all(seen.as_bytes()).unwrap();
                    }
                    calls += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                if has_session {
                    let end = format!("0 {{'seen'{calls} 0'end'}}$0 'ping'$");
                    exchange(&mut *stream, &end, "0 ? 'pong'$");
                }
                calls
            })
        });
        let clients = clients.collect();
        Self { is_over, answered, clients }
    }

    /// Waits until so many more calls are answered.
    fn goes_on(&self, count: u64) {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        while self.answered.load(Ordering::Relaxed) < goal {
            assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client has ended");
            std::thread::yield_now();
        }
    }

    /// Each client has had each answer, in order. How many calls they made.
    fn end(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).sum()
    }
}

/// Two requests in one segment now and then, one in two pieces, and one that the server refuses.
fn call_echo(stream: &mut dyn Socket, number: u64, call: u64) {
    let request = format!("{{{number} {call}}}");
    let reply = format!("3 ? {{{request}'start'}}$");
    match call % 5 {
        0 => exchange(stream, &format!("3 {request}$0 'ping'$"), &format!("{reply}0 ? 'pong'$")),
        1 => {
            stream.write_all(b"3  {").unwrap();
            exchange(stream, &format!("{number} {call}}}$"), &reply);
        }
        _ => exchange(stream, &format!("3 {request}$"), &reply),
    }
}

fn call_rows(stream: &mut dyn Socket, number: u64, call: u64) {
    let request = format!("3 {{'put'\"{number} {}\"{call}}}$", call % 10);
    stream.write_all(request.as_bytes()).unwrap();
    let reply = packet(stream);
    assert!(reply.starts_with("3 ? {{'ok'"), "{reply}");
}

fn several_upgrades(name: &str, is_durable: bool, count: u64) {
    let place = Place::new(name, is_durable);
    let mut program = place.first("");
    let address = program.address().to_owned();
    let mut idle = place.connect(&address, 0);
    let load = Load::start(&place, &address);
    exchange(&mut *idle, "0 'ping'$0 'pi", "0 ? 'pong'$");
    for _ in 0..3 {
        load.goes_on(count);
        let mut successor = Program::spawn(place.successor(&address, ""));
        load.goes_on(count);
        successor.logs("this process has taken over");
        assert_eq!(program.status(), Some(0), "the predecessor has lost nothing");
        program = successor;
    }
    exchange(&mut *idle, "ng'$", "0 ? 'pong'$");
    assert!(load.end() > 3 * count);
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
}

#[test]
fn u2_versioned_clients_see_no_broken_connection_over_three_upgrades() {
    several_upgrades("three", false, 200);
}

#[test]
fn u2_clients_of_rows_see_no_broken_connection_over_three_upgrades() {
    several_upgrades("rows", true, 100);
}

/// A successor that fails before it takes the connections, or a predecessor that dies after it has given all.
fn somebody_fails(is_durable: bool, fault: &str) {
    let place = Place::new(&format!("{}-{is_durable}", fault.replace(':', "-")), is_durable);
    let program = place.first(fault);
    let address = program.address().to_owned();
    let load = Load::start(&place, &address);
    load.goes_on(50);
    let successor = Program::spawn_quietly(place.successor(&address, fault));
    let (fails, survivor) =
        if fault.contains(":p-") { (program, successor) } else { (successor, program) };
    assert_ne!(fails.status(), Some(0), "{fault}");
    load.goes_on(50);
    load.end();
    survivor.signal("TERM");
    assert_eq!(survivor.status(), Some(0), "{fault}");
}

#[test]
fn u2_versioned_clients_notice_nothing_of_a_successor_that_fails() {
    for fault in ["abort:s-given", "abort:s-opened", "stop:s-opened"] {
        somebody_fails(false, fault);
    }
    somebody_fails(true, "abort:s-opened");
}

#[test]
fn u2_versioned_clients_notice_nothing_of_a_successor_that_fails_before_it_takes_them() {
    for fault in ["abort:s-ready", "abort:s-told", "stop:s-told"] {
        somebody_fails(false, fault);
    }
    somebody_fails(true, "abort:s-ready");
}

#[test]
fn u2_versioned_clients_notice_nothing_of_a_predecessor_that_dies_when_it_has_given() {
    for fault in ["abort:p-given", "abort:p-gone"] {
        somebody_fails(false, fault);
    }
    somebody_fails(true, "abort:p-given");
}
