//! A service that counts, stores that do what a test wants, and a server over both.

use std::fmt::{Debug, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};
use ubf_codec::{TermRef, Versioned, ubf};
pub(crate) use ubf_net::testing::ScriptedPeer as Peer;
use ubf_net::testing::within;
use ubf_proto::endpoint::SessionLimits;
use ubf_server::{Report, Server, ServerHandle, Service};
use ubf_service::server::{Keeper, KeeperConfig};
use ubf_service::{Caller, Do, Row, SessionKey, StatefulService, Table, Tx, tables};
use ubf_state::{Base, Batch, Epoch, NotCommitted, Page, Scan, ShardId};
use ubf_store::{ClaimError, CommitError, Memory, Store, StoreError};

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count(u64);
impl Row for Count {
    const VERSION: u32 = 1;
    type Before = ();
}
static COUNTS: Table<String, Count> = Table::new("counts");

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Watcher;
impl Row for Watcher {
    const VERSION: u32 = 1;
    type Before = ();
}
/// By the keys of their sessions.
static WATCHERS: Table<[u8; 16], Watcher> = Table::new("watchers");

/// `{'add',Name,Count}` adds, `{'read',Name}` writes nothing, `'crash'` panics, `'tell'` sends an
/// event. `'watch'` is sent the events of `'shout'`. `{'slow',Name}` adds 1 when the gate is open,
/// and panics if the name is `"crash"`.
#[derive(Versioned, Serialize, Deserialize)]
#[version(1..=2, Self)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Add(String, u64),
    Read(String),
    Crash,
    Tell,
    Watch,
    Shout,
    Slow(String),
}

/// What was counted.
#[derive(Versioned, Serialize, Deserialize, PartialEq, Debug)]
#[version(1..=2, Self)]
pub(crate) struct Reply(u64);

#[derive(Default)]
pub(crate) struct Counter {
    /// Lets one slow request through.
    pub(crate) gate: Notify,
}

impl StatefulService for Counter {
    type Request = Request;
    type Reply = Reply;
    type Timer = ();
    const STATE: (u32, u32) = (1, 1);
    tables!(COUNTS, WATCHERS);

    async fn prepare(&self, request: Request) -> Request {
        let Request::Slow(name) = request else { return request };
        self.gate.notified().await;
        assert!(name != "crash", "as it is asked to");
        Request::Add(name, 1)
    }

    /// `{'add',Name,Count}` adds; `'crash'` panics.
    fn event(&self, caller: &Caller<'_>, event: TermRef<'_>, tx: &mut Tx<'_>) -> Do<()> {
        match Request::from_term(caller.version, event) {
            Ok(event) => self.apply(caller, event, tx).map(drop),
            Err(_) => Ok(()),
        }
    }

    fn apply(&self, caller: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        match request {
            Request::Add(name, more) => {
                let count = tx.get(&COUNTS, &name)?.map_or(0, |count| count.0) + more;
                tx.put(&COUNTS, &name, &Count(count))?;
                if more == 0 {
                    return tx.refuse("nothing to add");
                }
                Ok(Reply(count))
            }
            Request::Read(name) => Ok(Reply(tx.get(&COUNTS, &name)?.map_or(0, |count| count.0))),
            Request::Tell => {
                if let Some(session) = caller.session {
                    tx.emit(session, Bytes::from_static(b"1 {'event_out'7}$"))?;
                }
                Ok(Reply(0))
            }
            Request::Watch => {
                let key = caller.session.map_or([0; 16], SessionKey::to_bytes);
                tx.put(&WATCHERS, &key, &Watcher)?;
                Ok(Reply(0))
            }
            Request::Shout => {
                let watchers = tx.range(&WATCHERS, .., 10)?;
                for (key, _) in &watchers {
                    let shouted = ubf_service::event(caller.version, ubf!(shouted));
                    tx.emit(SessionKey::from_bytes(*key), shouted)?;
                }
                Ok(Reply(watchers.len() as u64))
            }
            Request::Slow(_) => tx.refuse("it is not prepared"),
            Request::Crash => panic!("as it is asked to"),
        }
    }
}

/// A server over a store.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    pub(crate) keeper: Arc<Keeper<Counter>>,
    task: JoinHandle<Report>,
}

impl Running {
    pub(crate) async fn start(store: impl Store + 'static) -> Self {
        Self::start_at("127.0.0.1:0", store, SessionLimits::default()).await
    }

    pub(crate) async fn start_at(
        address: &str,
        store: impl Store + 'static,
        limits: SessionLimits,
    ) -> Self {
        let mut config = KeeperConfig::default();
        config.sessions = limits;
        Self::start_with(address, store, config).await
    }

