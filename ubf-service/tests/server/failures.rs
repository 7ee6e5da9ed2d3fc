//! T4: a store that does not say what became of a batch, and one that fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ubf_net::testing::within;
use ubf_state::{Base, Batch, Epoch, NotCommitted, Page, Scan, ShardId, Writes};
use ubf_store::{ClaimError, CommitError, Memory, Snapshot, Store, StoreError};

use crate::support::{Errors, Fate, Held, Running};

const ID: &str = "0123456789abcdef";

#[tokio::test]
async fn t4_after_an_unknown_outcome_connections_are_cut_and_the_store_says_what_was_done() {
    for (fate, received) in [(Fate::CommitUntold, 1), (Fate::LoseUntold, 0)] {
        let (held, holder) = Held::over(Memory::new());
        let server = Running::start(held).await;
        holder.say(Fate::Commit);
        let mut peer = server.open(ID).await;
        let (holder, _) = holder.asked().await;
        peer.send("1 {'add'\"a\"1}$").await;
        let (holder, _) = holder.asked().await;
        // It runs on top of what is let go, and is let go with it.
        peer.send("1 {'add'\"a\"1}$").await;
        holder.say(fate);
        peer.expect_end("").await;
        for _ in 0..9 {
            holder.say(Fate::Commit);
        }
        let (mut peer, resumed) = server.resume(ID, 0, 2).await;
        assert!(resumed.contains(&format!("{{'resumed'{received} 0}}")), "{resumed}");
        if received == 1 {
            peer.expect("1 ? {1'start'}$").await;
        } else {
            peer.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
        }
        peer.exchange("1 {'add'\"a\"1}$", "1 ? {2'start'}$").await;
        drop((peer, holder));
        server.stop().await;
    }
}

#[tokio::test]
async fn t4_when_the_store_breaks_nobody_is_answered_and_the_program_is_told() {
    let (held, holder) = Held::over(Memory::new());
    let server = Running::start(held).await;
    holder.say(Fate::Commit);
    let mut peer = server.open(ID).await;
    let (holder, _) = holder.asked().await;
    peer.send("1 {'add'\"a\"1}$").await;
    holder.say(Fate::Break);
    peer.expect_end("").await;
    let error = within(server.keeper.ended()).await;
    assert_eq!(error.to_string(), "the store cannot make anything durable any more");
    assert!(std::error::Error::source(&error).is_some());
    // Whoever comes later is told to come again, and is not told that its session is unknown.
    let (_, answer) = server.resume(ID, 0, 2).await;
    assert!(answer.contains("{'no_session''not_now'}"), "{answer}");
    let other = server.connect().await;
    let mut other = other;
    other.send("1 {'read'\"a\"}$").await;
    other.expect_end("").await;
    server.handle.stop();
    assert!(server.keeper.close().is_err());
}

/// Its batch is let go, so it claims the rows again, and another process was faster: that is what a
/// fence is, and nothing is wrong with the store (U6).
#[tokio::test]
async fn t5_an_owner_that_claims_again_too_late_is_fenced() {
    let mut memory = Memory::new();
    let (held, holder) = Held::over(memory.clone());
    let server = Running::start(held).await;
    holder.say(Fate::Commit);
    let mut peer = server.open(ID).await;
    let (holder, _) = holder.asked().await;
    peer.send("1 {'add'\"a\"1}$").await;
    let (holder, _) = holder.asked().await;
    let shard = ShardId(1);
    let seen = memory.epoch(shard).unwrap();
    let claimed = memory.claim(shard, seen).unwrap();
    holder.say(Fate::LoseUntold);
    peer.expect_end("").await;
    let error = within(server.keeper.ended()).await;
    assert!(error.is_fenced(), "{error}");
    let expected = format!("another process has claimed the rows of the store ({claimed})");
    assert_eq!(error.to_string(), expected);
    server.handle.stop();
    assert!(server.keeper.close().is_err());
}

/// A database that is restarted at the wrong moment: so many of each thing fail.
struct Restarted {
    memory: Memory,
    gets: u32,
    commits: u32,
    claims: u32,
    /// From here on.
    is_down: Arc<AtomicBool>,
}

impl Restarted {
    fn down() -> StoreError {
        StoreError::plain("the database is restarted")
    }

    /// Whether one more of these fails.
    fn fails(is_down: &AtomicBool, left: &mut u32) -> bool {
        let fails = is_down.load(Ordering::SeqCst) && *left > 0;
        if fails {
            *left -= 1;
        }
        fails
    }
}

