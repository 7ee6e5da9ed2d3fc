//! Servers side by side: echo over loopback, the client in this process and the server in another.

mod bare;
mod beside;
mod bodies;
mod child;
mod contender;
mod figures;
mod first;
pub(crate) mod growth;
mod handle;
mod idle;
mod instructions;
mod load;
mod measure;
mod packets;
mod peer;
mod pin;
mod redirect;
mod sessions;
mod tables;
mod tarpc;
#[cfg(feature = "tls")]
mod tls;
mod tonic;
mod ubf;

use std::io::Write;

use ::benches::Error;
use clap::Args;

pub(crate) use self::beside::Stream;
pub(crate) use self::child::{ServeArguments, serve};
pub(crate) use self::figures::{ACTIVE, DEPTH, Figures, Scenario};
pub(crate) use self::first::Way;
pub(crate) use self::instructions::{CallArguments, Counted, call};
pub(crate) use self::measure::{Plan, measure};
pub(crate) use self::peer::Kind;
pub(crate) use self::tables::write as write_tables;
use crate::missing::Missing;
use crate::section::{Section, Sections};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Measures little, to see that all works
    #[arg(long)]
    quick: bool,
    /// Takes so many rounds: few tell roughly
    #[arg(long)]
    rounds: Option<usize>,
    /// Opens so many idle connections
    #[arg(long)]
    idle: Option<usize>,
    /// Measures this part, and nothing else; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Section>,
    /// Measures what TLS costs, ours and tonic's, and nothing else
    #[cfg(feature = "tls")]
    #[arg(long)]
    tls: bool,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let plan = plan.with(arguments.rounds, arguments.idle);
    let mut missing = Missing::default();
    #[cfg(feature = "tls")]
    if arguments.tls {
        let figures = measure::measure_tls(plan, &mut missing)?;
        if arguments.json {
            serde_json::to_writer_pretty(&mut *out, &figures)?;
            return Ok(writeln!(out)?);
        }
        let mut text = String::new();
        tls::write(&figures, &mut text)?;
        return Ok(out.write_all(text.as_bytes())?);
    }
    let figures = measure(plan, &Sections(arguments.only.clone()), &mut missing)?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &figures)?;
        return Ok(writeln!(out)?);
    }
    let mut text = String::new();
    write_tables(&figures, &mut text)?;
    Ok(out.write_all(text.as_bytes())?)
}
