//! Packets out of a slice.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::mem;

use bytes::Bytes;

use crate::byte;
use crate::dialect::Dialect;
use crate::document::{Document, Source};
use crate::error::{DecodeError, ErrorKind};
use crate::limits::Limits;
use crate::machine::{Machine, Operator, Summary};
use crate::node::{self, NoArena, Node};
use crate::options::DecodeOptions;
use crate::packet::{self, ClientHeader, ClientPacket, Header, ServerHeader, ServerPacket};

/// Decodes the one packet that `input` holds, in the extended dialect and with the default
/// [`Limits`].
///
/// White space, comments and line ends may stand before and after it.
///
/// ```
/// let packet = ubf_codec::decode(b"{'ok',#3&2&1&}$\n")?;
/// assert_eq!(packet.to_string(), "{ok,[1,2,3]}");
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
///
/// # Errors
/// What is wrong and at which byte: broken syntax, a limit, an end inside the packet, or bytes
/// after it.
pub fn decode(input: &[u8]) -> Result<Document<&[u8]>, DecodeError> {
    // Memory is taken at once for what most packets need, if they are small.
    let mut machine = Machine::new(
        DecodeOptions::default(),
        Vec::with_capacity((input.len() / BYTES_PER_NODE).min(MAX_FIRST_NODES)),
    );
    let end = whole(&mut machine, input, 0)?;
    check_rest(machine.options(), input, end)?;
    Ok(take(&mut machine, input.get(..end).unwrap_or_default()))
}

/// What a term takes on the wire, at least as a rule.
const BYTES_PER_NODE: usize = 4;

/// Nodes for which memory is taken at once at most. Chosen: four kilobytes.
const MAX_FIRST_NODES: usize = 256;

