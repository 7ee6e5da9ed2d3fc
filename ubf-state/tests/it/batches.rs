//! Batches and the gate (T3 to T5).

use bytes::Bytes;
use ubf_proto::Time;
use ubf_state::shard::{Config, End, Input, Leaving, LetGo, Life, NotRun, Output, Ran, To};
use ubf_state::{CannotOwn, Epoch, NotCommitted, Row as _, Shard, Table};

use crate::world::{Account1, BOTH, OLD, ONE, Rows, World};

static ACCOUNTS: Table<u64, Account1> = Table::new("accounts");

/// Adds to an account and answers the sum.
fn add(world: &mut World, to: To, key: u64, cents: i64) -> Result<Ran, NotRun> {
    let run = |tx: &mut ubf_state::Tx<'_>| {
        let before = tx.get(&ACCOUNTS, &key)?.map_or(0, |account| account.cents);
        let cents = before + cents;
        if cents != before {
            tx.put(&ACCOUNTS, &key, &Account1 { cents })?;
        }
        Ok(Bytes::from(cents.to_string()))
    };
    let ran = world.shard.run(&world.rows, to, Time::ZERO, run, |why| format!("{why:?}").into());
    world.drain();
    ran
}

fn bodies(world: &mut World) -> Vec<String> {
    let text = |(_, what)| match what {
        Leaving::Answer { body, .. } => String::from_utf8(body.to_vec()).unwrap(),
        Leaving::Mark(mark) => format!("mark {mark}"),
        other => format!("{other:?}"),
    };
    world.left().into_iter().map(text).collect()
}

#[test]
fn t3_one_commit_is_in_flight_while_the_next_batch_runs_on_top_of_it() {
    let mut world = World::new(OLD);
    add(&mut world, ONE, 1, 5).unwrap();
    add(&mut world, To::Connection(2), 1, 5).unwrap();
    assert_eq!(add(&mut world, ONE, 1, 5), Ok(Ran::Wrote));
    assert_eq!(bodies(&mut world), <[&str; 0]>::default(), "nothing leaves before its commit");
    let first = world.commit();
    assert_eq!((first.number, bodies(&mut world)), (1, vec!["5".into()]));
    let second = world.commit();
    assert_eq!((second.number, bodies(&mut world)), (2, vec!["10".into(), "15".into()]));
    let key = ubf_state::Space::Rows.key();
    let rows: Vec<_> =
        second.writes.iter().filter(|(stored, _)| stored.starts_with(&key)).collect();
    assert_eq!(rows.len(), 1, "calls of one batch are one write of a row");
}

#[test]
fn t3_a_call_that_wrote_nothing_costs_no_commit_and_waits_for_those_before() {
    let mut world = World::new(OLD);
    assert_eq!(add(&mut world, ONE, 1, 0), Ok(Ran::Read));
    assert_eq!((bodies(&mut world), world.flying.is_none()), (vec!["0".into()], true));
    add(&mut world, ONE, 1, 5).unwrap();
    add(&mut world, ONE, 1, 0).unwrap();
    world.shard.hold(ONE, 7);
    world.drain();
    assert_eq!(bodies(&mut world), <[&str; 0]>::default());
    world.commit();
    assert_eq!(bodies(&mut world), ["5", "5", "mark 7"]);
    assert!(world.flying.is_none());
}

#[test]
fn t3_in_a_shared_store_a_read_waits_for_a_look_made_after_it() {
    let mut config = Config::new(OLD);
    config.is_shared = true;
    let mut world = World::with(config, Rows::default());
    add(&mut world, ONE, 1, 0).unwrap();
    assert_eq!(world.others.pop(), Some(Output::Look { number: 1 }));
    add(&mut world, ONE, 1, 0).unwrap();
    world.handle(Input::Looked { number: 1, epoch: Epoch(1) });
    assert_eq!(bodies(&mut world), ["0"], "the second one ran after the look had begun");
    assert_eq!(world.others.pop(), Some(Output::Look { number: 2 }));
    world.handle(Input::LookFailed);
    assert_eq!(world.others.pop(), Some(Output::Look { number: 3 }));
    world.handle(Input::Looked { number: 2, epoch: Epoch(1) });
    assert_eq!(bodies(&mut world), <[&str; 0]>::default(), "that look is over");
    world.handle(Input::Looked { number: 3, epoch: Epoch(2) });
    assert_eq!(bodies(&mut world), <[&str; 0]>::default());
    assert_eq!(world.others.pop(), Some(Output::Ended(End::Fenced(Epoch(2)))));
    assert_eq!(add(&mut world, ONE, 1, 0), Err(NotRun::NotOwner));
}

