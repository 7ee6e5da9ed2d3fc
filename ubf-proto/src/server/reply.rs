//! What a reply must not be: the bytes of an event (P3).

use core::ops::Range;

use ubf_codec::{Decoder, Limits, Text, View};

use crate::control::is_event;

/// The one form in which this atom is written: its letters cannot be escaped (W3), and a register
/// that holds it was stored from it.
const EVENT_OUT: &[u8] = b"'event_out'";
/// The rarest byte of it, and the bytes before that.
pub(super) const RAREST_OF_EVENT: u8 = b'_';
const BEFORE_RAREST: usize = 6;

/// A reply may be as large as its handler wants: it is not a peer's.
const NO_LIMITS: Limits = Limits::new()
    .with_max_packet_bytes(u32::MAX)
    .with_max_depth(u32::MAX)
    .with_max_expanded_nodes(u64::MAX)
    .with_max_expanded_bytes(u64::MAX)
    .with_max_integer_digits(u32::MAX)
    .with_max_tag_bytes(u32::MAX);

/// Whether a client would read this body as an event.
///
/// The body means the same however it is written: with blanks, comments, registers. Replies are the
/// hot path, so the body is decoded only if the atom's bytes stand somewhere in it. A body that is
/// no packet is no event either; what it is, its client finds out.
pub(super) fn is_event_out(body: &[u8]) -> bool {
    names_event_out(body) && is_decoded_event(body)
}

fn names_event_out(body: &[u8]) -> bool {
    memchr::memchr_iter(RAREST_OF_EVENT, body).any(|at| {
        let atom: Option<Range<usize>> =
            at.checked_sub(BEFORE_RAREST).map(|start| start..start + EVENT_OUT.len());
        atom.and_then(|atom| body.get(atom)) == Some(EVENT_OUT)
    })
}

/// Whether a reply says that the service is in this state after it. `None`: it is no reply.
pub(super) fn is_state(body: &[u8], state: &Text) -> Option<bool> {
    let mut decoder = Decoder::new().with_limits(NO_LIMITS);
    let reply = decoder.decode(body).ok()?;
    let View::Tuple(pair) = reply.root().view() else { return None };
    let [_, found] = pair.to_array()?;
    Some(matches!(found.view(), View::Atom(name) if name.to_text() == *state))
}

#[cold]
fn is_decoded_event(body: &[u8]) -> bool {
    let mut decoder = Decoder::new().with_limits(NO_LIMITS);
    decoder.decode(body).is_ok_and(|reply| is_event(reply.root(), "event_out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p3_a_reply_is_an_event_by_what_it_means_and_not_by_how_it_is_written() {
        for (body, expected) in [
            (&b"{'event_out''start'}$"[..], true),
            (b" \n{ 'event_out' ,{'a'\"b\"} } $", true),
            (b"%comment%{'event_out'%'{'%1}$", true),
            (b"'event_out'>e {e'start'}$", true),
            (b"{'event_out''start'}>r r$", true),
            (b"{'ok'>x 'event_out' 1}$", true),
            (b"{_}$", false),
            (b"{'event_out'}$", false),
            (b"{'event_out''start''more'}$", false),
            (b"{'event_out''start'}`t`$", false),
            (b"{{'event_out''start'}'start'}$", false),
            (b"{\"'event_out'\"'start'}$", false),
            (b"{'start''event_out'}$", false),
            (b"{'event_out'>e 'ok'e}$", false),
            // It is no packet.
            (b"{'event_out''start'", false),
            (b"", false),
        ] {
            assert_eq!(is_event_out(body), expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn p3_a_reply_beyond_every_limit_is_looked_at_too() {
        let deep = [&b"{'event_out'"[..], &[b'{'; 5_000], &[b'}'; 5_000], b"}$"].concat();
        assert!(is_event_out(&deep));
        let digits = [&b"{'event_out'"[..], &[b'9'; 20_000], b"}$"].concat();
        assert!(is_event_out(&digits));
    }
}
