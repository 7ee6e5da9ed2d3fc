//! `ubf encode`: terms in Erlang's notation as packets.

use std::io;

use crate::args::Encode;
use crate::commands::inputs::each_passage;
use crate::packets::passage::Passage;
use crate::packets::terms::{TermSplitter, term_of};
use crate::packets::writer::PacketWriter;
use crate::ui::output::Output;
use crate::ui::status::Status;

pub(crate) fn run(args: &Encode, output: &mut Output) -> io::Result<Status> {
    let mut writer = PacketWriter::new(args.packets.form(), args.limits.limits());
    let mut write =
        |passage: &Passage, input: Option<&str>, output: &mut Output| match term_of(passage, input)
        {
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
