//! Every attack of `ubf attack` can fail: against servers that do nothing, grow, leak, or let
//! others wait.
//!
//! The servers live in this process, which is watched: one test at a time.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::common::stooge::{Weakness, stooge};
use crate::common::{good, ubf};
use serde_json::Value;

/// Attacks that want nothing but that the server lets go.
const LET_GO: [&str; 5] =
    ["half-closed", "half-closed-mid-packet", "resets", "connection-storm", "idle-connections"];
/// A hundred packets, for each of which somebody who says nothing is waited for.
const MANY_ANSWERS: &str = "malformed-control";
/// Wants that the server goes on reading.
const READ_ON: &str = "event-flood";

/// For what comes at once unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The verdicts of attacks that are small: the servers here are weak enough for them. The exit
/// status says that one failed.
fn attack(weakness: impl Weakness, more: &[&str]) -> Vec<Value> {
    attack_waiting("--max-wait=0.3", weakness, more)
}

fn attack_waiting(max_wait: &str, weakness: impl Weakness, more: &[&str]) -> Vec<Value> {
    let address = stooge(weakness).to_string();
    let pid = std::process::id().to_string();
    let small = [max_wait, "--connections=3", "--packets=50", "--max-bytes=64KiB"];
    let arguments = [&["attack", &address, "--json", "--pid", &pid], &small[..], more].concat();
    let ran = ubf(&arguments, "");
    assert_eq!((ran.status, &*ran.err), (1, ""), "{}", ran.out);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn faults(verdict: &Value) -> String {
    let faults = verdict["faults"].as_array().unwrap();
    faults.iter().map(|fault| fault.as_str().unwrap()).collect::<Vec<_>>().join("; ")
}

fn names(verdicts: &[Value]) -> BTreeSet<&str> {
    verdicts.iter().map(|verdict| verdict["name"].as_str().unwrap()).collect()
}

/// Reads, and says nothing.
struct Mute;

impl Weakness for Mute {}

#[test]
fn a_server_that_does_nothing_fails_in_each_attack_that_wants_an_answer() {
    let _alone = alone();
    let list = good(&["attack", "--list"], "");
    let all = list.lines().map(|line| line.split_whitespace().next().unwrap());
    let wanted: BTreeSet<&str> = all
        .filter(|&name| !LET_GO.contains(&name) && name != MANY_ANSWERS && name != READ_ON)
        .collect();
    assert!(wanted.len() > 30, "{wanted:?}");
    let only: Vec<&str> = wanted.iter().flat_map(|name| ["--only", name]).collect();
    // Others are served well: what fails is what the server is attacked with.
    let verdicts = attack(Mute, &[&["--max-latency=5000ms"], &only[..]].concat());
    assert_eq!(names(&verdicts), wanted);
    for verdict in &verdicts {
        assert_eq!(
            (&verdict["held"], faults(verdict).is_empty()),
            (&Value::Bool(false), false),
            "{verdict}"
        );
    }
}

/// Closes without a word when it does not understand.
struct Rude;

impl Weakness for Rude {
    fn answers(&self) -> Option<&'static [u8]> {
        None
    }
}

#[test]
fn a_server_that_closes_without_a_word_has_failed() {
    let _alone = alone();
    let only = [
        "malformed-control",
        "foreign-protocols",
        "calls-then-garbage",
        "giant-announcement",
        "event-flood",
    ];
    let more: Vec<&str> = only.iter().flat_map(|name| ["--only", name]).collect();
    let verdicts = attack(Rude, &[&["--max-latency=5000ms"], &more[..]].concat());
    assert_eq!(names(&verdicts), only.into());
    for verdict in &verdicts {
        let told = format!("{}; {}", verdict["saw"].as_str().unwrap(), faults(verdict));
        assert_eq!(verdict["held"], false, "{verdict}");
        assert!(told.contains("end of stream") || told.contains("reset"), "{verdict}");
    }
}

/// Reads nothing more after an attack.
struct Stuck;

impl Weakness for Stuck {
    fn answers(&self) -> Option<&'static [u8]> {
        loop {
            thread::park();
        }
    }
}

