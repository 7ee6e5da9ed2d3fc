//! The report: all operations measured side by side, and set beside what is to be reached.

mod figures;
mod goals;
mod readme;
mod tables;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use benches::Error;
use benches::measure::{Allocations, Plan, nanoseconds};
use benches::work::{documents, operations};
use clap::Args;

use self::figures::{Figure, Figures};
pub(crate) use self::tables::{header, ratio};
use crate::{server, state, toolchain};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Measures little, to see that all works; writes nothing
    #[arg(long)]
    quick: bool,
    /// Prints all figures as JSON; writes nothing
    #[arg(long)]
    json: bool,
    /// Leaves the servers out
    #[arg(long)]
    codec_only: bool,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let mut figures = measure(plan)?;
    if !arguments.codec_only {
        figures.servers = Some(server::measure(if arguments.quick {
            server::Plan::QUICK
        } else {
            server::Plan::FULL
        })?);
        let plan = if arguments.quick { state::Plan::QUICK } else { state::Plan::FULL };
        figures.rows = Some(state::measure(plan)?);
    }
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &figures)?;
        writeln!(out)?;
        return Ok(());
    }
    let results = tables::results(&figures)?;
    if arguments.quick {
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

fn measure(plan: Plan) -> Result<Figures, Error> {
    let allocations = count_allocations()?;
    let mut found = Vec::new();
    for document in documents() {
        let mut operations = operations(document)?;
        let times = nanoseconds(&mut operations, plan);
        for (operation, nanoseconds) in operations.iter().zip(times) {
            let allocations =
                allocations.iter().find(|allocations| allocations.key == operation.key);
            found.push(Figure {
                key: operation.key.clone(),
                bytes: operation.bytes,
                nanoseconds,
                allocations: allocations.map(|allocations| allocations.count),
                peak_bytes: allocations.map(|allocations| allocations.peak_bytes),
            });
        }
    }
    Figures::new(found, plan)
}

fn count_allocations() -> Result<Vec<Allocations>, Error> {
    let output = toolchain::cargo()
        .args(["run", "--quiet", "--release", "-p", "benches", "--bin", "allocations"])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("allocations cannot be counted".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
