//! What a world is like: its weather, and how its servers and clients are set.

use std::time::Duration;

use ubf_codec::Version;
use ubf_proto::client::{self, SessionPlan};
use ubf_proto::{Random, Versions, endpoint};

use super::address;
use super::clock::Clock;
use crate::model::Side;

pub(super) const MAX_PENDING: usize = 64;
const MAX_HOPS: u32 = 5;
/// Packets of clients that get sessions although a server keeps little.
const SMALL_PACKET: u32 = 700;

/// What goes wrong in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Only what is planned: then no call may be in doubt.
    Calm,
    /// Connections break all the time, but no process dies, all have sessions and none expires:
    /// then no call may be in doubt either.
    Cuts,
    Wild,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) weather: Weather,
    /// Servers keep few answers.
    is_kept_small: bool,
    /// Servers keep few events, so that some are missed.
    pub(super) may_miss: bool,
    /// There are no sessions at all.
    is_without: bool,
    /// No two clocks agree.
    is_skewed: bool,
}

impl Setting {
    pub(super) fn new(random: &mut Random) -> Self {
        let weather = match random.below(3) {
            0 => Weather::Calm,
            1 => Weather::Cuts,
            _ => Weather::Wild,
        };
        let is_kept_small = random.below(3) == 0;
        let is_without = weather != Weather::Cuts && random.below(4) == 0;
        let may_miss = random.below(4) == 0;
        let is_skewed = random.below(2) == 0;
        Self { weather, is_kept_small, may_miss, is_without, is_skewed }
    }

    /// The clock of a process that starts.
    pub(super) fn clock(&self, random: &mut Random) -> Clock {
        if self.is_skewed { Clock::any(random) } else { Clock::RIGHT }
    }

    pub(super) fn endpoint(
        &self,
        index: usize,
        nodes: usize,
        random: &mut Random,
    ) -> endpoint::Config {
        let is_cuts = self.weather == Weather::Cuts;
        let mut config = endpoint::Config::default();
        config.session.max_pending = 8;
        config.session.peers = (0..nodes).filter(|&other| other != index).map(address).collect();
        config.own = vec![address(index)];
        // Two clients with two connections each have room; more are turned away.
        config.max_connections = if is_cuts { 100 } else { 4 + random.below(3) as usize };
        let sessions = &mut config.sessions;
        if self.is_kept_small {
            sessions.max_kept = u64::from(SMALL_PACKET) + random.below(200);
        }
        if self.may_miss {
            config.session.max_kept_event_bytes = random.below(300) as usize;
        }
        match random.below(4) {
            0 => {
                sessions.max_window = 1 + random.below(6);
                sessions.max_bytes = 1 + random.below(200);
            }
            1 if !is_cuts => sessions.max_sessions = random.below(4) as usize,
            2 if !is_cuts => sessions.max_kept_in_all = random.below(2_000),
            _ => {}
        }
        if self.weather == Weather::Wild && random.below(3) == 0 {
            sessions.max_keep = Duration::from_millis(500 + random.below(5_000));
        }
        config
    }

    pub(super) fn client(&self, side: &Side, nodes: usize, random: &mut Random) -> client::Config {
        let starts = 1 + random.below(2) as usize;
        let starts = (0..starts).map(|_| address(random.below(nodes as u64) as usize)).collect();
        let versions = Versions::of(side.versions.iter().copied());
        let mut config = client::Config::new(starts, versions);
        config.session = self.plan(random);
        if self.is_kept_small && (self.weather == Weather::Cuts || random.below(4) > 0) {
            config.limits = config.limits.with_max_packet_bytes(SMALL_PACKET);
        }
        config.floor = Version::new(side.floor);
        config.optimistic_start = random.below(4) > 0;
        config.optimistic_moves = random.below(4) == 0;
        config.max_pending = MAX_PENDING;
        config.max_in_flight = 1 + random.below(32) as usize;
        config.max_hops = 1 + random.below(u64::from(MAX_HOPS)) as u32;
        config.quarantine.first = Duration::from_secs(1 + random.below(10));
        config
    }

    fn plan(&self, random: &mut Random) -> SessionPlan {
        let is_cuts = self.weather == Weather::Cuts;
        if self.is_without || (!is_cuts && random.below(6) == 0) {
            return SessionPlan::off();
        }
        let plan = SessionPlan::wanted();
        match random.below(5) {
            0 => plan.with_window(1 + random.below(4)),
            1 => plan.with_bytes(1 + random.below(200)),
            2 if self.weather == Weather::Wild => {
                plan.with_keep(Duration::from_millis(random.below(8_000)))
            }
            _ => plan,
        }
    }
}
