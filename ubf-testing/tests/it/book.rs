//! What the book says about limits and tests: each default is the code's, each test that is named
//! exists.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn chapter(name: &str) -> String {
    fs::read_to_string(root().join("spec/src").join(name)).unwrap()
}

/// The rows of all tables, cell by cell, each below the heading of its section.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    let (mut section, mut is_body, mut rows) = ("", false, Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        }
        if line.starts_with("|---") {
            is_body = true;
        } else if !line.starts_with('|') {
            is_body = false;
        } else if is_body {
            rows.push((section, line.trim_matches('|').split(" | ").map(str::trim).collect()));
        }
    }
    rows
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of the functions that are tests, and of the attacks.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    for member in fs::read_dir(root()).unwrap() {
        let member = member.unwrap().path();
        if !member.join("Cargo.toml").is_file() {
            continue;
        }
        for folder in ["src", "tests"] {
            let folder = member.join(folder);
            if folder.is_dir() {
                sources(&folder, &mut files);
            }
        }
    }
    let mut names = BTreeSet::new();
    for file in files {
        let mut is_test = false;
        for line in fs::read_to_string(file).unwrap().lines().map(str::trim) {
            let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(function) = function
                && is_test
            {
                names.insert(function.split('(').next().unwrap().to_owned());
                is_test = false;
            }
        }
    }
    let attacks = fs::read_to_string(root().join("ubf-load/src/attack/list.rs")).unwrap();
    // As in `Packets "endless-string" "L1" …`.
    let names_of_attacks = attacks.lines().filter_map(|line| {
        let (kind, others) = line.trim_start().split_once(" \"")?;
        kind.chars().all(char::is_alphanumeric).then(|| others.split('"').next())?
    });
    names.extend(names_of_attacks.map(str::to_owned));
    names
}

#[test]
fn every_test_that_the_book_names_exists() {
    let tests = tests();
    let mut count = 0;
    for name in ["limits-by-name.md", "known-failures.md"] {
        let text = chapter(name);
        for (section, row) in rows(&text) {
            let mut named = code(row.last().unwrap()).peekable();
            assert!(named.peek().is_some(), "{name}, {section}: no test in {row:?}");
            for test in named {
                let vector = root().join("spec/vectors").join(test).with_extension("toml");
                let exists =
                    if test.contains('/') { vector.is_file() } else { tests.contains(test) };
                assert!(exists, "{name}, {section}: there is no {test}");
                count += 1;
            }
        }
    }
    let text = chapter("unshown.md");
    for (_, row) in rows(&text) {
        for test in code(row.last().unwrap()) {
            assert!(tests.contains(test), "unshown.md: there is no {test}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

/// `16 MiB`, `5 s` and `1,024` as a plain number: of bytes, milliseconds, or things.
fn plain(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 =
        number.replace(',', "").parse().unwrap_or_else(|_| panic!("{text} is no default"));
    number
        * match unit {
            "" | "ms" => 1,
            "s" => 1000,
            "MiB" => 1 << 20,
            _ => panic!("{unit} is no unit"),
        }
}

/// The fields that are numbers or times.
fn fields(limits: &impl Debug) -> BTreeMap<String, u64> {
    let text = format!("{limits:#?}");
    let fields = text
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_suffix(',')?.split_once(": "));
    // Those of a part are indented further, and have a table of their own.
    let fields = fields.filter(|(name, _)| !name.starts_with(' '));
    let value = |text: &str| match text.strip_suffix("ms") {
        Some(millis) => millis.parse().ok(),
        None => match text.strip_suffix('s') {
            Some(seconds) => Some(seconds.parse::<u64>().ok()? * 1000),
            None => text.parse().ok(),
        },
    };
    fields.filter_map(|(name, text)| Some((name.to_owned(), value(text)?))).collect()
}

#[test]
fn every_default_in_the_book_is_the_codes() {
    let text = chapter("limits-by-name.md");
    let book = |of: &str| -> BTreeMap<String, u64> {
        let rows = rows(&text).into_iter().filter(|(section, _)| section.contains(of));
        rows.map(|(_, row)| (code(row[0]).next().unwrap().to_owned(), plain(row[1]))).collect()
    };
    let client = ubf_proto::client::Config::new(Vec::new(), ubf_proto::Versions::new());
    assert_eq!(book("`ubf_codec::Limits`"), fields(&ubf_codec::Limits::default()));
    assert_eq!(book("`ubf_proto::server::Config`"), fields(&ubf_proto::server::Config::default()));
    let sessions = ubf_proto::endpoint::SessionLimits::default();
    assert_eq!(book("`ubf_proto::endpoint::SessionLimits`"), fields(&sessions));
    assert_eq!(book("`ubf_server::ServerLimits`"), fields(&ubf_server::ServerLimits::default()));
    assert_eq!(book("`ubf_proto::client::Config`"), fields(&client));
    assert_eq!(book("`ubf_switch::SwitchLimits`"), fields(&ubf_switch::SwitchLimits::default()));
    let classic = fields(&ubf_proto::classic::server::Config::default());
    assert_eq!(book("`ubf_proto::classic::server::Config`"), classic);
    let classic = fields(&ubf_proto::classic::client::Config::default());
    assert_eq!(book("`ubf_proto::classic::client::Config`"), classic);
    let keeper = fields(&ubf_service::server::KeeperConfig::default());
    assert_eq!(book("`ubf_service::server::KeeperConfig`"), keeper);
    assert_eq!(book("`ubf_state::TxLimits`"), fields(&ubf_state::TxLimits::default()));
    let known = ubf_state::Known { oldest: 1, newest: 1, format: ubf_state::FORMAT };
    let mut shard = fields(&ubf_state::shard::Config::new(known));
    // It is no limit.
    shard.remove("first_version");
    assert_eq!(book("`ubf_state::shard::Config`"), shard);
    let builder = fields(&ubf_client::Client::builder());
    assert_eq!(book("`ubf_client::Builder`"), builder);
    let fixed: Vec<u64> = rows(&text)
        .into_iter()
        .filter(|(section, _)| *section == "Of the protocol")
        .map(|(_, row)| plain(row[1]))
        .collect();
    let in_code = [ubf_proto::Versions::MAX_LEN, ubf_proto::Service::MAX_NAME_BYTES];
    assert_eq!(fixed[..2], in_code.map(|value| u64::try_from(value).unwrap()));
}
