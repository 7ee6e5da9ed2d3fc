//! `ubf attack` against servers that do not hold, and whom it does not attack.

use std::net::TcpListener;
#[cfg(target_os = "linux")]
use std::process::{Child, Command, Stdio};
#[cfg(target_os = "linux")]
use std::sync::Mutex;

use crate::common::stooge::{Weakness, stooge};
use crate::common::{bad, ubf};

/// Says this to whatever an attack sends.
struct Parrot(&'static [u8]);

impl Weakness for Parrot {
    fn answers(&self) -> Option<&'static [u8]> {
        Some(self.0)
    }
}

/// Kills this process then.
#[cfg(target_os = "linux")]
struct Murder(Mutex<Child>);

#[cfg(target_os = "linux")]
impl Weakness for Murder {
    fn answers(&self) -> Option<&'static [u8]> {
        let mut process = self.0.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        Some(b"")
    }
}

#[test]
fn a_server_that_hangs_at_a_bomb_has_failed() {
    let address = stooge(Parrot(b"")).to_string();
    let ran = ubf(&["attack", &address, "--only", "deep-tuples", "--max-wait", "0.2"], "");
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.starts_with("FAILED deep-tuples (L1, "), "{}", ran.out);
    assert!(ran.out.contains("wrong: silence, and not 0 {error,'limit-depth',"), "{}", ran.out);
    assert!(ran.out.ends_with("0 attacks held, 1 failed\n"), "{}", ran.out);
}

#[test]
fn a_server_that_goes_on_after_an_error_has_failed() {
    let address = stooge(Parrot(b"0 ? {'error''limit-depth'7}$")).to_string();
    let ran =
        ubf(&["attack", &address, "--only", "deep-tuples", "--max-wait", "0.2", "--json"], "");
    assert_eq!(ran.status, 1, "{}", ran.err);
    let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(verdict["held"], false);
    assert!(verdict["faults"][0].as_str().unwrap().contains(", then "), "{verdict}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_whose_process_dies_has_failed() {
    let process = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let pid = process.id().to_string();
    let address = stooge(Murder(Mutex::new(process))).to_string();
    let ran =
        ubf(&["attack", &address, "--only", "deep-tuples", "--max-wait", "0.2", "--pid", &pid], "");
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("wrong: the process is gone: "), "{}", ran.out);
}

#[test]
fn only_servers_on_this_machine_are_attacked_unasked() {
    let message = bad(2, &["attack", "192.0.2.7:4000"], "");
    let expected = "error: 192.0.2.7:4000 is on another machine\n\nhint: --this-server-is-mine attacks it nevertheless\n";
    assert_eq!(message, expected);
}

#[test]
fn what_cannot_be_attacked_is_said_in_one_line() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert!(
        bad(2, &["attack", &nobody], "")
            .starts_with(&format!("error: cannot connect to {nobody}: "))
    );
    assert!(
        bad(2, &["attack", "nowhere"], "").contains("\n\nhint: an address has a host and a port")
    );
    let message = bad(2, &["attack", "127.0.0.1:1", "--only", "tickling"], "");
    assert_eq!(message, "error: tickling: no such attack\n\nhint: ubf attack --list names them\n");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let message = bad(2, &["attack", &address, "--max-wait", "0.1"], "");
    assert_eq!(message, format!("error: {address} does not answer a negotiation: silence\n"));
}
