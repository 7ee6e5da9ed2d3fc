//! The servers as a whole: each is the real endpoint, and this is its shell.

use std::collections::{BTreeMap, BTreeSet};

use ubf_codec::Version;
use ubf_proto::endpoint::{self, ConnectionKey, Endpoint, Input, Notice, Output, SessionKey};
use ubf_proto::{CrashRule, Offer, Phase, Service, Versions, server};

use super::clock::Clock;
use super::limits::KeptLimits;
use super::machines::Machine;
use super::next_ips::Told;
use super::{Event, World, log};
use crate::model::Side;

/// A server, or the place where one starts again.
#[derive(Debug)]
pub(super) struct Node {
    /// What it speaks, by the model.
    pub(super) side: Side,
    pub(super) endpoint: Endpoint,
    pub(super) process: Process,
    /// Of the process that is here.
    pub(super) clock: Clock,
    /// Counts the processes that were here.
    pub(super) generation: u64,
    pub(super) crashing: BTreeSet<u32>,
    /// The pipes of the connections that the endpoint has admitted.
    pub(super) pipes: BTreeMap<ConnectionKey, usize>,
    pub(super) woken: u64,
    pub(super) limits: KeptLimits,
    pub(super) told: Told,
    /// Bytes that its sessions keep, and whether that is as much as they may.
    pub(super) kept: usize,
    pub(super) is_crowded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Running,
    /// Dials are refused.
    Ended,
    /// Dials get no answer.
    Silent,
}

impl Node {
    pub(super) fn new(
        config: endpoint::Config,
        versions: BTreeSet<u32>,
        clock: Clock,
        seed: u64,
    ) -> Self {
        Self {
            limits: KeptLimits::of(&config),
            told: Told::default(),
            kept: 0,
            is_crowded: false,
            clock,
            endpoint: new_endpoint(config, &versions, seed),
            side: Side { versions, ..Side::default() },
            process: Process::Running,
            generation: 0,
            crashing: BTreeSet::new(),
            pipes: BTreeMap::new(),
            woken: u64::MAX,
        }
    }

    /// Whether one can connect.
    pub(super) fn is_up(&self) -> bool {
        self.process == Process::Running && self.endpoint.is_listening()
    }
}

fn new_endpoint(config: endpoint::Config, versions: &BTreeSet<u32>, seed: u64) -> Endpoint {
    let mut rule = CrashRule::default();
    (rule.max_crashes, rule.max_peers) = (2, 2);
    let offer = Offer::new()
        .with_crash_rule(rule)
        .with_service(Service::DEFAULT, Versions::of(versions.iter().copied()));
    Endpoint::new(config, offer, seed)
}

/// What a connection finds in its mailbox.
#[derive(Debug)]
pub(super) enum Mail {
    Tell(server::Input),
    Cut,
    /// It is a node's, and not a pipe's.
    EndSession(SessionKey),
    /// Likewise.
    WakeSession(SessionKey),
}

impl World {
    /// Tells an endpoint, and does what it says; mail for connections is put aside.
    pub(super) fn tell_endpoint(&mut self, node: usize, input: Input) -> bool {
        let now = self.node_time(node);
        if self.nodes[node].process != Process::Running {
            return false;
        }
        let is_accepted = self.nodes[node].endpoint.handle(input, now);
        self.obey_endpoint(node);
        is_accepted
    }

    pub(super) fn obey_endpoint(&mut self, node: usize) {
        self.note_next_ip(node);
        let now = self.node_time(node);
        let mut outputs = 0;
        while let Some(output) = self.nodes[node].endpoint.poll_output() {
            outputs += 1;
            assert!(outputs < 1_000, "node {node} has no end of things to do");
            match output {
                Output::Tell(key, input) => self.mail(node, key, Mail::Tell(input)),
                Output::Cut(key) => self.mail(node, key, Mail::Cut),
                Output::StopListening => {
                    self.nodes[node].endpoint.handle(Input::StoppedListening, now);
                }
                Output::CountCalls => {
                    let calls = self.running_at(node);
                    self.nodes[node].endpoint.handle(Input::Calls(calls), now);
                }
                Output::EndSession(key) => self.mail.push_back((node, Mail::EndSession(key))),
                Output::WakeSession(key) => self.mail.push_back((node, Mail::WakeSession(key))),
                Output::Notice(notice) => self.endpoint_noticed(node, &notice),
                other => panic!("{other:?}"),
            }
        }
        self.note_next_ip(node);
        if self.nodes[node].endpoint.phase() == Phase::Stopped {
            return self.end_process(node);
        }
        if let Some(at) = self.nodes[node].endpoint.poll_timeout() {
            let place = &self.nodes[node];
            let (at, generation) = (place.clock.world_time(at), place.generation);
            if at < self.nodes[node].woken {
                self.nodes[node].woken = at;
                self.at(at, Event::WakeNode { node, generation });
            }
        }
    }

