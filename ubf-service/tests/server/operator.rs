//! What people want of a service with rows: backups, counts, sessions, a write version.

use std::fs;
use std::path::PathBuf;

use ubf_net::testing::within;
use ubf_service::backup::{self, BackupError};
use ubf_service::server::{Keeper, KeeperConfig, OrderError};
use ubf_state::ShardId;
use ubf_store::Memory;

use crate::support::{Counter, Running};

const ID: &str = "0123456789abcdef";

/// A file that is gone when the test has ended.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("ubf-{}-{name}", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _is_gone = fs::remove_file(&self.0).is_ok();
    }
}

/// A server with a session and two rows of counts.
async fn counted(store: Memory) -> Running {
    let server = Running::start(store).await;
    let mut peer = server.open(ID).await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {1'start'}$").await;
    peer.exchange("1 {'add'\"b\"2}$", "1 ? {2'start'}$").await;
    peer.exchange("1 'watch'$", "1 ? {0'start'}$").await;
    drop(peer);
    server
}

fn restore(store: &Memory, file: &File, name: &str) -> Result<u64, BackupError> {
    let mut store = store.clone();
    backup::restore_file(&mut store, ShardId(1), name, &file.0).map(|size| size.rows)
}

#[tokio::test]
async fn a_backup_has_the_rows_and_no_session() {
    let file = File::new("whole.backup");
    let server = counted(Memory::new()).await;
    let size = within(server.keeper.back_up("counter", file.0.clone())).await.unwrap();
    assert_eq!(size.rows, 4, "three rows and the record");
    // What comes later is not in it.
    let mut peer = server.connect().await;
    peer.exchange("1 {'add'\"a\"5}$", "1 ? {6'start'}$").await;
    let again = within(server.keeper.back_up("counter", file.0.clone())).await;
    assert_eq!(again.unwrap_err().to_string(), "the file is there already");
    drop(peer);
    server.stop().await;

    let store = Memory::new();
    assert_eq!(restore(&store, &file, "counter").unwrap(), 4);
    let server = Running::start(store.clone()).await;
    let (mut peer, resumed) = server.resume(ID, 3, 2).await;
    assert!(resumed.contains("{'no_session''unknown'}"), "{resumed}");
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {2'start'}$").await;
    peer.exchange("1 {'read'\"b\"}$", "1 ? {2'start'}$").await;
    drop(peer);
    server.stop().await;
    let used = restore(&store, &file, "counter").unwrap_err().to_string();
    assert_eq!(used, "the store is in use already: a backup wants a new one");
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_found_before_anything_is_written() {
    let file = File::new("torn.backup");
    let server = counted(Memory::new()).await;
    within(server.keeper.back_up("counter", file.0.clone())).await.unwrap();
    server.stop().await;
    let whole = fs::read(&file.0).unwrap();
    let store = Memory::new();
    // Cut at every byte; the last one is a newline.
    for length in 0..whole.len() - 1 {
        fs::write(&file.0, &whole[..length]).unwrap();
        assert!(restore(&store, &file, "counter").is_err(), "{length} bytes");
    }
    let is_digit = |byte: u8| byte.is_ascii_digit();
    for at in (0..whole.len()).filter(|&at| is_digit(whole[at])) {
        let mut other = whole.clone();
        other[at] = if other[at] == b'9' { b'8' } else { other[at] + 1 };
        fs::write(&file.0, &other).unwrap();
        assert!(restore(&store, &file, "counter").is_err(), "byte {at}");
    }
    fs::write(&file.0, &whole).unwrap();
    let other = restore(&store, &file, "ledger").unwrap_err().to_string();
    assert_eq!(other, "the backup is of \"counter\", and not of ledger");
    assert_eq!(restore(&store, &file, "counter").unwrap(), 4, "nothing was written before");
}

#[tokio::test]
async fn rows_are_counted_and_sessions_listed() {
    let server = counted(Memory::new()).await;
    let counts = within(server.keeper.count_rows()).await.unwrap();
    let counts: Vec<_> =
        counts.iter().map(|count| (count.table.as_str(), count.version, count.rows)).collect();
    assert_eq!(counts, [("counts", 1, 2), ("watchers", 1, 1)]);
    let mut peer = server.open("fedcba9876543210").await;
    peer.exchange("1 {'add'\"a\"1}$", "1 ? {2'start'}$").await;
    let sessions = loop {
        let sessions = within(server.keeper.sessions(0, 9)).await.unwrap();
        // It is parked when the server has seen that its client is gone.
        if sessions[0].is_parked {
            break sessions;
        }
    };
    let [first, second] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!((first.number, second.number, second.is_parked), (1, 2, false));
    assert!(second.kept_bytes > 0 && second.connection > first.connection, "{sessions:?}");
    assert_eq!(within(server.keeper.sessions(1, 9)).await.unwrap().len(), 1);
    drop(peer);
    server.stop().await;
}

#[tokio::test]
async fn t6_what_a_program_does_not_know_is_not_finalized() {
    let server = counted(Memory::new()).await;
    let why = within(server.keeper.finalize(&[])).await.unwrap_err();
    assert!(matches!(why, OrderError::CannotFinalize(_)), "{why}");
    let migration = within(server.keeper.migrate()).await.unwrap();
    assert!(migration.is_done() && migration.rewritten == 0);
    server.stop().await;
}

#[test]
fn a_store_in_which_a_backup_is_not_whole_is_owned_by_nobody() {
    use ubf_state::{Batch, Epoch, ShardRecord, Writes};
    use ubf_store::Store as _;

    let mut store = Memory::new();
    let epoch = store.claim(ShardId(1), Epoch(0)).unwrap();
    let mut writes = Writes::default();
    writes.set(ShardRecord::key(), Some(ShardRecord::restoring()));
    store.commit(&Batch { shard: ShardId(1), epoch, number: 1, writes }).unwrap();
    let started = Keeper::start(Counter::default(), Box::new(store), KeeperConfig::default());
    let mut why = String::new();
    let error = started.map(drop).unwrap_err();
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        why.push_str(&format!("{error}: "));
        cause = error.source();
    }
    assert!(why.contains("a backup was being restored into it, and not to its end"), "{why}");
}
