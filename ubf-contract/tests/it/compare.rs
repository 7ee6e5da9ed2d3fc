//! Pairs of contracts, each with what breaks: `spec/vectors/contracts/compare.toml`.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use ubf_contract::compare::{Comparison, Direction, Report};
use ubf_contract::{Contract, Reader};

#[derive(Deserialize)]
struct File {
    pair: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    name: String,
    rules: Vec<String>,
    old: String,
    new: String,
    backward: Vec<String>,
    /// Not said where only one direction is of interest.
    forward: Option<Vec<String>>,
}

fn spec() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../spec"))
}

fn pairs() -> Vec<Pair> {
    let text = fs::read_to_string(spec().join("vectors/contracts/compare.toml")).unwrap();
    toml::from_str::<File>(&text).unwrap().pair
}

fn read(pair: &Pair, text: &str) -> Contract {
    Reader::new().read(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", pair.name))
}

fn ids(report: &Report, direction: Direction) -> Vec<&'static str> {
    let own = report.findings.iter().filter(|finding| finding.direction == direction);
    own.map(|finding| finding.change.id()).collect()
}

#[test]
fn every_change_is_found_for_whom_it_breaks() {
    for pair in pairs() {
        assert!(!pair.rules.is_empty(), "{}: it cites what it shows", pair.name);
        let (old, new) = (read(&pair, &pair.old), read(&pair, &pair.new));
        let report = Comparison::new(&old, &new).run();
        assert_eq!(ids(&report, Direction::Backward), pair.backward, "{}", pair.name);
        if let Some(forward) = &pair.forward {
            assert_eq!(ids(&report, Direction::Forward), *forward, "{}", pair.name);
        }
    }
}

#[test]
fn a_pair_turned_round_has_its_verdicts_turned_round() {
    for pair in pairs() {
        let (old, new) = (read(&pair, &pair.old), read(&pair, &pair.new));
        let there = Comparison::new(&old, &new).run();
        let back = Comparison::new(&new, &old).run();
        assert_eq!((there.backward, there.forward), (back.forward, back.backward), "{}", pair.name);
    }
}
