//! Durable sessions: clients, connections that are lost, two processes that believe to own one
//! shard, and a store (T2 to T5, S2 to S5).
//!
//! `w` is a call that writes, `r` one that reads, `e` an event that writes. Checked: no write runs
//! twice in the store; what was answered, or told to be taken, is in the store; an answer comes for
//! its own call; a read shows every write that was answered before it was made, to whomever, and
//! none that is not committed; nothing rests without an answer.

mod client;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::rc::Rc;
use std::string::String;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;
use std::{format, vec};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ubf_proto::session::{Grant, Level};

use super::{Steps, World, explore};
use crate::base::{Cache, Order, Scan};
use crate::mutant::{self, Mutant};
use crate::shard;
use crate::{
    Batch, Do, Epoch, Key as _, Known, NotCommitted, Row, SessionKey, Shard, ShardId, ShardRecord,
    Table, Tx, Writes,
};

/// How often a message has run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Count(u64);
impl Row for Count {
    const VERSION: u32 = 1;
    type Before = ();
}
static RUNS: Table<u64, Count> = Table::new("runs");

const WINDOW: u64 = 3;
/// What sessions are granted.
const GRANT: Grant = Grant {
    window: WINDOW,
    bytes: 1 << 20,
    kept: 1 << 20,
    keep: Duration::from_secs(60),
    level: Level::Durable,
};
const MAX_CONNECTIONS: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Write,
    Read,
    Event,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Packet {
    Resume { done: u64, turn: u64 },
    Message(usize),
    Ping,
    Agreed { received: u64 },
    Reply { number: u64, item: usize, shown: u64 },
    Pong,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Flight {
    Message { number: u64, item: usize, is_old: bool },
    Ping,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Fate {
    Open,
    Answered,
    Taken,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Client {
    todo: VecDeque<usize>,
    flight: VecDeque<Flight>,
    number: u64,
    done: u64,
    connection: Option<usize>,
    turn: u64,
    is_fresh: bool,
}

/// A connection. The client, or the server, may have given it up while bytes are on their way.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Connection {
    client: usize,
    at: usize,
    to_server: VecDeque<Packet>,
    to_client: VecDeque<Packet>,
    is_held_by_client: bool,
    is_held_by_server: bool,
}

#[derive(Clone)]
struct Process {
    is_up: bool,
    shard: Shard,
    cache: Cache,
    /// Of each client, the connection on which its session is.
    attached: Vec<Option<usize>>,
    batch: Option<Arc<Batch>>,
    look: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Store {
    epoch: Epoch,
    rows: BTreeMap<Bytes, Bytes>,
    /// How often the row of each message was committed: its own run alone writes it.
    history: BTreeMap<Bytes, u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Budget {
    loss: u8,
    crash: u8,
    claim: u8,
    unknown: u8,
    refused: u8,
}

#[derive(Clone)]
struct Durable {
    kinds: Rc<Vec<Kind>>,
    clients: Vec<Client>,
    fates: Vec<Fate>,
    /// Of each item, how many writes had been answered when it was first sent.
    floors: Vec<Option<u64>>,
    connections: Vec<Connection>,
    processes: [Rc<Process>; 2],
    store: Rc<Store>,
    budget: Budget,
    wrong: Option<String>,
}

fn key_of(client: usize) -> SessionKey {
    SessionKey::from_bytes([u8::try_from(client).unwrap(); 16])
}

fn client_of(key: SessionKey) -> usize {
    usize::from(key.to_bytes()[0])
}

impl Store {
    fn commit(&mut self, batch: &Batch) -> Result<(), NotCommitted> {
        if batch.epoch != self.epoch {
            return Err(NotCommitted::Fenced { epoch: self.epoch });
        }
        for (key, value) in &batch.writes {
            if key.starts_with(&crate::stored::row_key("runs", &[])) {
                *self.history.entry(key.clone()).or_default() += 1;
            }
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
        Ok(())
    }

    fn load(&self) -> Cache {
        let all = Scan {
            from: Bytes::new(),
            to: Bytes::from_static(&[0xFF]),
            limit: usize::MAX,
            order: Order::Upwards,
        };
        let mut cache = Cache::default();
        cache.loaded_range(&all, self.rows.iter().map(|(k, v)| (k.clone(), v.clone())).collect());
        cache
    }

    fn record(&self) -> Option<ShardRecord> {
        self.rows.get(&ShardRecord::key()).map(|value| ShardRecord::from_value(value).unwrap())
    }

    /// How often a message has run.
    fn runs(&self, item: usize) -> u64 {
        let value = self.rows.get(&crate::stored::row_key("runs", &(item as u64).to_bytes())[..]);
        value.map_or(0, |value| {
            let (version, packet) = crate::stored::read_version(value).unwrap();
            Count::read(version, packet).unwrap().0
        })
    }

    fn writes(&self, kinds: &[Kind]) -> u64 {
        (0..kinds.len()).map(|item| self.runs(item)).sum()
    }
}

fn write(tx: &mut Tx<'_>, item: usize) -> Do<u64> {
    let runs = tx.get(&RUNS, &(item as u64))?.map_or(0, |count| count.0);
    tx.put(&RUNS, &(item as u64), &Count(runs + 1))?;
    read(tx)
}

/// How many writes there are.
fn read(tx: &mut Tx<'_>) -> Do<u64> {
    Ok(tx.range(&RUNS, .., 99)?.iter().map(|(_, count)| count.0).sum())
}

fn answer(item: usize, shown: u64) -> Bytes {
    [u8::try_from(item).unwrap(), u8::try_from(shown).unwrap()].to_vec().into()
}

fn reply(number: u64, body: &[u8]) -> Packet {
    Packet::Reply { number, item: usize::from(body[0]), shown: u64::from(body[1]) }
}

impl Durable {
    /// Clients with messages of these kinds each.
    fn new(clients: &[&str], budget: Budget) -> Self {
        let mut kinds = Vec::new();
        let mut each = Vec::new();
        let mut rows = Writes::default();
        for (client, messages) in clients.iter().enumerate() {
            let first = kinds.len();
            kinds.extend(messages.chars().map(|kind| match kind {
                'w' => Kind::Write,
                'r' => Kind::Read,
                _ => Kind::Event,
            }));
            each.push(Client {
                todo: (first..kinds.len()).collect(),
                flight: VecDeque::new(),
                number: 1,
                done: 0,
                connection: None,
                turn: 1,
                is_fresh: false,
            });
            crate::session::Session::opened(GRANT).save(key_of(client), 1, &mut rows);
        }
        let own = |(key, value): (&Bytes, &Option<Bytes>)| Some((key.clone(), value.clone()?));
        let store = Store {
            epoch: Epoch(0),
            rows: rows.iter().filter_map(own).collect(),
            history: BTreeMap::new(),
        };
        let mut config = shard::Config::new(Known { oldest: 1, newest: 1, format: 1 });
        config.is_shared = true;
        let process = Process {
            is_up: false,
            shard: Shard::new(ShardId(1), Arc::new(config), 7),
            cache: Cache::default(),
            attached: vec![None; clients.len()],
            batch: None,
            look: None,
        };
        let mut world = Self {
            fates: vec![Fate::Open; kinds.len()],
            floors: vec![None; kinds.len()],
            kinds: Rc::new(kinds),
            clients: each,
            connections: Vec::new(),
            processes: [Rc::new(process.clone()), Rc::new(process)],
            store: Rc::new(store),
            budget,
            wrong: None,
        };
        world.claim(0);
        world
    }

    fn blame(&mut self, why: String) {
        self.wrong.get_or_insert(why);
    }
}

impl World for Durable {
    fn form(&self) -> impl Hash {
        let process = |process: &Process| {
            let form = process.is_up.then(|| (process.shard.form(), process.cache.clone()));
            let batch = process.batch.as_ref().map(|batch| (batch.epoch, batch.writes.clone()));
            (form, process.attached.clone(), batch, process.look.is_some())
        };
        (
            (&self.clients, &self.fates, &self.floors, &self.connections),
            (process(&self.processes[0]), process(&self.processes[1])),
            (&self.store, self.budget, self.wrong.is_some()),
        )
    }

    fn steps(&self) -> Steps<Self> {
        let mut steps = Steps::new();
        for client in 0..self.clients.len() {
            self.client_steps(client, &mut steps);
        }
        self.connection_steps(&mut steps);
        for at in [0, 1] {
            self.process_steps(at, &mut steps);
        }
        steps
    }

    fn wrong(&self) -> Option<String> {
        let twice = self.store.history.values().any(|count| *count > 1);
        self.wrong.clone().or_else(|| twice.then(|| "a message ran twice".into()))
    }

    /// Every call has its answer. Clients have no more connections than the search gives them.
    fn is_well(&self) -> bool {
        let is_cut_off = |client: &Client| {
            client.connection.is_none() && self.connections.len() >= MAX_CONNECTIONS
        };
        self.fates.iter().all(|fate| *fate != Fate::Open) || self.clients.iter().any(is_cut_off)
    }
}

const NONE: Budget = Budget { loss: 0, crash: 0, claim: 0, unknown: 0, refused: 0 };

/// Searches of which each holds, the larger ones with `UBF_LONG` only.
fn searches() -> Vec<(&'static [&'static str], Budget)> {
    let crash = Budget { loss: 1, crash: 1, claim: 1, ..NONE };
    let unknown = Budget { loss: 1, unknown: 1, claim: 1, ..NONE };
    let refused = Budget { loss: 1, refused: 1, crash: 1, ..NONE };
    let two = Budget { claim: 1, crash: 1, ..NONE };
    let mut searches: Vec<(&'static [&'static str], Budget)> = vec![
        (&["wr"], crash),
        (&["ww"], unknown),
        (&["ew"], Budget { loss: 1, crash: 1, ..NONE }),
        (&["rw"], refused),
        (&["w", "r"], Budget { claim: 1, ..NONE }),
    ];
    if super::is_long() {
        for kinds in [&["wrw"], &["rwr"], &["erw"], &["wwr"]] {
            searches.extend([(&kinds[..], crash), (&kinds[..], unknown), (&kinds[..], refused)]);
        }
        searches.push((&["w", "r"], two));
        searches.push((&["ww", "r"], Budget { claim: 1, crash: 1, loss: 1, ..NONE }));
    }
    searches
}

#[test]
fn t3_to_t5_nothing_is_lost_and_nothing_runs_twice() {
    for (kinds, budget) in searches() {
        let name = format!("{kinds:?} {:?}", budget.as_text());
        explore(Durable::new(kinds, budget)).holds(&name);
    }
}

impl Budget {
    fn as_text(self) -> String {
        let Self { loss, crash, claim, unknown, refused } = self;
        let named = [
            ("loss", loss),
            ("crash", crash),
            ("claim", claim),
            ("unknown", unknown),
            ("refused", refused),
        ];
        let mut text = String::new();
        for (name, count) in named.into_iter().filter(|(_, count)| *count > 0) {
            text.push_str(&format!(" {name} {count}"));
        }
        text
    }
}

/// Each rule that is taken away is missed by a search.
#[test]
fn t3_to_t5_every_rule_is_needed() {
    let crash = Budget { crash: 1, ..NONE };
    for (mutant, kinds, budget) in [
        (Mutant::MarksNotHeld, &["e"][..], crash),
        (Mutant::ResumedNotHeld, &["ww"], Budget { crash: 1, loss: 1, ..NONE }),
        (Mutant::ReadsNotHeld, &["wr"], crash),
        (Mutant::AnswersNotHeld, &["w"], crash),
        (Mutant::FlightsNotAwaited, &["w"], crash),
        (Mutant::NoLook, &["w", "r"], Budget { claim: 1, ..NONE }),
        (Mutant::ReceivedIgnoresDone, &["rww"], Budget { crash: 1, loss: 1, ..NONE }),
        (Mutant::NoTurn, &["ww"], Budget { loss: 2, ..NONE }),
        (Mutant::SessionOutside, &["w"], crash),
        (Mutant::TopStays, &["ww"], Budget { refused: 1, loss: 1, ..NONE }),
        (Mutant::UnknownIsLost, &["w"], Budget { unknown: 1, ..NONE }),
    ] {
        let found = mutant::with(mutant, || explore(Durable::new(kinds, budget)));
        let Some((why, trace)) = found.wrong else {
            panic!("{mutant:?} is not found in {} states of {kinds:?}", found.states);
        };
        std::eprintln!("{mutant:?}: {why}, in {} steps of {} states", trace.len(), found.states);
    }
}
