//! How many durable calls a second a shard commits: sessions with calls in flight, a store with its
//! thread, a row of 100 bytes and a kept answer a call.
//!
//! ```text
//! cargo run --release -p ubf-store --all-features --example durable -- redb FILE
//! cargo run --release -p ubf-store --all-features --example durable -- postgres "host=/run/postgresql"
//! cargo run --release -p ubf-store --example durable -- memory
//! ```
#![allow(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "an example shows what it does, and is short"
)]

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use ubf_proto::session::{Grant, Level};
use ubf_state::shard::{Config, Input, Leaving, NotRun, Output, To};
use ubf_state::{
    Base, Cache, Known, Missing, Order, Row, Scan, SessionKey, Shard, ShardId, Table, Time, Tx,
};
use ubf_store::{Ask, Memory, Store, StoreThread, Told};

const SHARD: ShardId = ShardId(1);
const SESSIONS: u8 = 16;
const IN_FLIGHT: u64 = 64;
/// What sessions are granted.
const GRANT: Grant = Grant {
    window: IN_FLIGHT,
    bytes: 1 << 20,
    kept: 1 << 20,
    keep: Duration::from_secs(60),
    level: Level::Durable,
};
const TIME: Duration = Duration::from_secs(5);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Value(String);
impl Row for Value {
    const VERSION: u32 = 1;
    type Before = ();
}
static VALUES: Table<u64, Value> = Table::new("values");

fn open() -> Result<Box<dyn Store>, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (engine, place) = (words.next(), words.next());
    match (engine.as_deref(), place) {
        (Some("memory"), _) => Ok(Box::new(Memory::new())),
        #[cfg(feature = "redb")]
        (Some("redb"), Some(file)) => Ok(Box::new(ubf_store::Redb::open(file)?)),
        #[cfg(feature = "postgres")]
        (Some("postgres"), Some(connection)) => {
            Ok(Box::new(ubf_store::Postgres::open(&connection)?))
        }
        _ => Err("name an engine: memory, redb FILE, postgres CONNECTION".into()),
    }
}

/// A shard, its store's thread, and what was counted.
struct Owner {
    shard: Shard,
    /// Rows that can be read at once; without them the cache has what was read and written.
    base: Option<Box<dyn Base + Send>>,
    cache: Cache,
    thread: StoreThread,
    told: Receiver<Told>,
    left: u64,
    commits: u64,
    free: Vec<u8>,
}

impl Owner {
    fn new(store: Box<dyn Store>) -> Result<Self, Box<dyn Error>> {
        let base = store.base(SHARD);
        let mut config = Config::new(Known { oldest: 1, newest: 1, format: 1 });
        config.is_shared = store.is_shared();
        let shard = Shard::new(SHARD, Arc::new(config), 1);
        let (tell, told) = channel();
        // When nobody listens any more the example is over.
        let thread = StoreThread::start(store, move |what| drop(tell.send(what)))?;
        thread.ask(Ask::Look { shard: SHARD, number: 0 })?;
        let (cache, free) = (Cache::default(), Vec::new());
        Ok(Self { shard, base, cache, thread, told, left: 0, commits: 0, free })
    }

    fn drain(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Claim { shard, seen } => self.thread.ask(Ask::Claim { shard, seen })?,
                Output::Commit(batch) => self.thread.ask(Ask::Commit(batch))?,
                Output::Leave { to: To::Session(key), what: Leaving::Answer { .. } } => {
                    self.left += 1;
                    self.free.extend(key.to_bytes().first());
                }
                Output::Ended(why) => return Err(format!("{why:?}").into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<(), Box<dyn Error>> {
        match self.told.recv()? {
            Told::Looked { found, .. } => {
                let (seen, record) = found?;
                self.shard.handle(Input::Claim { seen, record });
            }
            Told::Claimed { claimed, .. } => {
                let (epoch, record) = claimed?;
                self.shard.handle(Input::Claimed { epoch, record });
            }
            Told::Committed { batch, why: None } => {
                self.commits += 1;
                self.cache.committed(&batch.writes);
                self.cache.trim(256 << 20);
                self.shard.handle(Input::Committed { number: batch.number });
            }
            Told::Loaded { missing: Missing::Key(key), page, .. } => {
                self.cache.loaded_key(key, page?.pop().map(|(_, value)| value));
            }
            Told::Loaded { missing: Missing::Range(scan), page, .. } => {
                self.cache.loaded_range(&scan, page?);
            }
            other => return Err(format!("{other:?}").into()),
        }
        self.drain()
    }

    fn call(&mut self, session: u8, key: u64) -> Result<(), Box<dyn Error>> {
        let session = SessionKey::from_bytes([session; 16]);
        loop {
            let base: &dyn Base = match &self.base {
                Some(base) => &**base,
                None => &self.cache,
            };
            let run = |tx: &mut Tx<'_>| {
                tx.put(&VALUES, &key, &Value("x".repeat(100)))?;
                Ok("'ok'$".into())
            };
            let to = To::Session(session);
            let Err(why) = self.shard.run(base, to, Time::ZERO, run, |_| "'no'$".into()) else {
                return self.drain();
            };
            match why {
                NotRun::UnknownSession => {
                    if let Err(NotRun::Missing(missing)) =
                        self.shard.open_session(base, session, GRANT)
                    {
                        self.thread.ask(Ask::Load { shard: SHARD, missing })?;
                        self.hear()?;
                    }
                    self.drain()?;
                }
                NotRun::Missing(missing) => {
                    self.thread.ask(Ask::Load { shard: SHARD, missing })?;
                    self.hear()?;
                }
                NotRun::Full => self.hear()?,
                why => return Err(why.into()),
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut owner = Owner::new(open()?)?;
    owner.hear()?;
    owner.hear()?;
    if owner.base.is_none() {
        // Otherwise the first write of each row would wait for what it replaces.
        let (from, to) = ("".into(), vec![0xFF].into());
        let scan = Scan { from, to, limit: usize::MAX, order: Order::Upwards };
        owner.thread.ask(Ask::Load { shard: SHARD, missing: Missing::Range(scan) })?;
        owner.hear()?;
    }
    let started = Instant::now();
    let mut key = 0_u64;
    owner.free = (0..SESSIONS).flat_map(|id| [id; 64]).collect();
    while started.elapsed() < TIME {
        while started.elapsed() < TIME
            && let Some(session) = owner.free.pop()
        {
            key += 1;
            owner.call(session, key % 100_000)?;
        }
        owner.hear()?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (calls, commits) = (owner.left as f64 / seconds, owner.commits as f64 / seconds);
    println!("{calls:.0} calls/s, {commits:.0} commits/s, {:.0} calls a commit", calls / commits);
    owner.base = None;
    owner.thread.close()?;
    Ok(())
}
