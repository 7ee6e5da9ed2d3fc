//! How the conformance suite speaks to a program in any language.
//!
//! The program reads requests from its standard input and writes answers to its standard output:
//! one line each, in order, and it flushes after each answer. It ends when its input ends. Words
//! are parted by one space.
//!
//! | request | answer |
//! |---|---|
//! | `decode DIALECT ESCAPES LIMITS BYTES` | the terms, then the end |
//! | `one DIALECT ESCAPES LIMITS BYTES` | likewise, where only one packet is allowed |
//! | `client LIMITS BYTES`, `server LIMITS BYTES` | the versioned packets, then the end |
//! | `encode STYLE DIALECT TERM` | the packet, `$` included, in hexadecimal |
//! | `contract WORDS` | an answer about [contracts](crate::contracts) |
//! | `classic begin WORDS`, `classic tell WORDS` | dialogues of [classic](crate::classic) sessions |
//! | `begin SIDE SETTINGS`, `tell WORDS` | [dialogues](crate::dialogue): what the end does, then `quiet` |
//!
//! - DIALECT is `extended` or `classic`; ESCAPES is `strict`, or `any` where `\x` is x for any x;
//!   STYLE is `plain` or `cached`.
//! - LIMITS is `default`, or those that differ from the defaults: `max_depth=3,max_tag_bytes=1`.
//! - BYTES are the whole stream, in hexadecimal, or `-` if it is empty.
//! - TERM is postfix, as in the vectors, to the end of the line.
//! - The end is `complete`, `incomplete`, or `error CODE OFFSET`. Before it stands each packet,
//!   followed by ` ; `: a term in postfix, or for versioned packets `VERSION BODY TERM` (client)
//!   and `VERSION NEXTIP BODY TERM` (server), where BODY is the body's bytes in hexadecimal and
//!   NEXTIP is `?` or the addresses, numeric ones in canonical form, joined by `,`.
//! - Any request may be answered with `unsupported`: the check is then skipped. `problem` and words
//!   after it mean that the program does not understand the request: the check has failed.
//!
//! ```text
//! > decode extended strict default 31247b312024
//! < i:1 ; error open-tuple 5
//! > decode classic strict max_depth=1 7b7b
//! < error limit-depth 1
//! > server default 3130203f2031240a
//! < 10 ? 3124 i:1 ; complete
//! > encode plain extended i:1 i:2 t:2
//! < 7b3120327d24
//! ```

use std::io::{self, BufRead, Write};
use std::str::FromStr;

use crate::contracts::Question;
use crate::dialogue::{Beginning, Machine, Told, write_acts};
use crate::implementation::{Answer, Implementation, Refusal, Style};
use crate::outcome::Side;
use crate::settings::{Dialect, Limits, Settings};

/// A line from the suite to the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Decode plain packets.
    Decode(Settings, Vec<u8>),
    /// Decode one plain packet.
    DecodeOne(Settings, Vec<u8>),
    /// Decode versioned packets from that side.
    Packets(Side, Limits, Vec<u8>),
    /// Encode a term that is given in postfix.
    Encode(Style, Dialect, String),
    /// Begin a dialogue.
    Begin(Beginning),
    /// Something happens in it.
    Tell(Told),
    /// A question about contracts.
    Contract(Question),
    /// A dialogue of a classic session begins, or something happens in it.
    Classic(String),
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decode(settings, input) => {
                write!(f, "decode {} {}", write_settings(settings), write_bytes(input))
            }
            Self::DecodeOne(settings, input) => {
                write!(f, "one {} {}", write_settings(settings), write_bytes(input))
            }
            Self::Packets(side, limits, input) => {
                write!(f, "{} {} {}", side.word(), write_limits(limits), write_bytes(input))
            }
            Self::Encode(style, dialect, term) => {
                write!(f, "encode {} {} {term}", style.word(), dialect.word())
            }
            Self::Begin(beginning) => write!(f, "begin {beginning}"),
            Self::Tell(told) => write!(f, "tell {told}"),
            Self::Contract(question) => write!(f, "contract {question}"),
            Self::Classic(line) => write!(f, "classic {line}"),
        }
    }
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        match line.split_once(' ') {
            Some(("begin", beginning)) => return beginning.parse().map(Self::Begin),
            Some(("tell", told)) => return told.parse().map(Self::Tell),
            Some(("contract", question)) => return question.parse().map(Self::Contract),
            Some(("classic", line)) => return Ok(Self::Classic(line.to_owned())),
            _ => {}
        }
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            [entrance @ ("decode" | "one"), dialect, escapes, rest] => {
                let (limits, bytes) = rest.split_once(' ').ok_or("there are no bytes")?;
                let any_escape = match *escapes {
                    "strict" => false,
                    "any" => true,
                    other => return Err(format!("`{other}` is neither `strict` nor `any`")),
                };
                let settings = Settings {
                    dialect: read_dialect(dialect)?,
                    limits: read_limits(limits)?,
                    any_escape,
                };
                let bytes = read_bytes(bytes)?;
                Ok(if *entrance == "one" {
                    Self::DecodeOne(settings, bytes)
                } else {
                    Self::Decode(settings, bytes)
                })
            }
            ["client", limits, bytes] => {
                Ok(Self::Packets(Side::Client, read_limits(limits)?, read_bytes(bytes)?))
            }
            ["server", limits, bytes] => {
                Ok(Self::Packets(Side::Server, read_limits(limits)?, read_bytes(bytes)?))
            }
            ["encode", style, dialect, term] => {
                let style = match *style {
                    "plain" => Style::Plain,
                    "cached" => Style::Cached,
                    other => return Err(format!("`{other}` is no style")),
                };
                Ok(Self::Encode(style, read_dialect(dialect)?, (*term).to_owned()))
            }
            _ => Err(format!("`{line}` is no request")),
        }
    }
}

