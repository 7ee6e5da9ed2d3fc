//! The thread of a store under a shard: group commit, and errors that are told.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use ubf_state::shard::{Config, Input, Leaving, Output, To};
use ubf_state::{
    Base, Batch, Epoch, Known, Missing, NotCommitted, Order, Page, Scan, Shard, ShardId, Table,
    Time,
};

use super::{Text, all};
use crate::store::{ClaimError, CommitError, Store, StoreError};
use crate::{Ask, Memory, StoreThread, Told};

const SHARD: ShardId = ShardId(1);
static TEXTS: Table<u64, Text> = Table::new("texts");

/// A store that commits when it is told to.
struct Slow {
    memory: Memory,
    go: Receiver<()>,
}

impl Store for Slow {
    fn is_shared(&self) -> bool {
        false
    }
    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.memory.epoch(shard)
    }
    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        self.memory.claim(shard, seen)
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.go.recv().expect("the test tells");
        self.memory.commit(batch)
    }
    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.memory.get(shard, key)
    }
    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        self.memory.scan(shard, scan)
    }
    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn crate::Snapshot>, StoreError> {
        self.memory.snapshot(shard)
    }
    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>> {
        self.memory.base(shard)
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(super) fn start(store: impl Store + 'static) -> (StoreThread, Receiver<Told>) {
    let (tell, told) = channel();
    let send = move |what| tell.send(what).expect("the test listens");
    (StoreThread::start(Box::new(store), send).unwrap(), told)
}

/// A shard with its thread, as a shell has them.
struct Owner {
    shard: Shard,
    base: Box<dyn Base + Send>,
    thread: StoreThread,
    told: Receiver<Told>,
    left: usize,
    commits: usize,
}

impl Owner {
    fn new(go: Receiver<()>) -> Self {
        let memory = Memory::new();
        let base = memory.base(SHARD).unwrap();
        let (thread, told) = start(Slow { memory, go });
        let config = Config::new(Known { oldest: 1, newest: 1, format: 1 });
        let shard = Shard::new(SHARD, Arc::new(config), 1);
        let mut owner = Self { shard, base, thread, told, left: 0, commits: 0 };
        owner.thread.ask(Ask::Look { shard: SHARD, number: 0 }).unwrap();
        let Told::Looked { found: Ok((seen, record)), .. } = owner.told.recv().unwrap() else {
            panic!("the store can be read")
        };
        owner.shard.handle(Input::Claim { seen, record });
        owner.drain();
        owner.hear();
        owner
    }

    fn drain(&mut self) {
        while let Some(output) = self.shard.poll_output() {
            match output {
                Output::Claim { shard, seen } => {
                    self.thread.ask(Ask::Claim { shard, seen }).unwrap();
                }
                Output::Commit(batch) => {
                    self.commits += 1;
                    self.thread.ask(Ask::Commit(batch)).unwrap();
                }
                Output::Leave { what: Leaving::Answer { .. }, .. } => self.left += 1,
                other => panic!("{other:?}"),
            }
        }
    }

    fn hear(&mut self) {
        let input = match self.told.recv().unwrap() {
            Told::Claimed { claimed: Ok((epoch, record)), .. } => Input::Claimed { epoch, record },
            Told::Committed { batch, why: None } => Input::Committed { number: batch.number },
            other => panic!("{other:?}"),
        };
        self.shard.handle(input);
        self.drain();
    }

    fn call(&mut self, session: u64) {
        let run = |tx: &mut ubf_state::Tx<'_>| {
            tx.put(&TEXTS, &session, &Text("x".into()))?;
            Ok(Bytes::new())
        };
        let to = To::Connection(session);
        self.shard.run(&*self.base, to, Time::ZERO, run, |why| panic!("{why:?}")).unwrap();
        self.drain();
    }
}

