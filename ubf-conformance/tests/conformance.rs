//! The specification's vectors hold for the codec, and for a program at the other end of a pipe.
#![allow(clippy::panic, reason = "the functions that tests share are not seen as tests")]

use std::collections::BTreeSet;

use ubf_conformance::command::Command;
use ubf_conformance::conformance::{Implementation, run};
use ubf_conformance::files::Files;
use ubf_conformance::implementations::{Codec, CodecStream};
use ubf_conformance::vectors::{self, DIRECTORIES, Vector};

fn all_vectors() -> Vec<Vector> {
    vectors::load(&Files::built_in()).unwrap_or_else(|problem| panic!("{problem}"))
}

fn conforms(implementation: &dyn Implementation) {
    let report = run(implementation, &all_vectors());
    assert!(report.passed(), "{report}");
    assert!(report.checks.iter().any(|check| !check.skipped), "nothing was checked");
}

#[test]
fn the_codec_conforms() {
    conforms(&Codec);
}

#[test]
fn the_codec_conforms_on_streams() {
    conforms(&CodecStream);
}

#[test]
fn a_program_conforms() {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    let command = Command::start(program, &["--serve".to_owned()]).unwrap();
    // Long inputs are no different on a pipe, only slower.
    let mut vectors = all_vectors();
    vectors.retain(|vector| vector.input.len() < 200);
    let report = run(&command, &vectors);
    assert!(report.passed(), "{report}");
    assert!(report.checks.iter().all(|check| !check.skipped), "{report}");
}

#[test]
fn every_directory_holds_vectors() {
    let found: BTreeSet<String> = all_vectors()
        .iter()
        .filter_map(|vector| Some(vector.file.split_once('/')?.0.to_owned()))
        .collect();
    assert_eq!(found, BTreeSet::from(DIRECTORIES.map(str::to_owned)));
}

#[test]
fn a_wrong_implementation_is_found_out() {
    let arguments = ["-c".to_owned(), "while read -r request; do echo complete; done".to_owned()];
    let stubborn = Command::start("sh", &arguments).unwrap();
    let mut vectors = all_vectors();
    vectors.retain(|vector| vector.input.len() < 20);
    let report = run(&stubborn, &vectors);
    let failed = report.checks.iter().filter(|check| !check.problems.is_empty()).count();
    assert!(failed > vectors.len() / 2, "{report}");
}
