//! Sessions in a shard (S1 to S5, T3).

use bytes::Bytes;
use ubf_proto::Time;
use ubf_state::shard::{Config, Leaving, NotRun, Ran, To};
use ubf_state::{Kept, MineTable, Row, Space, Stop, Table};

use crate::world::{Account1, OLD, Rows, SESSION, World, grant};

static ACCOUNTS: Table<u64, Account1> = Table::new("accounts");
const TO: To = To::Session(SESSION);

fn opened() -> World {
    let mut world = World::new(OLD);
    world.shard.open_session(&world.rows, SESSION, grant(8)).unwrap();
    world.drain();
    assert!(world.left().is_empty(), "a session that is not stored is not open");
    world.commit();
    assert_eq!(world.left(), [(TO, Leaving::Opened)]);
    world
}

fn call(world: &mut World, cents: i64) -> Result<Ran, NotRun> {
    let run = |tx: &mut ubf_state::Tx<'_>| {
        if cents > 0 {
            tx.put(&ACCOUNTS, &1, &Account1 { cents })?;
        }
        Ok(Bytes::from(cents.to_string()))
    };
    let ran = world.shard.run(&world.rows, TO, Time::ZERO, run, |_| Bytes::from_static(b"no"));
    world.drain();
    ran
}

fn kept(number: u64, body: &'static str) -> Kept {
    Kept { number, body: Bytes::from_static(body.as_bytes()) }
}

/// A process that has been started again over the same rows.
fn restarted(world: World) -> World {
    World::with(Config::new(OLD), world.rows)
}

/// In a session without events.
const fn resumed(received: u64, kept: Vec<Kept>) -> Leaving {
    Leaving::Resumed { received, kept, events_made: 0, events: Vec::new() }
}

#[test]
fn s1_a_session_is_opened_once() {
    let mut world = opened();
    let again = world.shard.open_session(&world.rows, SESSION, grant(8));
    assert_eq!(again, Err(NotRun::SessionExists));
    let mut world = restarted(world);
    let again = world.shard.open_session(&world.rows, SESSION, grant(8));
    assert_eq!(again, Err(NotRun::SessionExists));
    let other = ubf_state::SessionKey::from_bytes([1; 16]);
    assert_eq!(world.shard.resume(&world.rows, other, 0, 0, 2), Err(NotRun::UnknownSession));
}

#[test]
fn s4_after_a_crash_a_resume_brings_the_answers_that_were_committed() {
    let mut world = opened();
    call(&mut world, 5).unwrap();
    call(&mut world, 0).unwrap();
    world.commit();
    call(&mut world, 7).unwrap();
    let mut world = restarted(world);
    world.shard.resume(&world.rows, SESSION, 0, 0, 2).unwrap();
    world.drain();
    assert!(world.left().is_empty(), "`resumed` leaves when its turn is stored");
    world.commit();
    let resumed = resumed(1, vec![kept(1, "5")]);
    assert_eq!(world.left(), [(TO, resumed)]);
    assert_eq!(
        world.shard.resume(&world.rows, SESSION, 0, 0, 2),
        Err(NotRun::Overtaken { turn: 2 })
    );
}

#[test]
fn s4_what_waits_at_the_gate_comes_behind_resumed_and_once() {
    let mut world = opened();
    call(&mut world, 5).unwrap();
    call(&mut world, 6).unwrap();
    world.shard.resume(&world.rows, SESSION, 0, 0, 2).unwrap();
    world.settle();
    let resumed = resumed(2, vec![kept(1, "5"), kept(2, "6")]);
    assert_eq!(world.left(), [(TO, resumed)]);
    call(&mut world, 7).unwrap();
    world.settle();
    let answer = Leaving::Answer { number: 3, body: Bytes::from_static(b"7") };
    assert_eq!(world.left(), [(TO, answer)]);
}

#[test]
fn s3_what_was_seen_is_kept_no_longer_and_an_ended_session_leaves_no_row() {
    let mut world = opened();
    for cents in 1..=3 {
        call(&mut world, cents).unwrap();
        world.settle();
    }
    world.shard.seen(SESSION, 2, 0);
    call(&mut world, 4).unwrap();
    world.settle();
    let rows = |world: &World, space: Space| {
        world.rows.0.range(Bytes::from(space.key())..Bytes::from(space.end())).count()
    };
    assert_eq!(rows(&world, Space::Answers), 2);
    world.call(|_| Ok(())).unwrap();
    let set = world.shard.run(
        &world.rows,
        TO,
        Time::ZERO,
        |tx| {
            assert_eq!(tx.mine::<Account1>()?, None);
            tx.set_mine(&Account1 { cents: 1 })?;
            Ok(Bytes::new())
        },
        |_| Bytes::new(),
    );
    assert_eq!(set, Ok(Ran::Wrote));
    world.settle();
    assert_eq!(rows(&world, Space::Mine), 1);
    world.shard.end_session(&world.rows, SESSION).unwrap();
    world.settle();
    for space in [Space::Sessions, Space::Answers, Space::Mine] {
        assert_eq!(rows(&world, space), 0, "{space:?}");
    }
    assert_eq!(call(&mut world, 1), Err(NotRun::UnknownSession));
    let mine = &MineTable::<Account1>::new() as &dyn ubf_state::AnyTable;
    assert_eq!((mine.name(), Account1::VERSION), ("mine", 1));
}

