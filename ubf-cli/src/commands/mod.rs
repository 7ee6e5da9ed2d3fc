//! The commands.

mod about;
#[cfg(unix)]
pub(crate) mod admin;
mod attack;
mod call;
mod check;
mod classic_call;
mod contract;
mod dashboard;
mod decode;
#[cfg(unix)]
mod demo;
mod encode;
mod fmt;
mod from_json;
mod inputs;
mod kv;
mod load;
mod load_report;
mod release;
mod repl;
#[cfg(unix)]
mod rollout;
mod switch;
mod to_json;
mod trace;
#[cfg(unix)]
mod upgrade;

use std::io;

#[cfg(unix)]
pub(crate) use self::load::cannot_start;

use crate::args::Command;
use crate::ui::output::Output;
use crate::ui::status::Status;

/// Runs a command. An error is one of stdout.
pub(crate) fn run(command: &Command, output: &mut Output) -> io::Result<Status> {
    match command {
        Command::Decode(args) => decode::run(args, output),
        Command::Encode(args) => encode::run(args, output),
        Command::ToJson(args) => to_json::run(args, output),
        Command::FromJson(args) => from_json::run(args, output),
        Command::Check(args) => check::run(args, output),
        Command::Fmt(args) => fmt::run(args, output),
        Command::Trace(args) => trace::run(args, output),
        // `main` runs it before there is an output.
        Command::Serve(_) => Ok(Status::Good),
        Command::Call(args) => call::run(args, output),
        Command::Kv(args) => kv::run(args, output),
        Command::Repl(args) => repl::run(args, output),
        Command::Load(args) => load::run(args, output),
        Command::Attack(args) => attack::run(args, output),
        Command::Contract(args) => contract::run(args, output),
        #[cfg(unix)]
        Command::Admin(args) => admin::run(args, output),
        Command::Dashboard(args) => dashboard::run(args, output),
        #[cfg(unix)]
        Command::Upgrade(args) => upgrade::run(args, output),
        // So does it run this one.
        #[cfg(target_os = "linux")]
        Command::Agent(_) => Ok(Status::Good),
        Command::Release(args) => release::run(args, output),
        Command::Switch(args) => switch::run(args, output),
        #[cfg(unix)]
        Command::Rollout(args) => rollout::run(args, output),
        #[cfg(unix)]
        Command::Demo(args) => demo::run(args, output),
        Command::Version(args) => about::version(args, output),
        Command::Completions(args) => about::completions(args, output),
        Command::Man(args) => about::man(args, output),
    }
}
