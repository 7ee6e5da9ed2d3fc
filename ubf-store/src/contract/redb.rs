//! The engine in a file: crashes, torn files, full disks, files that are none.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ubf_proto::Random;
use ubf_state::{Epoch, NotCommitted, Order, ShardId};

use super::disk::Disk;
use super::{Engine, all, batch, holds, is_long};
use crate::Redb;
use crate::store::{CommitError, Store};

const SHARD: ShardId = ShardId(1);

/// A folder of this test that is taken away at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ubf-store-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is no fault of what is tested.
        let _is_gone = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn redb_keeps_what_every_store_promises() {
    let folder = Folder::new("contract");
    let file = folder.file();
    let open = move || Box::new(Redb::open(&file).unwrap()) as Box<dyn Store>;
    holds(&Engine { open: Box::new(open), is_concurrent: false });
}

#[test]
fn t10_a_file_is_open_in_one_process_and_says_in_which() {
    let folder = Folder::new("lock");
    let store = Redb::open(folder.file()).unwrap();
    let error = Redb::open(folder.file()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), "the store is open in another process");
    assert_eq!(cause, format!("process {}", std::process::id()));
    drop(store);
    Redb::open(folder.file()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new("mode");
    drop(Redb::open(folder.file()).unwrap());
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_is_none_is_an_error_and_no_panic() {
    let folder = Folder::new("none");
    for (name, bytes) in [("text", b"not a database".repeat(999)), ("zeros", vec![0; 99_999])] {
        let file = folder.0.join(name);
        fs::write(&file, &bytes).unwrap();
        assert!(Redb::open(&file).is_err(), "{name}");
        assert_eq!(fs::read(&file).unwrap().len(), bytes.len(), "it is left as it was");
    }
    assert!(Redb::open(folder.0.join("no/such/folder")).is_err());
}

/// Writes the count `n`, and a row of its own for each, until something fails. Returns the last
/// count that was answered, and why it ended.
fn count_up(store: &mut Redb, epoch: Epoch, from: u64, to: u64) -> (u64, Option<CommitError>) {
    for count in from + 1..=to {
        let (value, row) = (count.to_be_bytes(), [&b"row"[..], &count.to_be_bytes()].concat());
        // Several pages of the file each time.
        let long = vec![7; 5_000];
        let changes = [(&b"n"[..], Some(&value[..])), (&row[..], Some(&long[..]))];
        if let Err(error) = store.commit(&batch(1, epoch.0, &changes)) {
            return (count - 1, Some(error));
        }
    }
    (to, None)
}

/// The count that is stored; its rows are all there, and no others.
fn stored_count(store: &mut Redb) -> u64 {
    let count = store.get(SHARD, b"n").unwrap();
    let count = count.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().unwrap()));
    let rows = store.scan(SHARD, &all(Order::Upwards, 9_999)).unwrap();
    let numbers = rows.iter().filter_map(|(key, _)| key.strip_prefix(b"row"));
    let numbers: Vec<u64> =
        numbers.map(|key| u64::from_be_bytes(key.try_into().unwrap())).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "a batch is whole");
    count
}

fn claim(store: &mut Redb) -> Epoch {
    let seen = store.epoch(SHARD).unwrap();
    store.claim(SHARD, seen).unwrap()
}

/// The machine stops at every step of a commit, and the file is torn at sectors.
#[test]
fn t10_after_a_crash_every_answered_batch_is_there_and_every_batch_is_whole() {
    for seed in 0..if is_long() { 5_000 } else { 150 } {
        let mut random = Random::new(seed);
        let mut disk = Disk::new();
        drop(Redb::over(disk.clone()).unwrap());
        let (mut answered, mut epoch) = (0, Epoch(0));
        for _ in 0..3 {
            let mut store = Redb::over(disk.clone()).unwrap_or_else(|error| {
                panic!("seed {seed}: {error}: {:?}", std::error::Error::source(&error))
            });
            let count = stored_count(&mut store);
            assert!(count == answered || count == answered + 1, "seed {seed}: {count}, {answered}");
            let claimed = claim(&mut store);
            assert!(claimed > epoch, "seed {seed}: an epoch was given twice");
            epoch = claimed;
            disk.stop_in(random.below(60));
            let (last, error) = count_up(&mut store, epoch, count, count + 40);
            let error = error.expect("the machine stops before that");
            assert_eq!(error.outcome(), NotCommitted::Broken, "seed {seed}");
            let (_, again) = count_up(&mut store, epoch, last, last + 1);
            let again = again.map(|error| error.outcome());
            assert_eq!(again, Some(NotCommitted::Broken), "nothing more is committed");
            answered = last;
            drop(store);
            disk = disk.after_crash(&mut random);
        }
    }
}