#[test]
fn s2_a_call_that_is_taken_back_has_its_number_and_its_answer() {
    let mut world = opened();
    let ran = world.shard.run(
        &world.rows,
        TO,
        Time::ZERO,
        |tx| {
            tx.put(&ACCOUNTS, &1, &Account1 { cents: 9 })?;
            Err(Stop::crashed("boom"))
        },
        |_| Bytes::from_static(b"crash"),
    );
    assert!(matches!(ran, Ok(Ran::TakenBack(_))));
    world.drain();
    let answer = Leaving::Answer { number: 1, body: Bytes::from_static(b"crash") };
    assert_eq!(world.left(), [(TO, answer)], "nothing was written, so it waits for no commit");
    assert_eq!(world.shard.session(SESSION).map(ubf_state::Session::received), Some(1));
}

#[test]
fn t2_events_leave_after_the_answer_of_the_call_that_made_them() {
    let mut world = opened();
    let run = |tx: &mut ubf_state::Tx<'_>| {
        tx.emit(SESSION, Bytes::from_static(b"'e'$"))?;
        tx.put(&ACCOUNTS, &1, &Account1 { cents: 1 })?;
        Ok(Bytes::from_static(b"1"))
    };
    world.shard.run(&world.rows, TO, Time::ZERO, run, |_| Bytes::new()).unwrap();
    world.drain();
    assert!(world.left().is_empty());
    world.commit();
    let answer = Leaving::Answer { number: 1, body: Bytes::from_static(b"1") };
    assert_eq!(world.left(), [(TO, answer), (TO, Leaving::Event(Bytes::from_static(b"'e'$")))]);
}

/// A call that sends an event, and writes no row.
fn tell(world: &mut World, event: &'static str) {
    let run = |tx: &mut ubf_state::Tx<'_>| {
        tx.emit(SESSION, Bytes::from_static(event.as_bytes()))?;
        Ok(Bytes::from_static(b"1"))
    };
    world.shard.run(&world.rows, TO, Time::ZERO, run, |_| Bytes::new()).unwrap();
}

/// The numbers of the events that come with the next resume, and how many were made.
fn events_again(world: &mut World, done: u64, events: u64, turn: u64) -> (Vec<u64>, u64) {
    world.shard.resume(&world.rows, SESSION, done, events, turn).unwrap();
    world.settle();
    let left = world.left();
    let [(_, Leaving::Resumed { events, events_made, .. })] = &left[..] else { panic!("{left:?}") };
    (events.iter().map(|event| event.number).collect(), *events_made)
}

#[test]
fn t3_an_event_leaves_when_its_count_is_stored() {
    let mut world = opened();
    tell(&mut world, "1$");
    world.drain();
    assert!(world.left().is_empty());
    world.commit();
    let event = Leaving::Event(Bytes::from_static(b"1$"));
    assert_eq!(world.left()[1..], [(TO, event)]);
}

#[test]
fn s6_events_are_kept_for_whoever_comes_back() {
    let mut world = opened();
    for event in ["1$", "2$", "3$"] {
        tell(&mut world, event);
    }
    // They wait at the gate, and come behind `resumed` alone.
    assert_eq!(events_again(&mut world, 0, 1, 2), (vec![2, 3], 3));
    world.shard.seen(SESSION, 3, 2);
    assert_eq!(events_again(&mut world, 3, 2, 3), (vec![3], 3));
    // A crash leaves their count.
    let mut world = restarted(world);
    assert_eq!(events_again(&mut world, 3, 2, 4), (vec![], 3));
}

#[test]
fn t4_events_survive_a_batch_whose_fate_is_not_known() {
    let mut world = opened();
    tell(&mut world, "1$");
    world.settle();
    world.left();
    tell(&mut world, "2$");
    world.lose();
    assert_eq!(events_again(&mut world, 0, 0, 2), (vec![1], 1), "the second one was never made");
}

#[test]
fn a_session_in_memory_is_let_go_only_when_it_is_stored() {
    let mut world = opened();
    call(&mut world, 0).unwrap();
    world.shard.forget_session(SESSION);
    assert!(world.shard.session(SESSION).is_some(), "its number is not stored");
    call(&mut world, 1).unwrap();
    world.settle();
    world.shard.forget_session(SESSION);
    assert!(world.shard.session(SESSION).is_none());
    call(&mut world, 2).unwrap();
    assert_eq!(world.shard.session(SESSION).map(ubf_state::Session::received), Some(3));
    assert!(Rows::default().0.is_empty());
}
