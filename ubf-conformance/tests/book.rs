//! What the book says about the line protocol is so: its examples are run, its words are known.
#![allow(clippy::panic, reason = "the functions that tests share are not seen as tests")]

use std::fs;

use ubf_conformance::dialogue::{Act, Beginning, Told};
use ubf_conformance::line_protocol::serve;
use ubf_conformance::live;
use ubf_conformance::ours::{Codec, Machines};
use ubf_conformance::outcome::Side;

fn chapter() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/src/line-protocol.md");
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of the blocks of text, those after `sign`.
fn lines(chapter: &str, sign: &str) -> Vec<String> {
    let blocks = chapter.split("```text\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap_or_default());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix(sign));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_example_of_the_line_protocol_is_true() {
    let chapter = chapter();
    let (requests, answers) = (lines(&chapter, "> "), lines(&chapter, "< "));
    assert!(requests.len() > 10 && requests.len() == answers.len());
    let mut out = Vec::new();
    serve(&Codec, &mut Machines::default(), requests.join("\n").as_bytes(), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    // Notices are compared only where they are required, and examples show them only there.
    let without_notices = |line: &str| {
        let parts = line.split(" ; ").filter(|part| !part.starts_with("notice "));
        parts.collect::<Vec<_>>().join(" ; ")
    };
    for ((request, expected), answer) in requests.iter().zip(&answers).zip(out.lines()) {
        assert_eq!(without_notices(answer), without_notices(expected), "{request}");
    }
    assert_eq!(out.lines().count(), answers.len());
}

/// What stands between backticks in the first column of the tables of a section.
fn words(chapter: &str, section: &str) -> Vec<String> {
    let (_, rest) = chapter.split_once(section).unwrap_or_else(|| panic!("no {section}"));
    let rows = rest.split("\n#").next().unwrap_or_default().lines();
    let cells = rows.filter_map(|row| row.strip_prefix("| `")?.split(" | ").next());
    let words = cells.flat_map(|cell| cell.split('`').step_by(2));
    let words: Vec<String> =
        words.filter(|word| !word.is_empty() && *word != ", ").map(str::to_owned).collect();
    assert!(words.len() > 5, "{section}: {words:?}");
    words
}

/// The words of a table, with something in the place of each letter.
fn filled(words: &str) -> String {
    let word = |word: &str| match word {
        "N" | "V" | "T" | "U" | "CUT" => "7".to_owned(),
        "BYTES" => "31".to_owned(),
        "PEER" | "TLS" => "-".to_owned(),
        "ADDRESS" => "192.0.2.9".to_owned(),
        "ADDRESSES" => "a:1".to_owned(),
        "X" | "WHY" | "WORD" => "x".to_owned(),
        word => word.to_owned(),
    };
    words.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_word_of_the_tables_is_known() {
    let chapter = chapter();
    for told in words(&chapter, "### What an end is told") {
        let line = filled(&told);
        assert_eq!(line.parse::<Told>().map(|told| told.to_string()), Ok(line), "{told}");
    }
    for act in words(&chapter, "### What an end does") {
        let line = filled(&act);
        assert_eq!(line.parse::<Act>().map(|act| act.to_string()), Ok(line), "{act}");
    }
    for setting in words(&chapter, "### Settings") {
        let is_of = |side: &str| format!("{side} {setting}=1").parse::<Beginning>().is_ok();
        assert!(is_of("client") || is_of("server"), "{setting}");
    }
}

#[test]
fn every_rule_that_is_seen_from_outside_is_in_the_table() {
    let chapter = chapter();
    let row = |end: &str| -> Vec<String> {
        let prefix = format!("| {end} | ");
        let row = chapter.lines().find_map(|line| line.strip_prefix(&prefix)?.strip_suffix(" |"));
        row.unwrap_or_default().split(", ").map(str::to_owned).collect()
    };
    let sorted = |rules: Vec<&str>| {
        let mut rules: Vec<String> = rules.into_iter().map(str::to_owned).collect();
        rules.sort();
        rules.dedup();
        rules
    };
    for (end, rules) in
        [("server", live::rules(Side::Server)), ("client", live::rules(Side::Client))]
    {
        let mut told = row(end);
        told.sort();
        assert_eq!(told, sorted(rules), "{end}");
    }
}
