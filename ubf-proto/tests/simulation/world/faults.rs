//! What goes wrong, or is planned, and how it ends.

use std::time::Duration;

use ubf_codec::{NextIp, Term, Version};
use ubf_proto::client::{self, ConnectionId};
use ubf_proto::{Service, Time, server};

use super::{Event, Piece, World, address, log, offer};

impl World {
    pub(super) fn any_node(&mut self) -> usize {
        self.random.below(self.nodes.len() as u64) as usize
    }

    pub(super) fn any_next_ip(&mut self) -> NextIp {
        let one = self.any_node();
        let two = self.any_node();
        let text = match self.random.below(6) {
            // A dead host, and one that the policy forbids.
            0 if !self.is_calm => "10.0.0.99:4000".to_owned(),
            1 if !self.is_calm => format!("127.0.0.1:4000,{}", address(one)),
            2 => format!("{},{}", address(one), address(two)),
            _ => address(one).to_string(),
        };
        text.parse().unwrap()
    }

    pub(super) fn fault(&mut self) {
        let node = self.any_node();
        let client = self.random.below(self.clients.len() as u64) as usize;
        let version = 1 + self.random.below(12) as u32;
        let planned = 6;
        match self.random.below(if self.is_calm { planned } else { planned + 5 }) {
            0 | 1 => self.drain(node),
            2 => {
                let next_ip = (self.random.below(2) == 0).then(|| self.any_next_ip());
                log!(self, "node {node} is loaded: {next_ip:?}");
                if self.nodes[node].is_up && !self.nodes[node].is_draining {
                    self.nodes[node].next_ip = next_ip.clone();
                    self.tell_node(node, &server::Input::NextIp(next_ip));
                }
            }
            3 | 4 => {
                let version = self.clients[client].session.version().map_or(version, Version::get);
                log!(self, "client {client} crashes in version {version}");
                self.clients[client].crashing.insert(version);
                if self.random.below(2) == 0 {
                    let version = Version::new(version).unwrap();
                    self.tell_client(
                        client,
                        client::Input::Crashed { version, call: None, why: Term::atom("crash") },
                    );
                }
            }
            5 => {
                let place = &mut self.nodes[node];
                if place.side.willing(self.now).len() > 1
                    && place.offer.withdraw(&Service::DEFAULT, Version::new(version).unwrap())
                {
                    place.side.withdrawn.insert(version);
                    log!(self, "node {node}: version {version} is withdrawn by its operator");
                    self.spread_offer(node);
                }
            }
            6 => {
                log!(self, "node {node} crashes in version {version}");
                self.nodes[node].crashing.insert(version);
            }
            7 => self.kill(node),
            8 => {
                log!(self, "nothing passes between client {client} and node {node}");
                self.partitions.insert((client, node));
            }
            9 => self.sever(client),
            _ => {
                let is_kept = self.random.below(2) == 0;
                if is_kept {
                    self.unite();
                }
            }
        }
    }

    pub(super) fn drain(&mut self, node: usize) {
        if !self.nodes[node].is_up || self.nodes[node].is_draining {
            return;
        }
        let others: Vec<usize> = (0..self.nodes.len())
            .filter(|&other| other != node && self.nodes[other].is_up)
            .collect();
        let target = others.get(self.random.below(others.len() as u64) as usize).copied();
        let next_ip: Option<NextIp> = target.map(|target| address(target).into());
        let grace = 500 + self.random.below(5_000);
        log!(self, "node {node} drains to {next_ip:?} within {grace} ms");
        let until = Time::from_millis(self.now + grace);
        let place = &mut self.nodes[node];
        place.is_draining = true;
        place.next_ip.clone_from(&next_ip);
        let generation = place.generation;
        for pipe in 0..self.pipes.len() {
            if self.pipes[pipe].node == node {
                let notice_at = Time::from_millis(self.now + self.random.below(grace / 4 + 1));
                self.tell_server(
                    pipe,
                    server::Input::Drain { next_ip: next_ip.clone(), until, notice_at },
                );
            }
        }
        self.at(self.now + grace, Event::CloseNode { node, generation });
    }

    pub(super) fn close_node(&mut self, node: usize, generation: u64) {
        if self.nodes[node].generation != generation || !self.nodes[node].is_draining {
            return;
        }
        log!(self, "node {node} closes");
        let place = &mut self.nodes[node];
        place.is_up = false;
        place.generation += 1;
        // Longer than any handler takes.
        let within = Duration::from_secs(5);
        self.tell_node(node, &server::Input::Close { why: Term::atom("drained"), within });
        let down = 6_000 + self.random.below(10_000);
        self.at(self.now + down, Event::StartNode { node });
    }

    pub(super) fn start_node(&mut self, node: usize) {
        if self.nodes[node].is_up {
            return;
        }
        let is_another = self.random.below(2) == 0;
        let added = 1 + self.random.below(12) as u32;
        let place = &mut self.nodes[node];
        if is_another {
            place.side.versions.insert(added);
        }
        place.side.held.clear();
        place.side.withdrawn.clear();
        place.crashing.clear();
        place.offer = offer(&place.side.versions);
        place.is_up = true;
        place.is_draining = false;
        place.is_silent = false;
        place.next_ip = None;
        place.generation += 1;
        log!(self, "node {node} starts and speaks {:?}", place.side.versions);
    }

    /// As `kill -9`, or as a power failure, of which nobody is told.
    pub(super) fn kill(&mut self, node: usize) {
        if !self.nodes[node].is_up {
            return;
        }
        let is_silent = self.random.below(2) == 0;
        log!(self, "node {node} is killed, silently: {is_silent}");
        self.nodes[node].is_up = false;
        self.nodes[node].is_silent = is_silent;
        self.nodes[node].generation += 1;
        for pipe in 0..self.pipes.len() {
            if self.pipes[pipe].node == node {
                self.pipes[pipe].server = None;
                self.pipes[pipe].is_dead |= is_silent;
                if !is_silent {
                    self.put_piece(pipe, false, Piece::End);
                }
            }
        }
        let down = self.random.below(20_000);
        self.at(self.now + down, Event::StartNode { node });
    }

    /// Breaks a client's connections: what is on its way is lost.
    pub(super) fn sever(&mut self, client: usize) {
        log!(self, "the connections of client {client} break");
        let pipes: Vec<(ConnectionId, usize)> =
            self.clients[client].pipes.iter().map(|(&id, &pipe)| (id, pipe)).collect();
        for (connection, pipe) in pipes {
            self.clients[client].pipes.remove(&connection);
            self.pipes[pipe].is_dead = true;
            self.tell_client(client, client::Input::Closed { connection });
            self.tell_server(pipe, server::Input::Lost);
        }
    }

    pub(super) fn unite(&mut self) {
        log!(self, "everything passes");
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
        self.unite();
        for client in &mut self.clients {
            client.crashing.clear();
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].crashing.clear();
            let versions = self.nodes[node].side.versions.clone();
            self.nodes[node].offer = offer(&versions);
            self.nodes[node].side.held.clear();
            self.nodes[node].side.withdrawn.clear();
            self.spread_offer(node);
            if !self.nodes[node].is_draining {
                self.nodes[node].next_ip = None;
                self.tell_node(node, &server::Input::NextIp(None));
            }
        }
    }
}
