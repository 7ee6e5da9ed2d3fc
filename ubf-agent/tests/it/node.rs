//! Nodes of these tests: scripts that become this very test program, which then runs one test.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use ubf_agent_core::{Hash, Manifest, SecretKey, Signed};

/// What the release of a test does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// It says that it serves, and lives until it is told to end.
    Serves,
    /// It ends before it says anything.
    DiesAtOnce,
    /// It says that it serves, and dies a moment later.
    DiesSoon,
    /// It says nothing, and does not end.
    Hangs,
    /// It is no program.
    IsNone,
}

/// A release as a controller has it.
pub(crate) struct Release {
    pub(crate) binary: Vec<u8>,
    pub(crate) signed: Signed,
    pub(crate) hash: Hash,
}

/// The key that the agents of these tests are given.
pub(crate) fn key() -> SecretKey {
    SecretKey::read(&"2a".repeat(32)).unwrap()
}

pub(crate) fn manifest(number: u64, binary: &[u8]) -> Manifest {
    Manifest {
        name: "test".into(),
        number,
        contracts: Vec::new(),
        rows: Vec::new(),
        arguments: vec![number.to_string()],
        bytes: binary.len() as u64,
        hash: Hash::of(binary),
    }
}

impl Release {
    pub(crate) fn new(number: u64, kind: Kind) -> Self {
        let own = std::env::current_exe().unwrap();
        let own = own.to_str().unwrap();
        let run = format!("exec '{own}' node::a_node --exact --nocapture");
        let binary = match kind {
            Kind::Serves => format!("#!/bin/sh\n# {number}\nUBF_TEST_NODE=serves {run}\n"),
            Kind::DiesAtOnce => format!("#!/bin/sh\n# {number}\necho no use >&2\nexit 3\n"),
            Kind::DiesSoon => format!("#!/bin/sh\n# {number}\nUBF_TEST_NODE=dies {run}\n"),
            Kind::Hangs => format!("#!/bin/sh\n# {number}\nUBF_TEST_NODE=hangs {run}\n"),
            Kind::IsNone => format!("{number}"),
        };
        Self::of(number, binary.into_bytes())
    }

    pub(crate) fn of(number: u64, binary: Vec<u8>) -> Self {
        let manifest = manifest(number, &binary);
        Self { binary, signed: key().sign(&manifest), hash: manifest.hash }
    }
}

/// What a script becomes. Where no script asks for it, there is nothing to do.
#[test]
fn a_node() {
    let Ok(what) = std::env::var("UBF_TEST_NODE") else { return };
    let to = std::env::var("NOTIFY_SOCKET").unwrap();
    assert_eq!(std::env::var("LISTEN_PID").unwrap(), std::process::id().to_string());
    eprintln!("the node says {what}");
    if what != "hangs" {
        let ready = format!("READY=1\nMAINPID={}\n", std::process::id());
        UnixDatagram::unbound().unwrap().send_to(ready.as_bytes(), to).unwrap();
    }
    if what == "dies" {
        return;
    }
    // Until it is ended: the tests do that, and none takes so long.
    std::thread::park_timeout(Duration::from_secs(60));
}
