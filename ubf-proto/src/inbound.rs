//! Bytes that came in, until they are packets.

use alloc::boxed::Box;
use alloc::format;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use ubf_codec::{ClientHeader, DecodeError, Document, Header, Limits, VersionedDecoder};

use crate::time::Time;

/// A packet of more bytes than this does not share its block of memory with what comes behind it.
/// Whoever keeps a smaller one for long copies it ([`Document::compact`]), and then nothing that is
/// kept holds on to much more than it needs. Chosen: four blocks of a usual read.
pub const MAX_SHARED_BYTES: usize = 64 * 1024;

/// A packet of which less has come and of which less is missing is not read into its place. Chosen:
/// as much as a shell can well read on its stack, from where a copy is cheap.
const MIN_PLACED_BYTES: usize = 16 * 1024;
/// L1: nor is one that came with a read of less than this, since little memory could be taken for
/// it.
const MIN_SHOWN_BYTES: usize = 4 * 1024;
/// Room for what a packet goes on with that has not announced it, at least; as it grows, its buffer
/// doubles. Chosen: a large read.
const UNANNOUNCED_BYTES: usize = 64 * 1024;

/// A packet, and the offset in the stream at which it ends.
pub(crate) type Whole<H> = (<H as Header>::Packet<Document<Bytes>>, u64);

/// What came in on a connection and is not yet taken out.
#[derive(Debug)]
pub(crate) struct Inbound<H> {
    limits: Limits,
    /// Most of a session is its decoder, and an idle connection does without.
    decoder: Option<Box<VersionedDecoder<H>>>,
    buffer: BytesMut,
    /// Bytes of the stream that came in.
    received: u64,
    /// Those of them that the packets so far are made of. At most `received`.
    end: u64,
    /// When the first bytes of the packet came that is not whole yet.
    partial_since: Option<Time>,
    /// Whether the buffer may hold a whole packet: it is not looked at again until more has come.
    fresh: bool,
    is_broken: bool,
    /// Bytes of the last read: what came of a packet may be the end of one that was long.
    last_read: u32,
}

