//! Sessions on a real shard over a real file whose machine stops again and again: every call has
//! its answer once, whatever moment it stops at (T3, T4, S2 to S5).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ubf_proto::Random;
use ubf_proto::session::{Grant, Level};
use ubf_state::shard::{Config, Input, Leaving, NotRun, Output, To};
use ubf_state::{Base, Batch, Known, Row, SessionKey, Shard, ShardId, ShardRecord, Table, Time};

use super::disk::Disk;
use super::is_long;
use crate::Redb;
use crate::store::Store;

const SHARD: ShardId = ShardId(1);
const WINDOW: usize = 8;
/// What sessions are granted.
const GRANT: Grant = Grant {
    window: WINDOW as u64,
    bytes: 1 << 20,
    kept: 1 << 20,
    keep: Duration::from_secs(60),
    level: Level::Durable,
};

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Count(u64);
impl Row for Count {
    const VERSION: u32 = 1;
    type Before = ();
}
/// What each client has added, and, as 255, all of them together.
static COUNTS: Table<u8, Count> = Table::new("counts");

/// A client: call number k either adds 1 to its count or reads it. So it knows each answer.
struct Client {
    id: u8,
    turn: u64,
    done: u64,
    /// Calls without an answer: their numbers, and the answers that they must have.
    flight: VecDeque<(u64, bool, u64)>,
    /// Calls that are to be sent again.
    again: VecDeque<(bool, u64)>,
    next_number: u64,
    added: u64,
    answered: u64,
    is_attached: bool,
}

impl Client {
    fn key(&self) -> SessionKey {
        SessionKey::from_bytes([self.id; 16])
    }

    fn hears(&mut self, number: u64, body: &[u8]) {
        let (due, _, expected) = self.flight.pop_front().expect("an answer is due");
        let count = u64::from_be_bytes(body.try_into().unwrap());
        assert_eq!((number, count), (due, expected), "client {}: each call ran once", self.id);
        self.done = number;
        self.answered += 1;
    }
}

/// One life of the server's process.
struct Process {
    shard: Shard,
    store: Redb,
    base: Box<dyn Base + Send>,
    flying: Option<Arc<Batch>>,
    is_gone: bool,
}

impl Process {
    fn start(disk: &Disk, seed: u64) -> Option<Self> {
        let mut store = Redb::over(disk.clone()).ok()?;
        let seen = store.epoch(SHARD).ok()?;
        let epoch = store.claim(SHARD, seen).ok()?;
        let value = store.get(SHARD, &ShardRecord::key()).ok()?;
        let record = value.map(|value| ShardRecord::from_value(&value).unwrap());
        let mut config = Config::new(Known { oldest: 1, newest: 1, format: 1 });
        config.max_batch_calls = 5;
        let mut shard = Shard::new(SHARD, Arc::new(config), seed);
        shard.handle(Input::Claim { seen, record });
        shard.poll_output();
        shard.handle(Input::Claimed { epoch, record });
        let base = store.base(SHARD).unwrap();
        Some(Self { shard, store, base, flying: None, is_gone: false })
    }

