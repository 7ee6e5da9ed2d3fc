//! What every store promises, tested for each engine by the same functions; and what the engines
//! promise alone.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unreachable,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "clippy's settings for tests reach `#[test]` functions alone, not what they call"
)]

#[cfg(feature = "redb")]
mod disk;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "redb")]
mod sessions;
mod threads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ubf_proto::Random;
use ubf_state::shard::{Config, Input, Output, To};
use ubf_state::{
    Batch, Epoch, Known, NotCommitted, Order, Page, Row, Scan, Shard, ShardId, ShardRecord, Table,
    Time, Writes,
};

use crate::store::{ClaimError, Store};

/// An engine under test.
pub(crate) struct Engine {
    /// Opens the same rows again. The one before is closed, unless the engine is concurrent.
    pub(crate) open: Box<dyn Fn() -> Box<dyn Store> + Send + Sync>,
    /// Whether two owners can have it open at once.
    pub(crate) is_concurrent: bool,
}

/// Everything that is promised of every store.
pub(crate) fn holds(engine: &Engine) {
    batches_are_whole_and_rows_in_order(engine);
    claims_count_and_fence(engine);
    shards_do_not_see_each_other(engine);
    large_rows_come_back_whole(engine);
    many_rows_are_read_page_by_page(engine);
    what_was_committed_is_there_after_closing(engine);
    a_snapshot_is_of_one_moment(engine);
    if engine.is_concurrent {
        nothing_is_committed_after_a_claim(engine);
    }
}

pub(crate) fn is_long() -> bool {
    std::env::var_os("UBF_LONG").is_some()
}

pub(crate) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

