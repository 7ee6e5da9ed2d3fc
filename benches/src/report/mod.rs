//! The report: all operations measured side by side, and set beside what is to be reached.

mod felt;
mod figures;
mod goals;
mod growth;
mod readme;
mod tables;

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Instant;

use benches::Error;
use benches::measure::{Allocations, Plan, nanoseconds};
use benches::work::{Operation, documents, of_size, operations};
use clap::Args;

use self::figures::{Figure, Figures};
use crate::missing::{Missing, say};
use crate::section::{Section, Sections};
use crate::{server, state, toolchain};

/// Messages in a document of which the growth is measured. The largest is within the default limits
/// (L1).
const SIZES: [usize; 6] = [1, 10, 100, 1_000, 10_000, 40_000];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Measures little, to see that all works; writes nothing
    #[arg(long)]
    quick: bool,
    /// Prints all figures as JSON; writes nothing
    #[arg(long)]
    json: bool,
    /// Measures this part alone, and prints it; may be repeated; writes nothing
    #[arg(long, value_enum)]
    only: Vec<Section>,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let start = Instant::now();
    let sections = Sections(arguments.only.clone());
    let figures = measure(&sections, arguments.quick)?;
    say(format_args!("measured in {:.0} s", start.elapsed().as_secs_f64()));
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &figures)?;
        writeln!(out)?;
        return Ok(());
    }
    let results = tables::results(&figures)?;
    if arguments.quick || !arguments.only.is_empty() {
        write!(out, "{results}")?;
        return Ok(());
    }
    fs::write(toolchain::folder().join("RESULTS.md"), results)?;
    writeln!(out, "wrote benches/RESULTS.md")?;
    let readme = toolchain::workspace().join("README.md");
    if let Some(text) =
        readme::with_figures(&fs::read_to_string(&readme)?, &tables::short(&figures))
    {
        fs::write(readme, text)?;
        writeln!(out, "wrote the figures in README.md")?;
    }
    Ok(())
}

fn measure(sections: &Sections, is_quick: bool) -> Result<Figures, Error> {
    let plan = if is_quick { Plan::QUICK } else { Plan::FULL };
    let mut figures = Figures::new(plan)?;
    // What is missing is said in the results, wherever they end up.
    let mut missing = Missing::default();
    if sections.has(Section::Codec) {
        of_the_codec(plan, &mut figures, &mut missing);
    }
    if sections.has_servers() {
        let plan = if is_quick { server::Plan::QUICK } else { server::Plan::FULL };
        let measured =
            missing.attempt("servers", |missing| server::measure(plan, sections, missing));
        figures.servers = measured;
    }
    if sections.has(Section::Rows) {
        say("services with rows …");
        let plan = if is_quick { state::Plan::QUICK } else { state::Plan::FULL };
        figures.rows =
            missing.attempt("services with rows", |missing| state::measure(plan, missing));
    }
    figures.missing = missing;
    Ok(figures)
}

fn of_the_codec(plan: Plan, figures: &mut Figures, missing: &mut Missing) {
    say("allocations …");
    let allocations = missing.attempt("allocations", |_| count_allocations()).unwrap_or_default();
    for document in documents() {
        say(format_args!("codec, {document} …"));
        let found =
            missing.attempt(document, |_| Ok(timed(operations(document)?, plan, &allocations)));
        figures.operations.extend(found.into_iter().flatten());
    }
    for messages in SIZES {
        let what = format!("{messages} messages");
        let found = missing.attempt(what, |_| Ok(timed(of_size(messages)?, plan, &[])));
        figures.sizes.extend(found.map(|found| (messages, found)));
    }
}

fn timed(mut operations: Vec<Operation>, plan: Plan, allocations: &[Allocations]) -> Vec<Figure> {
    let times = nanoseconds(&mut operations, plan);
    let figure = |(operation, nanoseconds): (&Operation, f64)| {
        let allocations = allocations.iter().find(|allocations| allocations.key == operation.key);
        Figure {
            key: operation.key.clone(),
            bytes: operation.bytes,
            nanoseconds,
            allocations: allocations.map(|allocations| allocations.count),
            peak_bytes: allocations.map(|allocations| allocations.peak_bytes),
        }
    };
    operations.iter().zip(times).map(figure).collect()
}

fn count_allocations() -> Result<Vec<Allocations>, Error> {
    let output = toolchain::cargo()
        .args(["run", "--quiet", "--release", "-p", "benches", "--bin", "allocations"])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("they cannot be counted".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
