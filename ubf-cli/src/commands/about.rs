//! What the tool says about itself: its version, scripts for shells, manual pages.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;

use crate::args::Arguments;
use crate::args::about::{AboutVersion, Completions, Man};
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// The version of the version-0 packets that client and server of this project speak.
const UBF_VERSION: u32 = 1;

pub(super) fn version(args: &AboutVersion, output: &mut Output) -> io::Result<Status> {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), ubf_node::COMMIT);
    if args.json {
        output.line(serde_json::json!({
            "version": version,
            "commit": commit,
            "ubf_version": UBF_VERSION,
        }))?;
    } else {
        let commit = commit.unwrap_or("unknown");
        output.line(format_args!("ubf {version}\ncommit {commit}\nnegotiation {UBF_VERSION}"))?;
    }
    Ok(Status::Good)
}

pub(super) fn completions(args: &Completions, output: &mut Output) -> io::Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "ubf", &mut script);
    output.bytes(&script)?;
    Ok(Status::Good)
}

pub(super) fn man(args: &Man, output: &mut Output) -> io::Result<Status> {
    match write_pages(&args.folder) {
        Ok(()) => Ok(Status::Good),
        Err(error) => {
            let folder = args.folder.display();
            let message = format!("cannot write manual pages to {folder}: {}", reason(&error));
            output.report(&Report::new(message))?;
            Ok(Status::Trouble)
        }
    }
}

fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let command = Arguments::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder)
}
