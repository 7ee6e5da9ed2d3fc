//! Every input that a fuzzer has found worth keeping still passes, on any toolchain.
#![allow(clippy::unwrap_used, reason = "the functions that tests share are not seen as tests")]

use std::fs::{self, File};
use std::io::Read;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use ubf_testing::targets;

struct Input {
    name: String,
    bytes: Vec<u8>,
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The inputs of a target's archive.
fn corpus(target: &str) -> Vec<Input> {
    let archive = fuzz().join("corpus").join(format!("{target}.tar"));
    let mut archive = tar::Archive::new(File::open(archive).expect("each target has an archive"));
    let entries = archive.entries().unwrap();
    let inputs = entries.map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        Input { name, bytes }
    });
    inputs.collect()
}

/// What once failed: a file each, under a name that says what it is.
fn regressions(target: &str) -> Vec<Input> {
    let directory = fuzz().join("regressions").join(target);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let inputs = entries.map(|entry| {
        let path = entry.unwrap().path();
        Input { name: path.display().to_string(), bytes: fs::read(path).unwrap() }
    });
    inputs.collect()
}

fn replay(target: &str) {
    let (_, body) =
        targets::ALL.into_iter().find(|(name, _)| *name == target).expect("it is a target");
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "fuzz/corpus/{target}.tar is empty: see fuzz/README.md");
    let mut failures = Vec::new();
    for input in corpus.into_iter().chain(regressions(target)) {
        if catch_unwind(|| body(&input.bytes)).is_err() {
            failures.push(input.name);
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
fn the_corpus_of_classic_passes() {
    replay("classic");
}

#[test]
fn the_corpus_of_server_session_passes() {
    replay("server_session");
}

#[test]
fn the_corpus_of_contract_passes() {
    replay("contract");
}

#[test]
fn the_corpus_of_check_passes() {
    replay("check");
}

#[test]
fn the_corpus_of_sessions_passes() {
    replay("sessions");
}

#[test]
fn the_corpus_of_resumes_passes() {
    replay("resumes");
}

#[test]
fn the_corpus_of_compare_passes() {
    replay("compare");
}

#[test]
fn every_target_has_its_test_and_its_fuzzer() {
    for (target, _) in targets::ALL {
        let fuzzer = fuzz().join("fuzz_targets").join(format!("{target}.rs"));
        assert!(fuzzer.is_file(), "{} is missing", fuzzer.display());
        assert!(
            include_str!("corpus.rs").contains(&format!("replay({target:?})")),
            "{target} is not replayed"
        );
    }
}
