//! `ubf fmt`: the same packets in another form.

use std::io;

use ubf_codec::{Encoder, Style};

use crate::args::Fmt;
use crate::commands::inputs::{each_input, reading};
use crate::packets::stream::{PacketStream, Trouble};
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &Fmt, output: &mut Output) -> io::Result<Status> {
    let reading = reading(None, &args.dialect, &args.limits, &args.input);
    let (style, flag) = match (args.minimal, args.cached) {
        (true, _) => (Style::Plain, "--minimal"),
        (_, true) => (Style::Cached, "--cached"),
        _ => (Style::Pretty, "--pretty"),
    };
    let mut encoder = Encoder::new().with_dialect(reading.dialect).with_style(style);
    each_input(&args.input.files, args.input.hex, output, |input, output| {
        let mut packets = PacketStream::new(input, reading);
        let mut formatted = Vec::new();
        let mut newline: &[u8] = b"";
        while let Some(packet) = packets.next(output)? {
            formatted.clear();
            if args.check {
                // The newline after the packet before this one is part of this one's source.
                formatted.extend_from_slice(newline);
                newline = b"\n";
            }
            encoder.encode_to(packet.document.root(), &mut formatted);
            if args.check {
                if let Some(at) = first_difference(packet.document.source(), &formatted) {
                    return differs(packets.name(), packet.start + at, flag, output);
                }
            } else {
                output.bytes(&formatted)?;
                output.bytes(b"\n")?;
            }
            packets.recycle(packet);
        }
        if args.check
            && let Some(at) = first_difference(packets.rest(), newline)
        {
            return differs(packets.name(), packets.consumed() + at, flag, output);
        }
        Ok(Status::Good)
    })
}

fn first_difference(found: &[u8], formatted: &[u8]) -> Option<u64> {
    let common =
        found.iter().zip(formatted).take_while(|(found, formatted)| found == formatted).count();
    (common < found.len().max(formatted.len())).then_some(common as u64)
}

fn differs(name: &str, offset: u64, flag: &str, output: &mut Output) -> Result<Status, Trouble> {
    let report = Report::new(format!("{name}: not in this form, first at byte {offset}"))
        .with_hint(Some(format!("ubf fmt {flag} writes it in this form")));
    output.report(&report)?;
    Ok(Status::WrongInput)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_byte_that_differs_or_is_missing() {
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"abc", b"abd"), Some(2));
        assert_eq!(first_difference(b"abc", b"ab"), Some(2));
        assert_eq!(first_difference(b"", b"\n"), Some(0));
    }
}
