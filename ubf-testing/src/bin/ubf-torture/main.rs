//! Five real servers under load and aimed faults; what clients saw is judged.
//!
//! ```text
//! cargo run --release -p ubf-testing --features torture --bin ubf-torture -- --minutes 5
//! ```
//!
//! The servers are processes of this program, which serve as `ubf serve` does, over files of their
//! own or over one database. They are killed at named steps (before and after a commit, at each step
//! of an upgrade in place and of a hand-off), stopped, cut off, their disk is full; and meanwhile
//! they are upgraded, hand their rows to each other, and go to another state version and back.
//!
//! Clients append to lists: each append is a transfer of money, in a durable session. None may be
//! lost, run twice, run in another order than its session made it, or stay in doubt; what was
//! answered is seen by all who ask later; and the sum of the money stays as it is.
//!
//! `--mutant` lets the servers do without a rule, to see that this is found.
//!
//! The seed gives the same choices again. When they happen is the machine's affair, so a failure
//! may need more than one run of its seed.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

mod options;

mod history;

mod checker;
mod elle;

mod counts;
mod report;
mod world;

mod clients;
mod disks;
mod logs;
mod node;
mod proxy;
mod stock;
mod trap;
mod turns;

mod cluster;

mod changes;
mod faults;

mod run;

use std::process::ExitCode;

use clap::Parser;

use self::options::Options;

/// One of the servers.
#[derive(Parser)]
struct Served {
    #[command(flatten)]
    options: ubf_node::Options,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "serve") {
        let program = std::iter::once("ubf-torture".into());
        let served = Served::parse_from(program.chain(arguments));
        return ubf_node::run("ubf-torture", served.options);
    }
    let options = Options::parse();
    if options.wants_disks() && !disks::are_here() {
        let why = disks::enter();
        eprintln!("skipped: disks without space, since none can be made: {why}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return no_run(&error.to_string()),
    };
    let report = match runtime.block_on(run::run(&options)) {
        Ok(report) => report,
        Err(error) => return no_run(&error),
    };
    if options.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    if report.breaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn no_run(why: &str) -> ExitCode {
    eprintln!("ubf-torture: {why}");
    ExitCode::from(2)
}
