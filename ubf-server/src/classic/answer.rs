//! What handlers answer, as classic sessions have it.

use bytes::Bytes;
use ubf_codec::{Decoder, Limits, Term, Text, View};

/// The reply and the state in `{Response,State}`. `None` if the body is something else.
pub(super) fn split(body: &Bytes) -> Option<(Term, Text)> {
    let mut decoder = Decoder::new().with_limits(own());
    let body = decoder.decode(body).ok()?;
    let View::Tuple(pair) = body.root().view() else { return None };
    if pair.len() != 2 {
        return None;
    }
    Some((pair.get(0)?.to_term(), pair.get(1)?.as_atom()?.to_text()))
}

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
    fn a_reply_is_a_pair_with_an_atom() {
        assert_eq!(
            split(&Bytes::from_static(b"{{'ok'1}'open'}$")),
            Some((ubf!({ok, 1}), "open".into()))
        );
        for body in [&b"{1\"open\"}$"[..], b"{1'a'2}$", b"'a'$", b"{"] {
            assert_eq!(split(&Bytes::from_static(body)), None);
        }
        assert_eq!(event(&Bytes::from_static(b"{'event_out'{1}}$")), Some(ubf!({ 1 })));
    }
}
