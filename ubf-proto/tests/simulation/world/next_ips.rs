//! A packet names the NextIP of now, and none of an earlier connection (R1, S4).

use std::collections::BTreeSet;

use ubf_codec::NextIp;

use super::World;

/// The addresses of a NextIP: each client is told them in an order of its own.
type Named = BTreeSet<String>;

/// Where a server has sent its clients.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Each with the time at which it replaced the one before.
    since: Vec<(u64, Named)>,
}

impl Told {
    fn note(&mut self, now: u64, next_ip: Option<&NextIp>) {
        let named = next_ip.map(named).unwrap_or_default();
        if self.since.last().is_none_or(|(_, last)| *last != named) {
            self.since.push((now, named));
        }
    }

    /// Whether clients were sent there at this time or later.
    fn has_been(&self, named: &Named, from: u64) -> bool {
        let ends = self.since.iter().skip(1).map(|&(end, _)| end).chain([u64::MAX]);
        self.since.iter().zip(ends).any(|((_, told), end)| from <= end && told == named)
    }
}

fn named(next_ip: &NextIp) -> Named {
    next_ip.addresses().iter().map(ToString::to_string).collect()
}

impl World {
    /// Where a server sends its clients from now on.
    pub(super) fn note_next_ip(&mut self, node: usize) {
        let now = self.now;
        let node = &mut self.nodes[node];
        node.told.note(now, node.endpoint.next_ip());
    }

    /// An operator sends the client of this connection there.
    pub(super) fn note_move(&mut self, pipe: usize, next_ip: &NextIp) {
        let now = self.now;
        self.pipes[pipe].told.note(now, Some(next_ip));
    }

    /// The header of a packet on its way to a client.
    pub(super) fn check_next_ip(&self, pipe: usize, packet: &[u8]) {
        let pipe = &self.pipes[pipe];
        // Whoever is turned away is told of others, too.
        if pipe.key.is_none() {
            return;
        }
        let mut header = packet.splitn(3, |&byte| byte == b'"');
        let (Some(mode), Some(next_ip)) = (header.next(), header.next()) else { return };
        let is_turned_away = |body: &[u8]| body.starts_with(b" {'closing''cordoned'");
        if pipe.is_cordoned && header.next().is_some_and(is_turned_away) {
            return;
        }
        if mode.iter().any(|byte| !byte.is_ascii_digit() && *byte != b' ') {
            return;
        }
        let next_ip: NextIp = std::str::from_utf8(next_ip).unwrap().parse().unwrap();
        let named = named(&next_ip);
        let is_told = self.nodes[pipe.node].told.has_been(&named, pipe.opened_at)
            || pipe.told.has_been(&named, pipe.opened_at);
        assert!(is_told, "S4: {next_ip} is named, and nobody is sent there");
    }
}
