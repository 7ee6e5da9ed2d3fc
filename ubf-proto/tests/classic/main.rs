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

use std::collections::BTreeSet;
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

/// The rules of the chapter: sections, and the numbers within those that have some.
fn rules() -> (BTreeSet<String>, BTreeSet<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/src/classic.md");
    let chapter = fs::read_to_string(path).unwrap();
    let heading = |line: &str| Some(line.strip_prefix("## Q")?.split_once(':')?.0.to_owned());
    let number = |line: &str| Some(line.strip_prefix("- **Q")?.split_once("**")?.0.to_owned());
    let sections = chapter.lines().filter_map(heading).map(|rule| format!("Q{rule}"));
    let numbers = chapter.lines().filter_map(number).map(|rule| format!("Q{rule}"));
    (sections.collect(), numbers.collect())
}

#[test]
fn every_section_has_vectors_and_every_vector_cites_rules_that_exist() {
    let (sections, numbers) = rules();
    assert_eq!(sections.len(), 15);
    let mut cited = BTreeSet::new();
    for name in ["server.toml", "client.toml"] {
        for dialogue in file(name).dialogue {
            assert!(!dialogue.rules.is_empty(), "{}", dialogue.name);
            for rule in dialogue.rules {
                let is_known = sections.contains(&rule) || numbers.contains(&rule);
                assert!(is_known, "{}: there is no rule {rule}", dialogue.name);
                cited.insert(rule.split('.').next().unwrap().to_owned());
            }
        }
    }
    // It is decided before there is a session: the server's own tests show it.
    cited.insert("Q15".to_owned());
    let missing: Vec<_> = sections.difference(&cited).collect();
    assert!(missing.is_empty(), "no vector cites {missing:?}");
}
