//! What a transaction reads and writes (T1, T2).

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use ubf_state::shard::Config;
use ubf_state::{Index, MAX_STORED_BYTES, Reason, Row, RowError, Space, Stop, Table, TxLimits};

use crate::world::{OLD, Rows, SESSION, World};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    due: u32,
    body: String,
    is_taken: bool,
}

impl Row for Job {
    const VERSION: u32 = 1;
    type Before = ();
}

static FREE: Index<u64, Job, u32> =
    Index::new("free", 1, |_, job| (!job.is_taken).then_some(job.due));
static JOBS: Table<u64, Job> = Table::new("jobs").indexed_by(&[&FREE]);
static OTHERS: Table<u64, Job> = Table::new("jobs2");

fn job(due: u32) -> Job {
    Job { due, body: String::new(), is_taken: false }
}

#[test]
fn t2_a_call_sees_its_own_writes_and_those_of_the_calls_before() {
    let mut world = World::new(OLD);
    let seen = world.call(|tx| {
        tx.put(&JOBS, &2, &job(5))?;
        tx.put(&OTHERS, &1, &job(9))?;
        Ok((tx.get(&JOBS, &2)?, tx.get(&JOBS, &1)?, tx.range(&JOBS, .., 9)?.len()))
    });
    assert_eq!(seen, Ok((Some(job(5)), None, 1)));
    let seen = world.call(|tx| {
        tx.put(&JOBS, &1, &job(7))?;
        let deleted = tx.delete(&JOBS, &2)?;
        Ok((deleted, tx.delete(&JOBS, &2)?, tx.last(&JOBS, ..)?))
    });
    assert_eq!(seen, Ok((Some(job(5)), None, Some((1, job(7))))));
}

#[test]
fn t2_what_a_refused_call_wrote_is_taken_back() {
    let mut world = World::new(OLD);
    let refused = world.call(|tx| {
        tx.put(&JOBS, &1, &job(1))?;
        tx.refuse::<()>("no cover")
    });
    assert_eq!(refused, Err(Reason::Refused("no cover".into())));
    assert_eq!(world.call(|tx| tx.get(&JOBS, &1)), Ok(None));
}