impl<H: Header> Inbound<H> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoder: None,
            buffer: BytesMut::new(),
            received: 0,
            end: 0,
            partial_since: None,
            fresh: false,
            is_broken: false,
            last_read: 0,
        }
    }

    /// Gives it a decoder to use. If it has one, this one comes back.
    pub(crate) fn attach(
        &mut self,
        mut decoder: Box<VersionedDecoder<H>>,
    ) -> Option<Box<VersionedDecoder<H>>> {
        if self.decoder.is_some() {
            return Some(decoder);
        }
        decoder.restart(self.limits, self.end);
        self.decoder.replace(decoder)
    }

    /// Takes its decoder, if no packet has begun.
    pub(crate) fn take_decoder(&mut self) -> Option<Box<VersionedDecoder<H>>> {
        // White space counts for the next packet: then that one has a decoder already.
        let is_idle = self.received == self.end && !self.is_broken;
        if is_idle { self.decoder.take() } else { None }
    }

    /// Q15: whether the stream begins as the hello of a server that takes its client for a stock
    /// peer, as far as it has come.
    pub(crate) fn begins_with_hello(&self) -> bool {
        const HELLO: &[u8] = b"{'ubf1.0'";
        let seen = self.buffer.get(..HELLO.len()).unwrap_or(&self.buffer);
        self.end == 0 && !seen.is_empty() && HELLO.starts_with(seen)
    }

    /// Whether a packet has begun and is not whole.
    pub(crate) const fn is_partial(&self) -> bool {
        self.partial_since.is_some()
    }

    /// Adds bytes. What continues the buffer in memory, as reads into one buffer do, is joined
    /// without a copy.
    pub(crate) fn push(&mut self, bytes: BytesMut, now: Time) {
        if bytes.is_empty() || self.is_broken {
            return;
        }
        self.received += bytes.len() as u64;
        self.last_read = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.partial_since.get_or_insert(now);
        self.fresh = true;
        if self.buffer.is_empty() {
            self.buffer = bytes;
        } else {
            self.buffer.unsplit(bytes);
        }
    }

    /// A place for the bytes that come next, if what has come is a part of a large packet: what is
    /// read there and then [pushed](Self::push) is not copied. How much room there is the codec
    /// says ([`StreamDecoder::reserve`](ubf_codec::StreamDecoder::reserve), L1), if the packet has
    /// announced its bytes; else the buffer doubles.
    pub(crate) fn room(&mut self) -> Option<BytesMut> {
        if self.fresh || self.is_broken || !self.is_partial() {
            return None;
        }
        let decoder = self.decoder.as_ref()?;
        let (len, shown) = (self.buffer.len(), self.last_read as usize);
        let missing = decoder.missing(&self.buffer);
        if len.max(missing) < MIN_PLACED_BYTES || len.max(shown) < MIN_SHOWN_BYTES {
            return None;
        }
        decoder.reserve(&mut self.buffer, shown);
        if self.buffer.capacity() == len {
            self.buffer.reserve(UNANNOUNCED_BYTES);
        }
        Some(self.buffer.split_off(len))
    }

    /// The next packet that has come whole.
    pub(crate) fn next(&mut self, now: Time) -> Result<Option<Whole<H>>, DecodeError> {
        if !self.fresh {
            return Ok(None);
        }
        let begin =
            || Box::new(VersionedDecoder::new().with_limits(self.limits).starting_at(self.end));
        let decoder = self.decoder.get_or_insert_with(begin);
        let Some(packet) =
            decoder.decode(&mut self.buffer).inspect_err(|_| self.is_broken = true)?
        else {
            self.fresh = false;
            // White space between packets begins no packet.
            if decoder.is_between_packets(&self.buffer) {
                self.partial_since = None;
            }
            self.release();
            return Ok(None);
        };
        let start = self.end;
        self.end = self.received - self.buffer.len() as u64;
        self.part_from(self.end - start);
        self.release();
        self.partial_since = (!self.buffer.is_empty()).then_some(now);
        Ok(Some((packet, self.end)))
    }

    /// L1: what comes behind a large packet, and is less, is moved into a block of its own: a few
    /// bytes are not to hold on to all of that packet. No byte is moved twice for one that came in.
    fn part_from(&mut self, packet_bytes: u64) {
        let rest = self.buffer.len();
        if packet_bytes > MAX_SHARED_BYTES as u64 && rest > 0 && rest as u64 <= packet_bytes {
            self.buffer = BytesMut::from(&*self.buffer);
        }
    }

    /// What is empty still holds on to the block that it was read into: an idle connection is not
    /// to.
    fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Gives back the memory of a packet, for the next one.
    pub(crate) fn recycle(&mut self, packet: Document<Bytes>) {
        if let Some(decoder) = &mut self.decoder {
            decoder.recycle(packet);
        }
    }

    /// Whether there may be a packet to take out.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Counts the time of a packet that is not whole yet from here on.
    pub(crate) fn restart_clock(&mut self, now: Time) {
        self.partial_since = self.partial_since.map(|_| now);
    }

    /// U2: the offset in the stream at which the last packet ends.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// U2: goes on with the stream of another process: from this offset on, of which this has come.
    pub(crate) fn go_on_at(&mut self, offset: u64, unread: Bytes, now: Time) {
        self.end = offset;
        self.received = offset;
        self.push(unread.into(), now);
    }

    /// The offset in the stream up to which packets were taken out.
    pub(crate) fn offset(&self) -> u64 {
        self.received - self.buffer.len() as u64
    }

    /// L1: when the packet that has begun must be whole.
    pub(crate) fn deadline(&self, max_packet_time: Duration) -> Option<Time> {
        self.partial_since.map(|since| since + max_packet_time)
    }
}

