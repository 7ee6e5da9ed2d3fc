//! The reference server. `ubf-server --help` tells what it does.

use std::process::ExitCode;

use clap::Parser;
use ubf_server::reference::{self, Options};

#[derive(Parser)]
#[command(name = "ubf-server", version)]
struct Program {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    reference::run("ubf-server", Program::parse().options)
}
