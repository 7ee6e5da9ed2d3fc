//! The machine: what becomes of a node, whatever happens and in whatever order.

use std::time::Duration;

use proptest::prelude::*;
use ubf_agent_core::{
    Hash, Input, Kept, Node, Order, Output, Phase, Process, Refusal, Reply, Supervisor, Times,
};

const TIMES: Times = Times {
    start: Duration::from_secs(60),
    switch: Duration::from_secs(60),
    stop: Duration::from_secs(60),
};

fn release(number: u8) -> Hash {
    Hash::of(&[number])
}

/// The machine with a system that starts and ends processes at once.
struct World {
    machine: Supervisor,
    now: Duration,
    pids: u32,
    /// Which live.
    living: Vec<Node>,
    launched: Vec<(Hash, bool)>,
    answers: Vec<Result<Reply, Refusal>>,
    stored: Kept,
}

impl World {
    fn new(kept: Kept) -> Self {
        let machine = Supervisor::new(TIMES, kept, &[], Duration::ZERO);
        let (living, launched, answers) = (Vec::new(), Vec::new(), Vec::new());
        let now = Duration::ZERO;
        let mut world = Self { machine, now, pids: 0, living, launched, answers, stored: kept };
        world.settle();
        world
    }

    fn settle(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Launch { release, takes_over } => {
                    self.launched.push((release, takes_over));
                    self.pids += 1;
                    let process = Process { pid: self.pids, began: 0 };
                    self.living.push(Node { release, process });
                    assert!(self.living.len() <= 2, "no more than a node and its successor");
                    self.machine.handle(Input::Launched(process), self.now);
                }
                Output::Terminate(process) | Output::Kill(process) => self.end(process),
                Output::Keep => self.stored = self.machine.kept(),
                Output::Answer(_, answer) => self.answers.push(answer.map_err(|(why, _)| why)),
            }
        }
    }

    fn end(&mut self, process: Process) {
        self.living.retain(|node| node.process != process);
        let input = Input::Ended(process, "ended".into());
        self.machine.handle(input, self.now);
    }

    fn handle(&mut self, input: Input) {
        self.machine.handle(input, self.now);
        self.settle();
    }

    fn order(&mut self, order: Order) -> Option<Result<Reply, Refusal>> {
        self.handle(Input::Order(1, order));
        self.answers.pop()
    }

    fn ready(&mut self) {
        if let Some(node) = self.living.last() {
            self.handle(Input::Ready(node.process.pid));
        }
    }

    fn kill(&mut self, index: usize) {
        if let Some(node) = self.living.get(index).copied() {
            self.end(node.process);
            self.settle();
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.handle(Input::Tick);
    }

    fn phase(&self) -> Phase {
        self.machine.phase().0
    }
}

/// A node that runs release 34.
fn running() -> World {
    let mut world = World::new(Kept::default());
    assert_eq!(world.order(Order::Start(release(34))), None);
    world.ready();
    assert_eq!(world.answers.pop(), Some(Ok(Reply::Runs(release(34), 1))));
    world
}

#[test]
fn a_node_that_dies_is_started_at_once_and_then_later_and_later() {
    let mut world = running();
    world.wait(Duration::from_secs(100));
    world.kill(0);
    assert_eq!(world.phase(), Phase::Starting, "clients wait in the queue");
    world.kill(0);
    assert_eq!(world.phase(), Phase::Starting, "it had lived for long");
    let mut waited = Vec::new();
    for _ in 0..12 {
        world.kill(0);
        assert_eq!(world.phase(), Phase::Waiting);
        let until = world.machine.poll_timeout().unwrap();
        waited.push((until - world.now).as_millis());
        let left = until - world.now;
        world.wait(left - Duration::from_millis(1));
        assert_eq!(world.phase(), Phase::Waiting);
        world.wait(Duration::from_millis(1));
        assert_eq!(world.phase(), Phase::Starting);
    }
    assert_eq!(waited[..4], [100, 200, 400, 800]);
    assert_eq!(waited[11], 30_000);
}

#[test]
fn two_deaths_within_ten_seconds_bring_the_former_release_back_and_eleven_do_not() {
    for (apart, goes_back) in [(10_000, true), (10_001, false)] {
        let mut world = running();
        assert_eq!(world.order(Order::Switch(release(35))), None);
        world.ready();
        world.kill(0);
        assert_eq!(world.answers.pop(), Some(Ok(Reply::Runs(release(35), 2))));
        world.kill(0);
        world.ready();
        world.wait(Duration::from_millis(apart));
        world.kill(0);
        let current = if goes_back { release(34) } else { release(35) };
        assert_eq!(world.stored.current, Some(current));
        assert_eq!(world.launched.last(), Some(&(current, false)));
        assert_eq!(world.stored.former, (!goes_back).then_some(release(34)));
    }
}

