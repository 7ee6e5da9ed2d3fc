//! Events of the servers: each comes once, in order, or is counted as missed (S2, S4).

use ubf_codec::{TermRef, Version, View, ubf};
use ubf_proto::client::ConnectionId;
use ubf_proto::{body, server};

use super::{Event, World, log};

impl World {
    /// Something is to be said while there may be nobody to hear it.
    pub(super) fn speak_soon(&mut self, pipe: usize) {
        let Some(index) = self.pipes[pipe].machine else { return };
        let machine = self.machines[index].as_ref();
        let Some(version) = machine.and_then(|machine| machine.session.version()) else { return };
        for _ in 0..1 + self.random.below(4) {
            let at = self.now + self.random.below(500);
            self.at(at, Event::Speak { machine: index, version });
        }
    }

    /// A handler sends an event to its client.
    pub(super) fn speak(&mut self, index: usize, version: Version) {
        let Some(machine) = &mut self.machines[index] else { return };
        let is_in_session = machine.session.has_session();
        if !is_in_session {
            return;
        }
        machine.spoken += 1;
        let (number, client) = (machine.spoken, machine.client);
        log!(self, "machine {index} says event {number} to client {client}");
        let body = body(&ubf!({event_out, {(index), (number)}}));
        self.tell_machine(index, server::Input::EventOut { version, body });
    }

    /// A client hears an event.
    pub(super) fn hear(&mut self, client: usize, connection: ConnectionId, body: TermRef<'_>) {
        let View::Tuple(event) = body.view() else { panic!("an event is a tuple") };
        let Some([_, event]) = event.to_array() else { panic!("of two") };
        let View::Tuple(event) = event.view() else { panic!("ours is a tuple") };
        let [machine, number] =
            event.to_array().expect("of two").map(|part| part.as_i64().unwrap());
        log!(self, "client {client} on {} hears {number} of machine {machine}", connection.0);
        self.clients[client].heard.hear(machine as usize, number as u64);
        let dropped = self.clients[client].session.statistics().events_dropped;
        self.clients[client].heard.check(machine as usize, number as u64, dropped);
        self.summary.heard += 1;
    }

    /// In sessions that go on to the end, nothing was lost unseen.
    pub(super) fn check_all_heard(&mut self) {
        for (index, machine) in self.machines.iter().enumerate() {
            let Some(machine) = machine else { continue };
            let client = &self.clients[machine.client];
            let is_attached = machine.session.has_session()
                && self.pipes[machine.pipe].machine == Some(index)
                && client.pipes.get(&self.pipes[machine.pipe].connection) == Some(&machine.pipe)
                && !self.pipes[machine.pipe].is_dead;
            if is_attached {
                let dropped = client.session.statistics().events_dropped;
                client.heard.check(index, machine.spoken, dropped);
            }
        }
    }
}