/// Decodes packets out of slices. Keeps its working memory from one packet to the next.
///
/// For bytes that come in pieces there is [`StreamDecoder`](crate::StreamDecoder).
///
/// ```
/// use ubf_codec::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut packets = decoder.packets(b"'info'$ 'description'$\n");
/// assert_eq!(packets.next().unwrap()?.to_string(), "info");
/// assert_eq!(packets.next().unwrap()?.to_string(), "description");
/// assert!(packets.next().is_none());
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone)]
pub struct Decoder {
    machine: Machine<Vec<Node>>,
    /// Made when it is needed first.
    checker: Option<Box<Machine<NoArena>>>,
    /// Memory that [`recycle`](Self::recycle) gave back.
    spare: Vec<Node>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("options", self.machine.options()).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder of the extended dialect, with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            machine: Machine::new(DecodeOptions::default(), Vec::new()),
            checker: None,
            spare: Vec::new(),
        }
    }

    /// This decoder with other options.
    #[must_use]
    pub fn with_options(mut self, options: DecodeOptions) -> Self {
        self.machine.set_options(options);
        self
    }

    /// How packets are read.
    #[must_use]
    pub const fn options(&self) -> DecodeOptions {
        *self.machine.options()
    }

    /// This decoder for another dialect (W7). Versioned packets stay in the extended one.
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.machine.options_mut().dialect = dialect;
        self
    }

    /// This decoder with other limits (L1).
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.machine.set_limits(limits);
        self
    }

    /// Whether `\x` in a text stands for `x`, whatever `x` is (W3). Off by default.
    ///
    /// Erlang's decoders and the Java client read it so. No known program writes it; hand-written
    /// packets may have it.
    #[must_use]
    pub const fn with_any_escape(mut self, any_escape: bool) -> Self {
        self.machine.options_mut().any_escape = any_escape;
        self
    }

    /// Decodes the one packet that `input` holds.
    ///
    /// # Errors
    /// What is wrong and at which byte: broken syntax, a limit, an end inside the packet, or bytes
    /// after it.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Document<&'a [u8]>, DecodeError> {
        self.decode_one(&input)
    }

    /// Decodes the one packet that `input` holds and shares `input` with the result, which can be
    /// kept and sent on.
    ///
    /// What shares memory keeps all of it: one atom of this packet holds the whole of `input`'s
    /// allocation.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    #[expect(clippy::needless_pass_by_value, reason = "the usual way to share `Bytes`")]
    pub fn decode_shared(&mut self, input: Bytes) -> Result<Document<Bytes>, DecodeError> {
        self.decode_one(&input)
    }

    /// The packets of `input`, one after the other.
    ///
    /// Ends after the first error. Input that ends inside a packet is such an error.
    pub fn packets<'d, 'a>(&'d mut self, input: &'a [u8]) -> Packets<'d, &'a [u8]> {
        Packets::new(self, input)
    }

    /// The packets of `input`, one after the other, each of which shares `input` and can be kept
    /// and sent on.
    ///
    /// Ends as [`packets`](Self::packets) does.
    pub fn packets_shared(&mut self, input: Bytes) -> Packets<'_, Bytes> {
        Packets::new(self, input)
    }

    /// The length of the first packet in `input`, white space before it included; `None` if it has
    /// not come whole.
    ///
    /// Builds nothing: this is for whoever passes packets on, or leaves them out, without a look
    /// inside.
    ///
    /// ```
    /// use ubf_codec::{ClientHeader, Decoder, Header as _, Limits};
    ///
    /// let stream = b"7 {'new' \"$\" 3~$$$~}$ 7 'next'$";
    /// let (header, start) = ClientHeader::read(stream, 0, &Limits::default())?.unwrap();
    /// let len = Decoder::new().packet_len(&stream[start..])?.unwrap();
    /// assert_eq!(header.mode.number(), 7);
    /// assert_eq!(&stream[start..start + len], b"{'new' \"$\" 3~$$$~}$");
    /// # Ok::<(), ubf_codec::DecodeError>(())
    /// ```
    ///
    /// Each call begins at the first byte of `input`: for bytes that come in pieces there are
    /// stream decoders. The dialect is the decoder's own, offsets count from the beginning of
    /// `input`, and so does the packet limit.
    ///
    /// # Errors
    /// What is wrong and at which byte: broken syntax, or a limit.
    pub fn packet_len(&mut self, input: &[u8]) -> Result<Option<usize>, DecodeError> {
        self.checker().run(input)
    }

    /// Checks the one packet that `input` holds, and builds nothing.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn check(&mut self, input: &[u8]) -> Result<Summary, DecodeError> {
        let checker = self.checker();
        let end = whole(checker, input, 0)?;
        let summary = checker.summary();
        check_rest(self.machine.options(), input, end)?;
        Ok(summary)
    }

    /// Gives the memory of a document back, for the next packet: then decoding takes no memory at
    /// all, once it has taken enough.
    pub fn recycle<S>(&mut self, document: Document<S>) {
        self.spare = document.into_nodes();
    }

    /// Decodes the one packet of a client that `input` holds: header and body (P1).
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or a malformed header.
    pub fn decode_client<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<ClientPacket<Document<&'a [u8]>>, DecodeError> {
        let (packet, end) = self.versioned_at::<ClientHeader>(input, 0)?;
        check_rest(self.machine.options(), input, end)?;
        Ok(packet)
    }

    /// Decodes the one packet of a server that `input` holds: header and body (P1).
    ///
    /// # Errors
    /// As [`decode`](Self::decode), or a malformed header.
    pub fn decode_server<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<ServerPacket<Document<&'a [u8]>>, DecodeError> {
        let (packet, end) = self.versioned_at::<ServerHeader>(input, 0)?;
        check_rest(self.machine.options(), input, end)?;
        Ok(packet)
    }

    /// The packets of a client in `input`, one after the other. Ends after the first error.
    pub fn client_packets<'d, 'a>(
        &'d mut self,
        input: &'a [u8],
    ) -> impl Iterator<Item = Result<ClientPacket<Document<&'a [u8]>>, DecodeError>> + use<'d, 'a>
    {
        self.versioned_packets::<ClientHeader>(input)
    }

    /// The packets of a server in `input`, one after the other. Ends after the first error.
    pub fn server_packets<'d, 'a>(
        &'d mut self,
        input: &'a [u8],
    ) -> impl Iterator<Item = Result<ServerPacket<Document<&'a [u8]>>, DecodeError>> + use<'d, 'a>
    {
        self.versioned_packets::<ServerHeader>(input)
    }

    /// The machine that builds nothing, ready for a packet.
    fn checker(&mut self) -> &mut Machine<NoArena> {
        let options = *self.machine.options();
        let checker =
            self.checker.get_or_insert_with(|| Box::new(Machine::new(options, NoArena::default())));
        *checker.options_mut() = options;
        checker.reset(0, 0);
        checker
    }

    fn versioned_packets<'d, 'a, H: Header + 'd>(
        &'d mut self,
        input: &'a [u8],
    ) -> impl Iterator<Item = Result<H::Packet<Document<&'a [u8]>>, DecodeError>> + use<'d, 'a, H>
    {
        let mut read = Some(0);
        core::iter::from_fn(move || {
            let start = read.take()?;
            let rest = input.get(start..).unwrap_or_default();
            // White space after the last packet is no packet, unless there is more of it than a
            // packet may have.
            let max = self.machine.options().limits.max_packet_bytes as usize;
            if rest.len() < max && !packet::has_more(rest) {
                return None;
            }
            Some(self.versioned_at::<H>(input, start).map(|(packet, end)| {
                read = Some(end);
                packet
            }))
        })
    }

    /// Reads a header and its body, which begin at `start`. Also tells where they end.
    fn versioned_at<'a, H: Header>(
        &mut self,
        input: &'a [u8],
        start: usize,
    ) -> Result<Ended<Versioned<'a, H>>, DecodeError> {
        let window = input.get(start..).unwrap_or_default();
        let limits = &self.machine.options().limits;
        let Some((header, header_bytes)) =
            packet::read_within::<H>(window, start as u64, limits, 0)?
        else {
            return Err(DecodeError::new(ErrorKind::UnexpectedEnd, input.len() as u64));
        };
        let dialect = mem::replace(&mut self.machine.options_mut().dialect, Dialect::Extended);
        let decoded = self.decode_at(&input, start + header_bytes, header_bytes);
        self.machine.options_mut().dialect = dialect;
        let (body, end) = decoded?;
        Ok((header.with_body(body), end))
    }

    fn decode_one<S: Source>(&mut self, input: &S) -> Result<Document<S>, DecodeError> {
        let end = self.whole(input.as_ref(), 0, 0)?;
        check_rest(self.machine.options(), input.as_ref(), end)?;
        Ok(take(&mut self.machine, input.part(0..end)))
    }

    /// Decodes the packet that begins at `start`, after a header of so many bytes. Also tells where
    /// it ends.
    fn decode_at<S: Source>(
        &mut self,
        input: &S,
        start: usize,
        header_bytes: usize,
    ) -> Result<Ended<Document<S>>, DecodeError> {
        let window = input.as_ref().get(start..).unwrap_or_default();
        let end = start + self.whole(window, start as u64, header_bytes)?;
        Ok((take(&mut self.machine, input.part(start..end)), end))
    }

    /// Runs the machine over a window that holds a whole packet, and tells where it ends.
    fn whole(
        &mut self,
        window: &[u8],
        origin: u64,
        header_bytes: usize,
    ) -> Result<usize, DecodeError> {
        if self.machine.arena().capacity() == 0 {
            *self.machine.arena_mut() = mem::take(&mut self.spare);
        }
        self.machine.reset(origin, header_bytes);
        whole(&mut self.machine, window, origin)
    }
}

