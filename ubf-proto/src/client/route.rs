//! Where to connect to: redirections, loops, failover (R1 to R7).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Address, NextIp};

use super::output::NamedBy;
use crate::backoff::Backoff;
use crate::redirect::RedirectRefusal;
use crate::session::Level;
use crate::time::Time;
use crate::versions::Versions;

/// Addresses are remembered for a failover up to this number: a NextIP and the option `peers` have
/// 16 each.
const MAX_CANDIDATES: usize = 64;

/// A connection that held so long was a good one: the next loss is the first of a series, and the
/// next redirection of a chase (R5). Chosen: longer than the longest back-off.
pub(super) const STABLE: Duration = Duration::from_secs(60);

/// An address and who named it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) address: Address,
    pub(super) named_by: NamedBy,
}

/// S7: the server that owned the session last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) candidate: &'a Candidate,
    /// It has said `closing`, and has named another server.
    pub(super) has_left: bool,
}

/// A redirection that is to be followed.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) next_ip: NextIp,
    /// Not before this moment.
    pub(super) at: Time,
}

/// What is done about a connection to send messages on.
///
/// ```text
///    ┌──────────── lost ─────────────┐        ┌── NextIP ──> Moving
///    v                               │        │                │
/// Waiting ──until──> Trying ──agreed──> Arrived <──made, or ────┘
///    ^                 │                            given up
///    └── all tried ────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// R4: the addresses of a round are tried one by one.
    #[default]
    Trying,
    /// R4: the next round begins at this moment.
    Waiting { until: Time },
    /// There is one.
    Arrived,
    /// R2: there is one, and the addresses of a NextIP are tried one by one.
    Moving {
        /// R6: the next connection must be made by then.
        until: Time,
    },
}

impl Way {
    /// R4: when the next round begins, if it is waited for.
    pub(super) const fn retry_at(self) -> Option<Time> {
        match self {
            Self::Waiting { until } => Some(until),
            Self::Trying | Self::Arrived | Self::Moving { .. } => None,
        }
    }
}

/// R6: whether a move holds calls back until the old connection owes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold {
    /// It does, until this moment.
    Until(Time),
    /// It does not, until all packets up to this number are answered on the old connection.
    Over { behind: u64 },
}

impl Default for Hold {
    fn default() -> Self {
        Self::Until(Time::ZERO)
    }
}

/// What is known about addresses.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// Addresses to try one by one in this round, or for this move.
    pub(super) candidates: VecDeque<Candidate>,
    pub(super) way: Way,
    pub(super) backoff: Backoff,
    /// R4: where to go when a connection is lost.
    pub(super) next_ips: Vec<Candidate>,
    pub(super) peers: Vec<Candidate>,
    pub(super) wanted: Option<Wanted>,
    /// A redirection that leads nowhere and is not reported again.
    pub(super) futile: Option<NextIp>,
    pub(super) hold: Hold,
    /// R6: whether an address of a move has failed since the last one that was made: then the old
    /// connection is used meanwhile.
    pub(super) is_move_doubtful: bool,
    pub(super) move_backoff: Backoff,
    /// R6: a failed move is not tried again before.
    pub(super) move_again_at: Time,
    /// R5: addresses visited in this chase: those that its moves left, and those that they reached.
    pub(super) visited: Vec<Address>,
    pub(super) hops: u32,
    pub(super) last_move: Option<Time>,
    pub(super) round: Round,
    /// R4: addresses that were lost by silence, and have not agreed since. Bounded as candidates.
    silent: Vec<Address>,
    /// Q15: the server that last took us for a stock peer, and was asked again.
    pub(super) greeted_by: Option<Address>,
    /// What the last of them speaks.
    pub(super) spoken: Versions,
    /// S1: what the last of them grants that does not grant what is demanded.
    pub(super) granted: Option<Level>,
}

/// What came of the addresses of one round.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// Each is tried once, whoever names it. Bounded as candidates.
    pub(super) tried: Vec<Address>,
    pub(super) without_version: usize,
    /// S1: those that grant no session as it is demanded.
    pub(super) without_session: usize,
}

