//! The processes: the real shard, the connections that they read, and the store that they commit
//! to.

use std::format;
use std::rc::Rc;
use std::sync::Arc;

use ubf_proto::Time;

use super::super::{Must, Steps};
use super::{
    Connection, Durable, Kind, Packet, Process, answer, client_of, key_of, read, reply, write,
};
use crate::base::Cache;
use crate::shard::{End, Input, Leaving, NotRun, Output, To};
use crate::{NotCommitted, Shard, ShardId, Tx};

impl Durable {
    pub(super) fn process(&mut self, at: usize) -> &mut Process {
        Rc::make_mut(&mut self.processes[at])
    }

    /// A process starts to own the shard.
    pub(super) fn claim(&mut self, at: usize) {
        let (seen, record) = (self.store.epoch, self.store.record());
        let process = self.process(at);
        process.is_up = true;
        process.shard.handle(Input::Claim { seen, record });
        self.drain(at);
    }

    /// A process is gone, or serves this shard no longer.
    pub(super) fn down(&mut self, at: usize) {
        let process = self.process(at);
        process.is_up = false;
        process.batch = None;
        process.look = None;
        let config = Arc::clone(process.shard.config());
        process.shard = Shard::new(ShardId(1), config, 7);
        process.cache = Cache::default();
        self.cut(at);
    }

    pub(super) fn cut(&mut self, at: usize) {
        self.process(at).attached.fill(None);
        for connection in self.connections.iter_mut().filter(|connection| connection.at == at) {
            connection.is_held_by_server = false;
            connection.to_server.clear();
        }
    }

    /// Does what the shard says, until that is nothing.
    pub(super) fn drain(&mut self, at: usize) {
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

    pub(super) fn leave(&mut self, at: usize, to: To, what: Leaving) {
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
            Leaving::Resumed { received, kept, events_made: _, events: _ } => {
                out.push_back(Packet::Agreed { received });
                out.extend(kept.iter().map(|kept| reply(kept.number, &kept.body)));
            }
            Leaving::Opened | Leaving::Event(_) => panic!("nothing is opened here"),
        }
    }

    /// The server reads the next packet of a connection.
    pub(super) fn server_reads(&mut self, index: usize) {
        let Connection { client, at, .. } = self.connections[index];
        let packet = self.connections[index].to_server.pop_front().unwrap();
        let key = key_of(client);
        let attached = self.processes[at].attached[client];
        let kinds = Rc::clone(&self.kinds);
        let process = self.process(at);
        let (cache, to, now) = (process.cache.clone(), To::Session(key), Time::ZERO);
        match packet {
            Packet::Resume { done, turn } => {
                match process.shard.resume(&cache, key, done, 0, turn) {
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

    pub(super) fn connection_steps(&self, steps: &mut Steps<Self>) {
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
    pub(super) fn commit(&mut self, at: usize, is_done: bool, is_told: Option<NotCommitted>) {
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

    pub(super) fn process_steps(&self, at: usize, steps: &mut Steps<Self>) {
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