    fn drain(&mut self, clients: &mut [Client]) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Commit(batch) => self.flying = Some(batch),
                Output::LetGo(_) | Output::Ended(_) => self.is_gone = true,
                Output::Leave { to: To::Session(key), what } => {
                    let client = &mut clients[usize::from(key.to_bytes()[0])];
                    match what {
                        Leaving::Answer { number, body } => client.hears(number, &body),
                        Leaving::Opened => client.is_attached = true,
                        Leaving::Resumed { received, kept, .. } => {
                            client.is_attached = true;
                            // What was not received is sent again, with the next numbers.
                            let lost =
                                client.flight.iter().filter(|(number, ..)| *number > received);
                            let lost: Vec<_> =
                                lost.map(|&(_, adds, count)| (adds, count)).collect();
                            client.flight.retain(|(number, ..)| *number <= received);
                            client.again = lost.into_iter().chain(client.again.drain(..)).collect();
                            client.next_number = received + 1;
                            for kept in kept {
                                client.hears(kept.number, &kept.body);
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn call(&mut self, client: &mut Client, random: &mut Random) {
        let sent_again = client.again.pop_front();
        let (adds, expected) = sent_again.unwrap_or_else(|| {
            let adds = random.below(3) > 0;
            client.added += u64::from(adds);
            (adds, client.added)
        });
        let id = client.id;
        let run = |tx: &mut ubf_state::Tx<'_>| {
            let mut count = tx.get(&COUNTS, &id)?.map_or(0, |count| count.0);
            if adds {
                count += 1;
                tx.put(&COUNTS, &id, &Count(count))?;
                let all = tx.get(&COUNTS, &255)?.map_or(0, |count| count.0);
                tx.put(&COUNTS, &255, &Count(all + 1))?;
            }
            Ok(Bytes::copy_from_slice(&count.to_be_bytes()))
        };
        let to = To::Session(client.key());
        match self.shard.run(&*self.base, to, Time::ZERO, run, |why| panic!("{why:?}")) {
            Ok(_) => {
                client.flight.push_back((client.next_number, adds, expected));
                client.next_number += 1;
            }
            // It is sent when there is room, or by the next process.
            Err(_) => client.again.push_front((adds, expected)),
        }
    }

    fn commit(&mut self) {
        let Some(batch) = self.flying.take() else { return };
        let number = batch.number;
        self.shard.handle(match self.store.commit(&batch) {
            Ok(()) => Input::Committed { number },
            Err(error) => Input::NotCommitted { number, why: error.outcome() },
        });
    }

    fn attach(&mut self, client: &mut Client) {
        client.turn += 1;
        let key = client.key();
        let opened = match self.shard.resume(&*self.base, key, client.done, 0, client.turn) {
            Err(NotRun::UnknownSession) => {
                assert_eq!(client.answered, 0, "a session that was answered in is stored");
                self.shard.open_session(&*self.base, key, GRANT)
            }
            resumed => resumed,
        };
        // A process that is going down attaches nobody.
        assert!(opened.is_ok() || self.is_gone, "{opened:?}");
    }
}

/// Runs one process until its machine stops. Tells whether all calls have their answers.
fn live(process: &mut Process, clients: &mut [Client], random: &mut Random, calls: u64) -> bool {
    for client in clients.iter_mut() {
        client.is_attached = false;
        process.attach(client);
    }
    process.drain(clients);
    for _ in 0..10_000 {
        if process.is_gone {
            return false;
        }
        let index = random.below(clients.len() as u64) as usize;
        let client = &mut clients[index];
        let is_done = client.answered + client.flight.len() as u64 >= calls;
        let may_send = client.is_attached && client.flight.len() < WINDOW;
        match random.below(4) {
            0 => process.commit(),
            _ if may_send && (!is_done || !client.again.is_empty()) => process.call(client, random),
            _ => {}
        }
        process.drain(clients);
        if clients.iter().all(|client| client.answered >= calls) {
            return true;
        }
    }
    panic!("at rest without an answer")
}

/// Runs clients to the end of their calls, through as many processes as that takes. Returns how
/// many there were, and how many of them were stopped.
fn run(seeds: u64, has_no_sync: bool) -> (u64, u64) {
    let calls = 40;
    let (mut lives, mut stops) = (0, 0);
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let mut disk = Disk::new();
        drop(Redb::over(disk.clone()).unwrap());
        let mut clients: Vec<Client> = (0..3)
            .map(|id| Client {
                id,
                turn: 1,
                done: 0,
                flight: VecDeque::new(),
                again: VecDeque::new(),
                next_number: 1,
                added: 0,
                answered: 0,
                is_attached: false,
            })
            .collect();
        loop {
            lives += 1;
            disk.stop_in(random.below(150));
            let process = Process::start(&disk, seed).map(|mut process| {
                process.store.has_no_sync = has_no_sync;
                process
            });
            if let Some(mut process) = process
                && live(&mut process, &mut clients, &mut random, calls)
            {
                break;
            }
            stops += 1;
            disk = disk.after_crash(&mut random);
        }
        let disk = disk.after_crash(&mut random);
        let process = Process::start(&disk, seed).expect("the file can be opened");
        let count = |key: u8| {
            let stored = [&b"\x20counts\0\x01"[..], &[key]].concat();
            let value = process.base.get(&stored).unwrap().unwrap();
            Count::read(1, &value[2..]).unwrap().0
        };
        for client in &clients {
            assert_eq!(count(client.id), client.added, "seed {seed}");
        }
        assert_eq!(count(255), clients.iter().map(|client| client.added).sum::<u64>());
    }
    (lives, stops)
}

#[test]
fn t3_every_call_has_its_answer_once_whenever_the_machine_stops() {
    let (lives, stops) = run(if is_long() { 3_000 } else { 12 }, false);
    assert!(stops > lives / 2, "{stops} stops in {lives} lives");
}

#[test]
fn a_store_that_does_not_synchronise_loses_calls_and_is_found() {
    assert!(std::panic::catch_unwind(|| run(5, true)).is_err());
}
