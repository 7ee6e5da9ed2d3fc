//! The specification's dialogues, run against both ends.
//!
//! Each end is run alone: it is given what the other one sends according to the vector, and must
//! send exactly its own bytes. So a mistake that both make is found too.

mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::client;
use super::script::{self, Case, Dialogue};

/// The rules of packets, negotiation, fallback, NextIP and limits that show in bytes and events.
const RULES: &str =
    "P3 P4 P5 P6 N1 N2 N3 N4 N5 N6 N7 N8 N9 N10 N11 N12 N13 R1 R2 R3 R4 R5 R6 R7 R8 R9 L1 L2 L3";

fn dialogues() -> Vec<(String, Dialogue)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/connections");
    let mut dialogues = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file: script::File = toml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        dialogues.extend(
            file.dialogue
                .into_iter()
                .map(|dialogue| (format!("{name}: {}", dialogue.name), dialogue)),
        );
    }
    assert!(!dialogues.is_empty());
    dialogues
}

/// All failures at once, so that a change of the rules shows all that it changes.
fn run_all(run: impl Fn(&str, &Dialogue) + std::panic::RefUnwindSafe) {
    let mut failures = Vec::new();
    for (name, dialogue) in dialogues() {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&name, &dialogue))).is_err()
        {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_client_does_what_the_vectors_say() {
    run_all(|name, dialogue| client::run(name, dialogue, false));
}

#[test]
fn the_server_does_what_the_vectors_say() {
    run_all(server::run);
}

#[test]
fn each_rule_has_a_usual_vector_and_one_of_its_edge() {
    let mut shown: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for (name, dialogue) in dialogues() {
        for rule in dialogue.rules {
            assert!(RULES.split(' ').any(|known| known == rule), "{name}: there is no rule {rule}");
            shown.entry(rule).or_default().push(dialogue.case);
        }
    }
    let is_usual = |cases: &Vec<Case>| cases.contains(&Case::Usual);
    let is_edge = |cases: &Vec<Case>| cases.iter().any(|case| *case != Case::Usual);
    let missing: Vec<&str> = RULES
        .split(' ')
        .filter(|rule| !shown.get(*rule).is_some_and(|cases| is_usual(cases) && is_edge(cases)))
        .collect();
    assert!(
        missing.is_empty(),
        "these have no usual vector, or none of an edge or a fault: {missing:?}"
    );
}

/// The specification's section of a rule, which begins with its anchor.
fn section(rule: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/src");
    let anchor = format!(" {{#{}}}", rule.to_lowercase());
    for entry in fs::read_dir(directory).unwrap() {
        let Ok(chapter) = fs::read_to_string(entry.unwrap().path()) else { continue };
        if let Some(at) = chapter.find(&anchor) {
            let rest = &chapter[at..];
            return rest.split("\n#").next().unwrap_or(rest).to_owned();
        }
    }
    panic!("{rule} has no section");
}

#[test]
fn each_rule_says_which_vectors_show_it() {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, dialogue) in dialogues() {
        let file = name.split(".toml").next().unwrap_or_default();
        for rule in dialogue.rules {
            files.entry(rule).or_default().push(format!("`connections/{file}`"));
        }
    }
    for (rule, mut files) in files {
        files.sort();
        files.dedup();
        let line = format!("*Vectors: {}.*", files.join(", "));
        // The book's lines are wrapped wherever they are full.
        let section = section(&rule).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(section.contains(&line), "the section of {rule} does not say: {line}");
    }
}

#[test]
fn each_vector_has_a_name_of_its_own() {
    let mut names: Vec<String> = dialogues().into_iter().map(|(name, _)| name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
