//! The specification's dialogues of classic sessions, run against both ends.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::ref_option,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

mod client;
mod script;
mod server;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::script::{Dialogue, File};

fn file(name: &str) -> File {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/classic");
    let text = fs::read_to_string(directory.join(name)).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All failures at once, so that a change of the rules shows all that it changes.
fn run_all(name: &str, run: impl Fn(&str, &str, &Dialogue)) {
    let File { contract, dialogue } = file(name);
    assert!(!dialogue.is_empty());
    let fails = |dialogue: &&Dialogue| {
        catch_unwind(AssertUnwindSafe(|| run(&dialogue.name, &contract, dialogue))).is_err()
    };
    assert!(dialogue.iter().all(|dialogue| !dialogue.rules.is_empty()), "each cites what it shows");
    let failures: Vec<&str> =
        dialogue.iter().filter(fails).map(|dialogue| dialogue.name.as_str()).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_server_does_what_the_vectors_say() {
    run_all("server.toml", server::run);
}

#[test]
fn the_client_does_what_the_vectors_say() {
    run_all("client.toml", client::run);
}
