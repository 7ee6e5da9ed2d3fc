//! Dialogues of sessions, and what the book says about them.
//!
//! They are written like those of connections, and have several connections to one server. A
//! message is named by its number in the session.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ubf_conformance::dialogue::{Case, Folder};
use ubf_conformance::outcome::Side;

use super::{dialogues, file, follows};

#[test]
fn the_client_does_what_the_vectors_of_sessions_say() {
    follows(Folder::Sessions, Side::Client);
}

#[test]
fn the_server_does_what_the_vectors_of_sessions_say() {
    follows(Folder::Sessions, Side::Server);
}

/// S4: in memory nobody has received less than is done, so that no search can miss this rule.
#[cfg(feature = "mutants")]
#[test]
fn mutant_received_ignores_done() {
    use ubf_proto::mutant::{Mutant, with};

    let failures =
        with(Mutant::ReceivedIgnoresDone, || super::failures(Folder::Sessions, Side::Server));
    let [failure] = failures.as_slice() else { panic!("{failures:#?}") };
    let name = "server-resuming: what the client says it has done counts as received: ";
    assert!(failure.starts_with(name), "{failure}");
}

/// The chapter, and the numbers of its rules: each begins a sentence.
fn chapter() -> (String, BTreeSet<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/src/sessions.md");
    let chapter = fs::read_to_string(path).unwrap();
    let rules = chapter.lines().filter_map(|line| line.strip_prefix("- **S")?.split_once("**"));
    let rules = rules.map(|(number, _)| format!("S{number}")).collect();
    (chapter, rules)
}

#[test]
fn the_rules_of_sessions_are_counted_without_gaps() {
    let (chapter, rules) = chapter();
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for line in chapter.lines().filter_map(|line| line.strip_prefix("- **S")) {
        let (section, number) = line.split_once("**").unwrap().0.split_once('.').unwrap();
        let count = counts.entry(section.parse().unwrap()).or_default();
        *count += 1;
        assert_eq!(number.parse::<u32>().unwrap(), *count, "S{section}.{number}");
    }
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    assert_eq!(rules.len() as u32, counts.values().sum::<u32>());
}

#[test]
fn each_vector_of_a_session_cites_rules_that_there_are() {
    let (_, rules) = chapter();
    for dialogue in dialogues(Folder::Sessions) {
        let file = file(&dialogue);
        for rule in &dialogue.rules {
            assert!(rules.contains(rule), "{file}: {}: there is no rule {rule}", dialogue.name);
        }
    }
}

#[test]
fn each_section_about_sessions_says_which_vectors_show_it() {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for dialogue in dialogues(Folder::Sessions) {
        for rule in &dialogue.rules {
            let section = rule.split('.').next().unwrap().to_owned();
            let line = format!("`sessions/{}`", file(&dialogue));
            files.entry(section).or_default().insert(line);
        }
    }
    let (chapter, _) = chapter();
    for (rule, files) in files {
        let anchor = format!(" {{#{}}}", rule.to_lowercase());
        let at = chapter.find(&anchor).unwrap_or_else(|| panic!("{rule} has no section"));
        let section = chapter[at..].split("\n#").next().unwrap();
        let section = section.split_whitespace().collect::<Vec<_>>().join(" ");
        let files = files.into_iter().collect::<Vec<_>>().join(", ");
        let line = format!("*Vectors: {files}.*");
        assert!(section.contains(&line), "the section of {rule} does not say: {line}");
    }
}

#[test]
fn each_rule_about_sessions_has_a_vector_or_says_why_it_has_none() {
    let cited: BTreeSet<String> =
        dialogues(Folder::Sessions).into_iter().flat_map(|dialogue| dialogue.rules).collect();
    let (chapter, _) = chapter();
    let (_, excused) = chapter.split_once("{#without-vector}").unwrap();
    let (excused, _) = excused.split_once("\n## ").unwrap();
    let rules = chapter.split("- **S").skip(1).map(|rule| {
        let (number, _) = rule.split_once("**").unwrap();
        format!("S{number}")
    });
    let rules: Vec<String> = rules.collect();
    assert!(rules.len() > 100, "{rules:?}");
    for rule in rules {
        let is_excused = excused.contains(&format!("| {rule} | "));
        assert!(cited.contains(&rule) != is_excused, "{rule}: a vector, or the reason why not");
    }
}

#[test]
fn each_section_about_sessions_has_a_usual_vector_and_one_of_its_edge() {
    let mut shown: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for dialogue in dialogues(Folder::Sessions) {
        for rule in dialogue.rules {
            let section = rule.split('.').next().unwrap().to_owned();
            shown.entry(section).or_default().push(dialogue.case);
        }
    }
    for (section, cases) in shown {
        assert!(cases.contains(&Case::Usual), "{section} has no usual vector");
        let is_edge = cases.iter().any(|case| *case != Case::Usual);
        assert!(is_edge, "{section} has no vector of an edge or a fault");
    }
}
