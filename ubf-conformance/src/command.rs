//! Another program as an implementation, spoken to over its standard input and output.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use crate::conformance::{Answer, Implementation, Refusal, Style};
use crate::line_protocol::Request;
use crate::outcome::{Outcome, Packet, Side};
use crate::settings::{Dialect, Limits, Settings};

/// A program that speaks the [line protocol](crate::line_protocol).
#[derive(Debug)]
pub struct Command {
    name: String,
    /// One question at a time.
    pipe: Mutex<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Command {
    /// Starts the program.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(program: &str, arguments: &[String]) -> Result<Self, String> {
        let cannot = |error: std::io::Error| format!("cannot start `{program}`: {error}");
        let mut child = std::process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("`{program}` has no pipes"));
        };
        let pipe = Mutex::new(Pipe { child, requests, answers: BufReader::new(answers) });
        Ok(Self { name: program.to_owned(), pipe })
    }

    fn ask(&self, request: &Request) -> Answer<String> {
        let mut pipe = self
            .pipe
            .lock()
            .map_err(|_| Refusal::Failed("an earlier question has panicked".to_owned()))?;
        let failed = |error: std::io::Error| {
            Refusal::Failed(format!("the program does not answer: {error}"))
        };
        writeln!(pipe.requests, "{request}").map_err(failed)?;
        let mut answer = String::new();
        if pipe.answers.read_line(&mut answer).map_err(failed)? == 0 {
            return Err(Refusal::Failed("the program has ended".to_owned()));
        }
        match answer.trim_end_matches(['\n', '\r']) {
            "unsupported" => Err(Refusal::Unsupported),
            answer => Ok(answer.to_owned()),
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nobody to stop.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Implementation for Command {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn decode(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        let answer = self.ask(&Request::Decode(settings.clone(), input.to_vec()))?;
        Outcome::<String>::parse(&answer).map_err(Refusal::Failed)
    }

    fn decode_one(&self, input: &[u8], settings: &Settings) -> Answer<Outcome> {
        let answer = self.ask(&Request::DecodeOne(settings.clone(), input.to_vec()))?;
        Outcome::<String>::parse(&answer).map_err(Refusal::Failed)
    }

    fn decode_packets(&self, side: Side, input: &[u8], limits: &Limits) -> Answer<Outcome<Packet>> {
        let answer = self.ask(&Request::Packets(side, limits.clone(), input.to_vec()))?;
        Outcome::<Packet>::parse(&answer, side).map_err(Refusal::Failed)
    }

    fn encode(&self, term: &str, style: Style, dialect: Dialect) -> Answer<Vec<u8>> {
        let answer = self.ask(&Request::Encode(style, dialect, term.to_owned()))?;
        hex::decode(&answer).map_err(|_| Refusal::Failed(format!("`{answer}` is not hexadecimal")))
    }
}
