//! Events of handlers, as classic sessions have them.

use bytes::Bytes;
use ubf_codec::{Decoder, Limits, Term, View};

/// The event in `{'event_out',Event}`.
pub(super) fn event(body: &Bytes) -> Option<Term> {
    let mut decoder = Decoder::new().with_limits(own());
    let body = decoder.decode(body).ok()?;
    let View::Tuple(pair) = body.root().view() else { return None };
    Some(pair.get(1)?.to_term())
}

/// What our own program has written needs no limits but those of sizes that cannot be counted.
fn own() -> Limits {
    Limits::new()
        .with_max_packet_bytes(u32::MAX)
        .with_max_expanded_nodes(u64::MAX)
        .with_max_expanded_bytes(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ubf_codec::ubf;

    use super::*;

    #[test]
    fn an_event_is_the_second_of_a_pair() {
        assert_eq!(event(&Bytes::from_static(b"{'event_out'{1}}$")), Some(ubf!({ 1 })));
        for body in [&b"'event_out'$"[..], b"{'event_out'}$", b"{"] {
            assert_eq!(event(&Bytes::from_static(body)), None);
        }
    }
}