#[test]
fn t3_calls_of_many_sessions_share_a_commit_while_one_is_on_its_way() {
    let (go, wait) = channel();
    let mut owner = Owner::new(wait);
    for session in 0..1_000 {
        owner.call(session);
    }
    assert_eq!((owner.commits, owner.left), (1, 0), "the first call alone is on its way");
    go.send(()).unwrap();
    owner.hear();
    assert_eq!((owner.commits, owner.left), (2, 1));
    go.send(()).unwrap();
    owner.hear();
    assert_eq!((owner.commits, owner.left), (2, 1_000), "one commit for 999 calls");
    owner.thread.close().unwrap();
}

#[test]
fn what_a_transaction_misses_is_loaded() {
    let mut memory = Memory::new();
    memory.claim(SHARD, Epoch(0)).unwrap();
    memory.commit(&super::batch(1, 1, &[(b"a", Some(b"1")), (b"b", Some(b"2"))])).unwrap();
    let (thread, told) = start(memory);
    let asks = [
        (Missing::Key(Bytes::from_static(b"a")), 1),
        (Missing::Key(Bytes::from_static(b"c")), 0),
        (Missing::Range(all(Order::Upwards, 9)), 2),
    ];
    for (missing, count) in asks {
        thread.ask(Ask::Load { shard: SHARD, missing }).unwrap();
        let Told::Loaded { page: Ok(page), .. } = told.recv().unwrap() else { panic!("loaded") };
        assert_eq!(page.len(), count);
    }
    thread.close().unwrap();
}

/// A store whose code has a fault.
struct Faulty(Sender<()>);

impl Store for Faulty {
    fn is_shared(&self) -> bool {
        false
    }
    fn epoch(&mut self, _: ShardId) -> Result<Epoch, StoreError> {
        panic!("a fault of the store")
    }
    fn claim(&mut self, _: ShardId, _: Epoch) -> Result<Epoch, ClaimError> {
        Err(ClaimError::Failed(StoreError::plain("faulty")))
    }
    fn commit(&mut self, _: &Batch) -> Result<(), CommitError> {
        Err(CommitError::new(NotCommitted::Unknown, "faulty"))
    }
    fn get(&mut self, _: ShardId, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Err(StoreError::plain("faulty"))
    }
    fn scan(&mut self, _: ShardId, _: &Scan) -> Result<Page, StoreError> {
        Err(StoreError::plain("faulty"))
    }
    fn snapshot(&mut self, _: ShardId) -> Result<Box<dyn crate::Snapshot>, StoreError> {
        unreachable!("nobody asks for it")
    }
    fn base(&self, _: ShardId) -> Option<Box<dyn Base + Send>> {
        None
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.0.send(()).expect("the test listens");
        Ok(())
    }
}

#[test]
fn a_fault_of_the_store_is_told_and_does_not_die_unseen() {
    let (closed, _) = channel();
    let (thread, told) = start(Faulty(closed));
    thread.ask(Ask::Claim { shard: SHARD, seen: Epoch(0) }).unwrap();
    let Told::Claimed { claimed: Err(error), .. } = told.recv().unwrap() else { panic!("claimed") };
    assert_eq!(error.to_string(), "the shard could not be claimed");
    let batch = Arc::new(super::batch(1, 1, &[]));
    thread.ask(Ask::Commit(batch)).unwrap();
    let Told::Committed { why: Some((outcome, Some(cause))), .. } = told.recv().unwrap() else {
        panic!("committed")
    };
    assert_eq!((outcome, cause.to_string()), (NotCommitted::Unknown, "faulty".into()));
    thread.ask(Ask::Look { shard: SHARD, number: 1 }).unwrap();
    assert!(matches!(told.recv().unwrap(), Told::Broken));
    assert_eq!(thread.close().unwrap_err().to_string(), "the store's code has panicked");
}

#[test]
fn a_thread_that_is_closed_has_done_what_was_asked_and_closed_its_store() {
    let (closed, was_closed) = channel();
    let (thread, told) = start(Faulty(closed));
    for _ in 0..10 {
        thread.ask(Ask::Claim { shard: SHARD, seen: Epoch(0) }).unwrap();
    }
    thread.close().unwrap();
    assert_eq!(told.iter().count(), 10);
    was_closed.recv().unwrap();
}