/// Answers requests on behalf of an implementation until there are no more.
///
/// # Errors
///
/// Those of the two streams. A request that is not understood is answered with `problem` and the
/// reason.
pub fn serve(
    implementation: &dyn Implementation,
    machine: &mut dyn Machine,
    requests: impl BufRead,
    mut answers: impl Write,
) -> io::Result<()> {
    for line in requests.lines() {
        let answer = match line?.parse() {
            Ok(Request::Decode(settings, input)) => {
                write_answer(implementation.decode(&input, &settings))
            }
            Ok(Request::DecodeOne(settings, input)) => {
                write_answer(implementation.decode_one(&input, &settings))
            }
            Ok(Request::Packets(side, limits, input)) => {
                write_answer(implementation.decode_packets(side, &input, &limits))
            }
            Ok(Request::Encode(style, dialect, term)) => {
                write_answer(implementation.encode(&term, style, dialect).map(hex::encode))
            }
            Ok(Request::Begin(beginning)) => {
                write_answer(machine.begin(&beginning).map(|acts| write_acts(&acts)))
            }
            Ok(Request::Tell(told)) => {
                write_answer(machine.tell(&told).map(|acts| write_acts(&acts)))
            }
            Ok(Request::Classic(line)) => {
                write_answer(machine.classic(&line).map(|acts| write_acts(&acts)))
            }
            Ok(Request::Contract(question)) => write_answer(implementation.contract(&question)),
            Err(problem) => format!("problem {problem}"),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn write_answer(answer: Answer<impl std::fmt::Display>) -> String {
    match answer {
        Ok(answer) => answer.to_string(),
        Err(Refusal::Unsupported) => "unsupported".to_owned(),
        Err(Refusal::Failed(problem) | Refusal::Hung(problem) | Refusal::Crashed(problem)) => {
            format!("problem {problem}")
        }
    }
}

fn write_settings(settings: &Settings) -> String {
    let escapes = if settings.any_escape { "any" } else { "strict" };
    format!("{} {escapes} {}", settings.dialect.word(), write_limits(&settings.limits))
}

fn write_limits(limits: &Limits) -> String {
    let defaults = Limits::default().named();
    let changed: Vec<String> = limits
        .named()
        .iter()
        .filter(|limit| !defaults.contains(limit))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if changed.is_empty() { "default".to_owned() } else { changed.join(",") }
}

fn read_limits(text: &str) -> Result<Limits, String> {
    let mut limits = Limits::default();
    if text != "default" {
        for limit in text.split(',') {
            let understood = limit
                .split_once('=')
                .and_then(|(name, value)| Some(limits.set(name, value.parse().ok()?)));
            if understood != Some(true) {
                return Err(format!("`{limit}` is no limit"));
            }
        }
    }
    Ok(limits)
}

fn write_bytes(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".to_owned() } else { hex::encode(bytes) }
}

fn read_bytes(text: &str) -> Result<Vec<u8>, String> {
    if text == "-" { Ok(Vec::new()) } else { hex::decode(text).map_err(|error| error.to_string()) }
}

fn read_dialect(text: &str) -> Result<Dialect, String> {
    Dialect::ALL
        .into_iter()
        .find(|dialect| dialect.word() == text)
        .ok_or(format!("`{text}` is no dialect"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back_as_it_was_written() {
        let limits = Limits { max_depth: 3, max_tag_bytes: 1, ..Limits::default() };
        for request in [
            Request::Decode(Settings::default(), Vec::new()),
            Request::Decode(
                Settings { dialect: Dialect::Classic, limits: limits.clone(), any_escape: true },
                b"1$".to_vec(),
            ),
            Request::DecodeOne(Settings::default(), b"1$".to_vec()),
            Request::Packets(Side::Server, limits, b"1".to_vec()),
            Request::Encode(Style::Cached, Dialect::Classic, "i:1 i:2 t:2".to_owned()),
            Request::Begin(Beginning::new(Side::Client, &[3, 10])),
            Request::Tell(Told::At { at_ms: 60_000 }),
            Request::Contract(Question::Compare { old: "a".to_owned(), new: "b".to_owned() }),
        ] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
    }
}
