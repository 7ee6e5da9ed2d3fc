//! `ubf attack` against servers that do not hold, and whom it does not attack.

use std::net::TcpListener;
#[cfg(target_os = "linux")]
use std::process::{Child, Command, Stdio};
#[cfg(target_os = "linux")]
use std::sync::Mutex;

use crate::common::stooge::{Weakness, stooge};
use crate::common::{bad, good, ubf};

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

#[test]
fn attacks_that_a_server_is_not_there_for_are_refused() {
    let message = bad(2, &["attack", "127.0.0.1:1", "--only", "tls-cut-short"], "");
    let hint = "hint: ubf attack ubfs://HOST:PORT, or --ca FILE, speaks TLS\n";
    assert_eq!(message, format!("error: tls-cut-short is no attack on this server\n\n{hint}"));
    let message = bad(2, &["attack", "127.0.0.1:1", "--only", "stock-meta"], "");
    assert!(message.ends_with("hint: --classic attacks a server that knows no versions\n"));
    let message = bad(2, &["attack", "--classic", "127.0.0.1:1", "--only", "redirects"], "");
    assert!(message.contains("--classic --list names those on stock servers"), "{message}");
    let wrong = ["attack", "127.0.0.1:1", "--wrong-cert", "a.pem", "a.key"];
    assert!(bad(2, &wrong, "").contains("--wrong-cert is of no use without TLS"));
    let message = bad(2, &["attack", "127.0.0.1:1", "--ca", "/nowhere.pem"], "");
    assert!(message.starts_with("error: /nowhere.pem: cannot be read as PEM"), "{message}");
    // Names of TLS alone are those of a list with TLS.
    let authority = ubf_net::testing::Authority::new("attack-list");
    let ca = authority.file("ca.pem").display().to_string();
    let count = |arguments: &[&str]| {
        let list = good(&[&["attack", "--list"], arguments].concat(), "");
        list.lines().filter(|line| line.starts_with("tls-")).count()
    };
    assert_eq!((count(&[]), count(&["--ca", &ca]), count(&["--ca", &ca, "--classic"])), (0, 8, 8));
}

#[test]
fn a_server_that_is_no_stock_server_is_told_from_one() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let message = bad(2, &["attack", "--classic", &address, "--max-wait", "0.1"], "");
    let expected =
        format!("error: {address} is not spoken to as a stock server is: silence, and no hello\n");
    assert_eq!(message, expected);
}

#[test]
fn a_server_that_lets_anybody_be_somebody_has_failed() {
    let authority = ubf_net::testing::Authority::new("attack-weak");
    authority.sign_host("server", "127.0.0.1");
    authority.sign_host("till", "till-7.example");
    let file = |name: &str| authority.file(name).display().to_string();
    let [ca, cert, key] = ["ca.pem", "till.pem", "till.key"].map(file);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tls = ubf_net::tls::ServerTls::from_files(authority.server("server")).unwrap();
    let echo = ubf_node::services::Echo::new(ubf_server::Versions::of([1]));
    let server = ubf_server::Server::builder().listen("127.0.0.1:0").tls(tls);
    let server = runtime.block_on(server.service(ubf_server::Service::DEFAULT, echo).bind());
    let server = server.unwrap();
    let address = format!("ubfs://{}", server.addresses()[0]);
    runtime.spawn(server.run());
    let certificates = ["--only", "tls-false-certificates"];
    let shown = [&["attack", &address, "--ca", &ca][..], &certificates].concat();
    // It asks nobody, which is no fault, unless a certificate is to be refused.
    let ran = ubf(&shown, "");
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("the server wants to see no certificate"), "{}", ran.out);
    let ran = ubf(&[&shown[..], &["--wrong-cert", &cert, &key]].concat(), "");
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("and so it refuses none of --wrong-cert"), "{}", ran.out);
}
