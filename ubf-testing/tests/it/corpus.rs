//! Every input that a fuzzer has found worth keeping still passes, on any toolchain.
#![allow(clippy::unwrap_used, reason = "the functions that tests share are not seen as tests")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use ubf_testing::targets;

fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(kind).join(target);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let (_, body) =
        targets::ALL.into_iter().find(|(name, _)| *name == target).expect("it is a target");
    let corpus = inputs("corpus", target);
    assert!(
        !corpus.is_empty(),
        "fuzz/corpus/{target} is empty: run `cargo run -p ubf-testing --bin ubf-seeds`"
    );
    let mut failures = Vec::new();
    for file in corpus.into_iter().chain(inputs("regressions", target)) {
        let bytes = fs::read(&file).unwrap();
        if catch_unwind(|| body(&bytes)).is_err() {
            failures.push(file);
        }
    }
    assert!(failures.is_empty(), "these fail: {failures:#?}");
}

#[test]
fn the_corpus_of_decode_passes() {
    replay("decode");
}

#[test]
fn the_corpus_of_decode_chunks_passes() {
    replay("decode_chunks");
}

#[test]
fn the_corpus_of_differential_passes() {
    replay("differential");
}

#[test]
fn the_corpus_of_round_trip_passes() {
    replay("round_trip");
}

#[test]
fn the_corpus_of_packet_passes() {
    replay("packet");
}

#[test]
fn the_corpus_of_notation_passes() {
    replay("notation");
}

#[test]
fn the_corpus_of_serde_passes() {
    replay("serde");
}

#[test]
fn the_corpus_of_client_session_passes() {
    replay("client_session");
}

#[test]
fn the_corpus_of_server_session_passes() {
    replay("server_session");
}

#[test]
fn every_target_has_its_test_and_its_fuzzer() {
    for (target, _) in targets::ALL {
        let fuzzer = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/fuzz_targets")
            .join(format!("{target}.rs"));
        assert!(fuzzer.is_file(), "{} is missing", fuzzer.display());
        assert!(
            include_str!("corpus.rs").contains(&format!("replay({target:?})")),
            "{target} is not replayed"
        );
    }
}