#[test]
fn a_server_that_reads_no_more_has_failed() {
    let _alone = alone();
    let verdicts = attack(Stuck, &["--max-latency=5000ms", "--only", READ_ON]);
    assert!(
        faults(&verdicts[0]).contains("silence, and no answer to the call after them"),
        "{}",
        verdicts[0]
    );
}

/// Keeps every connection, also when the client is gone.
#[derive(Default)]
struct Hoarder(Mutex<Vec<TcpStream>>);

impl Weakness for Hoarder {
    fn meets(&self, stream: &TcpStream) {
        self.0.lock().unwrap().push(stream.try_clone().unwrap());
    }
}

#[test]
fn a_server_that_keeps_what_is_gone_has_failed() {
    let _alone = alone();
    for name in LET_GO {
        let verdicts = attack(Hoarder::default(), &["--max-latency=5000ms", "--only", name]);
        assert!(faults(&verdicts[0]).ends_with(" left open"), "{}", verdicts[0]);
    }
}

/// Keeps so much for each attack.
struct Glutton(Mutex<Vec<Vec<u8>>>);

impl Weakness for Glutton {
    fn answers(&self) -> Option<&'static [u8]> {
        self.0.lock().unwrap().push(vec![1; 32 << 20]);
        Some(b"0 ? {'error''limit-packet-bytes'44}$")
    }
}

#[test]
fn a_server_that_grows_has_failed() {
    let _alone = alone();
    let more = ["--max-latency=5000ms", "--only", "giant-announcement", "--max-growth=16MiB"];
    let verdicts = attack(Glutton(Mutex::default()), &more);
    assert!(faults(&verdicts[0]).contains("the process grew by "), "{}", verdicts[0]);
}

/// Serves nobody while it is attacked: not before somebody has waited for longer than is allowed.
#[derive(Default)]
struct OneAtATime {
    busy: Mutex<()>,
    waiting: Mutex<usize>,
    one_waits: Condvar,
}

impl OneAtATime {
    const TIME: Duration = Duration::from_millis(150);

    fn waiting(&self) -> MutexGuard<'_, usize> {
        self.waiting.lock().unwrap()
    }
}

impl Weakness for OneAtATime {
    fn hears(&self, is_attack: bool) {
        if is_attack {
            let busy = self.busy.lock().unwrap();
            let (waiting, timeout) = self
                .one_waits
                .wait_timeout_while(self.waiting(), PATIENCE, |count| *count == 0)
                .unwrap();
            drop(waiting);
            assert!(!timeout.timed_out(), "nobody calls beside the attack");
            thread::sleep(Self::TIME);
            drop(busy);
        } else {
            *self.waiting() += 1;
            self.one_waits.notify_all();
            let busy = self.busy.lock().unwrap();
            *self.waiting() -= 1;
            drop(busy);
        }
    }

    fn answers(&self) -> Option<&'static [u8]> {
        None
    }
}

#[test]
fn a_server_whose_other_clients_wait_has_failed() {
    let _alone = alone();
    // The attack ends when the server closes, and that is after somebody has waited.
    let more = ["--max-latency=100ms", "--only", "giant-announcement"];
    let verdicts = attack_waiting("--max-wait=30", OneAtATime::default(), &more);
    assert!(faults(&verdicts[0]).contains("a call beside it took "), "{}", verdicts[0]);
    assert!(verdicts[0]["meanwhile"]["max_ms"].as_f64() > Some(100.0), "{}", verdicts[0]);
}

/// Serves nobody who comes after an attack.
#[derive(Default)]
struct Offended(AtomicBool);

impl Weakness for Offended {
    fn meets(&self, stream: &TcpStream) {
        if self.0.load(Ordering::Relaxed) {
            stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
    }

    fn hears(&self, is_attack: bool) {
        self.0.fetch_or(is_attack, Ordering::Relaxed);
    }
}

#[test]
fn a_server_that_serves_nobody_new_has_failed() {
    let _alone = alone();
    let verdicts =
        attack(Offended::default(), &["--max-latency=5000ms", "--only", "giant-announcement"]);
    assert!(faults(&verdicts[0]).contains("a new client is not served: "), "{}", verdicts[0]);
}
