//! How the bytes of a fuzz input are read: first what the decoder is told, then what it is fed.

use std::fmt;

use ubf_conformance::outcome::Side;
use ubf_conformance::settings::{Dialect, Limits, Settings};

/// A decoder's settings and its input.
///
/// ```text
/// byte 0    bit 0: classic dialect   bit 1: any escape   bit 2: from a server (`packet`)   bit 3: small limits follow
///           bit 4: the limits on bytes and nodes are 64 times as large, and a number of times follows
/// bytes 1–8 only with bit 3: the limits, in the order of `Limits`, each as a small number
/// next byte only with bit 4: how many times the middle of the input comes
/// the rest  the input; with bit 4 `head|middle|tail`
/// ```
/// Below a thousand bytes the decoder counts what it reads near a limit, term by term. Bit 4 lets
/// short inputs reach what it does in longer packets.
#[derive(Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What the decoder is told.
    pub settings: Settings,
    /// Who has written the input, if it is of versioned packets.
    pub side: Side,
    /// What the decoder is fed.
    pub input: Vec<u8>,
}

const CLASSIC: u8 = 1;
const ANY_ESCAPE: u8 = 2;
const SERVER: u8 = 4;
const SMALL_LIMITS: u8 = 8;
const LONG: u8 = 16;

/// What bit 4 multiplies limits with.
const LONG_FACTOR: u32 = 64;
/// No input grows beyond this by repetition.
const MAX_REPEATED_BYTES: usize = 4096;

impl Scenario {
    /// Reads a fuzz input. Every sequence of bytes is one.
    pub fn read(bytes: &[u8]) -> Self {
        let (flags, rest) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
        let (limits, input) = match rest.split_first_chunk() {
            Some((small, input)) if flags & SMALL_LIMITS != 0 => (small_limits(*small), input),
            _ => (bounded_limits(), rest),
        };
        let (limits, input) = match input.split_first() {
            Some((&times, input)) if flags & LONG != 0 => {
                (limits_for_long_input(&limits), repeated(times, input))
            }
            _ => (limits, input.to_vec()),
        };
        let dialect = if flags & CLASSIC == 0 { Dialect::Extended } else { Dialect::Classic };
        Self {
            settings: Settings { dialect, limits, any_escape: flags & ANY_ESCAPE != 0 },
            side: if flags & SERVER == 0 { Side::Client } else { Side::Server },
            input,
        }
    }

    /// The fuzz input that reads as these settings, this side and this input, or as near to them as
    /// can be written.
    pub fn write(settings: &Settings, side: Side, input: &[u8]) -> Vec<u8> {
        let mut flags = 0;
        if settings.dialect == Dialect::Classic {
            flags |= CLASSIC;
        }
        if settings.any_escape {
            flags |= ANY_ESCAPE;
        }
        if side == Side::Server {
            flags |= SERVER;
        }
        let mut bytes = vec![flags];
        if settings.limits != Limits::default() {
            bytes = vec![flags | SMALL_LIMITS];
            let widest = small_limits(WIDEST).named();
            let limits = settings.limits.named().into_iter().zip(widest);
            bytes.extend(limits.map(|((_, limit), (_, widest))| {
                u8::try_from(limit.min(widest)).unwrap_or(u8::MAX)
            }));
        }
        bytes.extend_from_slice(input);
        bytes
    }

    /// The fuzz input that reads as `head`, `middle` so many times, and `tail`, under 64 times the
    /// limits that the small numbers stand for.
    pub fn write_long(small: [u8; 8], times: u8, [head, middle, tail]: [&[u8]; 3]) -> Vec<u8> {
        [&[SMALL_LIMITS | LONG], &small[..], &[times], head, b"|", middle, b"|", tail].concat()
    }
}

/// As small limits, the largest.
const WIDEST: [u8; 8] = [255, 15, 63, 63, 31, 7, 63, 3];

/// The defaults, but for the two that would let a few bytes become megabytes of postfix.
fn bounded_limits() -> Limits {
    Limits { max_expanded_nodes: 20_000, max_expanded_bytes: 100_000, ..Limits::default() }
}

