//! All mutants of the codec and of the session rules, built once.
//!
//! `cargo mutants` builds a crate and its tests anew for each mutant: four thousand times. This
//! writes all of its mutants into one copy of the workspace, each behind a switch, builds that, and
//! runs the tests with one of them on at a time.
//!
//! ```text
//! cargo run --release --manifest-path mutants/Cargo.toml -- FOLDER [JOBS]
//! ```
//! With `--rules` before FOLDER, the mutants are those of `rules.toml`, and the vectors alone are
//! the tests: see [`rules`].
//!
//! FOLDER takes the copy and what comes of it: `alone.txt`, those that a switch cannot do,
//! `unbuilt.txt`, those that do not compile, and `outcomes.jsonl`, from which a run that was
//! stopped goes on. With `--kept` before FOLDER, the copy of before is used as it is.

#![forbid(unsafe_code)]

mod copy;
mod list;
mod rewrite;
mod rules;
mod run;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use crate::list::Mutant;
use crate::run::{Outcome, Selection};

const PACKAGES: [&str; 2] = ["ubf-codec", "ubf-proto"];

/// The tests: those of the crates first, then those that go through both. The first that notices
/// ends the matter.
const TESTS: [Selection; 3] = [
    Selection::whole("--package ubf-codec --all-features --lib --tests"),
    Selection::whole("--package ubf-proto --lib --tests"),
    // The other modules of this program start servers and processes.
    Selection {
        arguments: "--package ubf-testing --test it",
        modules: &["grammar", "differential", "scripts", "corpus"],
    },
];

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let is_option = |first: &&String| ["--kept", "--rules"].contains(&first.as_str());
    let option = arguments.first().filter(is_option).cloned();
    if option.is_some() {
        arguments.remove(0);
    }
    let run = |folder: &str, jobs| match option.as_deref() {
        Some("--rules") => rules::work(Path::new(folder), jobs),
        option => work(Path::new(folder), option.is_some(), jobs),
    };
    let ended = match arguments.as_slice() {
        [folder] => run(folder, 2),
        [folder, jobs] => jobs
            .parse()
            .map_err(|_| "JOBS is a number".to_owned())
            .and_then(|jobs| run(folder, jobs)),
        _ => Err("usage: ubf-mutants [--kept | --rules] FOLDER [JOBS]".to_owned()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(folder: &Path, is_kept: bool, jobs: usize) -> Result<(), String> {
    let root = env::current_dir().map_err(|error| error.to_string())?;
    let packages: Vec<String> = PACKAGES.map(str::to_owned).to_vec();
    let mut mutants: Vec<Mutant> = Vec::new();
    for package in &packages {
        mutants.extend(list::of_package(&root, package)?);
    }
    println!("{} mutants", mutants.len());
    let copy = folder.join("copy");
    let (alone, unbuilt) = (folder.join("alone.txt"), folder.join("unbuilt.txt"));
    if !is_kept {
        let left_out = copy::make(&root, &copy, &packages, &mutants)?;
        let left_out = left_out.iter().filter_map(|&number| mutants.get(number));
        let (of_alone, of_unbuilt): (Vec<&Mutant>, Vec<&Mutant>) =
            left_out.partition(|mutant| mutant.needs_own_build());
        write_names(&alone, &of_alone)?;
        write_names(&unbuilt, &of_unbuilt)?;
    }
    let left_out = [read(&alone)?, read(&unbuilt)?].concat();
    let left_out: HashSet<&str> = left_out.lines().collect();

    let tests = run::baseline(run::build(&copy, &TESTS)?, folder)?;
    let switched: Vec<(usize, &Mutant)> = mutants
        .iter()
        .enumerate()
        .filter(|(_, mutant)| !left_out.contains(mutant.name.as_str()))
        .collect();
    let names: Vec<(usize, String)> =
        switched.iter().map(|(number, mutant)| (*number, mutant.name.clone())).collect();
    let records = run::all(&names, &tests, jobs, &folder.join("outcomes.jsonl"))?;

    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (_, mutant) in &switched {
        let place = match records.get(&mutant.name).map(|record| &record.outcome) {
            Some(Outcome::Caught) => 0,
            Some(Outcome::Timeout) => 1,
            Some(Outcome::Missed) => 2,
            Some(Outcome::Unreached) => 3,
            None => continue,
        };
        counts.entry(&mutant.file).or_default()[place] += 1;
    }
    println!("caught  by hanging  missed  unreached  file");
    for (file, [caught, hanging, missed, unreached]) in counts {
        println!("{caught:6}  {hanging:10}  {missed:6}  {unreached:9}  {file}");
    }
    Ok(())
}

fn write_names(path: &Path, mutants: &[&Mutant]) -> Result<(), String> {
    let names: String = mutants.iter().map(|mutant| format!("{}\n", mutant.name)).collect();
    fs::write(path, names).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
