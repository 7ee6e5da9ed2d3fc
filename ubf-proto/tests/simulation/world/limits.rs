//! Nothing is kept beyond limits (S6): what each session keeps, and all of a server together.

use ubf_proto::endpoint;

use super::World;
use super::machines::Machine;

/// What one answer of this world takes at most, with what is counted for keeping it.
const MAX_ANSWER: usize = 128 + 64;

/// What a server may keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptLimits {
    in_session: u64,
    events: usize,
    in_all: u64,
    sessions: usize,
}

impl KeptLimits {
    pub(super) const fn of(config: &endpoint::Config) -> Self {
        Self {
            in_session: config.sessions.max_kept,
            events: config.session.max_kept_event_bytes,
            in_all: config.sessions.max_kept_in_all,
            sessions: config.sessions.max_sessions,
        }
    }
}

impl World {
    /// S3, S6: what a machine keeps. Its server hears of it when that is too much for all together.
    pub(super) fn check_kept(&mut self, machine: &mut Machine) {
        if self.nodes[machine.node].generation != machine.generation {
            return;
        }
        let max_in_flight = self.clients[machine.client].max_in_flight;
        let node = &mut self.nodes[machine.node];
        let limits = node.limits;
        let kept = machine.session.kept_bytes();
        // What runs when there is no more room is answered all the same.
        let answers = limits.in_session as usize + (max_in_flight + 1) * MAX_ANSWER;
        assert!(kept <= answers + limits.events, "S6: machine of {} keeps {kept}", machine.client);
        let sessions = node.endpoint.sessions().0;
        assert!(sessions <= limits.sessions, "S6: {sessions} sessions");
        self.count_kept(machine, kept);
    }

    /// A session is over, and with it what it keeps.
    pub(super) fn forget_kept(&mut self, machine: &mut Machine) {
        if self.nodes[machine.node].generation == machine.generation {
            self.count_kept(machine, 0);
        }
    }

    fn count_kept(&mut self, machine: &mut Machine, kept: usize) {
        let node = &mut self.nodes[machine.node];
        node.kept = node.kept + kept - machine.kept;
        machine.kept = kept;
        let is_crowded = node.kept as u64 >= node.limits.in_all;
        if std::mem::replace(&mut node.is_crowded, is_crowded) != is_crowded {
            self.summary.crowded += u64::from(is_crowded);
            self.tell_endpoint(machine.node, endpoint::Input::Crowded(is_crowded));
        }
    }
}
