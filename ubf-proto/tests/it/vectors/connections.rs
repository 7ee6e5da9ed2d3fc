//! Dialogues of connections, and what the book says about them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ubf_conformance::dialogue::{Case, Folder};
use ubf_conformance::outcome::Side;

use super::{dialogues, file, follows};

/// The rules of packets, negotiation, fallback, NextIP and limits that show in bytes and events.
const RULES: &str =
    "P3 P4 P5 P6 N1 N2 N3 N4 N5 N6 N7 N8 N9 N10 N11 N12 N13 R1 R2 R3 R4 R5 R6 R7 R8 R9 L1 L2 L3";

#[test]
fn the_client_does_what_the_vectors_say() {
    follows(Folder::Connections, Side::Client);
}

#[test]
fn the_server_does_what_the_vectors_say() {
    follows(Folder::Connections, Side::Server);
}

#[test]
fn each_rule_has_a_usual_vector_and_one_of_its_edge() {
    let mut shown: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for dialogue in dialogues(Folder::Connections) {
        let name = &dialogue.name;
        for rule in dialogue.rules.clone() {
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
    for dialogue in dialogues(Folder::Connections) {
        for rule in &dialogue.rules {
            let line = format!("`connections/{}`", file(&dialogue));
            files.entry(rule.clone()).or_default().push(line);
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