#[test]
fn t3_if_a_commit_fails_it_and_what_ran_on_top_are_let_go() {
    for why in [NotCommitted::Refused, NotCommitted::Unknown] {
        let mut world = World::new(OLD);
        add(&mut world, ONE, 1, 5).unwrap();
        add(&mut world, ONE, 1, 5).unwrap();
        world.flying = None;
        world.handle(Input::NotCommitted { number: 1, why });
        let claim = Output::Claim { shard: ubf_state::ShardId(1), seen: Epoch(1) };
        let outputs = std::mem::take(&mut world.others);
        assert!(outputs.ends_with(&[Output::LetGo(LetGo::NotCommitted(why)), claim]));
        assert_eq!(add(&mut world, ONE, 1, 0), Err(NotRun::NotNow));
        world.handle(Input::Claimed { epoch: Epoch(2), record: None });
        world.handle(Input::Committed { number: 1 });
        assert_eq!(bodies(&mut world), <[&str; 0]>::default(), "a late outcome is none");
        add(&mut world, ONE, 1, 1).unwrap();
        assert_eq!(world.commit().epoch, Epoch(2));
        assert_eq!(bodies(&mut world), ["1"]);
    }
}

#[test]
fn t4_a_broken_store_ends_the_owner() {
    let mut world = World::new(OLD);
    add(&mut world, ONE, 1, 5).unwrap();
    world.handle(Input::NotCommitted { number: 1, why: NotCommitted::Broken });
    assert_eq!(world.others.pop(), Some(Output::Ended(End::Broken)));
    assert_eq!(world.shard.life(), Life::Apart);
}

#[test]
fn t3_a_batch_is_bounded() {
    let mut config = Config::new(OLD);
    config.max_batch_calls = 2;
    let mut world = World::with(config, Rows::default());
    add(&mut world, ONE, 1, 1).unwrap();
    add(&mut world, ONE, 1, 1).unwrap();
    add(&mut world, ONE, 1, 1).unwrap();
    assert_eq!(add(&mut world, ONE, 1, 1), Err(NotRun::Full));
    world.commit();
    assert_eq!(add(&mut world, ONE, 1, 1), Ok(Ran::Wrote));

    let mut config = Config::new(OLD);
    (config.max_batch_bytes, config.max_held) = (1, 3);
    let mut world = World::with(config, Rows::default());
    for _ in 0..2 {
        // One is on its way, and the other one waits for it.
        add(&mut world, ONE, 1, 1).unwrap();
    }
    assert_eq!(add(&mut world, ONE, 1, 1), Err(NotRun::Full), "a batch has its last call whole");
    world.settle();
    world.left();
    let mut config = Config::new(OLD);
    config.max_held = 3;
    let mut world = World::with(config, Rows::default());
    for _ in 0..3 {
        add(&mut world, ONE, 1, 1).unwrap();
    }
    assert_eq!(add(&mut world, ONE, 1, 1), Err(NotRun::Full), "so many answers wait");
    world.settle();
    assert_eq!(add(&mut world, ONE, 1, 1), Ok(Ran::Wrote));
}

#[test]
fn u2_a_suspended_shard_has_nothing_on_its_way() {
    let mut world = World::new(OLD);
    add(&mut world, ONE, 1, 5).unwrap();
    add(&mut world, ONE, 1, 5).unwrap();
    world.handle(Input::Suspend);
    assert_eq!(add(&mut world, ONE, 1, 5), Err(NotRun::NotNow));
    world.commit();
    assert!(!world.others.contains(&Output::Suspended));
    world.commit();
    assert_eq!(world.others.pop(), Some(Output::Suspended));
    assert_eq!(bodies(&mut world), ["5", "10"]);
    world.handle(Input::GoOn);
    assert_eq!(add(&mut world, ONE, 1, 0), Ok(Ran::Read));
}

#[test]
fn t6_who_does_not_know_the_rows_does_not_claim() {
    let mut world = World::new(BOTH);
    world.handle(Input::Finalize { nodes: vec![BOTH] });
    world.settle();
    let record = world.record();
    let config = std::sync::Arc::new(Config::new(OLD));
    let mut old = Shard::new(ubf_state::ShardId(1), config, 7);
    old.handle(Input::Claim { seen: Epoch(1), record });
    let why = CannotOwn::State { version: 2, known: (1, 1) };
    assert_eq!(old.poll_output(), Some(Output::Ended(End::CannotOwn(why))));
    old.handle(Input::Claim { seen: Epoch(1), record: None });
    old.poll_output();
    old.handle(Input::Claimed { epoch: Epoch(2), record });
    assert_eq!(old.poll_output(), Some(Output::Ended(End::CannotOwn(why))), "and looks again");
    assert_eq!(Account1::VERSION, 1);
}