#[test]
fn a_former_release_that_was_dropped_is_not_gone_back_to() {
    let mut world = running();
    world.order(Order::Switch(release(35)));
    world.ready();
    assert!(!world.machine.forget(release(35)), "it runs");
    world.kill(0);
    assert!(world.machine.forget(release(34)));
    for _ in 0..5 {
        world.kill(0);
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(world.stored.current, Some(release(35)));
}

#[test]
fn a_node_that_dies_while_it_gives_its_place_leaves_one_that_serves() {
    let mut world = running();
    assert_eq!(world.order(Order::Switch(release(35))), None);
    world.kill(0);
    assert_eq!(world.answers.pop(), Some(Err(Refusal::NotSwitched)));
    world.ready();
    assert_eq!((world.phase(), world.stored.current), (Phase::Running, Some(release(35))));
    // Both die: the one that is known to serve is started.
    let mut world = running();
    world.order(Order::Switch(release(35)));
    world.kill(0);
    world.kill(0);
    assert_eq!(world.launched.last(), Some(&(release(34), false)));
}

#[test]
fn f1_a_successor_that_was_ready_while_no_agent_lived_serves_when_the_node_before_it_ends() {
    let mut world = running();
    world.order(Order::Switch(release(35)));
    let living = world.living.clone();
    world.machine = Supervisor::new(TIMES, world.stored, &living, world.now);
    world.settle();
    world.kill(0);
    assert_eq!((world.phase(), world.stored.current), (Phase::Running, Some(release(35))));
    // Nobody waits for a word that was said before.
    world.wait(TIMES.start);
    assert_eq!((world.phase(), world.living.len()), (Phase::Running, 1));
    // One that hangs is known by its predecessor, which lives.
    let mut world = running();
    world.order(Order::Switch(release(35)));
    let living = world.living.clone();
    world.machine = Supervisor::new(TIMES, world.stored, &living, world.now);
    world.wait(TIMES.switch);
    assert_eq!((world.phase(), world.stored.current), (Phase::Running, Some(release(34))));
}

#[test]
fn what_takes_too_long_is_killed() {
    let mut world = running();
    world.order(Order::Switch(release(35)));
    world.wait(TIMES.switch);
    assert_eq!(world.answers.pop(), Some(Err(Refusal::NotSwitched)));
    assert_eq!((world.phase(), world.living.len()), (Phase::Running, 1));
    // One that serves, and whose predecessor does not end.
    world.order(Order::Switch(release(36)));
    world.ready();
    world.wait(TIMES.switch);
    assert_eq!(world.answers.pop(), Some(Ok(Reply::Runs(release(36), 3))));
    let mut world = World::new(Kept::default());
    world.order(Order::Start(release(34)));
    world.wait(TIMES.start);
    assert_eq!(world.answers.pop(), Some(Err(Refusal::NotStarted)));
    assert_eq!(world.phase(), Phase::Idle);
}

#[derive(Clone, Debug)]
enum Act {
    Order(Order),
    Ready,
    Kill(usize),
    Wait(u64),
    /// Another agent begins, with what is stored and those that live.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let hash = (33_u8..37).prop_map(release);
    prop_oneof![
        hash.clone().prop_map(|hash| Act::Order(Order::Start(hash))),
        hash.prop_map(|hash| Act::Order(Order::Switch(hash))),
        Just(Act::Order(Order::Stop)),
        Just(Act::Ready),
        (0_usize..2).prop_map(Act::Kill),
        (0_u64..120_000).prop_map(Act::Wait),
        Just(Act::Restart),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_a_wanted_node_comes_back_and_a_stopped_one_does_not(
        acts in prop::collection::vec(act(), 0..60)
    ) {
        let mut world = World::new(Kept::default());
        for act in acts {
            match act {
                Act::Order(order) => drop(world.order(order)),
                Act::Ready => world.ready(),
                Act::Kill(index) => world.kill(index),
                Act::Wait(millis) => world.wait(Duration::from_millis(millis)),
                Act::Restart => {
                    let living = world.living.clone();
                    world.machine = Supervisor::new(TIMES, world.stored, &living, world.now);
                    world.settle();
                }
            }
            prop_assert_eq!(world.stored, world.machine.kept(), "what is decided is stored");
        }
        // Time passes, and whoever is started serves.
        for _ in 0..8 {
            world.ready();
            world.wait(Duration::from_secs(61));
        }
        match world.phase() {
            Phase::Running => {
                prop_assert!(world.stored.is_wanted && world.living.len() == 1);
                prop_assert_eq!(Some(world.living[0].release), world.stored.current);
            }
            Phase::Idle => prop_assert!(!world.stored.is_wanted && world.living.is_empty()),
            other => prop_assert!(false, "{}", other),
        }
    }
}