impl Round {
    /// N1, S1: whether all that were tried, at least one, cannot do what this program needs: they
    /// have no version in common with it, or no session.
    pub(super) const fn is_in_vain(&self) -> bool {
        let turned_down = self.without_version + self.without_session;
        turned_down > 0 && turned_down >= self.tried.len()
    }
}

impl Route {
    /// R5: a call was executed, so that what follows is another chase. R4: and the server is no
    /// broken one.
    pub(super) fn call_was_executed(&mut self) {
        self.end_chase();
        self.backoff.reset();
    }

    pub(super) fn end_chase(&mut self) {
        if self.hops > 0 {
            self.visited.clear();
            self.hops = 0;
            self.futile = None;
        }
    }

    /// R5: judges an address by what was visited.
    pub(super) fn judge(&self, address: &Address, max_hops: u32) -> Result<(), RedirectRefusal> {
        if self.visited.contains(address) {
            Err(RedirectRefusal::Visited)
        } else if self.hops >= max_hops {
            Err(RedirectRefusal::TooManyHops)
        } else {
            Ok(())
        }
    }

    /// R5: counts a move, which visits the address that it leaves and the one that it reaches.
    pub(super) fn record_move(&mut self, from: &Address, to: &Address, now: Time) {
        for address in [from, to] {
            if !self.visited.contains(address) {
                self.visited.push(address.clone());
            }
        }
        self.hops += 1;
        self.last_move = Some(now);
        self.move_backoff.reset();
        self.is_move_doubtful = false;
        self.futile = None;
    }

    /// R4: an address was lost by silence.
    pub(super) fn fell_silent(&mut self, address: &Address) {
        if !self.silent.contains(address) && self.silent.len() < MAX_CANDIDATES {
            self.silent.push(address.clone());
        }
    }

    /// R4: an address has agreed.
    pub(super) fn has_spoken(&mut self, address: &Address) {
        self.silent.retain(|silent| silent != address);
    }

    /// R4: whether it was lost by silence when it was last heard of.
    pub(super) fn is_silent(&self, address: &Address) -> bool {
        self.silent.contains(address)
    }

    /// R4: puts addresses that a server named in its last words in front of those that are left,
    /// but for those that were tried already.
    pub(super) fn prefer(&mut self, named: &[Candidate]) {
        for candidate in named.iter().rev() {
            self.candidates.retain(|known| known.address != candidate.address);
            let is_new = !self.round.tried.contains(&candidate.address);
            if is_new && self.candidates.len() + self.round.tried.len() < MAX_CANDIDATES {
                self.candidates.push_front(candidate.clone());
            }
        }
    }

    /// R4: the next address of a round, or of a move.
    pub(super) fn next_candidate(&mut self) -> Option<Candidate> {
        let candidate = self.candidates.pop_front()?;
        if self.candidates.is_empty() {
            // Mostly, the first address works: a session that is connected has no room for others.
            self.candidates = VecDeque::new();
        }
        self.round.tried.reserve_exact(1);
        self.round.tried.push(candidate.address.clone());
        Some(candidate)
    }

    fn has_candidate(&self, candidate: &Candidate) -> bool {
        self.candidates.iter().any(|known| known.address == candidate.address)
    }

