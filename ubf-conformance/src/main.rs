//! Runs the specification's vectors over an implementation.
//!
//! ```text
//! ubf-conformance                            the codec, from slices and from streams
//! ubf-conformance --command PROGRAM ARGS…    a program that speaks the line protocol
//! ubf-conformance --serve                    answers the line protocol with the codec
//! ```
//!
//! The exit status is 0 if all vectors pass, and else 1.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

use std::io::{stdin, stdout};
use std::process::ExitCode;

use ubf_conformance::command::Command;
use ubf_conformance::conformance::{Implementation, run};
use ubf_conformance::files::Files;
use ubf_conformance::implementations::{Codec, CodecStream};
use ubf_conformance::{line_protocol, vectors};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match conform(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn conform(arguments: &[String]) -> Result<bool, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let implementations: Vec<Box<dyn Implementation>> = match words.as_slice() {
        [] => vec![Box::new(Codec), Box::new(CodecStream)],
        ["--command", program, ..] => {
            vec![Box::new(Command::start(program, arguments.get(2..).unwrap_or_default())?)]
        }
        ["--serve"] => {
            line_protocol::serve(&Codec, stdin().lock(), stdout().lock())
                .map_err(|error| error.to_string())?;
            return Ok(true);
        }
        _ => {
            return Err("usage: ubf-conformance [--command PROGRAM ARGS… | --serve]".to_owned());
        }
    };
    let vectors = vectors::load(&Files::built_in())?;
    let mut passed = true;
    for implementation in implementations {
        let report = run(implementation.as_ref(), &vectors);
        println!("{report}\n");
        passed &= report.passed();
    }
    Ok(passed)
}