/// Runs the machine over a window that holds a whole packet and begins at `origin`, and tells where
/// it ends.
#[inline(always)]
fn whole<A: node::Arena + Default>(
    machine: &mut Machine<A>,
    window: &[u8],
    origin: u64,
) -> Result<usize, DecodeError> {
    match machine.run(window)? {
        Some(end) => Ok(end),
        None => Err(DecodeError::new(ErrorKind::UnexpectedEnd, origin + window.len() as u64)),
    }
}

/// The packet that the machine has just read.
#[inline(always)]
fn take<S: Source>(machine: &mut Machine<Vec<Node>>, source: S) -> Document<S> {
    let (root, summary) = (machine.top(), machine.summary());
    Document::new(source, mem::take(machine.arena_mut()), root, summary)
}

/// P1: only white space may follow the one packet that was expected.
#[inline(always)]
fn check_rest(options: &DecodeOptions, input: &[u8], end: usize) -> Result<(), DecodeError> {
    if end == input.len() { Ok(()) } else { check_blank(options, input, end) }
}

#[inline(never)]
fn check_blank(options: &DecodeOptions, input: &[u8], end: usize) -> Result<(), DecodeError> {
    let rest = input.get(end..).unwrap_or_default();
    if rest.iter().all(|&byte| byte::is_space(byte)) {
        return Ok(());
    }
    let blank = blank_len(options, rest);
    if blank == rest.len() {
        return Ok(());
    }
    Err(DecodeError::new(ErrorKind::TrailingBytes, (end + blank) as u64))
}