    /// R4: the addresses of a round: the owner of the session (S7), the last NextIP, the peers,
    /// those of the start; each once. Those that were lost by silence come last.
    pub(super) fn begin_round(&mut self, start: &[Address], owner: Option<Owner<'_>>) {
        let own = start
            .iter()
            .map(|address| Candidate { address: address.clone(), named_by: NamedBy::Program });
        let (left, there): (Vec<_>, Vec<_>) = owner.into_iter().partition(|owner| owner.has_left);
        let owner = there.into_iter().map(|owner| owner.candidate);
        let all: Vec<Candidate> =
            owner.chain(&self.next_ips).chain(&self.peers).cloned().chain(own).collect();
        self.candidates.clear();
        for mut candidate in all {
            if start.contains(&candidate.address) {
                // R7: what the program named is not judged, whoever names it too.
                candidate.named_by = NamedBy::Program;
            }
            if !self.has_candidate(&candidate) && self.candidates.len() < MAX_CANDIDATES {
                self.candidates.push_back(candidate);
            }
        }
        // S7.2: nobody else can say that the session is gone while a call is in doubt.
        for Owner { candidate, .. } in left {
            if !self.has_candidate(candidate) {
                self.candidates.truncate(MAX_CANDIDATES - 1);
                self.candidates.push_back(candidate.clone());
            }
        }
        let (silent, others): (Vec<_>, Vec<_>) = self
            .candidates
            .drain(..)
            .partition(|candidate| self.silent.contains(&candidate.address));
        self.candidates = others.into_iter().chain(silent).collect();
        self.way = Way::Trying;
        self.round = Round::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Candidate {
        Candidate { address: address(text), named_by: NamedBy::NextIp { server: None } }
    }

    fn order(route: &Route) -> Vec<alloc::string::String> {
        route.candidates.iter().map(|known| alloc::format!("{}", known.address)).collect()
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn r5_an_address_is_visited_once_in_a_chase() {
        let (a, b, c) = (address("a:1"), address("b:1"), address("c:1"));
        let mut route = Route::default();
        route.record_move(&a, &b, Time::ZERO);
        assert_eq!(route.judge(&a, 5), Err(RedirectRefusal::Visited));
        assert_eq!(route.judge(&b, 5), Err(RedirectRefusal::Visited));
        assert_eq!(route.judge(&c, 5), Ok(()));
        assert_eq!(route.judge(&c, 1), Err(RedirectRefusal::TooManyHops));
        route.call_was_executed();
        assert_eq!(route.judge(&a, 1), Ok(()));
    }

    #[test]
    fn r5_to_connect_to_the_same_address_again_is_legal_once() {
        let a = address("a:1");
        let mut route = Route::default();
        assert_eq!(route.judge(&a, 5), Ok(()));
        route.record_move(&a, &a, Time::ZERO);
        assert_eq!(route.judge(&a, 5), Err(RedirectRefusal::Visited));
    }

    #[test]
    fn r4_a_round_has_each_address_once_and_the_best_first() {
        let mut route = Route {
            next_ips: alloc::vec![named("b:1")],
            peers: alloc::vec![named("c:1")],
            ..Route::default()
        };
        route.peers.push(named("b:1"));
        route.begin_round(&[address("a:1"), address("c:1")], None);
        assert_eq!(order(&route), ["b:1", "c:1", "a:1"]);
    }

    #[test]
    fn s7_the_owner_is_in_every_round_and_the_last_one_if_it_has_left() {
        let start = [address("a:1"), address("b:1")];
        let mut route = Route::default();
        for (name, has_left, expected) in [
            ("c:1", false, ["c:1", "a:1", "b:1"].as_slice()),
            ("c:1", true, &["a:1", "b:1", "c:1"]),
            // It has a place of its own.
            ("a:1", true, &["a:1", "b:1"]),
            ("b:1", false, &["b:1", "a:1"]),
        ] {
            let candidate = &named(name);
            route.begin_round(&start, Some(Owner { candidate, has_left }));
            assert_eq!(order(&route), expected, "{name} {has_left}");
        }
        // L1: others are left out for it.
        let many: Vec<Address> =
            (1..=65).map(|port| address(&alloc::format!("a:{port}"))).collect();
        route.begin_round(&many, Some(Owner { candidate: &named("c:1"), has_left: true }));
        assert_eq!((route.candidates.len(), order(&route).pop()), (64, Some("c:1".into())));
    }

    #[test]
    fn l1_a_round_has_64_addresses_at_most() {
        let start: Vec<Address> =
            (1..=65).map(|port| address(&alloc::format!("a:{port}"))).collect();
        let mut route = Route::default();
        route.begin_round(&start, None);
        assert_eq!(route.candidates.len(), 64);
        assert_eq!(route.candidates.back().map(|candidate| candidate.address.port), Some(64));
    }
}
