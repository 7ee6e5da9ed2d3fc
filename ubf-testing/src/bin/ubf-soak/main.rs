//! An hour of weather: clients, three servers and strangers in one process, with faults, drains and
//! restarts from a seed.
//!
//! ```text
//! cargo run --release -p ubf-testing --bin ubf-soak -- --minutes 60
//! ```
//!
//! The connections of all clients break all the time, at any byte, and often only one end sees it,
//! or none.
//!
//! All the time: every call ends, no call and no event is executed twice, a call that was answered
//! was executed, one of which that is certain was not, a drain cuts nothing, and nobody panics who
//! was not asked to. No call of a session is indeterminate unless its server ended, or was replaced
//! in place, while the session had no connection. No event comes twice, and no client finds its
//! server at fault. At the end, when all have left: sessions have gone on, there is no task, there
//! are no more descriptors than before, and no more memory than after the warm-up.
//!
//! `--sabotage` makes a fault of our own, to see that it is found.
//!
//! The seed gives the same choices again. When they happen is the machine's affair, so a failure
//! may need more than one run of its seed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

mod options;
mod sabotage;

mod fates;
mod ledger;
mod world;

mod gauge;
mod report;

mod crowd;
mod cuts;
mod keeper;
mod outages;
mod recorder;
mod requests;
mod sight;
mod strangers;

mod run;

use std::process::ExitCode;

use clap::Parser as _;

use self::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    world::silence_wanted_panics();
    let report = match run::run(&options) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("ubf-soak: {error}");
            return ExitCode::from(2);
        }
    };
    if options.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    if report.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
