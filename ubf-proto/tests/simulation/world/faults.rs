//! What goes wrong, or is planned, and how it ends.

use std::time::Duration;

use ubf_codec::{NextIp, Term, Version};
use ubf_proto::DrainPlan;
use ubf_proto::client;
use ubf_proto::endpoint::{Cordon, Input, LoadPlan, LoadUnit};

use super::nodes::{Node, Process};
use super::setting::Weather;
use super::{Event, Piece, World, address, log};

/// What may happen in a world. Each world has some of them, so that those meet often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Drain,
    Undrain,
    ShutDown,
    Load,
    ClientCrash,
    Withdraw,
    Restore,
    /// Withdrawn and restored before clients have read of the first.
    Flicker,
    /// So many negotiations that clients and servers come to N10's limit.
    Storm,
    /// A node admits nobody else.
    Cordon,
    Uncordon,
    /// An operator sends one client elsewhere.
    Move,
    // What follows is not planned.
    HandlerCrash,
    Kill,
    Partition,
    Sever,
    Unite,
}

const PLANNED: [Fault; 12] = [
    Fault::Drain,
    Fault::Undrain,
    Fault::ShutDown,
    Fault::Load,
    Fault::ClientCrash,
    Fault::Withdraw,
    Fault::Restore,
    Fault::Flicker,
    Fault::Storm,
    Fault::Cordon,
    Fault::Uncordon,
    Fault::Move,
];
const UNPLANNED: [Fault; 5] =
    [Fault::HandlerCrash, Fault::Kill, Fault::Partition, Fault::Sever, Fault::Unite];

/// No process dies: then a session survives, and no call may be in doubt.
const CUTS: [Fault; 11] = [
    Fault::Load,
    Fault::ClientCrash,
    Fault::Withdraw,
    Fault::Restore,
    Fault::Flicker,
    Fault::Storm,
    Fault::Cordon,
    Fault::Uncordon,
    Fault::Move,
    Fault::HandlerCrash,
    Fault::Sever,
];

impl World {
    /// The faults of this world: all of them, or a swarm of a few.
    pub(super) fn choose_faults(&mut self) {
        let all: Vec<Fault> = match self.weather {
            Weather::Calm => PLANNED.to_vec(),
            Weather::Cuts => CUTS.to_vec(),
            Weather::Wild => PLANNED.into_iter().chain(UNPLANNED).collect(),
        };
        let is_swarm = self.random.below(4) > 0;
        let swarm: Vec<Fault> =
            all.iter().copied().filter(|_| !is_swarm || self.random.below(3) == 0).collect();
        self.faults = if swarm.is_empty() { all } else { swarm };
        if self.weather == Weather::Cuts {
            // Half of all that goes wrong.
            let cuts = vec![Fault::Sever; self.faults.len()];
            self.faults.extend(cuts);
        }
    }

    pub(super) fn any_node(&mut self) -> usize {
        self.random.below(self.nodes.len() as u64) as usize
    }

    fn any_next_ip(&mut self) -> NextIp {
        let one = self.any_node();
        let two = self.any_node();
        let text = match self.random.below(6) {
            // A dead host, and one that the policy forbids.
            0 if self.weather != Weather::Calm => "10.0.0.99:4000".to_owned(),
            1 if self.weather != Weather::Calm => format!("127.0.0.1:4000,{}", address(one)),
            2 => format!("{},{}", address(one), address(two)),
            _ => address(one).to_string(),
        };
        text.parse().unwrap()
    }

    pub(super) fn fault(&mut self) {
        let fault = self.faults[self.random.below(self.faults.len() as u64) as usize];
        let node = self.any_node();
        let client = self.random.below(self.clients.len() as u64) as usize;
        let any_version = 1 + self.random.below(12) as u32;
        // Mostly one that is in use.
        let version = match self.clients[client].session.version() {
            Some(version) if self.random.below(4) > 0 => version.get(),
            Some(_) | None => any_version,
        };
        log!(self, "{fault:?} at node {node}, client {client}, version {version}");
        match fault {
            Fault::Drain => self.drain(node),
            Fault::Undrain => {
                self.tell_endpoint(node, Input::Undrain);
            }
            Fault::ShutDown => {
                // Longer than any handler takes.
                let hard_stop = Duration::from_secs(5);
                if self.others_up(node) > 0 {
                    self.tell_endpoint(node, Input::ShutDown { hard_stop });
                }
            }
            Fault::Load => self.load(node),
            Fault::ClientCrash => self.crash_client(client, version),
            Fault::Withdraw => self.withdraw(node, version),
            Fault::Restore => self.restore(node, version),
            Fault::Flicker => {
                self.withdraw(node, version);
                let at = self.now + self.random.below(100);
                self.at(at, Event::Restore { node, version });
            }
            Fault::Storm => {
                for _ in 0..8 + self.random.below(6) {
                    let at = self.now + self.random.below(58_000);
                    self.at(at, Event::Withdraw { node, version });
                    let at = at + self.random.below(2_000);
                    self.at(at, Event::Restore { node, version });
                }
            }
            Fault::Cordon => self.cordon(node),
            Fault::Uncordon => {
                self.tell_endpoint(node, Input::Uncordon);
            }
            Fault::Move => self.move_client(client),
            Fault::HandlerCrash => {
                self.nodes[node].crashing.insert(version);
            }
            Fault::Kill => self.kill(node),
            Fault::Partition => {
                self.partitions.insert((client, node));
            }
            Fault::Sever => self.sever(client),
            Fault::Unite => self.unite(),
        }
    }

