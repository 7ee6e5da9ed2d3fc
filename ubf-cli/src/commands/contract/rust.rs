//! `ubf contract rust`: code for a contract.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use ubf_contract::RustCode;

use super::source;
use crate::args::contract::{CodeSide, RustOfContract};
use crate::ui::output::Output;
use crate::ui::status::Status;

pub(crate) fn run(args: &RustOfContract, output: &mut Output) -> io::Result<Status> {
    let (_, contract) = match source::contract(&args.file, &args.source, output)? {
        Ok(read) => read,
        Err(status) => return Ok(status),
    };
    let code = RustCode::new(&contract)
        .with_server(args.only != Some(CodeSide::Client))
        .with_client(args.only != Some(CodeSide::Server))
        .write();
    match formatted(&code) {
        Ok(formatted) => output.text(formatted)?,
        Err(error) => {
            output.note(format_args!("the code is not formatted: rustfmt: {error}"));
            output.text(code)?;
        }
    }
    Ok(Status::Good)
}

/// What rustfmt makes of it.
fn formatted(code: &str) -> io::Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // It reads all before it writes. If it ends before that, its status says so.
    let _is_written =
        rustfmt.stdin.take().is_some_and(|mut pipe| pipe.write_all(code.as_bytes()).is_ok());
    let ended = rustfmt.wait_with_output()?;
    let text = String::from_utf8(ended.stdout).map_err(io::Error::other)?;
    if ended.status.success() { Ok(text) } else { Err(io::Error::other(ended.status.to_string())) }
}
