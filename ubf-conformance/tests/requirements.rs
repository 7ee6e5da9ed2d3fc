//! The book's requirements and the vectors: each requirement has a number, each vector says which
//! ones it shows, and what no vector shows has a reason.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use ubf_conformance::dialogue::{self, Case, Folder};
use ubf_conformance::files::Files;

/// Folders whose vectors are for an implementation's inside, and cite rules as a whole (T, U).
const OF_STATE: [&str; 2] = ["state", "takeover"];

/// The chapters by name, without what stands between fences.
fn chapters() -> BTreeMap<String, String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/src");
    let mut chapters = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let parts = text.split("\n```").step_by(2);
        chapters.insert(name, parts.collect::<Vec<_>>().join("\n"));
    }
    chapters
}

/// The numbers of all requirements, in the order in which they stand: each begins a sentence.
fn requirements() -> Vec<String> {
    let chapters = chapters();
    let lines = chapters.values().flat_map(|text| text.lines());
    let numbers = lines.filter_map(|line| line.strip_prefix("- **")?.split_once("** "));
    let numbers = numbers.map(|(number, _)| number).filter(|number| {
        let (letter, rest) = number.split_at_checked(1).unwrap_or_default();
        let has_dots = rest.contains('.');
        has_dots
            && "WPNRLSQCKF".contains(letter)
            && rest.split('.').all(|it| it.parse::<u32>().is_ok())
    });
    numbers.map(str::to_owned).collect()
}

/// The rule that a requirement is a part of: `N12` of `N12.3`.
fn rule_of(number: &str) -> &str {
    number.split('.').next().unwrap()
}

/// Whom a vector of any folder cites, by file.
fn citations() -> Vec<(String, Vec<String>)> {
    fn collect(value: &toml::Value, found: &mut Vec<Vec<String>>) {
        match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    match value.as_array() {
                        Some(rules) if name == "rules" => {
                            let rules = rules.iter().map(|it| it.as_str().unwrap().to_owned());
                            found.push(rules.collect());
                        }
                        _ => collect(value, found),
                    }
                }
            }
            toml::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }

    let mut all = Vec::new();
    for (name, text) in ubf_vectors::FILES {
        let parsed: toml::Table = toml::from_str(text).unwrap();
        let mut found = Vec::new();
        collect(&toml::Value::Table(parsed), &mut found);
        assert!(!found.is_empty(), "{name}: no vector cites a rule");
        all.extend(found.into_iter().map(|rules| (name.replace(".toml", ""), rules)));
    }
    all
}

fn folder_of(file: &str) -> &str {
    file.split('/').next().unwrap()
}

#[test]
fn requirements_are_counted_without_gaps() {
    let numbers = requirements();
    assert!(numbers.len() > 500, "{}", numbers.len());
    let distinct: BTreeSet<&String> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len(), "a number is there twice");
    for number in &numbers {
        let (section, last) = number.rsplit_once('.').unwrap();
        let before = last.parse::<u32>().unwrap() - 1;
        let before = format!("{section}.{before}");
        assert!(last == "1" || numbers.contains(&before), "{number}, and no {before}");
    }
}

#[test]
fn each_vector_cites_requirements_that_there_are() {
    let numbers = requirements();
    for (file, rules) in citations() {
        assert!(!rules.is_empty(), "{file}");
        for rule in rules.iter().filter(|_| !OF_STATE.contains(&folder_of(&file))) {
            assert!(numbers.contains(rule), "{file}: there is no {rule}");
        }
    }
}

/// The rows of the chapter of what no vector shows: requirements, joined by `, ` or ` to `.
fn unshown(numbers: &[String]) -> BTreeSet<String> {
    let chapters = chapters();
    let rows = chapters["unshown.md"].lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let mut excused = BTreeSet::new();
    for item in cells.flat_map(|cell| cell.split(", ")) {
        let (first, last) = item.split_once(" to ").unwrap_or((item, item));
        let Some((section, from)) = first.rsplit_once('.') else { continue };
        let to = last.rsplit_once('.').unwrap_or((section, last)).1;
        let (from, to): (u32, u32) = (from.parse().unwrap(), to.parse().unwrap());
        excused.extend((from..=to).map(|number| format!("{section}.{number}")));
    }
    for number in &excused {
        assert!(numbers.contains(number), "unshown.md: there is no {number}");
    }
    excused
}

#[test]
fn each_requirement_has_a_vector_or_says_why_it_has_none() {
    let numbers = requirements();
    let excused = unshown(&numbers);
    let cited: BTreeSet<String> = citations().into_iter().flat_map(|(_, rules)| rules).collect();
    let is_wrong = |number: &&String| cited.contains(*number) == excused.contains(*number);
    let wrong: Vec<&String> = numbers.iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "a vector, or the reason why not: {wrong:?}");
    assert!(excused.len() * 6 < numbers.len(), "{} of {}", excused.len(), numbers.len());
}

#[test]
fn each_rule_says_which_dialogues_show_it() {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, rules) in citations() {
        if ["connections", "sessions"].contains(&folder_of(&file)) {
            for rule in rules {
                files.entry(rule_of(&rule).to_owned()).or_default().insert(format!("`{file}`"));
            }
        }
    }
    let chapters = chapters();
    let mut wrong = Vec::new();
    for (rule, files) in files {
        let anchor = format!(" {{#{}}}", rule.to_lowercase());
        let section = chapters.values().find_map(|text| text.split_once(&anchor));
        let (_, section) = section.unwrap_or_else(|| panic!("{rule} has no section"));
        // The book's lines are wrapped wherever they are full.
        let section = section.split("\n#").next().unwrap();
        let section = section.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!("*Vectors: {}.*", files.into_iter().collect::<Vec<_>>().join(", "));
        if !section.contains(&line) {
            wrong.push(format!("{rule}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "these sections do not say so: {wrong:#?}");
}

#[test]
fn each_rule_of_dialogues_has_a_usual_one_and_one_of_its_edge() {
    let mut shown: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for folder in Folder::ALL {
        for dialogue in dialogue::load(&Files::built_in(), folder).unwrap() {
            for rule in dialogue.rules {
                shown.entry(rule_of(&rule).to_owned()).or_default().push(dialogue.case);
            }
        }
    }
    assert!(shown.len() > 30, "{}", shown.len());
    // P2 is about bytes: what dialogues show of it is that addresses are equal in any case.
    for (rule, cases) in shown.into_iter().filter(|(rule, _)| rule != "P2") {
        assert!(cases.contains(&Case::Usual), "{rule} has no usual vector");
        let is_edge = cases.iter().any(|case| *case != Case::Usual);
        assert!(is_edge, "{rule} has no vector of an edge or a fault");
    }
}
