//! `ubf decode`: packets as terms, one line a packet.

use std::io;

use crate::args::Decode;
use crate::commands::inputs::{each_input, reading};
use crate::packets::packet_json::PacketJson;
use crate::packets::stream::{Header, Packet, PacketStream};
use crate::ui::output::Output;
use crate::ui::status::Status;

pub(crate) fn run(args: &Decode, output: &mut Output) -> io::Result<Status> {
    let reading = reading(args.side.side(), &args.dialect, &args.limits, &args.input);
    each_input(&args.input.files, args.input.hex, output, |input, output| {
        let mut packets = PacketStream::new(input, reading);
        while let Some(packet) = packets.next(output)? {
            if args.json {
                output.line(PacketJson::exact(&packet))?;
            } else {
                show(&packet, args.postfix, output)?;
            }
            packets.recycle(packet);
        }
        Ok(Status::Good)
    })
}

fn show(packet: &Packet, postfix: bool, output: &mut Output) -> io::Result<()> {
    match &packet.header {
        None => {}
        Some(Header::Client(header)) => output.text(format_args!("{} ", header.mode))?,
        Some(Header::Server(header)) => match &header.next_ip {
            None => output.text(format_args!("{} ? ", header.mode))?,
            Some(next_ip) => output.text(format_args!("{} \"{next_ip}\" ", header.mode))?,
        },
    }
    let root = packet.document.root();
    if postfix { output.line(root.postfix()) } else { output.line(root) }
}
