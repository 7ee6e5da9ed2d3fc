//! Instruction counts, which neighbours' load does not change, held to those that are kept in the
//! repository.
//!
//! callgrind counts while the program is in [`counted_operation`], and writes a file each time that
//! it leaves it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode, Stdio};

use benches::Error;
#[cfg(feature = "peers")]
use benches::work::Work;
use benches::work::{Key, MACHINES, Operation, UBF, our_operations};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::toolchain;

/// How much more a count may be: compilers and hash seeds are not the same everywhere.
const TOLERANCE_PERCENT: u64 = 5;

/// How this is run. Beside the peers other code is inlined, and some counts are a tenth more.
const COMMAND: &str = "cargo run -p benches --release --no-default-features -- counts";

/// The name of [`counted_operation`] in the program.
const COUNTED: &str = "benches::counts::counted_operation";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Writes COUNTS.toml instead of comparing with it
    #[arg(long)]
    write: bool,
}

/// The file COUNTS.toml: instructions by document and operation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Counts of different compilers cannot be compared.
    pub(crate) rustc: String,
    counts: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    /// Those that are kept.
    pub(crate) fn read() -> Result<Self, Error> {
        Ok(toml::from_str(&fs::read_to_string(Self::path())?)?)
    }

    #[cfg(feature = "peers")]
    pub(crate) fn get(&self, document: &str, work: Work) -> Option<u64> {
        self.counts.get(document)?.get(work.as_str()).copied()
    }

    fn path() -> PathBuf {
        toolchain::folder().join("COUNTS.toml")
    }
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<ExitCode, Error> {
    if cfg!(feature = "peers") {
        return Err(format!("counts are of a build without the peers: {COMMAND}").into());
    }
    if !has_valgrind() {
        writeln!(out, "skipped: there is no valgrind to count instructions with")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rustc = toolchain::rustc()?;
    if arguments.write {
        let counts = Counts { rustc, counts: count()? };
        let text = toml::to_string(&counts)?;
        let heading =
            format!("# Instructions of each operation, written by `{COMMAND} --write`.\n");
        fs::write(Counts::path(), format!("{heading}{text}"))?;
        writeln!(out, "wrote {} counts", counts.counts.values().map(BTreeMap::len).sum::<usize>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let kept = Counts::read()?;
    if kept.rustc != rustc {
        writeln!(out, "skipped: counts were made with {}, and this is {rustc}", kept.rustc)?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_kept = compare(&kept.counts, &count()?, out)?;
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type ByDocument = BTreeMap<String, BTreeMap<String, u64>>;

/// Says what has changed, and whether that is within the tolerance.
fn compare(kept: &ByDocument, found: &ByDocument, out: &mut impl Write) -> Result<bool, Error> {
    let (mut more, mut less, mut compared) = (0, 0, 0);
    for (document, works) in found {
        for (work, &count) in works {
            compared += 1;
            let Some(&before) = kept.get(document).and_then(|works| works.get(work)) else {
                writeln!(
                    out,
                    "{document}, {work}: {count} instructions, and nothing to compare with"
                )?;
                more += 1;
                continue;
            };
            let is_more = count * 100 > before * (100 + TOLERANCE_PERCENT);
            let is_less = count * (100 + TOLERANCE_PERCENT) < before * 100;
            if is_more || is_less {
                #[expect(clippy::cast_precision_loss, reason = "for people")]
                let change = (count as f64 / before as f64 - 1.0) * 100.0;
                writeln!(
                    out,
                    "{document}, {work}: {change:+.1} %, from {before} to {count} instructions"
                )?;
            }
            more += u32::from(is_more);
            less += u32::from(is_less);
        }
    }
    writeln!(
        out,
        "{compared} counts: {more} more than {TOLERANCE_PERCENT} % above COUNTS.toml, {less} as far below"
    )?;
    if more + less > 0 {
        writeln!(out, "\nhint: if that is meant, {COMMAND} --write")?;
    }
    Ok(more == 0)
}

/// Whether instructions can be counted.
pub(crate) fn has_valgrind() -> bool {
    let mut asked = Command::new("valgrind");
    asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// A command that runs what is added to it, and writes its instructions to this file.
pub(crate) fn callgrind(file: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display()));
    command
}

/// All instructions of a file of callgrind's.
pub(crate) fn total(file: &Path) -> Result<u64, Error> {
    let dump = fs::read_to_string(file)?;
    let total = dump.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("a dump has no total")?.trim().parse()?)
}

/// Counts every operation, under callgrind.
fn count() -> Result<ByDocument, Error> {
    let folder = env::temp_dir().join(format!("ubf-benches-{}", process::id()));
    fs::create_dir(&folder)?;
    let counted = count_in(&folder);
    fs::remove_dir_all(&folder)?;
    counted
}

fn count_in(folder: &Path) -> Result<ByDocument, Error> {
    let output = callgrind(&folder.join("out"))
        .arg("--collect-atstart=no")
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(env::current_exe()?)
        .arg("counted")
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(format!("valgrind: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let mut counts = ByDocument::new();
    for (place, line) in String::from_utf8(output.stdout)?.lines().enumerate() {
        let (document, operation) =
            line.split_once('\t').ok_or("a line does not name an operation")?;
        let total = total(&folder.join(format!("out.{}", place + 1)));
        let total = total.map_err(|error| format!("callgrind has not seen {COUNTED}: {error}"))?;
        counts.entry(document.to_owned()).or_default().insert(operation.to_owned(), total);
    }
    Ok(counts)
}

/// What runs under callgrind: every operation of ours, once before it is counted, so that what it
/// keeps is there.
pub(crate) fn run_counted() -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    // 64 MiB at once and in pieces are compared by time.
    for document in benches::work::documents().filter(|&document| document != "long text") {
        for mut operation in our_operations(document)? {
            let Some(name) = name(&operation.key) else { continue };
            operation.run();
            counted_operation(&mut operation);
            writeln!(out, "{document}\t{name}")?;
        }
    }
    Ok(())
}

/// The operation's name, if it is ours.
fn name(key: &Key) -> Option<String> {
    let variant = key.by.strip_prefix(UBF).or_else(|| key.by.strip_prefix(MACHINES))?;
    Some(format!("{}{variant}", key.work))
}

/// A function of its own, by whose name callgrind knows when to count.
#[inline(never)]
fn counted_operation(operation: &mut Operation) {
    operation.run();
    // Or else the call above could be a jump, and callgrind would not see the end.
    black_box(());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    fn counts(decode: u64) -> ByDocument {
        BTreeMap::from([("rpc".to_owned(), BTreeMap::from([("decode".to_owned(), decode)]))])
    }

    #[test]
    fn a_count_may_grow_by_the_tolerance_and_no_further() {
        let mut out = Vec::new();
        for (kept, found, is_kept) in [(1000, 1050, true), (1000, 1051, false), (1000, 1, true)] {
            assert_eq!(
                compare(&counts(kept), &counts(found), &mut out).unwrap(),
                is_kept,
                "{kept} to {found}"
            );
        }
        assert!(
            !compare(&ByDocument::new(), &counts(1), &mut out).unwrap(),
            "a count that nobody keeps"
        );
        assert!(
            String::from_utf8(out)
                .unwrap()
                .contains("rpc, decode: +5.1 %, from 1000 to 1051 instructions\n")
        );
    }
}