impl Store for Restarted {
    fn is_shared(&self) -> bool {
        true
    }
    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.memory.epoch(shard)
    }
    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        if Self::fails(&self.is_down, &mut self.claims) {
            return Err(ClaimError::Failed(Self::down()));
        }
        self.memory.claim(shard, seen)
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        if Self::fails(&self.is_down, &mut self.commits) {
            return Err(CommitError::new(NotCommitted::Refused, Self::down()));
        }
        self.memory.commit(batch)
    }
    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        if Self::fails(&self.is_down, &mut self.gets) {
            return Err(Self::down());
        }
        self.memory.get(shard, key)
    }
    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        self.memory.scan(shard, scan)
    }
    fn base(&self, _: ShardId) -> Option<Box<dyn Base + Send>> {
        None
    }
    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError> {
        self.memory.snapshot(shard)
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A row is being read when the commit before it fails, and so does the claim: each of them is asked
/// again. When one took the place of the other, no row was ever read again, and nobody answered.
#[tokio::test]
async fn t4_everything_that_a_restarted_database_has_failed_is_asked_again() {
    let errors = Errors::listen();
    let is_down = Arc::new(AtomicBool::new(false));
    let (memory, down) = (Memory::new(), Arc::clone(&is_down));
    let store = Restarted { memory, gets: 1, commits: 1, claims: 1, is_down: down };
    let server = Running::start(store).await;
    let mut peer = server.open(ID).await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    is_down.store(true, Ordering::SeqCst);
    // The first one is run at once, and the row of the second one has to be read.
    peer.send("1 {'add'\"a\"1}$1 {'add'\"b\"1}$").await;
    peer.expect_end("").await;
    let (mut peer, resumed) = server.resume(ID, 1, 2).await;
    assert!(resumed.contains("{'resumed'1 0}"), "{resumed}");
    peer.exchange("1 {'add'\"b\"1}$", "1 ? {1'start'}$").await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {2'start'}$").await;
    drop(peer);
    server.stop().await;
    // The second one waited while its session went back, and its number is nobody's fault.
    errors.have_not("a message has not the number that is next");
}

/// Rows of which some are written while they are read.
struct Torn {
    memory: Memory,
    rival: Arc<Mutex<Option<Rival>>>,
}

/// Who writes them.
#[derive(Clone, Copy, Debug)]
enum Rival {
    /// A node that owns them from there on.
    Owner,
    /// A fault.
    Fault,
}

impl Store for Torn {
    fn is_shared(&self) -> bool {
        true
    }
    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.memory.epoch(shard)
    }
    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        self.memory.claim(shard, seen)
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.memory.commit(batch)
    }
    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.memory.get(shard, key)
    }
    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        let page = self.memory.scan(shard, scan)?;
        let Some(rival) = self.rival.lock().unwrap().take_if(|_| !page.is_empty()) else {
            return Ok(page);
        };
        let mut epoch = self.memory.epoch(shard)?;
        if matches!(rival, Rival::Owner) {
            epoch = self.memory.claim(shard, epoch).unwrap();
        }
        let mut writes = Writes::default();
        for (key, _) in page {
            writes.set(key, Some("of a later release".into()));
        }
        self.memory.commit(&Batch { shard, epoch, number: 1, writes }).unwrap();
        self.memory.scan(shard, scan)
    }
    fn base(&self, _: ShardId) -> Option<Box<dyn Base + Send>> {
        None
    }
    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError> {
        self.memory.snapshot(shard)
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// An owner that is fenced and does not know it reads a session's row, and its answers when the next
/// owner has written them: nothing is wrong with the store, and the node watches from there on (U6).
#[tokio::test]
async fn t5_rows_that_cannot_be_read_are_another_owners_if_the_epoch_says_so() {
    for (rival, is_fenced) in [(Rival::Owner, true), (Rival::Fault, false)] {
        let memory = Memory::new();
        let server = Running::start(memory.clone()).await;
        let mut peer = server.open(ID).await;
        peer.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
        server.kill().await;
        let present = Arc::new(Mutex::new(None));
        let server = Running::start(Torn { memory, rival: Arc::clone(&present) }).await;
        *present.lock().unwrap() = Some(rival);
        let mut peer = server.connect().await;
        peer.send(&format!("0 {{'negotiate'1?#1&#{{'resume'16~{ID}~0 0 5}}&}}$")).await;
        let error = within(server.keeper.ended()).await;
        assert_eq!(error.is_fenced(), is_fenced, "{rival:?}: {error}");
        server.handle.stop();
        assert!(server.keeper.close().is_err());
    }
}
