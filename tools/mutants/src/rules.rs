//! Rules of the protocol that are taken away or bent: edits that a person has chosen, each of which
//! the vectors alone must notice.
//!
//! What `cargo mutants` changes is what an editor could mistype. These are what somebody else's
//! implementation could do otherwise: the measure of how much the vectors see.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::copy;
use crate::run::{self, Outcome, Selection};

/// The list, beside this program.
const LIST: &str = include_str!("../rules.toml");

/// The package whose rules they are.
const PACKAGE: &str = "ubf-proto";

/// Nothing but the vectors judges.
const VECTORS: [Selection; 1] =
    [Selection { arguments: "--package ubf-proto --test it", modules: &["vectors"] }];

/// The share of rules that the vectors have to notice, in percent.
const GOAL: usize = 95;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Rule>,
}

/// A rule, and how it is not kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Its number in the book.
    rule: String,
    /// What the program does instead.
    what: String,
    /// Below `ubf-proto/src`.
    file: String,
    /// What stands there, once.
    from: String,
    /// What stands there instead, with `MUTANT` in the place of the question whether it is on.
    to: String,
    /// Why no vector can notice it, if none can.
    survives: Option<String>,
}

impl Rule {
    fn name(&self) -> String {
        format!("{} {}", self.rule, self.what)
    }
}

/// Builds all of them, runs the vectors with one on at a time, and says which pass unnoticed.
pub fn work(folder: &Path, jobs: usize) -> Result<(), String> {
    let list: List = toml::from_str(LIST).map_err(|error| format!("rules.toml: {error}"))?;
    let rules = list.mutant;
    let root = std::env::current_dir().map_err(|error| error.to_string())?;
    let copy = folder.join("copy");
    copy::tracked(&root, &copy)?;
    edit(&copy, &rules)?;
    copy::add_switch(&copy, &[PACKAGE.to_owned()])?;

    let tests = run::baseline(run::build(&copy, &VECTORS)?, folder)?;
    let names: Vec<(usize, String)> = rules.iter().map(Rule::name).enumerate().collect();
    let records = run::all(&names, &tests, jobs, &folder.join("rules.jsonl"))?;
    let is_noticed = |rule: &&Rule| {
        let outcome = records.get(&rule.name()).map(|record| &record.outcome);
        matches!(outcome, Some(Outcome::Caught | Outcome::Timeout))
    };
    let (noticed, unnoticed): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(is_noticed);
    for rule in &unnoticed {
        let why = rule.survives.as_deref().unwrap_or("and there is no reason for that");
        println!("not noticed: {}: {why}", rule.name());
    }
    println!("{} of {} are noticed", noticed.len(), rules.len());
    let stale = noticed.iter().filter(|rule| rule.survives.is_some());
    let stale: Vec<String> = stale.map(|rule| rule.name()).collect();
    let is_explained = unnoticed.iter().all(|rule| rule.survives.is_some());
    if noticed.len() * 100 < rules.len() * GOAL || !is_explained || !stale.is_empty() {
        return Err(format!(
            "at least {GOAL} % have to be, and the others need a reason; {stale:?}"
        ));
    }
    Ok(())
}

/// Writes all edits into the copy.
fn edit(copy: &Path, rules: &[Rule]) -> Result<(), String> {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for (number, rule) in rules.iter().enumerate() {
        let path = copy.join(PACKAGE).join("src").join(&rule.file);
        if !texts.contains_key(rule.file.as_str()) {
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            texts.insert(&rule.file, text);
        }
        let Some(text) = texts.get_mut(rule.file.as_str()) else { continue };
        let count = text.matches(&rule.from).count();
        if count != 1 {
            let name = rule.name();
            return Err(format!("{name}: what is to be changed is {count} times in {}", rule.file));
        }
        let to = rule.to.replace("MUTANT", &format!("crate::mutant({number})"));
        *text = text.replacen(&rule.from, &to, 1);
    }
    for (file, text) in texts {
        let path = copy.join(PACKAGE).join("src").join(file);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
