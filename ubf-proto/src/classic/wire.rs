//! One connection's bytes: packets of the classic dialect in and out, and the clocks of both
//! directions.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{
    DecodeError, DecodeOptions, Dialect, Document, Encoder, Limits, StreamDecoder, Style, TermRef,
};

use super::{Tags, Writing, tags};
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Wire {
    options: DecodeOptions,
    /// Most of a session is its decoder, and an idle one does without.
    decoder: Option<Box<StreamDecoder>>,
    buffer: BytesMut,
    /// Where the buffer begins in the stream.
    read: u64,
    /// When the first byte of the packet came that is not whole yet.
    partial_since: Option<Time>,
    /// Whether the buffer may hold a whole packet: it is not looked at again until more has come.
    is_fresh: bool,
    /// The peer will send no more.
    has_ended: bool,
    /// When the last byte came.
    last_byte: Time,
    encoder: Encoder,
    writing: Writing,
    /// Bytes that were handed out and not written.
    unsent: usize,
    /// When some of them were written, or the first of them was handed out.
    write_since: Time,
}

impl Wire {
    pub(super) fn new(limits: Limits, writing: Writing, now: Time) -> Self {
        // Q1: peers may escape any byte.
        let options = DecodeOptions::new()
            .with_dialect(Dialect::Classic)
            .with_any_escape(true)
            .with_limits(limits);
        Self {
            options,
            decoder: None,
            buffer: BytesMut::new(),
            read: 0,
            partial_since: None,
            is_fresh: false,
            has_ended: false,
            last_byte: now,
            encoder: Encoder::new().with_dialect(Dialect::Classic).with_style(writing.style),
            writing,
            unsent: 0,
            write_since: now,
        }
    }

    pub(super) fn received(&mut self, bytes: BytesMut, now: Time) {
        if bytes.is_empty() {
            return;
        }
        self.last_byte = now;
        self.is_fresh = true;
        // A line feed behind the last packet begins no packet.
        if !is_blank(&bytes) {
            self.partial_since.get_or_insert(now);
        }
        if self.buffer.is_empty() {
            self.buffer = bytes;
        } else {
            self.buffer.unsplit(bytes);
        }
    }

    /// The next packet that has come whole.
    pub(super) fn next(&mut self, now: Time) -> Result<Option<Document<Bytes>>, DecodeError> {
        if !self.is_fresh {
            return Ok(None);
        }
        let (options, read) = (self.options, self.read);
        let decoder = self.decoder.get_or_insert_with(|| begun(options, read));
        match decoder.decode(&mut self.buffer) {
            Ok(Some(packet)) => {
                self.read = decoder.read();
                self.partial_since = (!is_blank(&self.buffer)).then_some(now);
                self.is_fresh = self.partial_since.is_some();
                self.forget_blanks();
                Ok(Some(packet))
            }
            Ok(None) => {
                self.is_fresh = false;
                self.forget_blanks();
                Ok(None)
            }
            Err(error) => {
                self.is_fresh = false;
                Err(error)
            }
        }
    }

    /// What stands between packets, mostly the line feed behind the last one, would hold on to all
    /// of the block that it was read into.
    fn forget_blanks(&mut self) {
        if is_blank(&self.buffer) {
            self.read += self.buffer.len() as u64;
            self.buffer = BytesMut::new();
            if let Some(decoder) = &mut self.decoder {
                decoder.restart(self.options.limits, self.read);
            }
        }
    }

    /// Gives it a decoder to use, if it has none.
    pub(super) fn attach(&mut self, mut decoder: Box<StreamDecoder>) {
        if self.decoder.is_none() {
            decoder.restart(self.options.limits, self.read);
            self.decoder = Some(decoder);
        }
    }

    /// Takes its decoder, if no packet has begun.
    pub(super) fn take_decoder(&mut self) -> Option<Box<StreamDecoder>> {
        if self.buffer.is_empty() { self.decoder.take() } else { None }
    }

    /// What came and is not taken out.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// Bytes that came and are not taken out.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Whether a packet may have come whole.
    pub(super) const fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    pub(super) const fn end(&mut self) {
        self.has_ended = true;
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) const fn last_byte(&self) -> Time {
        self.last_byte
    }

    /// Time during which nothing was read is not the peer's fault.
    pub(super) fn restart_clock(&mut self, now: Time) {
        self.partial_since = self.partial_since.map(|_| now);
    }

    /// Nor is time during which nothing was written.
    pub(super) const fn restart_clocks(&mut self, now: Time) {
        if self.partial_since.is_some() {
            self.partial_since = Some(now);
        }
        self.last_byte = now;
        self.write_since = now;
    }

    /// When the packet has to be whole that has begun.
    pub(super) fn packet_deadline(&self, max: Duration) -> Time {
        self.partial_since.map_or(Time::NEVER, |since| since + max)
    }

    /// The packet that holds the term, counted as handed out: a line feed stands after `$`, as
    /// Erlang writes it.
    pub(super) fn packet(&mut self, term: TermRef<'_>, now: Time) -> Bytes {
        let bytes = self.encode(term);
        self.hand_out(bytes.len(), now);
        bytes
    }

    /// The bytes of a packet that is not handed out yet.
    pub(super) fn encode(&mut self, term: TermRef<'_>) -> Bytes {
        let untagged = match self.writing.tags {
            Tags::AsTuples => tags::as_tuples(term),
            Tags::Sent => None,
        };
        let term = untagged.as_ref().map_or(term, Into::into);
        let mut bytes: Vec<u8> = self.encoder.encode(term);
        if self.writing.style != Style::Stock {
            bytes.push(b'\n');
        }
        bytes.into()
    }

    pub(super) fn hand_out(&mut self, count: usize, now: Time) {
        if self.unsent == 0 {
            self.write_since = now;
        }
        self.unsent += count;
    }

    pub(super) fn written(&mut self, count: usize, now: Time) {
        self.unsent = self.unsent.saturating_sub(count);
        self.write_since = now;
    }

    pub(super) const fn unsent(&self) -> usize {
        self.unsent
    }

    /// When something has to be written of what was handed out.
    pub(super) fn write_deadline(&self, max: Duration) -> Time {
        if self.unsent == 0 { Time::NEVER } else { self.write_since + max }
    }
}

/// A decoder for a stream of which so many bytes were read already.
fn begun(options: DecodeOptions, read: u64) -> Box<StreamDecoder> {
    let mut decoder = Box::new(StreamDecoder::new().with_options(options));
    decoder.restart(options.limits, read);
    decoder
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','))
}
