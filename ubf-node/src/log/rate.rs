//! Limits the lines that peers cause, so that nobody can fill a disk or push out what matters (L3).

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Event;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};

/// Lines of one kind from one address in a [`WINDOW`]. Chosen: enough to see what happens.
const MAX_LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// Kinds and addresses that are kept apart; more share one place. Chosen: 64 KiB or so.
const MAX_KEYS: usize = 1024;

/// Lets through what has no field `peer`, and of the rest so many lines of a kind from an address.
#[derive(Debug, Default)]
pub(crate) struct PeerLimit(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    seen: HashMap<(Identifier, Option<IpAddr>), Seen>,
    left_out: u64,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    lines: u32,
}

impl PeerLimit {
    /// Whether this event is to be logged.
    pub(crate) fn lets_event_through(&self, event: &Event<'_>) -> bool {
        if event.metadata().fields().field("peer").is_none() {
            return true;
        }
        let mut peer = PeerOf::default();
        event.record(&mut peer);
        // Behind the address stands who it has shown to be.
        let address = peer.0.split(' ').next().and_then(|text| text.parse::<SocketAddr>().ok());
        let peer = address.map(|address| address.ip());
        self.lets_through(event.metadata().callsite(), peer, Instant::now())
    }

    fn lets_through(&self, kind: Identifier, peer: Option<IpAddr>, now: Instant) -> bool {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind.clone(), peer.map(network));
        if lines.seen.len() >= MAX_KEYS && !lines.seen.contains_key(&key) {
            lines.seen.retain(|_, seen| now.saturating_duration_since(seen.since) < WINDOW);
        }
        // Under a flood from everywhere, all addresses are one.
        let key = if lines.seen.len() >= MAX_KEYS { (kind, None) } else { key };
        let seen = lines.seen.entry(key).or_insert(Seen { since: now, lines: 0 });
        if now.saturating_duration_since(seen.since) >= WINDOW {
            *seen = Seen { since: now, lines: 0 };
        }
        seen.lines = seen.lines.saturating_add(1);
        let is_let_through = seen.lines <= MAX_LINES;
        lines.left_out += u64::from(!is_let_through);
        is_let_through
    }

    /// How many lines were left out since this was asked last.
    pub(crate) fn take_left_out(&self) -> u64 {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).left_out)
    }
}

/// One peer has a whole IPv6 network of 64 bits.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The text of the field `peer`.
#[derive(Default)]
struct PeerOf(String);

impl Visit for PeerOf {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "peer" {
            // A String takes all that is written.
            let _is_written = write!(self.0, "{value:?}").is_ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> Identifier {
        let event = tracing::callsite!(
            name: "a test",
            kind: tracing::metadata::Kind::EVENT,
            fields: peer
        );
        tracing::callsite::Callsite::metadata(event).callsite()
    }

    #[test]
    fn l3_so_many_lines_of_a_kind_from_an_address_in_a_window_and_others_are_not_held_back() {
        let (limit, kind, start) = (PeerLimit::default(), kind(), Instant::now());
        let peer = |text: &str| Some(text.parse().unwrap());
        let count = |peer, at| {
            (0..100).filter(|_| limit.lets_through(kind.clone(), peer, start + at)).count()
        };
        assert_eq!(count(peer("192.0.2.1"), Duration::ZERO), 10);
        assert_eq!(limit.take_left_out(), 90);
        assert_eq!(count(peer("192.0.2.1"), WINDOW - Duration::from_nanos(1)), 0);
        assert_eq!(count(peer("192.0.2.2"), Duration::ZERO), 10);
        assert_eq!(count(peer("192.0.2.1"), WINDOW), 10);
        // A network of IPv6 is one peer.
        assert_eq!(count(peer("2001:db8::1"), Duration::ZERO), 10);
        assert_eq!(count(peer("2001:db8::2"), Duration::ZERO), 0);
        assert_eq!(count(None, Duration::ZERO), 10);
    }

    #[test]
    fn l1_a_flood_from_everywhere_shares_one_place() {
        let (limit, kind, start) = (PeerLimit::default(), kind(), Instant::now());
        let through = (0..5000_u32)
            .filter(|&n| limit.lets_through(kind.clone(), Some(IpAddr::V4(n.into())), start));
        assert_eq!(through.count(), MAX_KEYS + 10);
    }
}
