//! Events that clients may not have seen, as one owner of rows tells them to the next: in the
//! contracts `handoff` (U5) and `takeover` (U2).

use bytes::Bytes;
use ubf_codec::{Term, TermRef, View, ubf};
use ubf_state::{KeptEvent, SessionKey, UnseenEvents};

/// The bytes of events of one packet, but for those of its last session. Chosen: as many as of rows.
const PACKET_BYTES: usize = 1 << 20;

/// `[{Session,[{Number,After,Packet}]}]`
pub(crate) fn unseen_term(unseen: &[UnseenEvents]) -> Term {
    let event = |KeptEvent { number, after, body }: &KeptEvent| ubf!({(*number), (*after), (Term::binary(body.clone()))});
    Term::list(unseen.iter().map(|of| {
        let events = Term::list(of.events.iter().map(event));
        ubf!({(Term::binary(of.session.to_bytes().to_vec())), (events)})
    }))
}

pub(crate) fn read_unseen(term: TermRef<'_>) -> Option<Vec<UnseenEvents>> {
    let event = |term: TermRef<'_>| {
        let View::Tuple(tuple) = term.view() else { return None };
        let [number, after, body] = tuple.to_array()?;
        let body = Bytes::copy_from_slice(body.as_bytes()?);
        Some(KeptEvent { number: number.as_u64()?, after: after.as_u64()?, body })
    };
    let of = |term: TermRef<'_>| {
        let View::Tuple(tuple) = term.view() else { return None };
        let [session, events] = tuple.to_array()?;
        let session = SessionKey::from_bytes(session.as_bytes()?.try_into().ok()?);
        let View::List(events) = events.view() else { return None };
        Some(UnseenEvents::new(session, events.iter().map(event).collect::<Option<_>>()?))
    };
    let View::List(list) = term.view() else { return None };
    list.iter().map(of).collect()
}

/// The events in packets.
pub(crate) fn in_packets(unseen: Vec<UnseenEvents>) -> Vec<Vec<UnseenEvents>> {
    let (mut packets, mut bytes) = (Vec::new(), PACKET_BYTES);
    for of in unseen {
        if bytes >= PACKET_BYTES {
            packets.push(Vec::new());
            bytes = 0;
        }
        bytes += of.bytes();
        if let Some(packet) = packets.last_mut() {
            packet.push(of);
        }
    }
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u5_events_go_in_packets_of_a_mebibyte_and_one_session() {
        let of = |session, bytes| {
            let body = Bytes::from(vec![b'x'; bytes]);
            let event = KeptEvent { number: 1, after: 0, body };
            UnseenEvents::new(SessionKey::from_bytes([session; 16]), vec![event])
        };
        let unseen = vec![of(1, 600_000), of(2, 600_000), of(3, 10), of(4, 2_000_000), of(5, 1)];
        let packets = in_packets(unseen.clone());
        assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(packets.concat(), unseen);
        assert_eq!(in_packets(Vec::new()), Vec::<Vec<_>>::new());
    }
}
