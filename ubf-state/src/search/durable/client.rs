//! The clients: what they send, read and conclude.

use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::super::{Must, Steps};
use super::{Connection, Durable, Fate, Flight, Kind, MAX_CONNECTIONS, Packet, WINDOW};

impl Durable {
    pub(super) fn client_loses(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if let Some(index) = state.connection.take() {
            state.is_fresh = false;
            state.flight.retain(|flight| matches!(flight, Flight::Message { .. }));
            self.connections[index].is_held_by_client = false;
            self.connections[index].to_client.clear();
        }
    }

    /// The first message in flight that has an answer.
    pub(super) fn first_due(&self, client: usize) -> Option<usize> {
        self.clients[client].flight.iter().position(|flight| match flight {
            Flight::Message { item, .. } => self.kinds[*item] != Kind::Event,
            Flight::Ping => true,
        })
    }

    /// What came before an answer was taken.
    pub(super) fn confirm(&mut self, client: usize, count: usize) {
        for flight in self.clients[client].flight.drain(..count).collect::<Vec<_>>() {
            let Flight::Message { item, number, .. } = flight else { continue };
            self.fates[item] = Fate::Taken;
            self.clients[client].done = self.clients[client].done.max(number);
            if self.store.runs(item) == 0 {
                self.blame(format!("event {item} was told to be taken, and is not in the store"));
            }
        }
    }

    pub(super) fn client_reads(&mut self, client: usize) {
        let index = self.clients[client].connection.unwrap();
        let packet = self.connections[index].to_client.pop_front().unwrap();
        if let Packet::Agreed { received } = packet {
            let state = &mut self.clients[client];
            let mut kept = VecDeque::new();
            for flight in state.flight.drain(..) {
                let Flight::Message { number, item, .. } = flight else { continue };
                if number <= received {
                    kept.push_back(Flight::Message { number, item, is_old: true });
                } else {
                    state.todo.push_back(item);
                }
            }
            state.flight = kept;
            state.todo.make_contiguous().sort_unstable();
            state.number = received + 1;
            state.is_fresh = true;
            return;
        }
        let Some(place) = self.first_due(client) else {
            return self.blame(format!("{packet:?} is not expected"));
        };
        self.confirm(client, place);
        let flight = self.clients[client].flight.pop_front().unwrap();
        match (packet, flight) {
            (Packet::Pong, Flight::Ping) => {}
            (Packet::Reply { number, item, shown }, Flight::Message { item: due, .. })
                if item == due =>
            {
                self.clients[client].done = number;
                self.fates[item] = Fate::Answered;
                self.check_answer(item, shown);
            }
            (packet, flight) => self.blame(format!("{packet:?} came for {flight:?}")),
        }
    }

    pub(super) fn check_answer(&mut self, item: usize, shown: u64) {
        let committed = self.store.writes(&self.kinds);
        if self.kinds[item] == Kind::Write && self.store.runs(item) == 0 {
            self.blame(format!("write {item} was answered, and is not in the store"));
        }
        if self.kinds[item] == Kind::Read && shown > committed {
            self.blame(format!("read {item} shows {shown} writes, and {committed} are committed"));
        }
        let floor = self.floors[item].unwrap();
        if shown < floor {
            self.blame(format!("{item} shows {shown} writes, and {floor} were answered before"));
        }
    }

    pub(super) fn answered(&self) -> u64 {
        let is_answered =
            |item: &usize| self.kinds[*item] != Kind::Read && self.fates[*item] != Fate::Open;
        (0..self.kinds.len()).filter(is_answered).count() as u64
    }

    pub(super) fn client_sends(&mut self, client: usize, packet: Packet, flight: Flight) {
        let state = &mut self.clients[client];
        let connection = &mut self.connections[state.connection.unwrap()];
        state.flight.push_back(flight);
        if connection.is_held_by_server {
            connection.to_server.push_back(packet);
        }
    }

    pub(super) fn client_steps(&self, client: usize, steps: &mut Steps<Self>) {
        let mut step = |must, label: String, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            steps.push((must, format!("client {client} {label}"), next));
        };
        let state = &self.clients[client];
        let Some(index) = state.connection else {
            if self.connections.len() < MAX_CONNECTIONS && self.is_owed(client) {
                for at in [0, 1] {
                    if self.processes[at].is_up {
                        step(Must::Happen, format!("resumes at {at}"), &|next| {
                            next.connect(client, at);
                        });
                    }
                }
            }
            return;
        };
        let connection = &self.connections[index];
        if let Some(packet) = connection.to_client.front() {
            let label = format!("reads {packet:?}");
            step(Must::Happen, label, &|next| next.client_reads(client));
        } else if !connection.is_held_by_server {
            step(Must::Happen, "sees the end".into(), &|next| next.client_loses(client));
        }
        if self.budget.loss > 0 {
            step(Must::NotHappen, "loses its connection".into(), &|next| {
                next.budget.loss -= 1;
                next.client_loses(client);
            });
        }
        if !state.is_fresh {
            return;
        }
        let is_old = |flight: &Flight| matches!(flight, Flight::Message { is_old: true, .. });
        let has_old = state.flight.iter().any(is_old);
        if let Some(&item) = state.todo.front()
            && !has_old
            && (state.flight.len() as u64) < WINDOW
        {
            step(Must::Happen, format!("sends {item} as {}", state.number), &|next| {
                let state = &mut next.clients[client];
                state.todo.pop_front();
                let number = state.number;
                state.number += 1;
                let answered = next.answered();
                next.floors[item].get_or_insert(answered);
                let flight = Flight::Message { number, item, is_old: false };
                next.client_sends(client, Packet::Message(item), flight);
            });
        }
        if let Some(Flight::Message { item, .. }) = state.flight.back()
            && self.kinds[*item] == Kind::Event
            && (state.todo.is_empty() || has_old)
        {
            step(Must::Happen, "asks".into(), &|next| {
                next.client_sends(client, Packet::Ping, Flight::Ping);
            });
        }
    }

    pub(super) fn connect(&mut self, client: usize, at: usize) {
        let state = &mut self.clients[client];
        state.turn += 1;
        state.is_fresh = false;
        state.connection = Some(self.connections.len());
        let resume = Packet::Resume { done: state.done, turn: state.turn };
        self.connections.push(Connection {
            client,
            at,
            to_server: VecDeque::from([resume]),
            to_client: VecDeque::new(),
            is_held_by_client: true,
            is_held_by_server: true,
        });
    }

    pub(super) fn is_owed(&self, client: usize) -> bool {
        let state = &self.clients[client];
        !state.todo.is_empty() || !state.flight.is_empty()
    }
}
