//! A copy of the workspace in which all mutants that build stand behind switches.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::list::Mutant;
use crate::rewrite;

/// `UBF_MUTANT=N` turns mutant N on: the text of the module that looks.
const SWITCH: &str = include_str!("switch.txt");

/// Copies what git tracks, rewrites the mutated files, and leaves out mutants until all builds.
/// Those left out are returned.
pub fn make(
    from: &Path,
    to: &Path,
    packages: &[String],
    mutants: &[Mutant],
) -> Result<BTreeSet<usize>, String> {
    tracked(from, to)?;
    let alone = mutants.iter().enumerate().filter(|(_, mutant)| mutant.needs_own_build());
    let mut left_out: BTreeSet<usize> = alone.map(|(number, _)| number).collect();
    loop {
        rewrite_all(from, to, mutants, &mut left_out)?;
        add_switch(to, packages)?;
        let wrong = check(to, packages)?;
        println!("{} mutants do not build; {} more", left_out.len(), wrong.len());
        if wrong.is_empty() {
            return Ok(left_out);
        }
        left_out.extend(wrong);
    }
}

/// Adds the question which mutant is on to each package of a copy.
pub fn add_switch(copy: &Path, packages: &[String]) -> Result<(), String> {
    for package in packages {
        let root = copy.join(package).join("src/lib.rs");
        let text =
            fs::read_to_string(&root).map_err(|error| format!("{}: {error}", root.display()))?;
        if !text.contains("mod mutant_switch") {
            let features =
                "#![feature(core_intrinsics, const_eval_select)]\n#![allow(internal_features)]\n";
            write(&root, &format!("{features}{text}{SWITCH}"))?;
        }
    }
    Ok(())
}

/// Copies what git tracks.
pub fn tracked(from: &Path, to: &Path) -> Result<(), String> {
    // What was built before is of use; a file that is gone would not be.
    for entry in fs::read_dir(to).into_iter().flatten().flatten() {
        if entry.file_name() != "target" && entry.path().is_dir() {
            fs::remove_dir_all(entry.path())
                .map_err(|error| format!("{}: {error}", entry.path().display()))?;
        }
    }
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(from)
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    for name in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let (source, target) = (from.join(name), to.join(name));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        fs::copy(&source, &target).map_err(|error| format!("{}: {error}", source.display()))?;
    }
    Ok(())
}

fn rewrite_all(
    from: &Path,
    to: &Path,
    mutants: &[Mutant],
    left_out: &mut BTreeSet<usize>,
) -> Result<(), String> {
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
    for name in files {
        let of_file = mutants
            .iter()
            .enumerate()
            .filter(|(number, mutant)| mutant.file == name && !left_out.contains(number));
        let of_file: Vec<(usize, &Mutant)> = of_file.collect();
        let text =
            fs::read_to_string(from.join(name)).map_err(|error| format!("{name}: {error}"))?;
        let (text, unswitched) =
            rewrite::file(&text, &of_file).map_err(|error| format!("{name}: {error}"))?;
        left_out.extend(unswitched);
        write(&to.join(name), &text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[derive(Deserialize)]
struct Line {
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    rendered: Option<String>,
    #[serde(default)]
    spans: Vec<CompilerSpan>,
}

#[derive(Deserialize)]
struct CompilerSpan {
    file_name: String,
    byte_start: usize,
    byte_end: usize,
}

/// The mutants that errors of the compiler belong to.
fn check(copy: &Path, packages: &[String]) -> Result<BTreeSet<usize>, String> {
    let mut command = Command::new("cargo");
    command.args([
        "check",
        "--offline",
        "--lib",
        "--all-features",
        "--message-format",
        "json",
        "--keep-going",
    ]);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Awarnings").current_dir(copy);
    let checked = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let mut wrong = BTreeSet::new();
    let mut unexplained = None;
    for line in checked.stdout.split(|&byte| byte == b'\n') {
        let Ok(Line { message: Some(message) }) = serde_json::from_slice(line) else { continue };
        if message.level != "error" || message.spans.is_empty() {
            continue;
        }
        let texts = message
            .spans
            .iter()
            .filter_map(|span| Some((fs::read_to_string(copy.join(&span.file_name)).ok()?, span)));
        let owners: Vec<usize> =
            texts.flat_map(|(text, span)| owners(&text, span.byte_start..span.byte_end)).collect();
        if owners.is_empty() {
            unexplained = message.rendered;
        }
        wrong.extend(owners);
    }
    if let (true, Some(error)) = (wrong.is_empty(), unexplained) {
        return Err(format!("an error that no mutant explains: {error}"));
    }
    if wrong.is_empty() && !checked.status.success() {
        return Err(format!("cargo check: {}", String::from_utf8_lossy(&checked.stderr)));
    }
    Ok(wrong)
}

/// The mutants of the innermost marked text around a place.
fn owners(text: &str, place: Range<usize>) -> Vec<usize> {
    let mut open: Vec<Vec<usize>> = Vec::new();
    for (at, _) in text.match_indices("/*") {
        if at > place.start {
            break;
        }
        let inside = &text[at + 2..];
        if inside.starts_with("}*/") {
            open.pop();
        } else if let Some(numbers) =
            inside.strip_prefix('{').and_then(|rest| rest.split_once("*/"))
        {
            let numbers: Result<Vec<usize>, _> = numbers.0.split(',').map(str::parse).collect();
            if let Ok(numbers) = numbers {
                open.push(numbers);
            }
        }
    }
    open.pop().unwrap_or_default()
}