fn small_limits([packet, depth, nodes, bytes, digits, tag, next_ip, addresses]: [u8; 8]) -> Limits {
    Limits {
        // Under a limit of 0 there is no packet at all.
        max_packet_bytes: packet.max(1).into(),
        max_depth: (depth % 16).into(),
        max_expanded_nodes: (nodes % 64).into(),
        max_expanded_bytes: (bytes % 64).into(),
        max_integer_digits: (digits % 32).into(),
        max_tag_bytes: (tag % 8).into(),
        max_next_ip_bytes: (next_ip % 64).into(),
        max_next_ip_addresses: (addresses % 4).into(),
    }
}

fn limits_for_long_input(limits: &Limits) -> Limits {
    let most = bounded_limits();
    Limits {
        max_packet_bytes: limits
            .max_packet_bytes
            .saturating_mul(LONG_FACTOR)
            .min(most.max_packet_bytes),
        max_expanded_nodes: (limits.max_expanded_nodes * u64::from(LONG_FACTOR))
            .min(most.max_expanded_nodes),
        max_expanded_bytes: (limits.max_expanded_bytes * u64::from(LONG_FACTOR))
            .min(most.max_expanded_bytes),
        ..limits.clone()
    }
}

/// `head|middle|tail` with the middle so many times. Without two bars there is no middle.
fn repeated(times: u8, input: &[u8]) -> Vec<u8> {
    let mut parts = input.splitn(3, |&byte| byte == b'|');
    let (Some(head), Some(middle), Some(tail)) = (parts.next(), parts.next(), parts.next()) else {
        return input.to_vec();
    };
    let most = MAX_REPEATED_BYTES / middle.len().max(1);
    [head, &middle.repeat(usize::from(times).min(most)), tail].concat()
}

impl fmt::Debug for Scenario {
    /// What a failure shows: enough to write a vector from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, side, input } = self;
        write!(
            f,
            "input \"{}\", {}, {}",
            input.escape_ascii(),
            settings.dialect.word(),
            side.word()
        )?;
        if settings.any_escape {
            write!(f, ", any escape")?;
        }
        for (limit, usual) in settings.limits.named().iter().zip(bounded_limits().named()) {
            if *limit != usual {
                write!(f, ", {} {}", limit.0, limit.1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let settings = Settings {
            dialect: Dialect::Classic,
            limits: small_limits([9, 2, 3, 63, 31, 7, 63, 3]),
            any_escape: true,
        };
        let scenario = Scenario::read(&Scenario::write(&settings, Side::Server, b"1$"));
        assert_eq!(scenario, Scenario { settings, side: Side::Server, input: b"1$".to_vec() });
    }

    #[test]
    fn a_middle_comes_so_many_times_under_larger_limits() {
        let scenario = Scenario::read(&Scenario::write_long(
            [8, 2, 3, 4, 5, 6, 7, 1],
            3,
            [b"{", b"1 ", b"}|$"],
        ));
        assert_eq!(scenario.input, b"{1 1 1 }|$");
        let expected = Limits {
            max_packet_bytes: 512,
            max_expanded_nodes: 192,
            max_expanded_bytes: 256,
            ..small_limits([8, 2, 3, 4, 5, 6, 7, 1])
        };
        assert_eq!(scenario.settings.limits, expected);
        assert_eq!(Scenario::read(b"\x10\x05no|middle$").input, b"no|middle$");
        assert_eq!(Scenario::read(b"\x10\xff||$").input, b"$");
        assert_eq!(
            Scenario::read(&[b"\x10\xff|", &[b' '; 100][..], b"|$"].concat()).input.len(),
            4001
        );
    }

    #[test]
    fn every_sequence_of_bytes_is_a_scenario() {
        for bytes in
            [&b""[..], b"\0", b"\x08", b"\x08123456", b"\x0812345678", b"\xff123456789", b"\x10"]
        {
            Scenario::read(bytes);
        }
    }
}