    pub(super) fn wake_node(&mut self, node: usize, generation: u64) {
        if self.nodes[node].generation == generation {
            self.nodes[node].woken = u64::MAX;
            self.tell_endpoint(node, Input::Tick);
        }
    }

    fn mail(&mut self, node: usize, key: ConnectionKey, mail: Mail) {
        if let Some(&pipe) = self.nodes[node].pipes.get(&key) {
            self.mail.push_back((pipe, mail));
        }
    }

    /// Gives out what is in the mailboxes. Nothing else happens before.
    pub(super) fn deliver_mail(&mut self) {
        while let Some((pipe, mail)) = self.mail.pop_front() {
            match mail {
                Mail::Tell(input) => self.tell_server(pipe, input),
                Mail::Cut => self.tell_server(pipe, server::Input::Lost),
                Mail::EndSession(key) => self.end_session(pipe, key),
                Mail::WakeSession(key) => self.wake_session(pipe, key),
            }
        }
    }

    /// What is in the mailbox of a machine that is in somebody's hands.
    pub(super) fn take_mail(&mut self, machine: &mut Machine) {
        let now = machine.clock.read(self.now);
        let is_its =
            |(pipe, mail): &(usize, Mail)| *pipe == machine.pipe && matches!(mail, Mail::Tell(_));
        while let Some(place) = self.mail.iter().position(is_its) {
            if let Some((_, Mail::Tell(input))) = self.mail.remove(place) {
                machine.session.handle(input, now);
            }
        }
    }

    fn endpoint_noticed(&mut self, node: usize, notice: &Notice) {
        log!(self, "node {node}: {notice:?}");
        let side = &mut self.nodes[node].side;
        match notice {
            Notice::Withdrawn { version, peer: None, until, .. } => {
                side.held.insert(version.get(), until.as_millis());
            }
            Notice::Withdrawn { version, peer: Some(peer), until, .. } => {
                side.held_for.insert((*peer, version.get()), until.as_millis());
            }
            Notice::WithdrawnByOperator(_, version) => {
                side.withdrawn.insert(version.get());
            }
            Notice::Restored(_, version) => {
                side.withdrawn.remove(&version.get());
                side.held.remove(&version.get());
                side.held_for.retain(|(_, held), _| *held != version.get());
            }
            Notice::Uncordoned => {
                for pipe in self.pipes.iter_mut().filter(|pipe| pipe.node == node) {
                    pipe.is_cordoned = false;
                }
            }
            _ => {}
        }
    }

    /// A server that has stopped ends in good order; later, another one starts.
    fn end_process(&mut self, node: usize) {
        if self.nodes[node].process != Process::Running {
            return;
        }
        log!(self, "node {node} has ended");
        self.nodes[node].process = Process::Ended;
        let down = self.random.below(10_000);
        self.at(self.now + down, Event::StartNode { node });
    }

    pub(super) fn start_node(&mut self, node: usize) {
        if self.nodes[node].process == Process::Running {
            return;
        }
        let is_another = self.random.below(2) == 0;
        let added = 1 + self.random.below(12) as u32;
        let seed = self.random.next_u64();
        let config = self.setting.endpoint(node, self.nodes.len(), &mut self.random);
        let clock = self.setting.clock(&mut self.random);
        let place = &mut self.nodes[node];
        let mut versions = std::mem::take(&mut place.side.versions);
        if is_another {
            versions.insert(added);
        }
        let generation = place.generation + 1;
        *place = Node { generation, ..Node::new(config, versions, clock, seed) };
        log!(self, "node {node} starts and speaks {:?}", self.nodes[node].side.versions);
    }

    pub(super) fn restore(&mut self, node: usize, version: u32) {
        let version = Version::new(version).unwrap();
        self.tell_endpoint(node, Input::Restore(Service::DEFAULT, version));
    }

    /// An operator does not withdraw the last version that clients have.
    pub(super) fn withdraw(&mut self, node: usize, version: u32) {
        let now = self.node_time(node).as_millis();
        if self.nodes[node].side.willing(now).len() > 1 {
            let version = Version::new(version).unwrap();
            self.tell_endpoint(node, Input::Withdraw(Service::DEFAULT, version));
        }
    }
}
