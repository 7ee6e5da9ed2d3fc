//! `ubf encode`: terms in Erlang's notation as packets.

use std::io;
use std::path::PathBuf;

use ubf_codec::{Decoder, Dialect, Encoder, NotationError, Style, Term};

use crate::args::Encode;
use crate::commands::each_input;
use crate::excerpt::Excerpt;
use crate::hints::{self, Evidence, Reading};
use crate::output::Output;
use crate::report::Report;
use crate::status::Status;
use crate::terms::{TermSplitter, TermText};

pub(crate) fn run(args: &Encode, output: &mut Output) -> io::Result<Status> {
    let mut writer = Writer::new(args);
    let from_files = args.terms.is_empty() || args.terms.iter().all(|term| term == "-");
    if from_files {
        let files: Vec<PathBuf> = args.files.clone();
        return each_input(&files, false, output, |mut input, output| {
            let mut splitter = TermSplitter::new();
            let mut is_end = false;
            loop {
                while let Some(term) = splitter.next(is_end) {
                    if let Err(report) = writer.write(&term, Some(input.name()), output)? {
                        output.report(&report)?;
                        return Ok(Status::WrongInput);
                    }
                }
                if is_end {
                    return Ok(Status::Good);
                }
                output.flush()?;
                is_end = !input.fill(splitter.buffer())?;
            }
        });
    }
    for text in &args.terms {
        let term = TermText { text: text.clone().into(), line: 1, column: 0 };
        if let Err(report) = writer.write(&term, None, output)? {
            output.report(&report)?;
            return Ok(Status::WrongInput);
        }
    }
    Ok(Status::Good)
}

/// Turns terms into packets.
struct Writer<'a> {
    args: &'a Encode,
    encoder: Encoder,
    /// Tells whether a peer with these limits would take the packet.
    decoder: Decoder,
    reading: Reading,
    packet: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(args: &'a Encode) -> Self {
        let dialect = if args.classic { Dialect::Classic } else { Dialect::Extended };
        let style = match (args.cached, args.pretty) {
            (true, _) => Style::Cached,
            (_, true) => Style::Pretty,
            _ => Style::Plain,
        };
        let limits = args.limits.limits();
        Self {
            args,
            encoder: Encoder::new().with_dialect(dialect).with_style(style),
            decoder: Decoder::new().with_dialect(dialect).with_limits(limits),
            reading: Reading { side: None, dialect, any_escape: false, limits, hex: true },
            packet: Vec::new(),
        }
    }

    /// Writes one packet, or says why not.
    fn write(&mut self, term: &TermText, input: Option<&str>, output: &mut Output) -> io::Result<Result<(), Report>> {
        let text = match str::from_utf8(&term.text) {
            Ok(text) => text,
            Err(error) => {
                let report = report(term, input, "this is not UTF-8", error.valid_up_to())
                    .with_hint(Some(r"any byte can be written as \xHH"));
                return Ok(Err(report));
            }
        };
        let value: Term = match text.trim().parse() {
            Ok(value) => value,
            Err(error) => {
                let error: NotationError = error;
                let leading = text.len() - text.trim_start().len();
                let message = error.to_string();
                // The place is told by line and column here.
                let message = message.rsplit_once(", at byte ").map_or(message.as_str(), |(words, _)| words);
                return Ok(Err(report(term, input, message, leading + error.offset())));
            }
        };
        self.packet.clear();
        self.encoder.encode_to(value.as_ref(), &mut self.packet);
        if let Err(error) = self.decoder.check(&self.packet) {
            let place = input.map_or_else(String::new, |input| format!("{input}: line {}: ", term.line));
            let message = format!("{place}the packet is too much for these limits: {}", error.kind());
            let evidence = Evidence { packet: &self.packet, header_bytes: 0, start: 0 };
            let hint = hints::hint(&error, evidence, &self.reading);
            return Ok(Err(Report::new(message).with_hint(hint)));
        }
        if self.args.hex {
            output.text(hex::encode(&self.packet))?;
        } else {
            output.bytes(&self.packet)?;
        }
        if !self.args.no_newline {
            output.bytes(b"\n")?;
        }
        Ok(Ok(()))
    }
}

/// An error at `offset` in a term's text: line and column, and the line with a caret.
fn report(term: &TermText, input: Option<&str>, message: &str, offset: usize) -> Report {
    let offset = offset.min(term.text.len());
    let before = term.text.get(..offset).unwrap_or_default();
    let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let line = term.text.get(line_start..).unwrap_or_default();
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let within = offset - line_start;
    let characters = String::from_utf8_lossy(line.get(..within).unwrap_or(line)).chars().count();
    let message = match input {
        None => format!("{message}, at column {}", characters + 1),
        Some(input) => {
            let newlines = before.iter().filter(|&&byte| byte == b'\n').count() as u64;
            let indent = if newlines == 0 { term.column } else { 0 };
            format!("{input}: {message}, at line {}, column {}", term.line + newlines, indent + characters + 1)
        }
    };
    Report::new(message).with_excerpt(Excerpt::of_text(line, within))
}
