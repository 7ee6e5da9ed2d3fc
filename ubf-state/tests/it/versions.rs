//! State versions in a shard: `up` and `down` at its edges, finalizing, sweeping (T6 to T8).

use bytes::Bytes;
use ubf_proto::Time;
use ubf_state::shard::{Config, Input, Output};
use ubf_state::{
    CannotFinalize, Index, Loss, Reason, RowError, Space, Sweeper, Swept, Table, WriteVersion,
    version_of,
};

use crate::world::{Account, Account1, BOTH, OLD, World};

static OLD_ACCOUNTS: Table<u64, Account1> = Table::new("accounts");
static BY_LIMIT: Index<u64, Account, i64> =
    Index::new("by limit", 2, |_, account| Some(account.limit));
static ACCOUNTS: Table<u64, Account> = Table::new("accounts").indexed_by(&[&BY_LIMIT]);

/// A shard that an old release has filled, and a new one owns.
fn upgraded(rows: u64) -> World {
    let mut world = World::new(OLD);
    for key in 0..rows {
        let account = Account1 { cents: i64::try_from(key).unwrap() };
        world.call(|tx| tx.put(&OLD_ACCOUNTS, &key, &account)).unwrap();
    }
    World::with(Config::new(BOTH), world.rows)
}

/// How many rows there are of versions 1 and 2.
fn by_version(world: &World) -> (usize, usize) {
    let (from, to) = (Bytes::from(Space::Rows.key()), Bytes::from(Space::Rows.end()));
    let versions: Vec<u32> =
        world.rows.0.range(from..to).map(|(_, value)| version_of(value).unwrap()).collect();
    let count = |wanted| versions.iter().filter(|version| **version == wanted).count();
    (count(1), count(2))
}

/// Sweeps, so many rows a step. Returns how many steps that took.
fn sweep(world: &mut World, rows: usize) -> u32 {
    let mut sweeper = Sweeper::new(world.shard.record().versions.state.write);
    let mut steps = 0;
    loop {
        steps += 1;
        let step = |tx: &mut ubf_state::Tx<'_>| sweeper.step(tx, &[&ACCOUNTS], rows);
        let swept = world.shard.run_own(&world.rows, Time::ZERO, step).unwrap().unwrap();
        world.settle();
        match swept {
            Swept::More(next) => sweeper = next,
            Swept::All(_) => break,
            Swept::Outdated => panic!("nobody changes the write version"),
        }
    }
    world.handle(Input::Swept);
    world.settle();
    steps
}

#[test]
fn t6_before_finalizing_new_code_writes_what_old_code_reads() {
    let mut world = upgraded(2);
    let account = world.call(|tx| tx.get(&ACCOUNTS, &1)).unwrap();
    assert_eq!(account, Some(Account { cents: 1, limit: 0 }));
    world.call(|tx| tx.put(&ACCOUNTS, &1, &Account { cents: 9, limit: 0 })).unwrap();
    assert_eq!(by_version(&world), (2, 0));
    let mut old = World::with(Config::new(OLD), world.rows);
    assert_eq!(old.call(|tx| tx.get(&OLD_ACCOUNTS, &1)), Ok(Some(Account1 { cents: 9 })));
}

#[test]
fn t7_losses_are_counted_and_told() {
    let mut world = upgraded(1);
    world.call(|tx| tx.put(&ACCOUNTS, &0, &Account { cents: 1, limit: 7 })).unwrap();
    assert_eq!(world.shard.statistics().losses, 1);
    let loss = Loss { table: "accounts", field: "limit" };
    assert_eq!((world.shard.take_loss(), world.shard.take_loss()), (Some(loss), None));
}

#[test]
fn t8_after_finalizing_rows_are_transformed_when_touched_and_by_the_sweeper() {
    let mut world = upgraded(10);
    world.handle(Input::Finalize { nodes: vec![BOTH, OLD] });
    let why = CannotFinalize::NotKnown { version: 2, newest: 1 };
    assert_eq!(world.others.pop(), Some(Output::NotFinalized(why)));
    world.handle(Input::Finalize { nodes: vec![BOTH] });
    world.settle();
    assert_eq!(by_version(&world), (10, 0));
    world.call(|tx| tx.put(&ACCOUNTS, &3, &Account { cents: 3, limit: 4 })).unwrap();
    assert_eq!(by_version(&world), (9, 1));
    let early = world.call(|tx| tx.by(&ACCOUNTS, &BY_LIMIT, .., 9));
    assert_eq!(early, Err(Reason::IndexNotReady("by limit")));
    assert_eq!(sweep(&mut world, 3), 4);
    assert_eq!(by_version(&world), (0, 10));
    assert_eq!(world.record().unwrap().versions.state, WriteVersion::only(2));
    let by = world.call(|tx| tx.by(&ACCOUNTS, &BY_LIMIT, .., 20)).unwrap();
    assert_eq!((by.len(), by.last()), (10, Some(&(3, Account { cents: 3, limit: 4 }))));
}

#[test]
fn t6_the_way_back_leaves_what_old_code_reads() {
    let mut world = upgraded(4);
    world.handle(Input::Finalize { nodes: vec![BOTH] });
    sweep(&mut world, 100);
    world.handle(Input::Lower { format: 1, needed: None });
    assert_eq!(sweep(&mut world, 100), 1);
    assert_eq!(by_version(&world), (4, 0));
    let entries = Bytes::from(Space::Indexes.key())..Bytes::from(Space::Indexes.end());
    assert_eq!(world.rows.0.range(entries).count(), 0, "old code would not keep an index");
    let mut old = World::with(Config::new(OLD), world.rows);
    assert_eq!(old.call(|tx| tx.get(&OLD_ACCOUNTS, &3)), Ok(Some(Account1 { cents: 3 })));
}

#[test]
fn t8_a_sweep_ends_when_the_write_version_changes() {
    let mut world = upgraded(4);
    let sweeper = Sweeper::new(1);
    world.handle(Input::Finalize { nodes: vec![BOTH] });
    let step = |tx: &mut ubf_state::Tx<'_>| sweeper.step(tx, &[&ACCOUNTS], 9);
    let swept = world.shard.run_own(&world.rows, Time::ZERO, step);
    assert_eq!(swept, Ok(Ok(Swept::Outdated)));
}

#[test]
fn t7_a_poison_row_is_a_fault_of_the_row_alone() {
    let mut world = upgraded(2);
    let poison = world.rows.0.keys().find(|key| key[0] == Space::Rows.key()[0]).unwrap().clone();
    world.rows.0.insert(poison, Bytes::from_static(b"1 'poison'$"));
    let read = world.call(|tx| tx.get(&ACCOUNTS, &0));
    let Err(Reason::Row { table: "accounts", error: RowError::Packet { version: 1, .. } }) = read
    else {
        panic!("{read:?}")
    };
    assert!(world.call(|tx| tx.get(&ACCOUNTS, &1)).is_ok());
}
