//! Events that a client has not seen go from one owner to the next (U5, S6).

use bytes::Bytes;
use proptest::prelude::*;
use ubf_proto::Time;
use ubf_state::shard::{Config, Input, Leaving, Life, To};
use ubf_state::{KeptEvent, SessionKey, UnseenEvents};

use crate::world::{OLD, SESSION, World, grant};

const TO: To = To::Session(SESSION);
/// What the event of each call here takes.
const COST: usize = 66;

fn opened() -> World {
    let mut world = World::new(OLD);
    world.shard.open_session(&world.rows, SESSION, grant(1_000)).unwrap();
    world.settle();
    world
}

fn tell(world: &mut World) {
    let run = |tx: &mut ubf_state::Tx<'_>| {
        tx.emit(SESSION, Bytes::from_static(b"1$"))?;
        Ok(Bytes::from_static(b"1"))
    };
    world.shard.run(&world.rows, TO, Time::ZERO, run, |_| Bytes::new()).unwrap();
    world.settle();
}

fn suspended(world: &mut World, max_bytes: usize) -> Vec<UnseenEvents> {
    world.handle(Input::Suspend);
    world.settle();
    assert!(matches!(world.shard.life(), Life::Suspended { .. }));
    world.shard.unseen_events(max_bytes)
}

fn next_owner(world: World, unseen: Vec<UnseenEvents>) -> World {
    World::taking(Config::new(OLD), world.rows, unseen)
}

/// The numbers of the events that come with a resume, and how many were made.
fn resumed(world: &mut World, events: u64, turn: u64) -> (Vec<u64>, u64) {
    world.left();
    world.shard.resume(&world.rows, SESSION, 0, events, turn).unwrap();
    world.settle();
    let left = world.left();
    let [(_, Leaving::Resumed { events, events_made, .. })] = &left[..] else { panic!("{left:?}") };
    (events.iter().map(|event| event.number).collect(), *events_made)
}

#[test]
fn u5_events_that_a_client_has_not_seen_go_along() {
    let mut world = opened();
    (0..3).for_each(|_| tell(&mut world));
    let unseen = suspended(&mut world, usize::MAX);
    let mut world = next_owner(world, unseen);
    assert_eq!(resumed(&mut world, 1, 2), (vec![2, 3], 3));
    // They go on from there, also to a third owner, which nobody came back to.
    tell(&mut world);
    let unseen = suspended(&mut world, usize::MAX);
    let mut world = next_owner(world, unseen);
    let unseen = suspended(&mut world, usize::MAX);
    let mut world = next_owner(world, unseen);
    assert_eq!(resumed(&mut world, 2, 3), (vec![3, 4], 4));
}

#[test]
fn u5_no_more_events_go_along_than_may() {
    let mut world = opened();
    (0..3).for_each(|_| tell(&mut world));
    for (max_bytes, goes) in [(3 * COST, 3), (3 * COST - 1, 2), (COST, 1), (COST - 1, 0), (0, 0)] {
        let unseen = suspended(&mut world, max_bytes);
        let bytes: usize = unseen.iter().map(UnseenEvents::bytes).sum();
        assert_eq!(bytes, goes * COST);
        assert!(unseen.iter().all(|of| of.events.last().unwrap().number == 3), "the last ones");
        world.handle(Input::GoOn);
    }
    let unseen = suspended(&mut world, usize::MAX);
    // The next owner keeps no more for one session than it would of its own.
    let mut config = Config::new(OLD);
    config.max_kept_event_bytes = 2 * COST;
    let mut world = World::taking(config, world.rows, unseen);
    assert_eq!(resumed(&mut world, 0, 2), (vec![2, 3], 3));
}

#[test]
fn u5_events_are_of_use_only_if_they_are_those_that_the_store_has_counted() {
    let event = |number| KeptEvent { number, after: 0, body: Bytes::from_static(b"1$") };
    let of = |numbers: &[u64]| {
        let events = numbers.iter().map(|&number| event(number)).collect();
        vec![UnseenEvents::new(SESSION, events)]
    };
    for (unseen, kept) in [
        (of(&[1, 2]), vec![1, 2]),
        (of(&[2]), vec![2]),
        (of(&[1]), vec![]),
        (of(&[1, 2, 3]), vec![1, 2]),
        (of(&[0, 1, 2]), vec![1, 2]),
        (of(&[2, 1]), vec![]),
        (of(&[1, 1, 2]), vec![1, 2]),
        (of(&[]), vec![]),
        (vec![UnseenEvents::new(SessionKey::from_bytes([1; 16]), vec![event(2)])], vec![]),
    ] {
        let mut world = opened();
        (0..2).for_each(|_| tell(&mut world));
        let mut world = next_owner(world, unseen.clone());
        assert_eq!(resumed(&mut world, 0, 2), (kept, 2), "{unseen:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Tell,
    Seen,
    Resume,
    /// The rows go to another owner.
    HandOff,
    /// They were to, and do not.
    Abort,
    /// What an attempt has told that was given up comes with the next owner.
    Late,
    Crash,
}

proptest! {
    /// Whatever happens to a shard, its client is told each event that some owner in a row could
    /// know, and how many it has lost.
    #[test]
    fn u5_a_client_loses_the_events_of_crashes_alone(steps in proptest::collection::vec(
        prop_oneof![
            3 => Just(Step::Tell),
            1 => Just(Step::Seen),
            2 => Just(Step::Resume),
            2 => Just(Step::HandOff),
            1 => Just(Step::Abort),
            1 => Just(Step::Late),
            1 => Just(Step::Crash),
        ],
        1..40,
    )) {
        let mut world = opened();
        // Events are counted from 1: `kept` is the first one that is not lost.
        let (mut made, mut kept, mut seen, mut turn) = (0_u64, 1_u64, 0_u64, 1_u64);
        let mut late: (Vec<UnseenEvents>, u64, u64) = (Vec::new(), u64::MAX, 0);
        for step in steps {
            match step {
                Step::Tell => {
                    tell(&mut world);
                    made += 1;
                }
                Step::Seen => {
                    // A client has what has come on its connection.
                    seen = made;
                    world.shard.seen(SESSION, 0, seen);
                }
                Step::Resume => {
                    turn += 1;
                    let first = kept.max(seen + 1);
                    let expected: Vec<u64> = (first..=made).collect();
                    prop_assert_eq!(resumed(&mut world, seen, turn), (expected, made));
                }
                Step::HandOff => {
                    let unseen = suspended(&mut world, usize::MAX);
                    world = next_owner(world, unseen);
                }
                Step::Abort => {
                    late = (suspended(&mut world, usize::MAX), made, kept.max(seen + 1));
                    world.handle(Input::GoOn);
                }
                Step::Late => {
                    let (unseen, at, first) = std::mem::replace(&mut late, (Vec::new(), u64::MAX, 0));
                    world.settle();
                    world = next_owner(world, unseen);
                    kept = if at == made { first } else { made + 1 };
                }
                Step::Crash => {
                    world.settle();
                    world = next_owner(world, Vec::new());
                    kept = made + 1;
                }
            }
        }
    }
}
