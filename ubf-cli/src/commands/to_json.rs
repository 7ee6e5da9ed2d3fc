//! `ubf to-json`: packets as JSON documents.

use std::io;

use crate::args::ToJson;
use crate::commands::inputs::{each_input, reading};
use crate::packets::packet_json::PacketJson;
use crate::packets::stream::PacketStream;
use crate::ui::indent::Indented;
use crate::ui::output::Output;
use crate::ui::status::Status;

pub(crate) fn run(args: &ToJson, output: &mut Output) -> io::Result<Status> {
    let reading = reading(args.side.side(), &args.dialect, &args.limits, &args.input);
    each_input(&args.input.files, args.input.hex, output, |input, output| {
        let mut packets = PacketStream::new(input, reading);
        while let Some(packet) = packets.next(output)? {
            let document =
                if args.plain { PacketJson::plain(&packet) } else { PacketJson::exact(&packet) };
            if args.pretty {
                output.line(Indented(document))?;
            } else {
                output.line(document)?;
            }
            packets.recycle(packet);
        }
        Ok(Status::Good)
    })
}
