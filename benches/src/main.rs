//! Compares the codec, the client and the server with their peers: see `--help`.

#![forbid(unsafe_code)]

mod counts;
#[cfg(feature = "peers")]
mod markdown;
#[cfg(feature = "peers")]
mod missing;
#[cfg(feature = "peers")]
mod report;
#[cfg(feature = "peers")]
mod section;
#[cfg(feature = "peers")]
mod server;
#[cfg(feature = "peers")]
mod state;
mod toolchain;

use std::io;
use std::process::ExitCode;

use benches::Error;
use clap::{Parser, Subcommand};

/// Compares the codec, the client and the server with their peers.
#[derive(Debug, Parser)]
#[command(name = "benches")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures all and writes RESULTS.md, and the figures of the README where it has a place for
    /// them.
    #[cfg(feature = "peers")]
    Report(report::Arguments),
    /// Holds instruction counts to those in COUNTS.toml; needs valgrind.
    Counts(counts::Arguments),
    /// Measures servers: calls a second, latency, CPU time, memory.
    #[cfg(feature = "peers")]
    Server(server::Arguments),
    /// Measures services with rows: durable calls a second, beside what they are compared with.
    #[cfg(feature = "peers")]
    State(state::Arguments),
    /// Serves, as a process of its own: what `state` starts.
    #[command(hide = true)]
    #[cfg(feature = "peers")]
    ServeState(state::ServeArguments),
    /// Serves, as a process of its own: what `server` starts.
    #[command(hide = true)]
    #[cfg(feature = "peers")]
    Serve(server::ServeArguments),
    /// Calls a server so many times: what `report` starts to count the client's instructions.
    #[command(hide = true)]
    #[cfg(feature = "peers")]
    Call(server::CallArguments),
    /// Runs each operation that is counted once: what `counts` starts under valgrind.
    #[command(hide = true)]
    Counted,
}

fn main() -> Result<ExitCode, Error> {
    if cfg!(debug_assertions) {
        return Err(
            "figures of a build without optimisation say nothing: use cargo run --release".into()
        );
    }
    let out = &mut io::stdout();
    match Arguments::parse().command {
        #[cfg(feature = "peers")]
        Command::Report(arguments) => report::run(&arguments, out).map(|()| ExitCode::SUCCESS),
        Command::Counts(arguments) => counts::run(&arguments, out),
        #[cfg(feature = "peers")]
        Command::Server(arguments) => server::run(&arguments, out).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "peers")]
        Command::State(arguments) => state::run(&arguments, out).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "peers")]
        Command::ServeState(arguments) => {
            state::serve(&arguments, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
        }
        #[cfg(feature = "peers")]
        Command::Serve(arguments) => {
            server::serve(&arguments, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
        }
        #[cfg(feature = "peers")]
        Command::Call(arguments) => server::call(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Counted => counts::run_counted().map(|()| ExitCode::SUCCESS),
    }
}