/// How many bytes of `input` are white space and whole comments (W9).
fn blank_len(options: &DecodeOptions, input: &[u8]) -> usize {
    // What stands after the packet is no packet, and may be of any length.
    let limits = Limits::default().with_max_packet_bytes(u32::MAX);
    let mut machine = Machine::new(DecodeOptions { limits, ..*options }, NoArena::default());
    loop {
        let before = machine.position();
        match machine.step(input) {
            Ok(Some(Operator::Blank)) => {}
            Ok(_) | Err(_) => return before,
        }
    }
}

/// A versioned packet that borrows its input.
type Versioned<'a, H> = <H as Header>::Packet<Document<&'a [u8]>>;

/// Something that was read, and the place in the input where it ends.
type Ended<T> = (T, usize);

/// The packets of an input: see [`Decoder::packets`].
#[derive(Debug)]
pub struct Packets<'d, S> {
    decoder: &'d mut Decoder,
    input: S,
    read: usize,
    failed: bool,
}

impl<'d, S: Source> Packets<'d, S> {
    const fn new(decoder: &'d mut Decoder, input: S) -> Self {
        Self { decoder, input, read: 0, failed: false }
    }

    /// How many bytes of the input belong to the packets so far.
    #[must_use]
    pub const fn read(&self) -> usize {
        self.read
    }

    /// Gives the memory of a packet back: see [`Decoder::recycle`].
    pub fn recycle(&mut self, document: Document<S>) {
        self.decoder.recycle(document);
    }
}

impl<S: Source> Iterator for Packets<'_, S> {
    type Item = Result<Document<S>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.decoder.decode_at(&self.input, self.read, 0) {
            Ok((packet, end)) => {
                self.read = end;
                Some(Ok(packet))
            }
            Err(error) => {
                self.failed = true;
                // White space after the last packet is no packet.
                let is_end = error.is_incomplete() && self.decoder.machine.is_between_packets();
                if is_end { None } else { Some(Err(error)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    /// Where the memory of a packet's nodes is.
    fn memory<S>(document: Document<S>) -> (*const Node, usize) {
        let nodes = document.into_nodes();
        (nodes.as_ptr(), nodes.capacity())
    }

    #[test]
    fn memory_that_is_given_back_is_used_again() {
        let packet: &[u8] = b"{1 2{3 4}\"text\"}$";
        let mut decoder = Decoder::new();
        let document = decoder.decode(packet).unwrap();
        let first = document.root().to_string();
        decoder.recycle(document);
        assert!(decoder.spare.capacity() > 0);
        let spare = (decoder.spare.as_ptr(), decoder.spare.capacity());
        let again = decoder.decode(packet).unwrap();
        assert_eq!(again.root().to_string(), first);
        assert_eq!(memory(again), spare);
    }

    #[test]
    fn packets_tell_how_far_they_came_and_take_memory_back() {
        let mut decoder = Decoder::new();
        let mut packets = decoder.packets(&b"{1}$ {2 3}$\n"[..]);
        assert_eq!(packets.read(), 0);
        let first = packets.next().unwrap().unwrap();
        assert_eq!((first.to_string().as_str(), packets.read()), ("{1}", 4));
        packets.recycle(first);
        assert!(packets.decoder.spare.capacity() > 0);
        let second = packets.next().unwrap().unwrap();
        assert_eq!((second.to_string().as_str(), packets.read()), ("{2,3}", 11));
        assert!(packets.next().is_none());
        assert_eq!(packets.read(), 11);
    }
}
