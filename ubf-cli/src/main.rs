//! `ubf`: read, check, write, rewrite and explain UBF packets, and talk to servers.

#[cfg(unix)]
mod admin;
mod args;
mod commands;
#[cfg(unix)]
mod demo;
mod network;
#[cfg(unix)]
mod owner;
mod packets;
mod repl;
#[cfg(unix)]
mod rollout;
mod ui;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let told = |error| args::verbs::name_verbs(error, words.iter().map(AsRef::as_ref)).exit();
    let arguments = Arguments::try_parse_from(&words).unwrap_or_else(told);
    if let Command::Serve(options) = arguments.command {
        #[cfg(unix)]
        owner::die_with_owner();
        // It has a runtime, logs and exit statuses of its own.
        return ubf_node::run("ubf serve", *options);
    }
    #[cfg(target_os = "linux")]
    if let Command::Agent(agent) = &arguments.command {
        return ubf_agent::run("ubf agent", &["agent".into()], &agent.arguments);
    }
    let mut output = Output::new();
    let ended = commands::run(&arguments.command, &mut output)
        .and_then(|status| output.flush().map(|()| status));
    match ended {
        Ok(status) => status.into(),
        // Whoever reads has seen enough, as in `ubf decode big.ubf | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Status::Good.into(),
        Err(error) => {
            let message = format!("cannot write to stdout: {}", reason(&error));
            // Stdout is what failed: that this fails to flush it says nothing more.
            output.report(&Report::new(message)).ok();
            Status::Trouble.into()
        }
    }
}
