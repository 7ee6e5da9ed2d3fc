//! The one way to write packets: style, dialect, hex, what stands between them, and no packet that
//! peers would refuse.

use std::io;

use ubf_codec::{Decoder, Encoder, Limits, Term};

use crate::args::PacketArgs;
use crate::packets::hints::{self, Evidence, Reading};
use crate::packets::passage::Passage;
use crate::ui::output::Output;
use crate::ui::report::Report;

/// Turns terms into packets.
pub(crate) struct PacketWriter<'a> {
    args: &'a PacketArgs,
    encoder: Encoder,
    /// Tells whether a peer with these limits would take the packet.
    decoder: Decoder,
    reading: Reading,
    packet: Vec<u8>,
}

impl<'a> PacketWriter<'a> {
    pub(crate) fn new(args: &'a PacketArgs, limits: Limits) -> Self {
        let dialect = args.dialect();
        Self {
            args,
            encoder: Encoder::new().with_dialect(dialect).with_style(args.style()),
            decoder: Decoder::new().with_dialect(dialect).with_limits(limits),
            reading: Reading { side: None, dialect, any_escape: false, limits, hex: true },
            packet: Vec::new(),
        }
    }

    /// Writes the packet of the term that `passage` of `input` means, or says why not.
    pub(crate) fn write(
        &mut self,
        term: &Term,
        passage: &Passage,
        input: Option<&str>,
        output: &mut Output,
    ) -> io::Result<Result<(), Report>> {
        self.packet.clear();
        self.encoder.encode_to(term, &mut self.packet);
        if let Err(error) = self.decoder.check(&self.packet) {
            let place = input.map_or_else(String::new, |input| {
                format!("{input}: line {}: ", passage.start.line)
            });
            let message =
                format!("{place}the packet is too much for these limits: {}", error.kind());
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
