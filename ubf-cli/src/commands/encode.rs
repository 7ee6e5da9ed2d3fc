//! `ubf encode`: terms in Erlang's notation as packets.

use std::io;

use ubf_codec::{NotationError, Term};

use crate::args::Encode;
use crate::commands::inputs::each_passage;
use crate::packets::passage::Passage;
use crate::packets::terms::TermSplitter;
use crate::packets::writer::PacketWriter;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &Encode, output: &mut Output) -> io::Result<Status> {
    let mut writer = PacketWriter::new(args.packets.form(), args.limits.limits());
    let mut write =
        |passage: &Passage, input: Option<&str>, output: &mut Output| match read(passage, input) {
            Ok(term) => writer.write(&term, passage, input, output),
            Err(report) => Ok(Err(report)),
        };
    let from_files = args.terms.is_empty() || args.terms.iter().all(|term| term == "-");
    if from_files {
        return each_passage(&args.files, output, TermSplitter::new, |passage, input, output| {
            write(passage, Some(input), output)
        });
    }
    for text in &args.terms {
        if let Err(report) = write(&Passage::of(text), None, output)? {
            output.report(&report)?;
            return Ok(Status::WrongInput);
        }
    }
    Ok(Status::Good)
}

/// The term that a text means, or what is wrong with it.
fn read(passage: &Passage, input: Option<&str>) -> Result<Term, Report> {
    let text = passage
        .utf8(input)
        .map_err(|report| report.with_hint(Some(r"any byte can be written as \xHH")))?;
    text.trim().parse().map_err(|error: NotationError| {
        let leading = text.len() - text.trim_start().len();
        passage.report(input, &error.to_string(), leading + error.offset())
    })
}