    fn crash_client(&mut self, client: usize, version: u32) {
        self.clients[client].crashing.insert(version);
        if self.random.below(2) == 0 {
            let (version, why) = (Version::new(version).unwrap(), Term::atom("crash"));
            self.tell_client(client, client::Input::Crashed { version, call: None, why });
        }
    }

    fn load(&mut self, node: usize) {
        let is_over = self.random.below(3) > 0;
        let plan = is_over.then(|| {
            let high = self.random.below(3);
            let unit = if self.random.below(2) == 0 { LoadUnit::Sessions } else { LoadUnit::Calls };
            let low = self.random.below(high + 1);
            LoadPlan::new(unit, low, high, self.any_next_ip())
        });
        log!(self, "node {node} has the load plan {plan:?}");
        self.tell_endpoint(node, Input::Load(plan));
    }

    fn others_up(&self, node: usize) -> usize {
        (0..self.nodes.len()).filter(|&other| other != node && self.nodes[other].is_up()).count()
    }

    fn drain(&mut self, node: usize) {
        if !self.nodes[node].is_up() {
            return;
        }
        let others: Vec<usize> = (0..self.nodes.len())
            .filter(|&other| other != node && self.nodes[other].is_up())
            .collect();
        let target = others.get(self.random.below(others.len() as u64) as usize).copied();
        let next_ip: Option<NextIp> = target.map(|target| address(target).into());
        let grace = Duration::from_millis(500 + self.random.below(5_000));
        // Longer than any handler takes.
        let hard_stop = Duration::from_secs(5);
        self.tell_endpoint(node, Input::Drain(DrainPlan::new(next_ip, grace, hard_stop)));
    }

    /// Somebody is always left who admits clients.
    fn cordon(&mut self, node: usize) {
        let is_open = |other: &Node| other.is_up() && other.endpoint.cordon().is_none();
        if self.nodes.iter().filter(|other| is_open(other)).count() > 1 {
            let next_ip = (self.random.below(2) == 0).then(|| self.any_next_ip());
            self.tell_endpoint(node, Input::Cordon(Cordon::new(next_ip)));
        }
    }

    fn move_client(&mut self, client: usize) {
        let Some(&place) = self.clients[client].pipes.values().next() else { return };
        let pipe = &self.pipes[place];
        let (node, Some(connection)) = (pipe.node, pipe.key) else { return };
        // It may be one of a process that has ended.
        if self.nodes[node].pipes.get(&connection) != Some(&place) {
            return;
        }
        let next_ip = self.any_next_ip();
        self.note_move(place, &next_ip);
        let grace = Duration::from_millis(500 + self.random.below(5_000));
        // Longer than any handler takes.
        let hard_stop = Duration::from_secs(5);
        let moved = Input::Move { connection, next_ip, grace, hard_stop };
        self.summary.moved_one += u64::from(self.tell_endpoint(node, moved));
    }

    /// As `kill -9`, or as a power failure, of which nobody is told.
    fn kill(&mut self, node: usize) {
        if self.nodes[node].process != Process::Running {
            return;
        }
        let is_silent = self.random.below(2) == 0;
        log!(self, "node {node} is killed, silently: {is_silent}");
        let place = &mut self.nodes[node];
        place.process = if is_silent { Process::Silent } else { Process::Ended };
        place.pipes.clear();
        for pipe in 0..self.pipes.len() {
            if self.pipes[pipe].node == node {
                self.pipes[pipe].machine = None;
                self.pipes[pipe].is_dead |= is_silent;
                if !is_silent {
                    self.put_piece(pipe, false, Piece::End);
                }
            }
        }
        self.drop_machines(node);
        let down = self.random.below(20_000);
        self.at(self.now + down, Event::StartNode { node });
    }

    fn unite(&mut self) {
        self.partitions.clear();
        for pipe in 0..self.pipes.len() {
            for to_server in [true, false] {
                let wire = if to_server {
                    &mut self.pipes[pipe].to_server
                } else {
                    &mut self.pipes[pipe].to_client
                };
                for _ in 0..std::mem::take(&mut wire.stalled) {
                    self.at(self.now, Event::Flow { pipe, to_server });
                }
            }
        }
    }

    pub(super) fn heal(&mut self) {
        log!(self, "all faults end");
        self.is_healed = true;
        self.unite();
        for client in &mut self.clients {
            client.crashing.clear();
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].crashing.clear();
            for version in self.nodes[node].side.versions.clone() {
                self.restore(node, version);
            }
            self.tell_endpoint(node, Input::Load(None));
            self.tell_endpoint(node, Input::Uncordon);
        }
    }
}