#[test]
fn a_store_that_does_not_synchronise_is_found() {
    let disk = Disk::new();
    let mut store = Redb::over(disk.clone()).unwrap();
    let epoch = claim(&mut store);
    store.has_no_sync = true;
    disk.stop_in(500);
    let (answered, _) = count_up(&mut store, epoch, 0, 9);
    let after = disk.after_crash(&mut Random::new(1));
    disk.stop_in(0);
    drop(store);
    assert_eq!(answered, 9);
    assert_eq!(stored_count(&mut Redb::over(after).unwrap()), 0, "what was answered is lost");
}

#[test]
fn t4_a_failed_synchronisation_ends_the_store_and_loses_nothing_that_was_answered() {
    for syncs in 0..12 {
        let disk = Disk::new();
        let mut store = Redb::over(disk.clone()).unwrap();
        let epoch = claim(&mut store);
        disk.fail_sync_in(syncs);
        let (answered, error) = count_up(&mut store, epoch, 0, 20);
        let error = error.expect("one synchronisation fails");
        assert_eq!(error.outcome(), NotCommitted::Broken);
        let after = disk.after_crash(&mut Random::new(syncs));
        drop(store);
        let mut store = Redb::over(after).unwrap();
        let count = stored_count(&mut store);
        assert!(count == answered || count == answered + 1, "{syncs}: {count}, {answered}");
    }
}

#[test]
fn a_full_disk_is_told_and_what_was_answered_is_there_when_there_is_room() {
    let disk = Disk::new();
    let mut store = Redb::over(disk.clone()).unwrap();
    let epoch = claim(&mut store);
    disk.set_max_len(disk.len_now() + (64 << 10));
    let (answered, error) = count_up(&mut store, epoch, 0, 9_999);
    let error = error.expect("the disk is full before that");
    assert_eq!(error.outcome(), NotCommitted::Broken);
    drop(store);
    disk.set_max_len(usize::MAX);
    let mut store = Redb::over(disk).unwrap();
    let count = stored_count(&mut store);
    assert!(count == answered || count == answered + 1);
    let epoch = claim(&mut store);
    assert!(count_up(&mut store, epoch, count, count + 9).1.is_none(), "it goes on");
}

/// A file of the first format, as the release that wrote it left it when it was killed: every later
/// release reads it, and goes on in it.
#[test]
fn a_file_of_format_1_is_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1.redb");
    let folder = Folder::new("golden");
    fs::copy(golden, folder.file()).unwrap();
    let mut store = Redb::open(folder.file()).unwrap();
    assert_eq!(store.epoch(SHARD).unwrap(), Epoch(2));
    let rows = store.scan(SHARD, &all(Order::Upwards, 9)).unwrap();
    let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    let rows: Vec<_> = rows.iter().map(|(key, value)| (text(key), text(value))).collect();
    let golden = [("a", "1 {'account'5}$"), ("b", "2 {'account'5 7}$")];
    assert_eq!(rows, golden.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(claim(&mut store), Epoch(3));
    store.commit(&batch(1, 3, &[(b"a", None)])).unwrap();
    assert_eq!(store.scan(SHARD, &all(Order::Upwards, 9)).unwrap().len(), 1);
}

/// Bytes of a file that change by themselves: the file is an error, or its rows are those that
/// were written; nothing panics.
#[test]
fn a_damaged_file_does_not_panic() {
    let disk = Disk::new();
    let mut store = Redb::over(disk.clone()).unwrap();
    let epoch = claim(&mut store);
    count_up(&mut store, epoch, 0, 5);
    drop(store);
    for seed in 0..if is_long() { 2_000 } else { 100 } {
        let mut random = Random::new(seed);
        let damaged = disk.changed(|bytes| {
            if random.below(4) == 0 {
                let len = random.below(bytes.len() as u64) as usize;
                bytes.truncate(len);
            } else {
                let at = random.below(bytes.len() as u64 - 8) as usize;
                bytes[at..at + 8].fill(random.below(256) as u8);
            }
        });
        let (thread, told) = super::threads::start(Lazy(Some(damaged)));
        thread.ask(crate::Ask::Look { shard: SHARD, number: 1 }).unwrap();
        // Either answer is right; that one comes is what is tested.
        let _answer = told.recv().unwrap();
        let _closed = thread.close();
    }
}

