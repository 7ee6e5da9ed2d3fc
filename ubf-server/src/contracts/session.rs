//! What a connection has to do with its contract: its state, and a gate for events.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ubf_codec::{Text, Version, View, decode};
use ubf_contract::{Broken, ContractCounts, Enforcement, SessionState};

use super::held::Held;
use super::log;
use crate::event::EventGate;
use crate::event_error::EventError;
use crate::reply::Reply;

/// What all connections of a service share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) versions: BTreeMap<Version, Arc<Held>>,
    pub(super) enforcement: Enforcement,
    pub(super) counters: Arc<Counters>,
}

impl Shared {
    /// The contract of a version, if there is one and messages are held against it.
    pub(super) fn enforced(&self, version: Version) -> Option<&Held> {
        let held = self.versions.get(&version)?;
        (self.enforcement != Enforcement::Off).then_some(held)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    client_broke: AtomicU64,
    server_broke: AtomicU64,
    events_in: AtomicU64,
    events_out: AtomicU64,
}

impl Counters {
    pub(super) fn client_broke(&self) {
        self.client_broke.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn server_broke(&self) {
        self.server_broke.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn event_out(&self) {
        self.events_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn event_in(&self) {
        self.events_in.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> ContractCounts {
        let mut counts = ContractCounts::default();
        counts.client_broke = self.client_broke.load(Ordering::Relaxed);
        counts.server_broke = self.server_broke.load(Ordering::Relaxed);
        counts.events_in = self.events_in.load(Ordering::Relaxed);
        counts.events_out = self.events_out.load(Ordering::Relaxed);
        counts
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    /// The name of the state, since each version has a contract of its own. `None` at the start.
    state: Mutex<Option<Text>>,
}

impl Session {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, state: Mutex::new(None) }
    }

    /// The state in this version's contract; its first one, if it has none of that name.
    pub(super) fn state(&self, held: &Held) -> SessionState {
        if !held.sessions.has_several_states() {
            return held.sessions.entry();
        }
        let name = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = name.as_ref().and_then(|name| held.sessions.state(name.as_bytes()));
        known.unwrap_or_else(|| held.sessions.entry())
    }

    /// U2: the name of the last state, in whichever version. `None` at the start.
    pub(super) fn last(&self) -> Option<Text> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// U2: the session goes on in this state.
    pub(super) fn begin(&self, name: Option<Text>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// The name of that state.
    pub(super) fn name(&self, held: &Held) -> Text {
        held.name_of(self.state(held))
    }

    pub(super) fn set(&self, held: &Held, state: SessionState) {
        if held.sessions.has_several_states() {
            *self.state.lock().unwrap_or_else(PoisonError::into_inner) = held.sessions.name(state);
        }
    }

    /// Goes where a reply goes that was not checked, if there is such a state.
    pub(super) fn follow(&self, held: &Held, reply: &Reply) {
        if held.sessions.has_several_states()
            && let Some(state) = reply.state().and_then(|name| held.sessions.state(name.as_bytes()))
        {
            self.set(held, state);
        }
    }
}

impl EventGate for Session {
    fn check(&self, version: Version, body: &[u8]) -> Result<(), EventError> {
        let Some(held) = self.shared.enforced(version) else { return Ok(()) };
        let Some(broken) = broken_event(held, self.state(held), body) else { return Ok(()) };
        self.shared.counters.event_out();
        log("this server sent an event that its contract does not allow", version, &broken);
        match self.shared.enforcement {
            Enforcement::Enforce => Err(EventError::BreaksContract(broken.to_string())),
            Enforcement::Off | Enforcement::Log => Ok(()),
        }
    }
}

/// How `{'event_out',Event}`, which was written here, breaks the contract.
pub(super) fn broken_event(held: &Held, state: SessionState, packet: &[u8]) -> Option<Box<Broken>> {
    let packet = decode(packet).ok()?;
    let View::Tuple(pair) = packet.root().view() else { return None };
    let [_, event] = pair.to_array()?;
    held.sessions.event_out(state, event).err()
}