    pub(crate) async fn start_with(
        address: &str,
        store: impl Store + 'static,
        config: KeeperConfig,
    ) -> Self {
        let start = move || Keeper::start(Counter::default(), Box::new(store), config).unwrap();
        let keeper = within(tokio::task::spawn_blocking(start)).await.unwrap();
        let owner = Arc::clone(&keeper);
        let builder = Server::builder().listen(address).owned_service(Service::DEFAULT, owner);
        let server = builder.bind().await.unwrap();
        let (address, handle) = (server.addresses()[0], server.handle());
        Self { address, handle, keeper, task: tokio::spawn(server.run()) }
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::connect(self.address).await
    }

    /// Opens a session; its window is 8.
    pub(crate) async fn open(&self, id: &str) -> Peer {
        let mut peer = self.connect().await;
        let option = format!("{{'session'16~{id}~8 1000 60000}}");
        peer.send(&format!("0 {{'negotiate'1?#1&#{option}&}}$")).await;
        let agreed = peer.packet().await;
        assert!(agreed.contains("{'session'8 1000 16777216 60000'durable'}"), "{agreed}");
        peer
    }

    /// Goes on with one; what was answered to that.
    pub(crate) async fn resume(&self, id: &str, done: u64, turn: u64) -> (Peer, String) {
        self.resume_with(id, done, 0, turn).await
    }

    pub(crate) async fn resume_with(
        &self,
        id: &str,
        done: u64,
        events: u64,
        turn: u64,
    ) -> (Peer, String) {
        let mut peer = self.connect().await;
        let option = format!("{{'resume'16~{id}~{done} {events} {turn}}}");
        peer.send(&format!("0 {{'negotiate'1?#1&#{option}&}}$")).await;
        let answer = peer.packet().await;
        (peer, answer)
    }

    /// Ends as a process that is killed: no connection hears a word, and nothing more is stored.
    pub(crate) async fn kill(self) {
        self.handle.stop();
        assert!(within(self.task).await.unwrap().fault.is_none());
    }

    /// Ends in peace.
    pub(crate) async fn stop(self) {
        self.handle.shut_down(Duration::from_secs(5));
        let report = within(self.task).await.unwrap();
        let keeper = self.keeper;
        within(tokio::task::spawn_blocking(move || keeper.close())).await.unwrap().unwrap();
        assert!(report.is_clean());
    }
}

/// What becomes of a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Commit,
    /// It is written, and nobody is told.
    CommitUntold,
    /// It is not written, and nobody is told.
    LoseUntold,
    /// The disk has failed.
    Break,
}

/// A store that commits when a test says so.
pub(crate) struct Held {
    memory: Memory,
    asked: Sender<usize>,
    fates: Receiver<Fate>,
}

/// The test's end of it.
pub(crate) struct Holder {
    asked: Receiver<usize>,
    fates: Sender<Fate>,
}

impl Held {
    pub(crate) fn over(memory: Memory) -> (Self, Holder) {
        let ((asked, listens), (says, fates)) = (channel(), channel());
        (Self { memory, asked, fates }, Holder { asked: listens, fates: says })
    }
}

impl Holder {
    /// Waits until a commit is asked for. The rows that it writes.
    pub(crate) async fn asked(self) -> (Self, usize) {
        let wait = move || {
            let rows = self.asked.recv_timeout(ubf_net::testing::PATIENCE).unwrap();
            (self, rows)
        };
        tokio::task::spawn_blocking(wait).await.unwrap()
    }

    /// Decides a commit, now or later.
    pub(crate) fn say(&self, fate: Fate) {
        self.fates.send(fate).unwrap();
    }
}

impl Store for Held {
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
        // A test that has ended wants nothing.
        self.asked.send(batch.writes.len()).ok();
        let told = || StoreError::plain("as a test wants it");
        match self.fates.recv().unwrap_or(Fate::Commit) {
            Fate::Commit => self.memory.commit(batch),
            Fate::CommitUntold => {
                self.memory.commit(batch)?;
                Err(CommitError::new(NotCommitted::Unknown, told()))
            }
            Fate::LoseUntold => Err(CommitError::new(NotCommitted::Unknown, told())),
            Fate::Break => Err(CommitError::new(NotCommitted::Broken, told())),
        }
    }
    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.memory.get(shard, key)
    }
    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        self.memory.scan(shard, scan)
    }
    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn ubf_store::Snapshot>, StoreError> {
        self.memory.snapshot(shard)
    }
    fn base(&self, shard: ShardId) -> Option<Box<dyn Base + Send>> {
        self.memory.base(shard)
    }
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What all tests of this process have logged as errors: each says a fault of this program.
static ERRORS: Mutex<String> = Mutex::new(String::new());

/// A listener to them.
pub(crate) struct Errors;

impl Errors {
    pub(crate) fn listen() -> Self {
        // Another test may have begun to.
        let _is_first = tracing::subscriber::set_global_default(Self).is_ok();
        Self
    }

    pub(crate) fn have_not(&self, what: &str) {
        let errors = ERRORS.lock().unwrap();
        assert!(!errors.contains(what), "{errors}");
    }
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(&mut ERRORS.lock().unwrap()));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0, "{field}: {value:?}").unwrap();
    }
}
