//! Time and timers (T2).

use bytes::Bytes;
use ubf_proto::Time;
use ubf_state::shard::Config;
use ubf_state::{Space, Stop};

use crate::world::{OLD, World};

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn rows(world: &World) -> usize {
    let (from, to) = (Space::Timers.key(), Space::TimerKeys.end());
    world.rows.0.range(Bytes::from(from)..Bytes::from(to)).count()
}

#[test]
fn t2_a_timer_rings_once_and_one_with_the_same_key_replaces_it() {
    let mut world = World::new(OLD);
    world.call(|tx| tx.at(at(500), &1_u64)).unwrap();
    world.call(|tx| tx.at(at(300), &2_u64)).unwrap();
    world.call(|tx| tx.at(at(200), &1_u64)).unwrap();
    assert_eq!(rows(&world), 4);
    let mut world = World::with(Config::new(OLD), world.rows);
    let (when, key) = world.shard.next_timer(&world.rows).unwrap().unwrap();
    assert_eq!((when, &key[..]), (at(200), &1_u64.to_be_bytes()[..]));
    let rung = world.shard.run_timer(&world.rows, at(250), &key, |tx| tx.cancel(&2_u64));
    assert_eq!(rung, Ok(Ok(())));
    world.settle();
    assert_eq!((world.shard.next_timer(&world.rows).unwrap(), rows(&world)), (None, 0));
}

#[test]
fn t2_a_timer_whose_code_crashes_does_not_ring_for_ever() {
    let mut world = World::new(OLD);
    world.call(|tx| tx.at(at(1), &1_u64)).unwrap();
    let key = world.shard.next_timer(&world.rows).unwrap().unwrap().1;
    let rung =
        world.shard.run_timer(&world.rows, at(2), &key, |_| Err(Stop::crashed("boom"))).unwrap();
    assert!(rung.is_err());
    world.settle();
    assert_eq!(rows(&world), 0);
}

#[test]
fn t2_time_never_goes_back_in_a_shard() {
    let mut world = World::new(OLD);
    world.now = 5_000;
    world.call(|tx| tx.at(at(9_000), &1_u64)).unwrap();
    let mut world = World::with(Config::new(OLD), world.rows);
    world.now = 3_000;
    assert_eq!(world.call(|tx| Ok(tx.now())), Ok(at(5_000)), "the next owner's clock is behind");
    world.now = 6_000;
    assert_eq!(world.call(|tx| Ok(tx.now())), Ok(at(6_000)));
}
