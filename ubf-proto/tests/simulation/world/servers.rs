//! The servers: they accept, execute and answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use ubf_codec::{Address, View, ubf};
use ubf_proto::client::{self, ConnectionId};
use ubf_proto::server::{self, ServerSession};
use ubf_proto::{Service, Time, body};

use super::{Event, Piece, Pipe, Wire, World, log, node_of};
use crate::model::choose;

impl World {
    pub(super) fn arrive(&mut self, client: usize, connection: ConnectionId, address: &Address) {
        let node = node_of(address, self.nodes.len());
        let is_cut = node.is_some_and(|node| self.partitions.contains(&(client, node)));
        let Some(node) = node.filter(|&node| self.nodes[node].is_up) else {
            let is_silent = node.is_some_and(|node| self.nodes[node].is_silent);
            if !is_silent {
                self.tell_client(client, client::Input::ConnectFailed { connection });
            }
            return;
        };
        if is_cut {
            return;
        }
        let peers =
            (0..self.nodes.len()).filter(|&other| other != node).map(super::address).collect();
        let mut config = server::Config::default();
        config.max_pending = 8;
        config.peers = peers;
        let place = &self.nodes[node];
        let mut server =
            ServerSession::new(Arc::new(config), Arc::new(place.offer.clone()), self.time());
        if place.is_draining {
            let until = Time::from_millis(self.now + 1_000);
            server.handle(
                server::Input::Drain {
                    next_ip: place.next_ip.clone(),
                    until,
                    notice_at: self.time(),
                },
                self.time(),
            );
        } else {
            server.handle(server::Input::NextIp(place.next_ip.clone()), self.time());
        }
        let pipe = self.pipes.len();
        self.pipes.push(Pipe {
            client,
            connection,
            node,
            server: Some(server),
            to_server: Wire::default(),
            to_client: Wire::default(),
            is_dead: false,
            woken: u64::MAX,
        });
        self.clients[client].pipes.insert(connection, pipe);
        let peer = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8 + 1)));
        self.tell_client(client, client::Input::Connected { connection, peer, tls: false });
        self.tell_server(pipe, server::Input::Tick);
    }

    pub(super) fn tell_server(&mut self, index: usize, input: server::Input) {
        let now = self.time();
        let Some(mut session) = self.pipes[index].server.take() else { return };
        session.handle(input, now);
        let mut is_over = false;
        while let Some(output) = session.poll_output() {
            match output {
                server::Output::Transmit { packet, .. } => {
                    let bytes = packet.to_bytes();
                    log!(
                        self,
                        "node {} to client {}: {}",
                        self.pipes[index].node,
                        self.pipes[index].client,
                        String::from_utf8_lossy(&bytes)
                    );
                    let count = bytes.len();
                    self.put(index, false, bytes);
                    session.handle(server::Input::Written(count), now);
                }
                server::Output::Request(message) => {
                    self.execute(index, &message, false);
                    // It may have withdrawn a version, and this session is in our hands.
                    let offer = Arc::new(self.nodes[self.pipes[index].node].offer.clone());
                    session.handle(server::Input::Offer(offer), now);
                }
                server::Output::Event(message) => self.execute(index, &message, true),
                server::Output::Close { reason, .. } => {
                    log!(
                        self,
                        "node {} closes on client {}: {reason}",
                        self.pipes[index].node,
                        self.pipes[index].client
                    );
                    self.put_piece(index, false, Piece::End);
                    is_over = true;
                }
                server::Output::Notice(server::Notice::Agreed { version, .. }) => {
                    let node = &self.nodes[self.pipes[index].node];
                    let spoken = node.side.willing(self.now);
                    let asked = &self.clients[self.pipes[index].client].asked;
                    let is_right = spoken.is_empty()
                        || asked
                            .values()
                            .any(|asked| choose(asked, &spoken) == Some(version.get()));
                    assert!(is_right, "N1: {version} of {spoken:?}");
                }
                server::Output::Notice(_) => {}
            }
        }
        if is_over {
            return;
        }
        if let Some(at) = session.poll_timeout() {
            let at = at.as_millis();
            if at < self.pipes[index].woken {
                self.pipes[index].woken = at;
                self.at(at, Event::WakePipe(index));
            }
        }
        self.pipes[index].server = Some(session);
    }

    pub(super) fn execute(&mut self, pipe: usize, message: &server::Message, is_event: bool) {
        let View::Tuple(request) = message.body.root().view() else { panic!("ours is a tuple") };
        let fields = match request.to_array::<2>() {
            Some([_, inner]) => {
                let View::Tuple(inner) = inner.view() else { panic!("ours is a tuple") };
                inner.to_array::<4>()
            }
            None => request.to_array::<4>(),
        };
        let [_, client, call, written] = fields.expect("of four");
        let (client, call) = (client.as_i64().unwrap() as usize, call.as_i64().unwrap() as u64);
        let version = message.version.get();
        assert_eq!(written.as_i64(), Some(i64::from(version)), "N8: rendered for another version");
        let node = self.pipes[pipe].node;
        assert!(
            self.nodes[node].side.versions.contains(&version),
            "N4: version {version} is not spoken"
        );
        let execution = self.ledger.execute(client, call);
        log!(self, "node {node} executes {call} of client {client}, execution {execution}");
        if is_event {
            return;
        }
        let is_crash = self.nodes[node].crashing.contains(&version);
        let delay = match self.random.below(20) {
            0 => self.random.below(1_500),
            1..10 => 0,
            _ => self.random.below(30),
        };
        let is_probe = self.clients[client].probes.contains(&call);
        let reply = (!is_crash).then(|| match self.random.below(40) {
            // P3: the session must not send it.
            0 if !is_probe => Bytes::from_static(b"'event_out'>e {e'start'}$"),
            _ => body(&ubf!({{(client), (call), (execution), (version)}, start})),
        });
        self.at(self.now + delay, Event::HandlerDone { pipe, packet: message.packet, reply });
        if is_crash {
            let now = self.time();
            let place = &mut self.nodes[node];
            if let Some(until) = place.offer.handler_crashed(
                &Service::DEFAULT,
                message.version,
                now,
                &mut self.random,
            ) {
                place.side.held.insert(version, until.as_millis());
                log!(self, "node {node} withdraws version {version}");
                self.spread_offer(node);
            }
        }
    }

    /// Gives all sessions of a node what it speaks; each looks at it with its next packet.
    pub(super) fn spread_offer(&mut self, node: usize) {
        let offer = Arc::new(self.nodes[node].offer.clone());
        let now = self.time();
        for pipe in self.pipes.iter_mut().filter(|pipe| pipe.node == node) {
            if let Some(session) = &mut pipe.server {
                session.handle(server::Input::Offer(offer.clone()), now);
            }
        }
    }

    pub(super) fn tell_node(&mut self, node: usize, input: &server::Input) {
        for pipe in 0..self.pipes.len() {
            if self.pipes[pipe].node == node {
                self.tell_server(pipe, input.clone());
            }
        }
    }
}