/// Opens its file when it is first asked, in the thread of the store.
struct Lazy(Option<Disk>);

impl Store for Lazy {
    fn is_shared(&self) -> bool {
        false
    }
    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, crate::StoreError> {
        let disk = self.0.take().expect("it is asked once");
        let mut store = Redb::over(disk)?;
        store.scan(shard, &all(Order::Upwards, 99))?;
        store.epoch(shard)
    }
    fn claim(&mut self, _: ShardId, _: Epoch) -> Result<Epoch, crate::ClaimError> {
        unreachable!("it is not asked")
    }
    fn commit(&mut self, _: &ubf_state::Batch) -> Result<(), CommitError> {
        unreachable!("it is not asked")
    }
    fn get(&mut self, _: ShardId, _: &[u8]) -> Result<Option<bytes::Bytes>, crate::StoreError> {
        Ok(None)
    }
    fn scan(
        &mut self,
        _: ShardId,
        _: &ubf_state::Scan,
    ) -> Result<ubf_state::Page, crate::StoreError> {
        unreachable!("it is not asked")
    }
    fn snapshot(&mut self, _: ShardId) -> Result<Box<dyn crate::Snapshot>, crate::StoreError> {
        unreachable!("nobody asks for it")
    }
    fn base(&self, _: ShardId) -> Option<Box<dyn ubf_state::Base + Send>> {
        None
    }
    fn close(self: Box<Self>) -> Result<(), crate::StoreError> {
        Ok(())
    }
}

const CHILD: &str = "UBF_STORE_TEST_CHILD";

/// Not a test of its own: what the tests below run in a process of their own. It counts in a file,
/// and prints each count that was answered.
#[test]
fn child_that_counts() {
    let Some(file) = std::env::var_os(CHILD) else { return };
    let mut store = Redb::open(Path::new(&file)).unwrap();
    let epoch = claim(&mut store);
    let count = stored_count(&mut store);
    for count in count..count + 100_000 {
        match count_up(&mut store, epoch, count, count + 1).1 {
            None => eprintln!("answered {}", count + 1),
            Some(error) => {
                eprintln!("failed {:?}", error.outcome());
                return;
            }
        }
    }
}

/// Runs this program again, with that test alone. `before` is done by the shell that starts it.
fn start_child(file: &Path, before: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(format!("{before} exec \"$0\" --exact contract::redb::child_that_counts --nocapture"))
        .arg(program)
        .env(CHILD, file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn t10_a_process_that_is_killed_loses_nothing_that_it_answered() {
    let folder = Folder::new("kill");
    for round in 1..=5 {
        let mut child = start_child(&folder.file(), "");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let answered = lines.map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("answered ").and_then(|count| count.parse::<u64>().ok())
        });
        let mut last = 0;
        for count in answered {
            last = count;
            if count % (7 * round) == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let mut store = Redb::open(folder.file()).unwrap();
        let count = stored_count(&mut store);
        assert!(last > 0 && (count == last || count == last + 1), "{count}, {last} were answered");
    }
}

/// The system refuses to let the file grow, as a full disk does.
#[test]
fn a_file_that_may_not_grow_is_told_and_opens_again() {
    let folder = Folder::new("full");
    drop(Redb::open(folder.file()).unwrap());
    let blocks = fs::metadata(folder.file()).unwrap().len() / 512 + 200;
    // Without the signal ignored the process would be killed instead of being told.
    let child = start_child(&folder.file(), &format!("trap '' XFSZ; ulimit -f {blocks};"));
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let mut answered = text.lines().filter_map(|line| line.strip_prefix("answered "));
    let last: u64 = answered.next_back().expect("some counts fit").parse().unwrap();
    assert!(text.contains("failed Broken"), "{text}");
    let mut store = Redb::open(folder.file()).unwrap();
    let count = stored_count(&mut store);
    assert!(count == last || count == last + 1, "{count}, {last} were answered");
    let epoch = claim(&mut store);
    assert!(count_up(&mut store, epoch, count, count + 9).1.is_none(), "it goes on");
}
