//! The specification's vectors hold for this project's implementation, here and at the other end of
//! a pipe.
#![allow(clippy::panic, reason = "the functions that tests share are not seen as tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use ubf_conformance::capability::Capability;
use ubf_conformance::files::Files;
use ubf_conformance::implementation::Implementation;
use ubf_conformance::ours::{Codec, CodecStream, Machines};
use ubf_conformance::program::Program;
use ubf_conformance::suite::{Suite, run};
use ubf_conformance::vectors::{self, DIRECTORIES, Vector};

fn all_vectors() -> Vec<Vector> {
    vectors::load(&Files::built_in()).unwrap_or_else(|problem| panic!("{problem}"))
}

fn conforms(implementation: &dyn Implementation) {
    let report = run(implementation, &all_vectors());
    assert!(report.passed(&[]), "{report}");
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
    let program =
        Program::start(program, &["--serve".to_owned()], Duration::from_secs(60)).unwrap();
    // Long inputs are no different on a pipe, only slower.
    let mut vectors = all_vectors();
    vectors.retain(|vector| vector.input.len() < 200);
    let report = run(&program, &vectors);
    assert!(report.passed(&Capability::ALL), "{report}");
}

#[test]
fn both_ends_conform_at_the_other_end_of_a_pipe() {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    let program =
        Program::start(program, &["--serve".to_owned()], Duration::from_secs(60)).unwrap();
    let suite = Suite::load(&Files::built_in()).unwrap();
    let rules =
        ["N", "R", "S"].map(|letter| (1..14).map(move |number| format!("{letter}{number}")));
    let rules: Vec<String> = rules.into_iter().flatten().collect();
    let known = |rule: &String| suite.clone().only(std::slice::from_ref(rule)).is_ok();
    let rules: Vec<String> = rules.into_iter().filter(known).collect();
    assert!(rules.len() > 25, "{rules:?}");
    let of_rules = suite.only(&rules).unwrap();
    let by_pipe = of_rules.run(&program, &mut &program, true);
    assert!(by_pipe.passed(&Capability::ALL), "{by_pipe}");
    let here = of_rules.run(&Codec, &mut Machines::default(), true);
    assert_eq!(by_pipe.counts(), here.counts());
}

#[test]
fn contracts_are_understood_here_and_at_the_other_end_of_a_pipe() {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    let program =
        Program::start(program, &["--serve".to_owned()], Duration::from_secs(60)).unwrap();
    let suite = Suite::load(&Files::built_in()).unwrap();
    let of_contracts = suite.only(&["C".to_owned(), "K".to_owned()]).unwrap();
    let by_pipe = of_contracts.run(&program, &mut &program, false);
    assert!(by_pipe.passed(&[Capability::Contracts]), "{by_pipe}");
    assert!(by_pipe.counts().passed > 80, "{by_pipe}");
    let here = of_contracts.run(&Codec, &mut Machines::default(), false);
    assert_eq!(by_pipe.counts(), here.counts());
}

#[test]
fn classic_sessions_go_on_at_the_other_end_of_a_pipe() {
    let program = env!("CARGO_BIN_EXE_ubf-conformance");
    let program =
        Program::start(program, &["--serve".to_owned()], Duration::from_secs(60)).unwrap();
    let suite = Suite::load(&Files::built_in()).unwrap();
    // Q15.4 is about a client that is not classic.
    let classic = suite.only(&["Q".to_owned()]).unwrap();
    let by_pipe = classic.run(&program, &mut &program, false);
    assert!(by_pipe.passed(&Capability::ALL), "{by_pipe}");
    assert!(by_pipe.counts().passed > 50, "{by_pipe}");
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
fn the_vectors_of_a_folder_are_those_that_are_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors");
    let read = vectors::load(&Files::read(folder.as_ref()).unwrap()).unwrap();
    let names = |vectors: &[Vector]| -> Vec<(String, String)> {
        vectors.iter().map(|vector| (vector.file.clone(), vector.name.clone())).collect()
    };
    assert_eq!(names(&read), names(&all_vectors()));
}