impl Inbound<ClientHeader> {
    /// U2: what has come behind the last packet. A header that was taken out already, and white
    /// space before it, are there again in as many bytes.
    pub(crate) fn unread(&self) -> Bytes {
        let taken = self.received - self.end - self.buffer.len() as u64;
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        let header = self.decoder.as_ref().and_then(|decoder| decoder.header());
        let header = header.map(|header| format!("{} ", header.mode.number())).unwrap_or_default();
        let spaces = taken.saturating_sub(header.len());
        let mut unread = BytesMut::with_capacity(taken + self.buffer.len());
        unread.resize(spaces, b' ');
        unread.extend_from_slice(header.as_bytes());
        unread.extend_from_slice(&self.buffer);
        unread.freeze()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn an_idle_connection_holds_on_to_no_block_that_was_read() {
        for bytes in [&b"3 1$"[..], b"3 1$3 2$", b"3 1$\n", b"3 1$ \r\n"] {
            let mut inbound: Inbound<ClientHeader> = Inbound::new(Limits::default());
            let mut block = BytesMut::with_capacity(16_384);
            block.extend_from_slice(bytes);
            inbound.push(block, Time::ZERO);
            while inbound.next(Time::ZERO).unwrap().is_some() {}
            assert_eq!(inbound.buffer.capacity(), 0, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn l1_a_small_packet_holds_on_to_nothing_of_a_large_one_before_it() {
        let mut inbound: Inbound<ClientHeader> = Inbound::new(Limits::default());
        let mut block = BytesMut::with_capacity(1 << 20);
        block.extend_from_slice(b"3 \"");
        block.resize(MAX_SHARED_BYTES, b'a');
        block.extend_from_slice(b"\"$3 'small'$3 2$");
        inbound.push(block, Time::ZERO);
        let (large, _end) = inbound.next(Time::ZERO).unwrap().unwrap();
        let mut large = BytesMut::from(large.body.into_source());
        // Whatever else holds on to its block would have to be copied around.
        let (small, end) = inbound.next(Time::ZERO).unwrap().unwrap();
        assert_eq!((small.body.to_string().as_str(), end), ("small", MAX_SHARED_BYTES as u64 + 12));
        large.clear();
        assert!(large.try_reclaim(1 << 20));
        assert_eq!(inbound.next(Time::ZERO).unwrap().unwrap().0.body.to_string(), "2");
    }

    /// Reads `stream` as a shell does, at most `most` bytes at a time, and counts what was read into
    /// its place.
    fn read_in_place(
        inbound: &mut Inbound<ClientHeader>,
        mut stream: &[u8],
        most: usize,
    ) -> (alloc::vec::Vec<Bytes>, usize) {
        let (mut packets, mut placed) = (alloc::vec::Vec::new(), 0);
        while !stream.is_empty() {
            let room = inbound.room();
            let is_placed = room.is_some();
            let mut room = room.unwrap_or_else(|| BytesMut::with_capacity(MIN_PLACED_BYTES));
            let count = (room.capacity() - room.len()).min(most).min(stream.len());
            assert!(count > 0, "there is room in what is given out");
            let (read, rest) = stream.split_at(count);
            room.extend_from_slice(read);
            placed += if is_placed { count } else { 0 };
            stream = rest;
            inbound.push(room, Time::ZERO);
            while let Some((packet, _end)) = inbound.next(Time::ZERO).unwrap() {
                packets.push(packet.body.into_source());
            }
        }
        (packets, placed)
    }

    #[test]
    fn a_large_packet_is_read_into_its_place_and_is_the_same() {
        let announced = [&b"3 1000000~"[..], &[b'b'; 1_000_000], b"~$"].concat();
        let text = [&b"3 \""[..], &[b't'; 300_000], b"\"$"].concat();
        let small = b"3 'small'$";
        let stream = [small, &announced[..], small, &text, small, &announced].concat();
        for most in [1_460, 16_384, 100_000, 1 << 20] {
            let mut inbound = Inbound::new(Limits::default());
            let (packets, placed) = read_in_place(&mut inbound, &stream, most);
            let bodies: alloc::vec::Vec<&[u8]> = packets.iter().map(|body| &body[..]).collect();
            let expected = [small, &announced[..], small, &text, small, &announced];
            let expected: alloc::vec::Vec<&[u8]> =
                expected.iter().map(|packet| packet.get(2..).unwrap()).collect();
            assert!(bodies == expected, "in reads of {most}");
            assert!(placed > stream.len() * 9 / 10, "{placed} in reads of {most}");
        }
    }

    #[test]
    fn l1_no_more_room_is_made_than_eight_times_what_came() {
        let mut inbound: Inbound<ClientHeader> = Inbound::new(Limits::default());
        let mut block = BytesMut::from(&b"3 10000000~"[..]);
        inbound.push(block.split(), Time::ZERO);
        assert!(inbound.next(Time::ZERO).unwrap().is_none());
        assert!(inbound.room().is_none(), "some bytes are no reason to take memory");
        block.resize(16_384, b'a');
        inbound.push(block, Time::ZERO);
        assert!(inbound.next(Time::ZERO).unwrap().is_none());
        let mut seen = 16_384 + 11;
        while let Some(mut room) = inbound.room() {
            let most = room.capacity();
            assert!(seen + most <= 8 * seen, "room for {most} behind {seen}");
            let is_last = seen + most > 10_000_000;
            if is_last {
                // No more than what was announced, or twice what has come, as any buffer grows.
                assert!(seen + most < 10_002_000.max(2 * seen + 4_096), "{most} behind {seen}");
                break;
            }
            room.resize(most, b'a');
            seen += most;
            inbound.push(room, Time::ZERO);
            assert!(inbound.next(Time::ZERO).unwrap().is_none());
        }
    }

    #[test]
    fn room_that_is_dropped_is_there_again() {
        let mut inbound: Inbound<ClientHeader> = Inbound::new(Limits::default());
        let mut block = BytesMut::from(&b"3 100000~"[..]);
        block.resize(50_000, b'a');
        inbound.push(block, Time::ZERO);
        assert!(inbound.next(Time::ZERO).unwrap().is_none());
        let room = inbound.room().unwrap();
        let place = (room.as_ptr(), room.capacity());
        drop(room);
        let room = inbound.room().unwrap();
        assert_eq!((room.as_ptr(), room.capacity()), place);
    }

    #[test]
    fn u2_what_is_unread_is_read_elsewhere_as_it_would_be_here() {
        let stream = b"\n3 1$  \t12  {'a'\"b$c\"}$0 'ping'$ \r\n3 #1&$4 }$";
        let read = |inbound: &mut Inbound<ClientHeader>| {
            let mut found = alloc::vec::Vec::new();
            loop {
                match inbound.next(Time::ZERO) {
                    Ok(Some((packet, end))) => {
                        let mode = packet.header.mode.number();
                        found.push(format!("{mode} {} at {end}", packet.body));
                    }
                    Ok(None) => return found,
                    Err(error) => {
                        found.push(error.to_string());
                        return found;
                    }
                }
            }
        };
        let mut whole = Inbound::new(Limits::default());
        whole.push(BytesMut::from(&stream[..]), Time::ZERO);
        let expected = read(&mut whole);
        assert_eq!(expected.len(), 5);
        for cut in 0..stream.len() {
            let (before, behind) = stream.split_at(cut);
            let mut here = Inbound::new(Limits::default());
            here.push(BytesMut::from(before), Time::ZERO);
            let mut found = read(&mut here);
            let mut there = Inbound::new(Limits::default());
            if found.len() < expected.len() {
                there.go_on_at(here.end(), here.unread(), Time::ZERO);
                assert_eq!(there.received, cut as u64, "no byte is missing");
                there.push(BytesMut::from(behind), Time::ZERO);
                found.extend(read(&mut there));
            }
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_decoder_changes_hands_between_packets_and_not_within_one() {
        let inbound = || Inbound::<ClientHeader>::new(Limits::default());
        let (mut one, mut other) = (inbound(), inbound());
        one.push(BytesMut::from("3 1$"), Time::ZERO);
        assert_eq!(one.next(Time::ZERO).unwrap().unwrap().1, 4);
        assert!(one.next(Time::ZERO).unwrap().is_none());
        other.attach(one.take_decoder().unwrap());
        for (bytes, is_idle) in [("3 {1", false), ("}$\n", false), ("3 2$", true)] {
            other.push(BytesMut::from(bytes), Time::ZERO);
            while other.next(Time::ZERO).unwrap().is_some() {}
            let decoder = other.take_decoder();
            assert_eq!(decoder.is_some(), is_idle, "{bytes:?}");
            if let Some(decoder) = decoder {
                one.attach(decoder);
            }
        }
        // What is wrong is where the new stream has it.
        one.push(BytesMut::from("3 }$"), Time::ZERO);
        assert_eq!(one.next(Time::ZERO).unwrap_err().offset(), 6);
        assert!(one.take_decoder().is_none());
    }

    #[test]
    fn l3_what_comes_after_an_error_is_not_kept() {
        let mut inbound: Inbound<ClientHeader> = Inbound::new(Limits::default());
        inbound.push(BytesMut::from("3 }$"), Time::ZERO);
        assert!(inbound.next(Time::ZERO).is_err());
        let kept = inbound.buffer.len();
        inbound.push(BytesMut::from("3 1$"), Time::ZERO);
        assert_eq!(inbound.buffer.len(), kept);
    }

    #[test]
    fn white_space_behind_a_packet_counts_for_the_next_packet() {
        let mut inbound: Inbound<ClientHeader> = Inbound::new(Limits::default());
        for (bytes, end) in [("3 1$\n", 4), ("3 2$\n", 9), (" 3 3$", 15)] {
            inbound.push(BytesMut::from(bytes), Time::ZERO);
            assert_eq!(inbound.next(Time::ZERO).unwrap().unwrap().1, end);
            assert!(inbound.next(Time::ZERO).unwrap().is_none());
        }
    }
}
