//! The one way to write packets: style, dialect, hex, what stands between them, and no packet that
//! peers would refuse.

use std::io;

use ubf_codec::{Decoder, Dialect, Encoder, Limits, Style, Term};

use crate::packets::hints::{self, Evidence, Reading};
use crate::packets::passage::Passage;
use crate::ui::output::Output;
use crate::ui::report::Report;

/// How packets are to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketForm {
    pub(crate) dialect: Dialect,
    pub(crate) style: Style,
    /// Hex digits instead of the bytes.
    pub(crate) is_hex: bool,
    /// Whether a newline follows each packet.
    pub(crate) ends_lines: bool,
}

/// Turns terms into packets.
pub(crate) struct PacketWriter {
    form: PacketForm,
    encoder: Encoder,
    /// Tells whether a peer with these limits would take the packet.
    decoder: Decoder,
    reading: Reading,
    packet: Vec<u8>,
}

impl PacketWriter {
    pub(crate) fn new(form: PacketForm, limits: Limits) -> Self {
        let dialect = form.dialect;
        Self {
            form,
            encoder: Encoder::new().with_dialect(dialect).with_style(form.style),
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
        if self.form.is_hex {
            output.text(hex::encode(&self.packet))?;
        } else {
            output.bytes(&self.packet)?;
        }
        if self.form.ends_lines {
            output.bytes(b"\n")?;
        }
        Ok(Ok(()))
    }
}
