//! The reference server. `ubf-server --help` tells what it does.

use std::process::ExitCode;

use clap::Parser;
use ubf_node::Options;

#[derive(Parser)]
#[command(name = "ubf-server", version = ubf_node::VERSION)]
struct Program {
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    ubf_node::run("ubf-server", Program::parse().options)
}
