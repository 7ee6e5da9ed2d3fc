//! The servers: they accept, execute and answer.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use ubf_codec::{Address, View, ubf};
use ubf_proto::client::{self, ConnectionId};
use ubf_proto::endpoint::{Admission, Origin};
use ubf_proto::server;
use ubf_proto::{body, endpoint};

use super::machines::Machine;
use super::next_ips::Told;
use super::nodes::Process;
use super::{Event, Pipe, Wire, World, log, node_of};

impl World {
    pub(super) fn arrive(&mut self, client: usize, connection: ConnectionId, address: &Address) {
        let node = node_of(address, self.nodes.len());
        let is_cut = node.is_some_and(|node| self.partitions.contains(&(client, node)));
        let Some(node) = node.filter(|&node| self.nodes[node].is_up()) else {
            let is_silent = node.is_some_and(|node| self.nodes[node].process == Process::Silent);
            if !is_silent {
                self.tell_client(client, client::Input::ConnectFailed { connection, cause: None });
            }
            return;
        };
        if is_cut {
            return;
        }
        let now = self.node_time(node);
        let is_cordoned = self.nodes[node].endpoint.cordon().is_some();
        let (key, server) = match self.nodes[node].endpoint.admit(origin(client), now) {
            Admission::Serve { connection, start } => (Some(connection), start.session(now)),
            Admission::TurnAway { why, start } => {
                log!(self, "node {node} turns client {client} away: {why}");
                if why == "cordoned" {
                    self.summary.cordoned += 1;
                    assert!(!self.owns_session(node, client), "S10.4: it may have lost its wire");
                }
                (None, start.farewell(why, now))
            }
        };
        let pipe = self.pipes.len();
        self.pipes.push(Pipe {
            client,
            connection,
            node,
            key,
            machine: None,
            to_server: Wire::default(),
            to_client: Wire::default(),
            is_dead: false,
            late_until: 0,
            opened_at: self.now,
            told: Told::default(),
            old_machine: None,
            is_cordoned,
            resumed: None,
        });
        self.add_machine(server, pipe);
        self.clients[client].pipes.insert(connection, pipe);
        if let Some(key) = key {
            self.nodes[node].pipes.insert(key, pipe);
        }
        self.obey_endpoint(node);
        let peer = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, node as u8 + 1)));
        self.tell_client(client, client::Input::Connected { connection, peer, tls: false });
        self.tell_server(pipe, server::Input::Tick);
    }

    pub(super) fn execute(
        &mut self,
        index: usize,
        machine: &Machine,
        message: &server::Message,
        is_event: bool,
    ) {
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
        let node = machine.node;
        assert!(!self.pipes[machine.pipe].is_cordoned, "S10.6: nobody else is served");
        assert!(
            self.nodes[node].side.versions.contains(&version),
            "N4: version {version} is not spoken"
        );
        let execution = self.ledger.execute(client, call);
        log!(self, "node {node} executes {call} of client {client}, execution {execution}");
        if self.random.below(8) == 0 {
            for _ in 0..1 + self.random.below(4) {
                let at = self.now + self.random.below(2_000);
                self.at(at, Event::Speak { machine: index, version: message.version });
            }
        }
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
        self.at(
            self.now + delay,
            Event::HandlerDone { machine: index, packet: message.packet, reply },
        );
        if is_crash && let Some(connection) = self.pipes[machine.pipe].key {
            let service = message.service.clone();
            let version = message.version;
            let crashed = endpoint::Input::Crashed { connection, service, version };
            self.tell_endpoint(node, crashed);
        }
    }
}

/// Clients 0 and 1 are one peer.
pub(super) fn origin(client: usize) -> Origin {
    Origin::of(IpAddr::V4(Ipv4Addr::new(10, 0, 1, client.max(1) as u8)))
}
