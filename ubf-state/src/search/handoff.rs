//! A hand-off between stores of their own (U5): a network that loses and delays, attempts that are
//! given up and made again, both nodes started again with what they had made durable.
//!
//! The state of the shard is a number that grows with each commit at A. Checked: one owner; B has
//! every write that A has answered; B is named when it is active; there is always a way to an owner
//! that clients find.

use std::collections::{BTreeSet, VecDeque};
use std::format;
use std::hash::Hash;
use std::string::String;

use ubf_proto::Time;

use super::{Must, Steps, World, explore};
use crate::Epoch;
use crate::handoff::{
    CopyHash, Giver, GiverInput, GiverOutput, GiverStage, HandoffRow, Message, Taker, TakerInput,
    TakerOutput, TakerStage,
};
use crate::mutant::{self, Mutant};

/// A durable copy at B: what it belongs to, and the state.
type Copy = (HandoffRow, u8);

#[derive(Clone, PartialEq, Eq, Hash)]
struct A {
    is_up: bool,
    giver: Giver,
    epoch: u64,
    moving: Option<HandoffRow>,
    // Durable:
    data: u8,
    moved: Option<HandoffRow>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct B {
    is_up: bool,
    taker: Taker,
    storing: VecDeque<(TakerOutput, u8)>,
    /// What came with the last copy.
    came: u8,
    // Durable:
    prepared: Option<Copy>,
    owned: Option<u8>,
}

#[derive(Clone)]
struct Handoff {
    a: A,
    b: B,
    /// On the way, in any order; a copy with its state.
    network: BTreeSet<(Way, u8)>,
    tries: u8,
    writes: u8,
    crashes: u8,
    answered: u8,
    is_named: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum To {
    A,
    B,
}

type Way = (To, Order);

/// Messages in some order, for a set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Order(Message);

impl Order {
    fn key(self) -> (u8, crate::handoff::Attempt, u64) {
        match self.0 {
            Message::Copy { attempt, hash } => (0, attempt, hash.0),
            Message::Prepared { attempt, hash } => (1, attempt, hash.0),
            Message::Activate { attempt } => (2, attempt, 0),
            Message::Active { attempt } => (3, attempt, 0),
            Message::Ask { attempt } => (4, attempt, 0),
            Message::Aborted { attempt } => (5, attempt, 0),
        }
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

const NOW: Time = Time::ZERO;

impl Handoff {
    fn new(tries: u8, writes: u8, crashes: u8) -> Self {
        let a = A {
            is_up: true,
            giver: Giver::started(None, NOW),
            epoch: 1,
            moving: None,
            data: 0,
            moved: None,
        };
        let b = B {
            is_up: true,
            taker: Taker::started(None, false, NOW),
            storing: VecDeque::new(),
            came: 0,
            prepared: None,
            owned: None,
        };
        let network = BTreeSet::new();
        let (answered, is_named) = (0, false);
        Self { a, b, network, tries, writes, crashes, answered, is_named }
    }

    fn send(&mut self, to: To, message: Message) {
        let data = if matches!(message, Message::Copy { .. }) { self.a.data } else { 0 };
        self.network.insert(((to, Order(message)), data));
    }

    fn tell_a(&mut self, input: GiverInput, now: Time) {
        self.a.giver.handle(input, now);
        while let Some(output) = self.a.giver.poll_output() {
            match output {
                GiverOutput::Suspend => {
                    let hash = CopyHash(self.a.data.into());
                    self.a.giver.handle(GiverInput::Suspended { hash }, now);
                }
                GiverOutput::Send(message) => self.send(To::B, message),
                GiverOutput::StoreMoved(row) => self.a.moving = Some(row),
                GiverOutput::GoOn => {}
                GiverOutput::NameTaker => self.is_named = true,
            }
        }
    }

    fn tell_b(&mut self, input: TakerInput, now: Time) {
        self.b.taker.handle(input, now);
        while let Some(output) = self.b.taker.poll_output() {
            match output {
                TakerOutput::StorePrepared(_) | TakerOutput::StoreActive(_) => {
                    self.b.storing.push_back((output, self.b.came));
                }
                TakerOutput::Send(message) => self.send(To::A, message),
                TakerOutput::Forget => self.b.prepared = None,
                TakerOutput::Serve => {}
            }
        }
    }

    /// B's disk does what it was told first. `is_told` is false if B ends right then.
    fn store_at_b(&mut self, is_told: bool) {
        let Some((output, came)) = self.b.storing.pop_front() else { return };
        match output {
            TakerOutput::StorePrepared(row) => self.b.prepared = Some((row, came)),
            TakerOutput::StoreActive(_) => {
                self.b.owned = self.b.prepared.take().map(|(_, data)| data);
            }
            TakerOutput::Send(_) | TakerOutput::Forget | TakerOutput::Serve => {}
        }
        if is_told {
            self.tell_b(TakerInput::Stored, NOW);
        }
    }

    fn store_at_a(&mut self, is_told: bool) {
        self.a.moved = self.a.moving.take();
        if is_told {
            self.tell_a(GiverInput::Stored { is_durable: true }, NOW);
        }
    }

    fn crash_a(&mut self) {
        self.crashes -= 1;
        self.a.is_up = false;
        self.a.moving = None;
        self.a.giver = Giver::started(None, NOW);
    }

    fn crash_b(&mut self) {
        self.crashes -= 1;
        self.b.is_up = false;
        self.b.storing.clear();
        self.b.taker = Taker::started(None, false, NOW);
    }

    fn start_a(&mut self) {
        self.a.is_up = true;
        // A claims its own store again. One that has moved is not claimed.
        self.a.epoch += u64::from(self.a.moved.is_none());
        self.a.giver = Giver::started(self.a.moved, NOW);
    }

    fn start_b(&mut self) {
        self.b.is_up = true;
        let prepared = self.b.prepared.map(|(row, _)| row);
        self.b.taker = Taker::started(prepared, self.b.owned.is_some(), NOW);
    }

    fn deliver(&mut self, way: (Way, u8)) {
        self.network.remove(&way);
        let ((to, Order(message)), data) = way;
        match to {
            To::A => self.tell_a(GiverInput::Heard(message), NOW),
            To::B => {
                if matches!(message, Message::Copy { .. }) {
                    self.b.came = data;
                }
                self.tell_b(TakerInput::Heard(message), NOW);
            }
        }
    }

    fn serves_a(&self) -> bool {
        self.a.is_up && self.a.giver.stage() == GiverStage::Serving
    }

    fn serves_b(&self) -> bool {
        self.b.is_up && matches!(self.b.taker.stage(), TakerStage::Active { .. })
    }
}

impl World for Handoff {
    fn form(&self) -> impl Hash {
        // Times say nothing: every timer may ring at any moment.
        let giver = match self.a.giver.stage() {
            GiverStage::Serving => (0, None),
            GiverStage::Suspending { attempt, .. } => {
                (1, Some(HandoffRow { attempt, hash: CopyHash(0) }))
            }
            GiverStage::Offered { row, .. } => (2, Some(row)),
            GiverStage::Moving { row } => (3, Some(row)),
            GiverStage::Moved { row, .. } => (4, Some(row)),
            GiverStage::Given { row } => (5, Some(row)),
        };
        let taker = match self.b.taker.stage() {
            TakerStage::Empty => (0, None),
            TakerStage::Preparing { row } => (1, Some(row)),
            TakerStage::Prepared { row, .. } => (2, Some(row)),
            TakerStage::Activating { row } => (3, Some(row)),
            TakerStage::Active { .. } => (4, None),
        };
        let b = (self.b.is_up, &self.b.storing, self.b.came, &self.b.prepared, self.b.owned);
        let a = (self.a.is_up, self.a.epoch, self.a.moving, self.a.data, self.a.moved);
        let rest = (self.tries, self.writes, self.crashes, self.answered, self.is_named);
        (giver, taker, a, b, &self.network, rest)
    }

    fn steps(&self) -> Steps<Self> {
        let mut steps = Steps::new();
        let mut step = |must, label: String, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            steps.push((must, label, next));
        };
        let (a, b) = (&self.a, &self.b);
        if self.serves_a() && self.writes > 0 {
            step(Must::Happen, "A commits a write, and answers it".into(), &|next| {
                next.writes -= 1;
                next.a.data += 1;
                next.answered += 1;
            });
        }
        if self.serves_a() && self.tries > 0 {
            step(Must::Happen, format!("A suspends, and sends state {}", a.data), &|next| {
                next.tries -= 1;
                let epoch = Epoch(next.a.epoch);
                next.tell_a(GiverInput::Give { epoch, name: 0 }, NOW);
            });
        }
        if let (true, GiverStage::Offered { .. }) = (a.is_up, a.giver.stage()) {
            // Whatever of it has come: what A cannot know, B may know.
            step(Must::NotHappen, "A cannot send".into(), &|next| {
                next.tell_a(GiverInput::CannotSend, NOW);
            });
        }
        if let Some(at) = a.giver.poll_timeout().filter(|_| a.is_up) {
            step(Must::Happen, "A's timer rings".into(), &|next| next.tell_a(GiverInput::Tick, at));
        }
        if let Some(at) = b.taker.poll_timeout().filter(|_| b.is_up) {
            step(Must::Happen, "B's timer rings".into(), &|next| next.tell_b(TakerInput::Tick, at));
        }
        if a.moving.is_some() {
            step(Must::Happen, "moved is durable".into(), &|next| next.store_at_a(true));
        }
        if !b.storing.is_empty() {
            step(Must::Happen, "B's rows are durable".into(), &|next| next.store_at_b(true));
        }
        for &way in &self.network {
            let ((to, Order(message)), _) = way;
            step(Must::NotHappen, format!("{message:?} is lost"), &|next| {
                next.network.remove(&way);
            });
            if if to == To::A { a.is_up } else { b.is_up } {
                step(Must::Happen, format!("{to:?} reads {message:?}"), &|next| next.deliver(way));
            }
        }
        if self.crashes > 0 && a.is_up {
            step(Must::NotHappen, "A crashes".into(), &Self::crash_a);
            if a.moving.is_some() {
                step(Must::NotHappen, "moved is durable, and A crashes".into(), &|next| {
                    next.store_at_a(false);
                    next.crash_a();
                });
            }
        }
        if self.crashes > 0 && b.is_up {
            step(Must::NotHappen, "B crashes".into(), &Self::crash_b);
            if !b.storing.is_empty() {
                step(Must::NotHappen, "B's rows are durable, and B crashes".into(), &|next| {
                    next.store_at_b(false);
                    next.crash_b();
                });
            }
        }
        if !a.is_up {
            step(Must::Happen, "A starts again".into(), &Self::start_a);
        }
        if !b.is_up {
            step(Must::Happen, "B starts again".into(), &Self::start_b);
        }
        steps
    }

    fn wrong(&self) -> Option<String> {
        if self.serves_a() && self.b.owned.is_some() {
            return Some("there are two owners".into());
        }
        if let Some(data) = self.b.owned.filter(|data| *data != self.answered) {
            return Some(format!("B has state {data}, and {} writes were answered", self.answered));
        }
        if self.is_named && self.b.owned.is_none() {
            return Some("B is named to clients before the shard is its own".into());
        }
        None
    }

    /// A node serves that clients find, and the other one does not hold them.
    fn is_well(&self) -> bool {
        let has_copy = self.b.prepared.is_some();
        self.serves_a() && !has_copy || self.serves_b() && self.is_named
    }
}

#[test]
fn u5_a_shard_has_one_owner_whatever_is_lost() {
    explore(Handoff::new(2, 1, 1)).holds("hand-off, two attempts, a write, a crash");
    explore(Handoff::new(2, 0, 2)).holds("hand-off, two attempts, two crashes");
    if super::is_long() {
        explore(Handoff::new(3, 2, 1)).holds("hand-off, three attempts, two writes, a crash");
        explore(Handoff::new(2, 1, 3)).holds("hand-off, two attempts, a write, three crashes");
    }
}

#[test]
fn u5_every_rule_is_needed() {
    for mutant in
        [Mutant::AnyAttempt, Mutant::NeverAsks, Mutant::MovedForgotten, Mutant::NamesEarly]
    {
        let found = mutant::with(mutant, || explore(Handoff::new(2, 1, 1)));
        let Some((why, trace)) = found.wrong else { panic!("{mutant:?} is not found") };
        std::eprintln!("{mutant:?}: {why}, in {} steps of {} states", trace.len(), found.states);
    }
}
