//! `ubf contract`: contracts read, printed, shown, compared, and held against terms.

mod check;
mod diff;
mod fake;
mod fmt;
mod rust;
mod show;
mod source;
mod test;
mod told;

use std::io;

use crate::args::contract::{Contract, ContractCommand};
use crate::ui::output::Output;
use crate::ui::status::Status;

pub(crate) fn run(args: &Contract, output: &mut Output) -> io::Result<Status> {
    match &args.command {
        ContractCommand::Check(args) => check::run(args, output),
        ContractCommand::Fmt(args) => fmt::run(args, output),
        ContractCommand::Show(args) => show::run(args, output),
        ContractCommand::Diff(args) => diff::run(args, output),
        ContractCommand::Test(args) => test::run(args, output),
        ContractCommand::Fake(args) => fake::run(args, output),
        ContractCommand::Rust(args) => rust::run(args, output),
    }
}
