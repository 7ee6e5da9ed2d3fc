//! The adapters of `spec/adapters` answer the line protocol, and the codecs behind them conform.
//! Each is skipped, with a message, where its interpreter is not installed.
#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may fail loudly"
)]

use std::process::{Command, Stdio};
use std::time::Duration;

use ubf_conformance::capability::Capability;
use ubf_conformance::files::Files;
use ubf_conformance::program::Program;
use ubf_conformance::suite::run;
use ubf_conformance::vectors;

/// What the adapters do: all that is said of packets, but for the cached style.
const ABILITIES: [Capability; 7] = [
    Capability::Decode,
    Capability::One,
    Capability::Encode,
    Capability::Packets,
    Capability::Classic,
    Capability::Limits,
    Capability::Escapes,
];

fn conforms(interpreter: &str, adapter: &str) {
    let is_there = Command::new(interpreter).arg("--version").stdout(Stdio::null()).status();
    if !is_there.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no {interpreter}");
        return;
    }
    let adapter = format!("{}/../spec/adapters/{adapter}", env!("CARGO_MANIFEST_DIR"));
    let program = Program::start(interpreter, &[adapter], Duration::from_secs(60)).unwrap();
    let mut vectors = vectors::load(&Files::built_in()).unwrap();
    // Long inputs are no different on a pipe, only slower.
    vectors.retain(|vector| vector.input.len() < 200);
    let report = run(&program, &vectors);
    assert!(report.passed(&ABILITIES), "{report}");
    assert!(report.counts().passed > 700, "{report}");
}

#[test]
fn python_conforms() {
    conforms("python3", "python/adapter.py");
}

#[test]
fn javascript_conforms() {
    conforms("node", "javascript/adapter.mjs");
}
