//! A shard over rows in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ubf_proto::Time;
use ubf_proto::session::{Grant, Level};
use ubf_state::shard::{Config, Input, Leaving, Output, To};
use ubf_state::{
    Base, Batch, Do, Epoch, Known, Lost, Missing, NotCommitted, Order, Page, Reason, Row, Scan,
    SessionKey, Shard, ShardId, ShardRecord, Step, Tx, UnseenEvents,
};

pub(crate) const ONE: To = To::Connection(1);
pub(crate) const SESSION: SessionKey = SessionKey::from_bytes([9; 16]);

/// What a session is granted that has this window.
pub(crate) fn grant(window: u64) -> Grant {
    let keep = Duration::from_secs(60);
    Grant { window, bytes: 1_000, kept: 500, keep, level: Level::Durable }
}

/// Committed rows.
#[derive(Default)]
pub(crate) struct Rows(pub(crate) BTreeMap<Bytes, Bytes>);

impl Base for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Missing> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, scan: &Scan) -> Result<Page, Missing> {
        let rows = self.0.range(scan.from.clone()..scan.to.clone());
        let own = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match scan.order {
            Order::Upwards => rows.map(own).take(scan.limit).collect(),
            Order::Downwards => rows.rev().map(own).take(scan.limit).collect(),
        })
    }
}

pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) rows: Rows,
    pub(crate) now: u64,
    /// The batch on its way to the store.
    pub(crate) flying: Option<Arc<Batch>>,
    pub(crate) left: Vec<(To, Leaving)>,
    pub(crate) others: Vec<Output>,
}

impl World {
    pub(crate) fn new(known: Known) -> Self {
        Self::with(Config::new(known), Rows::default())
    }

    /// A shard that is owned, over these rows.
    pub(crate) fn with(config: Config, rows: Rows) -> Self {
        Self::taking(config, rows, Vec::new())
    }

    /// The same, with events that the owner before has told.
    pub(crate) fn taking(config: Config, rows: Rows, unseen: Vec<UnseenEvents>) -> Self {
        let mut shard = Shard::new(ShardId(1), Arc::new(config), 7);
        shard.expect_events(unseen);
        let (flying, left, others) = (None, Vec::new(), Vec::new());
        let mut world = Self { shard, rows, now: 0, flying, left, others };
        let record = world.record();
        world.shard.handle(Input::Claim { seen: Epoch(0), record });
        world.drain();
        world.shard.handle(Input::Claimed { epoch: Epoch(1), record });
        world.drain();
        world
    }

    pub(crate) fn record(&self) -> Option<ShardRecord> {
        self.rows.0.get(&ShardRecord::key()).map(|value| ShardRecord::from_value(value).unwrap())
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.shard.handle(input);
        self.drain();
    }

    /// Does what the shard says; its batch waits for [`commit`](Self::commit).
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Commit(batch) => {
                    assert!(self.flying.is_none(), "one commit is in flight");
                    self.flying = Some(batch);
                }
                Output::Leave { to, what } => self.left.push((to, what)),
                other => self.others.push(other),
            }
        }
    }

    pub(crate) fn commit(&mut self) -> Arc<Batch> {
        let batch = self.flying.take().expect("a batch is on its way");
        for (key, value) in &batch.writes {
            match value {
                Some(value) => self.rows.0.insert(key.clone(), value.clone()),
                None => self.rows.0.remove(key),
            };
        }
        self.handle(Input::Committed { number: batch.number });
        batch
    }

    /// Nobody knows what has become of the batch on its way, which is lost. The shard is claimed
    /// again.
    pub(crate) fn lose(&mut self) {
        self.drain();
        let batch = self.flying.take().expect("a batch is on its way");
        self.handle(Input::NotCommitted { number: batch.number, why: NotCommitted::Unknown });
        let record = self.record();
        self.handle(Input::Claimed { epoch: batch.epoch.next(), record });
    }

    pub(crate) fn settle(&mut self) {
        self.drain();
        while self.flying.is_some() {
            self.commit();
        }
    }

    /// Runs a call to its commit.
    pub(crate) fn call<T>(&mut self, run: impl FnOnce(&mut Tx<'_>) -> Do<T>) -> Result<T, Reason> {
        let mut result = None;
        let now = Time::from_millis(self.now);
        let run = |tx: &mut Tx<'_>| {
            result = Some(run(tx)?);
            Ok(Bytes::new())
        };
        let ran = self.shard.run(&self.rows, ONE, now, run, |_| Bytes::new()).unwrap();
        self.settle();
        match (ran, result) {
            (ubf_state::shard::Ran::TakenBack(reason), _) => Err(reason),
            (_, result) => Ok(result.expect("it has run")),
        }
    }

    /// Takes the outputs that have left.
    pub(crate) fn left(&mut self) -> Vec<(To, Leaving)> {
        std::mem::take(&mut self.left)
    }
}

pub(crate) const OLD: Known = Known { oldest: 1, newest: 1, format: 1 };
pub(crate) const BOTH: Known = Known { oldest: 1, newest: 2, format: 1 };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(crate) struct Account1 {
    pub(crate) cents: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(crate) struct Account {
    pub(crate) cents: i64,
    pub(crate) limit: i64,
}

impl Row for Account1 {
    const VERSION: u32 = 1;
    type Before = ();
}

impl Row for Account {
    const VERSION: u32 = 2;
    type Before = Account1;
}

impl Step<Account> for Account1 {
    fn up(self) -> Account {
        Account { cents: self.cents, limit: 0 }
    }

    fn down(new: &Account, lost: &mut Lost) -> Self {
        if new.limit != 0 {
            lost.field("limit");
        }
        Self { cents: new.cents }
    }
}