pub(crate) fn batch(shard: u32, epoch: u64, changes: &[Change<'_>]) -> Batch {
    let mut writes = Writes::default();
    for (key, value) in changes {
        writes.set(Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
    }
    Batch { shard: ShardId(shard), epoch: Epoch(epoch), number: 1, writes }
}

/// Every row of a shard, at most so many.
pub(crate) fn all(order: Order, limit: usize) -> Scan {
    Scan { from: Bytes::new(), to: Bytes::from_static(&[0xFF]), limit, order }
}

fn batches_are_whole_and_rows_in_order(engine: &Engine) {
    let (shard, mut random) = (ShardId(11), Random::new(11));
    let mut store = (engine.open)();
    store.claim(shard, Epoch(0)).unwrap();
    let mut model = BTreeMap::<Bytes, Bytes>::new();
    for round in 0_u8..40 {
        let mut writes = Writes::default();
        for _ in 0..random.below(9) {
            // Keys with 0 and 255 in them, of which some begin others.
            let length = random.below(3) as usize;
            let key: Bytes =
                (0..=length).map(|_| [0, 1, 0x7F, 0xFE][random.below(4) as usize]).collect();
            let value =
                (random.below(3) > 0).then(|| Bytes::from(vec![round; random.below(9) as usize]));
            match &value {
                Some(value) => model.insert(key.clone(), value.clone()),
                None => model.remove(&key),
            };
            writes.set(key, value);
        }
        store.commit(&Batch { shard, epoch: Epoch(1), number: 1, writes }).unwrap();
        let rows: Page = model.clone().into_iter().collect();
        assert_eq!(store.scan(shard, &all(Order::Upwards, 99)).unwrap(), rows);
        let limit = 1 + random.below(4) as usize;
        let last: Page = model.clone().into_iter().rev().take(limit).collect();
        assert_eq!(store.scan(shard, &all(Order::Downwards, limit)).unwrap(), last);
        if let (Some((from, value)), Some((to, _))) = (rows.first(), rows.last()) {
            let scan = Scan { from: from.clone(), to: to.clone(), ..all(Order::Upwards, 99) };
            assert_eq!(
                store.scan(shard, &scan).unwrap(),
                rows[..rows.len() - 1],
                "`to` is without"
            );
            assert_eq!(store.get(shard, from).unwrap().as_ref(), Some(value));
        }
        if let Some(base) = store.base(shard) {
            assert_eq!(base.scan(&all(Order::Upwards, 99)), Ok(rows));
        }
    }
    let backwards = Scan {
        from: Bytes::from_static(b"b"),
        to: Bytes::from_static(b"a"),
        ..all(Order::Upwards, 9)
    };
    assert_eq!(store.scan(shard, &backwards).unwrap(), []);
    store.close().unwrap();
}

fn claims_count_and_fence(engine: &Engine) {
    let shard = ShardId(12);
    let mut store = (engine.open)();
    assert_eq!(store.epoch(shard).unwrap(), Epoch(0));
    let unclaimed = store.commit(&batch(12, 0, &[(b"a", Some(b"1"))])).unwrap_err();
    assert_eq!(unclaimed.outcome(), NotCommitted::Fenced { epoch: Epoch(0) });
    assert_eq!(store.claim(shard, Epoch(0)).unwrap(), Epoch(1));
    for seen in [0, 2] {
        let taken = store.claim(shard, Epoch(seen)).unwrap_err();
        assert!(matches!(taken, ClaimError::Taken { epoch: Epoch(1) }), "{taken:?}");
    }
    store.commit(&batch(12, 1, &[(b"a", Some(b"1"))])).unwrap();
    assert_eq!(store.claim(shard, Epoch(1)).unwrap(), Epoch(2));
    for epoch in [1, 3] {
        let late =
            store.commit(&batch(12, epoch, &[(b"a", Some(b"2")), (b"b", None)])).unwrap_err();
        assert_eq!(late.outcome(), NotCommitted::Fenced { epoch: Epoch(2) });
    }
    assert_eq!(store.get(shard, b"a").unwrap().as_deref(), Some(&b"1"[..]), "nothing was written");
    store.commit(&batch(12, 2, &[])).unwrap();
    store.close().unwrap();
}

fn a_snapshot_is_of_one_moment(engine: &Engine) {
    let mut store = (engine.open)();
    for shard in [18, 19] {
        store.claim(ShardId(shard), Epoch(0)).unwrap();
        let changes: [Change<'_>; 2] = [(b"a", Some(b"1")), (b"b", Some(b"1"))];
        store.commit(&batch(shard, 1, &changes)).unwrap();
    }
    let mut snapshot = store.snapshot(ShardId(18)).unwrap();
    store.commit(&batch(18, 1, &[(b"a", None), (b"b", Some(b"2")), (b"c", Some(b"2"))])).unwrap();
    // It is read elsewhere, while the store commits.
    let seen = std::thread::spawn(move || {
        let first = snapshot.scan(&all(Order::Upwards, 1)).unwrap();
        let back = snapshot.scan(&all(Order::Downwards, 9)).unwrap();
        (first, back)
    });
    let row = |key: &'static [u8]| (Bytes::from_static(key), Bytes::from_static(b"1"));
    assert_eq!(seen.join().unwrap(), (vec![row(b"a")], vec![row(b"b"), row(b"a")]));
    let mut now = store.snapshot(ShardId(18)).unwrap();
    assert_eq!(now.scan(&all(Order::Upwards, 9)).unwrap().len(), 2);
    drop(now);
    store.close().unwrap();
}

fn shards_do_not_see_each_other(engine: &Engine) {
    let mut store = (engine.open)();
    for shard in [255, 256] {
        store.claim(ShardId(shard), Epoch(0)).unwrap();
        let value = shard.to_string();
        store.commit(&batch(shard, 1, &[(&[0, 0], Some(value.as_bytes()))])).unwrap();
    }
    for shard in [255, 256] {
        let rows = store.scan(ShardId(shard), &all(Order::Upwards, 9)).unwrap();
        assert_eq!(rows, [(Bytes::from_static(&[0, 0]), Bytes::from(shard.to_string()))]);
    }
    store.close().unwrap();
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "text")]
struct Text(String);
impl Row for Text {
    const VERSION: u32 = 1;
    type Before = ();
}
static TEXTS: Table<u32, Text> = Table::new("texts");

/// Runs one call on a shard that is claimed for it, and commits it.
fn call<T>(
    store: &mut dyn Store,
    shard: ShardId,
    run: impl FnOnce(&mut ubf_state::Tx<'_>) -> ubf_state::Do<T>,
) -> T {
    let seen = store.epoch(shard).unwrap();
    let epoch = store.claim(shard, seen).unwrap();
    let mut owner =
        Shard::new(shard, Arc::new(Config::new(Known { oldest: 1, newest: 1, format: 1 })), 1);
    let read = |store: &mut dyn Store| {
        let value = store.get(shard, &ShardRecord::key()).unwrap();
        value.map(|value| ShardRecord::from_value(&value).unwrap())
    };
    let record = read(store);
    owner.handle(Input::Claim { seen, record });
    owner.poll_output();
    owner.handle(Input::Claimed { epoch, record });
    let mut cache = ubf_state::Cache::default();
    cache.loaded_range(
        &all(Order::Upwards, 9_999),
        store.scan(shard, &all(Order::Upwards, 9_999)).unwrap(),
    );
    let mut result = None;
    let body = |tx: &mut ubf_state::Tx<'_>| {
        result = Some(run(tx)?);
        Ok(Bytes::new())
    };
    owner.run(&cache, To::Connection(1), Time::ZERO, body, |why| panic!("{why:?}")).unwrap();
    while let Some(output) = owner.poll_output() {
        if let Output::Commit(batch) = output {
            store.commit(&batch).unwrap();
            owner.handle(Input::Committed { number: batch.number });
        }
    }
    result.unwrap()
}

fn large_rows_come_back_whole(engine: &Engine) {
    let shard = ShardId(13);
    let text = Text("x".repeat((16 << 20) - 64));
    let mut store = (engine.open)();
    call(&mut *store, shard, |tx| tx.put(&TEXTS, &1, &text));
    store.close().unwrap();
    let mut store = (engine.open)();
    let read = call(&mut *store, shard, |tx| tx.get(&TEXTS, &1)).unwrap();
    assert!(read == text, "{} bytes came back", read.0.len());
    call(&mut *store, shard, |tx| tx.delete(&TEXTS, &1));
    let left = store.scan(shard, &all(Order::Upwards, 99)).unwrap();
    assert_eq!(left.len(), 1, "the record of the shard alone is left");
    store.close().unwrap();
}

fn many_rows_are_read_page_by_page(engine: &Engine) {
    let shard = ShardId(14);
    let (batches, rows_of_batch) = if is_long() { (250, 4_000_u32) } else { (10, 1_000) };
    let mut store = (engine.open)();
    store.claim(shard, Epoch(0)).unwrap();
    for number in 0..batches {
        let mut writes = Writes::default();
        for row in 0..rows_of_batch {
            // Spread over the keys, so that pages of the file are not filled in order.
            let number = (row * batches + number).reverse_bits();
            let key = [&[0x20][..], &number.to_be_bytes()].concat();
            writes.set(key.into(), Some(Bytes::from_static(&[7; 100])));
        }
        store.commit(&Batch { shard, epoch: Epoch(1), number: 1, writes }).unwrap();
    }
    let (mut count, mut scan) = (0, all(Order::Upwards, 1_000));
    loop {
        let page = store.scan(shard, &scan).unwrap();
        assert!(page.is_sorted_by(|(one, _), (two, _)| one < two));
        count += page.len() as u32;
        let Some((last, _)) = page.last().filter(|_| page.len() == scan.limit) else { break };
        scan.from = [&last[..], &[0]].concat().into();
    }
    assert_eq!(count, batches * rows_of_batch);
    store.close().unwrap();
}

fn what_was_committed_is_there_after_closing(engine: &Engine) {
    let shard = ShardId(15);
    let mut store = (engine.open)();
    store.claim(shard, Epoch(0)).unwrap();
    store.commit(&batch(15, 1, &[(b"a", Some(b"1")), (b"b", Some(b""))])).unwrap();
    store.close().unwrap();
    let mut store = (engine.open)();
    assert_eq!(store.epoch(shard).unwrap(), Epoch(1));
    assert_eq!(store.get(shard, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.get(shard, b"b").unwrap().as_deref(), Some(&b""[..]), "empty is not absent");
    assert_eq!(store.get(shard, b"c").unwrap(), None);
    store.close().unwrap();
}

/// An owner commits as fast as it can; another one claims in the middle. What the second one reads
/// after its claim is what stays.
pub(crate) fn nothing_is_committed_after_a_claim(engine: &Engine) {
    let shard = ShardId(16);
    let mut second = (engine.open)();
    for round in 0..if is_long() { 300 } else { 20_u64 } {
        let seen = second.epoch(shard).unwrap();
        let epoch = second.claim(shard, seen).unwrap();
        let mut first = (engine.open)();
        let (tell, told) = channel();
        let owner = std::thread::spawn(move || {
            let mut answered = 0_u64;
            for count in 1..=500_u64 {
                let value = count.to_be_bytes();
                if first.commit(&batch(16, epoch.0, &[(b"n", Some(&value))])).is_err() {
                    break;
                }
                answered = count;
                if tell.send(count).is_err() {
                    break;
                }
            }
            first.close().unwrap();
            answered
        });
        for _ in 0..=round % 7 {
            told.recv().unwrap();
        }
        second.claim(shard, epoch).unwrap();
        let read = |store: &mut dyn Store| store.get(shard, b"n").unwrap().unwrap();
        let after_claim = read(&mut *second);
        let answered = owner.join().unwrap();
        assert_eq!(read(&mut *second), after_claim, "a fenced-off owner has committed");
        assert_eq!(answered.to_be_bytes()[..], after_claim[..], "what was answered is there");
    }
    second.close().unwrap();
}
