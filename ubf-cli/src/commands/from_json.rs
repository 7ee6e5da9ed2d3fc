//! `ubf from-json`: JSON documents as packets.

use std::io;

use ubf_codec::{Term, json};

use crate::args::FromJson;
use crate::commands::inputs::each_passage;
use crate::packets::documents::{DocumentSplitter, is_space};
use crate::packets::json_hints::hint;
use crate::packets::marks::mark_hint;
use crate::packets::passage::Passage;
use crate::packets::writer::PacketWriter;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &FromJson, output: &mut Output) -> io::Result<Status> {
    let mut writer = PacketWriter::new(args.packets.form(), args.limits.limits());
    let splitter = if args.lines { DocumentSplitter::by_lines } else { DocumentSplitter::new };
    each_passage(&args.files, output, splitter, |passage, input, output| {
        match read(passage, input, args) {
            Ok(term) => writer.write(&term, passage, Some(input), output),
            Err(report) => Ok(Err(report)),
        }
    })
}

/// The term that a document means, or what is wrong with it.
fn read(passage: &Passage, input: &str, args: &FromJson) -> Result<Term, Report> {
    let text = passage.utf8(Some(input)).map_err(|report| {
        let other = r#"bytes that are no text stand as {"$binary":"…"} in base64"#;
        report.with_hint(mark_hint(&passage.text).or(Some(other)))
    })?;
    // What is missing is missing at the end of what is there.
    let text = text.trim_end_matches(|character| u8::try_from(character).is_ok_and(is_space));
    let reader = json::Reader::new(text).with_markers(!args.foreign);
    reader.with_limits(args.limits.limits()).one().map_err(|error| {
        let message = error.to_string();
        let hint = hint(&message, text, error.offset(), args.lines);
        passage.report(Some(input), &message, error.offset()).with_hint(hint)
    })
}
