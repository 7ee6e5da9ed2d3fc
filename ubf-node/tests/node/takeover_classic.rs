//! Stock clients while one process takes the place of another one (U2): their connections go along,
//! and they notice nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::process::{Program, command, exchange};

const CLIENTS: usize = 6;
/// No client makes more calls.
const MAX_CALLS: u64 = 200_000;
const HELLO: &str = "{'ubf1.0'\"meta_server\"\"\n\n Type 'info'$ for information\n\n\"}$\n";
/// A light with a state that is lost if its connection begins anew.
const SCRIPT: &str = "{service,\"light\",off}. {request,off,flip,{was,off},on}.
    {request,on,flip,{was,on},off}. {request,'_',{say,'$1'},{said,'$1'},'_'}.";

struct Place {
    folder: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("ubf-{}-classic-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("script"), SCRIPT).unwrap();
        Self { folder }
    }

    fn command(&self, more: &[&str], fault: &str) -> Command {
        let file = |name| self.folder.join(name).to_str().unwrap().to_owned();
        let (script, control) = (file("script"), file("control"));
        let mut command = command(&["--listen", "127.0.0.1:0", "--classic", "127.0.0.1:0"]);
        command.args(["--log", "json", "--script", &script, "--control", &control]);
        command.args(more).env("UBF_FAULT", fault);
        command
    }

    /// The first server, and where it listens for stock peers.
    fn first(&self, fault: &str) -> (Program, String) {
        let mut program = Program::spawn(self.command(&[], fault));
        let listening = program.logs("listening for stock peers");
        (program, listening["address"].as_str().unwrap().to_owned())
    }

    fn successor(&self, fault: &str) -> Command {
        self.command(&["--take-over"], fault)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _is_gone = std::fs::remove_dir_all(&self.folder).is_ok();
    }
}

fn in_light(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    exchange(&mut stream, "", HELLO);
    exchange(&mut stream, "{'startSession',\"light\",#}$\n", "{{'ok''ok'}'off'}$\n");
    stream
}

/// Clients that call all the time, each on the connection that it has made at first.
struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<u64>>,
}

impl Load {
    fn start(address: &str) -> Self {
        let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..CLIENTS).map(|number| {
            let stream = in_light(address);
            let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
            std::thread::spawn(move || call(stream, number, &is_over, &answered))
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

    /// Each client has had each answer, in order, from the state in which it was.
    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            assert!(client.join().unwrap() > 0);
        }
    }
}

/// Two requests in one segment now and then, and one in two pieces.
fn call(mut stream: TcpStream, number: usize, is_over: &AtomicBool, answered: &AtomicU64) -> u64 {
    let mut calls = 0;
    while calls < MAX_CALLS && !is_over.load(Ordering::Relaxed) {
        let state = if calls % 2 == 0 { "off" } else { "on" };
        let next = if calls % 2 == 0 { "on" } else { "off" };
        let flipped = format!("{{{{'was''{state}'}}'{next}'}}$\n");
        match calls % 5 {
            0 => {
                let said = format!("{{{{'said'{{{number} {calls}}}}}'{next}'}}$\n");
                let both = format!("'flip'${{'say',{{{number},{calls}}}}}$\n");
                exchange(&mut stream, &both, &format!("{flipped}{said}"));
            }
            1 => {
                stream.write_all(b"'fl").unwrap();
                exchange(&mut stream, "ip'$\n", &flipped);
            }
            _ => exchange(&mut stream, "'flip'$\n", &flipped),
        }
        calls += 1;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    calls
}

#[test]
fn u2_a_stock_client_under_load_sees_no_broken_connection_over_three_upgrades() {
    let place = Place::new("three");
    let (mut program, address) = place.first("");
    let mut idle = in_light(&address);
    exchange(&mut idle, "'flip'$'fl", "{{'was''off'}'on'}$\n");
    let load = Load::start(&address);
    for _ in 0..3 {
        load.goes_on(200);
        let mut successor = Program::spawn(place.successor(""));
        load.goes_on(200);
        successor.logs("this process has taken over");
        assert_eq!(program.status(), Some(0), "the predecessor has lost nothing");
        program = successor;
    }
    exchange(&mut idle, "ip'$\n", "{{'was''on'}'off'}$\n");
    load.end();
    program.signal("TERM");
    assert_eq!(program.status(), Some(0));
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "it is closed in good order");
}

#[test]
fn u2_stock_clients_notice_nothing_of_a_successor_that_fails_or_of_a_predecessor_that_dies() {
    for fault in
        ["abort:s-given", "abort:s-opened", "stop:s-opened", "abort:p-given", "abort:p-gone"]
    {
        let place = Place::new(&fault.replace(':', "-"));
        let (program, address) = place.first(fault);
        let load = Load::start(&address);
        load.goes_on(50);
        let successor = Program::spawn_quietly(place.successor(fault));
        let (fails, survivor) =
            if fault.contains(":p-") { (program, successor) } else { (successor, program) };
        assert_ne!(fails.status(), Some(0), "{fault}");
        load.goes_on(50);
        load.end();
        survivor.signal("TERM");
        assert_eq!(survivor.status(), Some(0), "{fault}");
    }
}
