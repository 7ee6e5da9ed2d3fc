//! Durable sessions: clients, connections that are lost, two processes that believe to own one
//! shard, and a store (T2 to T5, S2 to S5).
//!
//! `w` is a call that writes, `r` one that reads, `e` an event that writes. Checked: no write runs
//! twice in the store; what was answered, or told to be taken, is in the store; an answer comes for
//! its own call; a read shows every write that was answered before it was made, to whomever, and
//! none that is not committed; nothing rests without an answer.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::rc::Rc;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;
use std::{format, vec};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ubf_proto::Time;

use super::{Must, Steps, World, explore};
use crate::base::{Cache, Order, Scan};
use crate::mutant::{self, Mutant};
use crate::shard::{self, End, Input, Leaving, NotRun, Output, To};
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
            crate::session::Session::opened(WINDOW).save(key_of(client), 1, &mut rows);
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

    fn process(&mut self, at: usize) -> &mut Process {
        Rc::make_mut(&mut self.processes[at])
    }

    fn blame(&mut self, why: String) {
        self.wrong.get_or_insert(why);
    }

    /// A process starts to own the shard.
    fn claim(&mut self, at: usize) {
        let (seen, record) = (self.store.epoch, self.store.record());
        let process = self.process(at);
        process.is_up = true;
        process.shard.handle(Input::Claim { seen, record });
        self.drain(at);
    }

    /// A process is gone, or serves this shard no longer.
    fn down(&mut self, at: usize) {
        let process = self.process(at);
        process.is_up = false;
        process.batch = None;
        process.look = None;
        let config = process.shard.config();
        process.shard = Shard::new(ShardId(1), config, 7);
        process.cache = Cache::default();
        self.cut(at);
    }

    fn cut(&mut self, at: usize) {
        self.process(at).attached.fill(None);
        for connection in self.connections.iter_mut().filter(|connection| connection.at == at) {
            connection.is_held_by_server = false;
            connection.to_server.clear();
        }
    }

    /// Does what the shard says, until that is nothing.
    fn drain(&mut self, at: usize) {
        while let Some(output) = self.process(at).shard.poll_output() {
            match output {
                Output::Claim { seen, .. } => {
                    if seen != self.store.epoch {
                        self.process(at).shard.handle(Input::NotClaimed);
                        continue;
                    }
                    let store = Rc::make_mut(&mut self.store);
                    store.epoch = seen.next();
                    let (epoch, record) = (store.epoch, store.record());
                    let cache = store.load();
                    self.process(at).cache = cache;
                    self.process(at).shard.handle(Input::Claimed { epoch, record });
                }
                Output::Commit(batch) => self.process(at).batch = Some(batch),
                Output::Look { number } => self.process(at).look = Some(number),
                Output::Leave { to, what } => self.leave(at, to, what),
                Output::LetGo(_) => self.cut(at),
                Output::Ended(End::Fenced(_) | End::NotClaimed) => return self.down(at),
                other => panic!("{other:?} has no place here"),
            }
        }
    }

    fn leave(&mut self, at: usize, to: To, what: Leaving) {
        let To::Session(key) = to else { panic!("all have sessions") };
        let Some(connection) = self.processes[at].attached[client_of(key)] else { return };
        let connection = &mut self.connections[connection];
        if !connection.is_held_by_client || !connection.is_held_by_server {
            return;
        }
        let out = &mut connection.to_client;
        match what {
            Leaving::Answer { number, body } => out.push_back(reply(number, &body)),
            Leaving::Mark(_) => out.push_back(Packet::Pong),
            Leaving::Resumed { received, kept } => {
                out.push_back(Packet::Agreed { received });
                out.extend(kept.iter().map(|kept| reply(kept.number, &kept.body)));
            }
            Leaving::Opened | Leaving::Event(_) => panic!("nothing is opened here"),
        }
    }

    /// The server reads the next packet of a connection.
    fn server_reads(&mut self, index: usize) {
        let Connection { client, at, .. } = self.connections[index];
        let packet = self.connections[index].to_server.pop_front().unwrap();
        let key = key_of(client);
        let attached = self.processes[at].attached[client];
        let kinds = Rc::clone(&self.kinds);
        let process = self.process(at);
        let (cache, to, now) = (process.cache.clone(), To::Session(key), Time::ZERO);
        match packet {
            Packet::Resume { done, turn } => {
                match process.shard.resume(&cache, key, done, turn) {
                    Ok(()) => {
                        process.attached[client] = Some(index);
                        if let Some(old) = attached {
                            // A client has one connection: a resume on another one is a late one.
                            if self.connections[old].is_held_by_client {
                                self.blame("a resume that was given up ended a live one".into());
                            }
                            self.connections[old].is_held_by_server = false;
                            self.connections[old].to_server.clear();
                        }
                    }
                    Err(NotRun::Overtaken { .. }) => {
                        self.connections[index].is_held_by_server = false;
                        self.connections[index].to_server.clear();
                    }
                    Err(why) => panic!("{why}"),
                }
            }
            _ if attached != Some(index) => {}
            Packet::Ping => process.shard.hold(to, 0),
            Packet::Message(item) => {
                let ran = match kinds[item] {
                    Kind::Event => {
                        process.shard.run_event(&cache, to, now, |tx| write(tx, item).map(drop))
                    }
                    kind => {
                        let run = |tx: &mut Tx<'_>| match kind {
                            Kind::Write => Ok(answer(item, write(tx, item)?)),
                            Kind::Read | Kind::Event => Ok(answer(item, read(tx)?)),
                        };
                        process.shard.run(&cache, to, now, run, |why| panic!("{why:?}"))
                    }
                };
                ran.unwrap();
            }
            other => panic!("a client does not send {other:?}"),
        }
        self.drain(at);
    }

    fn client_loses(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if let Some(index) = state.connection.take() {
            state.is_fresh = false;
            state.flight.retain(|flight| matches!(flight, Flight::Message { .. }));
            self.connections[index].is_held_by_client = false;
            self.connections[index].to_client.clear();
        }
    }

    /// The first message in flight that has an answer.
    fn first_due(&self, client: usize) -> Option<usize> {
        self.clients[client].flight.iter().position(|flight| match flight {
            Flight::Message { item, .. } => self.kinds[*item] != Kind::Event,
            Flight::Ping => true,
        })
    }

    /// What came before an answer was taken.
    fn confirm(&mut self, client: usize, count: usize) {
        for flight in self.clients[client].flight.drain(..count).collect::<Vec<_>>() {
            let Flight::Message { item, number, .. } = flight else { continue };
            self.fates[item] = Fate::Taken;
            self.clients[client].done = self.clients[client].done.max(number);
            if self.store.runs(item) == 0 {
                self.blame(format!("event {item} was told to be taken, and is not in the store"));
            }
        }
    }

    fn client_reads(&mut self, client: usize) {
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

    fn check_answer(&mut self, item: usize, shown: u64) {
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

    fn answered(&self) -> u64 {
        let is_answered =
            |item: &usize| self.kinds[*item] != Kind::Read && self.fates[*item] != Fate::Open;
        (0..self.kinds.len()).filter(is_answered).count() as u64
    }

    fn client_sends(&mut self, client: usize, packet: Packet, flight: Flight) {
        let state = &mut self.clients[client];
        let connection = &mut self.connections[state.connection.unwrap()];
        state.flight.push_back(flight);
        if connection.is_held_by_server {
            connection.to_server.push_back(packet);
        }
    }

    fn client_steps(&self, client: usize, steps: &mut Steps<Self>) {
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

    fn connect(&mut self, client: usize, at: usize) {
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

    fn is_owed(&self, client: usize) -> bool {
        let state = &self.clients[client];
        !state.todo.is_empty() || !state.flight.is_empty()
    }

    fn connection_steps(&self, steps: &mut Steps<Self>) {
        for (index, connection) in self.connections.iter().enumerate() {
            if !connection.is_held_by_server || !self.processes[connection.at].is_up {
                continue;
            }
            let mut next = self.clone();
            let label = if let Some(packet) = connection.to_server.front() {
                next.server_reads(index);
                format!("{} reads {packet:?} of connection {index}", connection.at)
            } else if !connection.is_held_by_client {
                next.connections[index].is_held_by_server = false;
                let attached = &mut next.process(connection.at).attached[connection.client];
                attached.take_if(|attached| *attached == index);
                format!("{} sees the end of connection {index}", connection.at)
            } else {
                continue;
            };
            steps.push((Must::Happen, label, next));
        }
    }

    /// What becomes of a batch that is on its way to the store.
    fn commit(&mut self, at: usize, is_done: bool, is_told: Option<NotCommitted>) {
        let Some(batch) = self.process(at).batch.take() else { return };
        let number = batch.number;
        let done = if is_done { Rc::make_mut(&mut self.store).commit(&batch) } else { Ok(()) };
        let input = match (done, is_told) {
            (Err(why), _) | (Ok(()), Some(why)) => Input::NotCommitted { number, why },
            (Ok(()), None) => {
                self.process(at).cache.committed(&batch.writes);
                Input::Committed { number }
            }
        };
        self.process(at).shard.handle(input);
        self.drain(at);
    }

    fn process_steps(&self, at: usize, steps: &mut Steps<Self>) {
        let mut step = |must, label: &str, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            steps.push((must, format!("{at} {label}"), next));
        };
        let process = &self.processes[at];
        let other = &self.processes[1 - at];
        if !process.is_up {
            if at == 0 && !other.is_up {
                step(Must::Happen, "claims", &|next| next.claim(at));
            }
            if at == 1 && self.budget.claim > 0 {
                step(Must::NotHappen, "claims", &|next| {
                    next.budget.claim -= 1;
                    next.claim(at);
                });
            }
            return;
        }
        if process.batch.is_some() {
            step(Must::Happen, "commits", &|next| next.commit(at, true, None));
            if self.budget.unknown > 0 {
                for is_done in [false, true] {
                    let label = if is_done { "commits, untold" } else { "does not commit, untold" };
                    step(Must::NotHappen, label, &|next| {
                        next.budget.unknown -= 1;
                        next.commit(at, is_done, Some(NotCommitted::Unknown));
                    });
                }
            }
            if self.budget.refused > 0 {
                step(Must::NotHappen, "is refused a commit", &|next| {
                    next.budget.refused -= 1;
                    next.commit(at, false, Some(NotCommitted::Refused));
                });
            }
            if self.budget.crash > 0 {
                step(Must::NotHappen, "commits, and crashes", &|next| {
                    next.budget.crash -= 1;
                    let batch = next.process(at).batch.take().unwrap();
                    let _fenced_or_done = Rc::make_mut(&mut next.store).commit(&batch);
                    next.down(at);
                });
            }
        }
        if let Some(number) = process.look {
            step(Must::Happen, "looks at the epoch", &|next| {
                let epoch = next.store.epoch;
                next.process(at).look = None;
                next.process(at).shard.handle(Input::Looked { number, epoch });
                next.drain(at);
            });
        }
        if self.budget.crash > 0 {
            step(Must::NotHappen, "crashes", &|next| {
                next.budget.crash -= 1;
                next.down(at);
            });
        }
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