#[test]
fn t2_an_index_is_kept_in_the_same_transaction() {
    let mut world = World::new(OLD);
    world
        .call(|tx| {
            (1..=3).try_for_each(|key| tx.put(&JOBS, &key, &job(10 - u32::try_from(key).unwrap())))
        })
        .unwrap();
    let free = |world: &mut World| {
        let by = world.call(|tx| tx.by(&JOBS, &FREE, ..=8, 9)).unwrap();
        by.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(free(&mut world), [3, 2]);
    world.call(|tx| tx.put(&JOBS, &3, &Job { is_taken: true, ..job(7) })).unwrap();
    world.call(|tx| tx.put(&JOBS, &1, &job(1))).unwrap();
    assert_eq!(free(&mut world), [1, 2]);
    world.call(|tx| tx.delete(&JOBS, &2)).unwrap();
    assert_eq!(free(&mut world), [1]);
    let entries = world.rows.0.range(Bytes::from(Space::Indexes.key())..);
    let entries = entries.take_while(|(key, _)| key[..] < Space::Indexes.end()[..]);
    assert_eq!(entries.count(), 1, "no entry is left behind");
}

#[test]
fn t1_a_large_row_is_stored_in_chunks_and_leaves_none_behind() {
    let mut world = World::new(OLD);
    let large = Job { body: "x".repeat(3 * MAX_STORED_BYTES), ..job(1) };
    world.call(|tx| tx.put(&JOBS, &1, &large)).unwrap();
    let chunks = |world: &World| {
        let from = Bytes::from(Space::Chunks.key());
        world.rows.0.range(from..Bytes::from(Space::Chunks.end())).count()
    };
    assert_eq!(chunks(&world), 4);
    assert!(world.rows.0.values().all(|value| value.len() <= MAX_STORED_BYTES));
    assert_eq!(world.call(|tx| tx.get(&JOBS, &1)), Ok(Some(large)));
    world.call(|tx| tx.put(&JOBS, &1, &job(1))).unwrap();
    assert_eq!(chunks(&world), 0);
}

#[test]
fn t1_a_row_whose_chunk_is_gone_is_told() {
    let mut world = World::new(OLD);
    let large = Job { body: "x".repeat(2 * MAX_STORED_BYTES), ..job(1) };
    world.call(|tx| tx.put(&JOBS, &1, &large)).unwrap();
    let from = Bytes::from(Space::Chunks.key());
    let chunk = world.rows.0.range(from..).next().unwrap().0.clone();
    world.rows.0.remove(&chunk);
    let read = world.call(|tx| tx.get(&JOBS, &1));
    let error = RowError::Malformed { what: "its chunks are not all there" };
    assert_eq!(read, Err(Reason::Row { table: "jobs", error }));
}

/// At each limit a call goes through, and one past it is taken back.
#[test]
fn l1_a_call_is_limited() {
    let mut config = Config::new(OLD);
    config.tx = TxLimits { max_rows_read: 4, max_rows_written: 4, ..TxLimits::default() };
    let mut world = World::with(config, Rows::default());
    let put = |world: &mut World, keys: std::ops::Range<u64>| {
        world.call(|tx| keys.clone().try_for_each(|key| tx.put(&OTHERS, &key, &job(0))))
    };
    // Each write looks whether what it replaces has chunks.
    assert_eq!(put(&mut world, 0..4), Ok(()));
    assert_eq!(put(&mut world, 0..5), Err(Reason::Limit("max_rows_read")));
    assert_eq!(world.call(|tx| Ok(tx.range(&OTHERS, .., 9)?.len())), Ok(4));
    put(&mut world, 4..5).unwrap();
    assert_eq!(world.call(|tx| tx.range(&OTHERS, .., 9)), Err(Reason::Limit("max_rows_read")));
    assert_eq!(world.call(|tx| Ok(tx.range(&OTHERS, .., 4)?.len())), Ok(4));

    let mut config = Config::new(OLD);
    config.tx = TxLimits { max_rows_written: 4, ..TxLimits::default() };
    let mut world = World::with(config, Rows::default());
    assert_eq!(put(&mut world, 0..4), Ok(()));
    assert_eq!(put(&mut world, 0..5), Err(Reason::Limit("max_rows_written")));
    config = Config::new(OLD);
    let bytes = world.rows.0.iter().find(|(key, _)| key.starts_with(&Space::Rows.key())).unwrap();
    let max_bytes_written = 2 * (bytes.0.len() + bytes.1.len());
    config.tx = TxLimits { max_bytes_written, max_events: 1, ..TxLimits::default() };
    let mut world = World::with(config, Rows::default());
    assert_eq!(put(&mut world, 0..2), Ok(()));
    assert_eq!(put(&mut world, 0..3), Err(Reason::Limit("max_bytes_written")));
    let emit = |world: &mut World, count| {
        world.call(|tx| (0..count).try_for_each(|_| tx.emit(SESSION, Bytes::new())))
    };
    assert_eq!(
        (emit(&mut world, 1), emit(&mut world, 2)),
        (Ok(()), Err(Reason::Limit("max_events")))
    );
    let long = world.call(|tx| tx.get(&Table::<Vec<u8>, Job>::new("t"), &vec![1; 1_023]));
    assert_eq!(long, Err(Reason::Limit("MAX_KEY_BYTES")), "2 bytes end a text");
}

#[test]
fn t7_a_crash_of_the_code_is_told_from_one_in_a_step() {
    let mut world = World::new(OLD);
    let crashed = world.call(|tx| {
        tx.put(&JOBS, &1, &job(1))?;
        Err::<(), _>(Stop::crashed("boom"))
    });
    assert_eq!(crashed, Err(Reason::Crashed("boom".into())));
    assert_eq!(world.call(|tx| tx.get(&JOBS, &1)), Ok(None));
}

#[derive(Clone, Debug)]
enum Do {
    Put(u64, u32),
    Delete(u64),
    Range(u64, u64, usize),
    Back(u64, u64, usize),
    Commit,
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let key = 0_u64..8;
    let range = || (0_u64..9, 0_u64..9, 1_usize..5);
    let step = prop_oneof![
        3 => (key.clone(), any::<u32>()).prop_map(|(key, due)| Do::Put(key, due)),
        2 => key.prop_map(Do::Delete),
        2 => range().prop_map(|(from, to, limit)| Do::Range(from, to, limit)),
        2 => range().prop_map(|(from, to, limit)| Do::Back(from, to, limit)),
        1 => Just(Do::Commit),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    /// Over committed rows, a batch on its way, an open batch and own writes, a transaction reads
    /// what a plain map holds.
    #[test]
    fn t2_rows_are_those_of_a_plain_map(calls in proptest::collection::vec(steps(), 1..6)) {
        let mut world = World::new(OLD);
        let mut model = BTreeMap::<u64, u32>::new();
        for steps in calls {
            let mut must_commit = false;
            let mut run = |tx: &mut ubf_state::Tx<'_>| {
                for step in &steps {
                    match *step {
                        Do::Put(key, due) => {
                            tx.put(&JOBS, &key, &job(due))?;
                            model.insert(key, due);
                        }
                        Do::Delete(key) => {
                            let deleted = tx.delete(&JOBS, &key)?.map(|job| job.due);
                            assert_eq!(deleted, model.remove(&key));
                        }
                        Do::Range(from, to, limit) if from <= to => {
                            let rows = tx.range(&JOBS, from..to, limit)?;
                            let rows: Vec<_> = rows.into_iter().map(|(k, job)| (k, job.due)).collect();
                            let model = model.range(from..to).take(limit);
                            assert_eq!(rows, model.map(|(k, due)| (*k, *due)).collect::<Vec<_>>());
                        }
                        Do::Back(from, to, limit) if from <= to => {
                            let rows = tx.range_back(&JOBS, from..=to, limit)?;
                            let rows: Vec<_> = rows.into_iter().map(|(k, job)| (k, job.due)).collect();
                            let model = model.range(from..=to).rev().take(limit);
                            assert_eq!(rows, model.map(|(k, due)| (*k, *due)).collect::<Vec<_>>());
                        }
                        Do::Range(from, to, limit) | Do::Back(from, to, limit) => {
                            assert_eq!(tx.range(&JOBS, from..to, limit)?, []);
                        }
                        Do::Commit => must_commit = true,
                    }
                }
                let by = tx.by(&JOBS, &FREE, .., 99)?;
                let mut sorted: Vec<_> = model.iter().map(|(key, due)| (*due, *key)).collect();
                sorted.sort_unstable();
                assert_eq!(by.into_iter().map(|(key, job)| (job.due, key)).collect::<Vec<_>>(), sorted);
                Ok(Bytes::new())
            };
            let now = ubf_proto::Time::ZERO;
            world.shard.run(&world.rows, crate::world::ONE, now, &mut run, |_| Bytes::new()).unwrap();
            world.drain();
            if must_commit && world.flying.is_some() {
                world.commit();
            }
        }
    }
}
