//! An upgrade in place (U2, U4): one passed connection with bytes in the kernel, one store with a
//! lock. Either process may be killed, S may hang, descriptors may be cut off, timers may ring at
//! any moment.
//!
//! Checked: no connection has two readers, and none has no reader; P goes on with connections only
//! if S has read from none, and without them only if S has said that it takes them; there is always
//! a way to somebody who serves.

use std::collections::VecDeque;
use std::format;
use std::hash::Hash;
use std::string::String;

use ubf_proto::Time;

use super::{Must, Steps, World, explore};
use crate::mutant::{self, Mutant};
use crate::takeover::{
    LettingGo, Message, Predecessor, PredecessorInput, PredecessorOutput, PredecessorStage,
    Successor, SuccessorInput, SuccessorOutput, SuccessorStage, TakeoverTimes,
};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Who {
    P,
    S,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Health {
    Well,
    Hung,
    /// Killed, or ended by itself.
    Dead,
    DiedProven,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Sent {
    Message(Message),
    End,
}

/// What the shells were told to do and have not done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Work {
    Suspend,
    Kill,
    OpenP,
    OpenS,
    Check,
}

const GIVEN: u32 = 2;
const NOW: Time = Time::ZERO;

#[derive(Clone)]
struct Takeover {
    p: Predecessor,
    s: Successor,
    p_health: Health,
    s_health: Health,
    to_p: VecDeque<Sent>,
    to_s: VecDeque<Sent>,
    work: VecDeque<Work>,
    /// Whether the store has a lock at all: one in memory has none.
    has_lock: bool,
    lock: Option<Who>,
    /// Packets in the connection that nobody has read.
    unread: u8,
    has_s_read: bool,
    /// S has done what lets it read: a word that comes before it was said by then.
    is_s_open: bool,
    has_s_taken: bool,
    has_p_let_go: bool,
    /// How many descriptors S has.
    came: u32,
    kills: u8,
    hangs: u8,
    cuts: u8,
}

impl Takeover {
    fn new(has_lock: bool, kills: u8, hangs: u8, cuts: u8) -> Self {
        Self {
            has_lock,
            p: Predecessor::new(TakeoverTimes::default()),
            s: Successor::new(LettingGo::AtTaking),
            p_health: Health::Well,
            s_health: Health::Well,
            to_p: VecDeque::new(),
            to_s: VecDeque::new(),
            work: VecDeque::from([Work::Check]),
            lock: Some(Who::P),
            unread: 2,
            has_s_read: false,
            is_s_open: false,
            has_s_taken: false,
            has_p_let_go: false,
            came: 0,
            kills,
            hangs,
            cuts,
        }
    }

    fn tell_p(&mut self, input: PredecessorInput, now: Time) {
        self.p.handle(input, now);
        while let Some(output) = self.p.poll_output() {
            match output {
                PredecessorOutput::Suspend => self.work.push_back(Work::Suspend),
                PredecessorOutput::Send(message) => self.to_s.push_back(Sent::Message(message)),
                PredecessorOutput::Kill => self.work.push_back(Work::Kill),
                PredecessorOutput::Open => {
                    self.work.retain(|work| *work != Work::Suspend);
                    self.work.push_back(Work::OpenP);
                }
                PredecessorOutput::LetGoOfConnections => self.has_p_let_go = true,
                PredecessorOutput::GoOn(_) => {}
                PredecessorOutput::End => self.end_p(),
            }
        }
    }

    fn tell_s(&mut self, input: SuccessorInput, now: Time) {
        self.s.handle(input, now);
    }

    /// What S wants done next, if anything. It does nothing else before.
    fn wanted(&self) -> Option<SuccessorOutput> {
        self.s.clone().poll_output()
    }

    fn s_obeys(&mut self) {
        match self.s.poll_output() {
            Some(SuccessorOutput::Send(message)) => {
                self.has_s_taken |= message == Message::Taking;
                self.to_p.push_back(Sent::Message(message));
            }
            Some(SuccessorOutput::Open) => self.work.push_back(Work::OpenS),
            Some(SuccessorOutput::Serve) => self.is_s_open = true,
            Some(SuccessorOutput::End) => self.end_s(),
            None => {}
        }
    }

    fn end_p(&mut self) {
        self.p_health = Health::Dead;
        self.work.retain(|work| !matches!(work, Work::Suspend | Work::Kill | Work::OpenP));
        self.to_s.push_back(Sent::End);
        self.lock.take_if(|who| *who == Who::P);
    }

    fn end_s(&mut self) {
        let is_proven = self.s.stage() == SuccessorStage::Proven;
        self.s_health = if is_proven { Health::DiedProven } else { Health::Dead };
        self.work.retain(|work| !matches!(work, Work::OpenS | Work::Check));
        self.to_p.push_back(Sent::End);
        self.lock.take_if(|who| *who == Who::S);
    }

    const fn is_p_up(&self) -> bool {
        matches!(self.p_health, Health::Well)
    }

    const fn is_s_alive(&self) -> bool {
        matches!(self.s_health, Health::Well | Health::Hung)
    }

    const fn s_serves(&self) -> bool {
        matches!(self.s.stage(), SuccessorStage::Serving { .. } | SuccessorStage::Proven)
    }

    fn p_reads(&mut self) {
        match self.to_p.pop_front() {
            Some(Sent::Message(message)) => self.tell_p(PredecessorInput::Heard(message), NOW),
            Some(Sent::End) => self.tell_p(PredecessorInput::StreamEnded, NOW),
            None => {}
        }
    }

    fn s_reads(&mut self, is_cut: bool) {
        match self.to_s.pop_front() {
            Some(Sent::Message(message)) => {
                let came = match message {
                    Message::Give { descriptors } => descriptors - u32::from(is_cut),
                    _ => 0,
                };
                self.came = self.came.max(came);
                self.tell_s(SuccessorInput::Heard { message, descriptors: came }, NOW);
            }
            Some(Sent::End) => self.tell_s(SuccessorInput::StreamEnded, NOW),
            None => {}
        }
    }

    fn work(&mut self, work: Work) {
        self.work.retain(|other| *other != work);
        match work {
            Work::Suspend => {
                self.lock = None;
                self.tell_p(PredecessorInput::Suspended { descriptors: GIVEN }, NOW);
            }
            Work::Kill => {
                if self.is_s_alive() {
                    self.end_s();
                }
                self.tell_p(PredecessorInput::Dead, NOW);
            }
            Work::OpenP => {
                self.lock = Some(Who::P);
                self.tell_p(PredecessorInput::Opened, NOW);
            }
            Work::OpenS => {
                self.lock = Some(Who::S);
                self.tell_s(SuccessorInput::Opened, NOW);
            }
            Work::Check => self.tell_s(SuccessorInput::Checked { is_well: true }, NOW),
        }
    }

    fn can(&self, work: Work) -> bool {
        let is_s_well = self.s_health == Health::Well;
        match work {
            Work::Suspend | Work::Kill => self.is_p_up(),
            // P opens what it has not closed; nobody opens what the other one has open.
            Work::OpenP => self.is_p_up() && !(self.has_lock && self.lock == Some(Who::S)),
            Work::OpenS => is_s_well && !(self.has_lock && self.lock.is_some()),
            Work::Check => is_s_well,
        }
    }
}

impl World for Takeover {
    fn form(&self) -> impl Hash {
        let p = match self.p.stage() {
            PredecessorStage::Serving => (0, None),
            PredecessorStage::Suspending { .. } => (1, None),
            PredecessorStage::Given { .. } => (2, None),
            PredecessorStage::Going { .. } => (8, None),
            PredecessorStage::Unheard { is_dead: false } => (9, None),
            PredecessorStage::Unheard { is_dead: true } => (10, None),
            PredecessorStage::Guarding { .. } => (3, None),
            PredecessorStage::Killing { with } => (4, Some(with)),
            PredecessorStage::Opening { with } => (5, Some(with)),
            PredecessorStage::Listening => (6, None),
            PredecessorStage::Ended => (7, None),
        };
        (
            (p, &self.s, self.p_health, self.s_health, &self.to_p, &self.to_s, &self.work),
            (self.lock, self.unread, self.has_s_read, self.came),
            (self.is_s_open, self.has_s_taken, self.has_p_let_go),
            (self.kills, self.hangs, self.cuts),
        )
    }

    fn steps(&self) -> Steps<Self> {
        let mut steps = Steps::new();
        let mut step = |must, label: String, change: &dyn Fn(&mut Self)| {
            let mut next = self.clone();
            change(&mut next);
            steps.push((must, label, next));
        };
        if self.kills > 0 && self.is_p_up() {
            step(Must::NotHappen, "P is killed".into(), &|next| {
                next.kills -= 1;
                next.end_p();
            });
        }
        if self.kills > 0 && self.is_s_alive() {
            step(Must::NotHappen, "S is killed".into(), &|next| {
                next.kills -= 1;
                next.end_s();
            });
        }
        if self.hangs > 0 && self.s_health == Health::Well {
            step(Must::NotHappen, "S hangs".into(), &|next| {
                next.hangs -= 1;
                next.s_health = Health::Hung;
            });
        }
        if self.s_health == Health::Hung {
            step(Must::NotHappen, "S goes on".into(), &|next| next.s_health = Health::Well);
        }
        let wanted = self.wanted();
        let is_s_free = self.s_health == Health::Well && wanted.is_none();
        if let Some(wanted) = wanted.filter(|_| self.s_health == Health::Well) {
            step(Must::Happen, format!("S does {wanted:?}"), &Self::s_obeys);
        }
        for &work in &self.work {
            if self.can(work) {
                step(Must::Happen, format!("{work:?} is done"), &|next| next.work(work));
            }
        }
        if let Some(sent) = self.to_p.front().filter(|_| self.is_p_up()) {
            step(Must::Happen, format!("P reads {sent:?}"), &Self::p_reads);
        }
        if let Some(sent) = self.to_s.front().filter(|_| is_s_free) {
            step(Must::Happen, format!("S reads {sent:?}"), &|next| next.s_reads(false));
            if self.cuts > 0 && matches!(sent, Sent::Message(Message::Give { .. })) {
                step(Must::NotHappen, "S reads a cut message".into(), &|next| {
                    next.cuts -= 1;
                    next.s_reads(true);
                });
            }
        }
        if let Some(at) = self.p.poll_timeout().filter(|_| self.is_p_up()) {
            step(Must::Happen, "P's timer rings".into(), &|next| {
                next.tell_p(PredecessorInput::Tick, at);
            });
        }
        if self.s_health == Health::Well && self.is_s_open && self.unread > 0 {
            step(Must::Happen, "S reads a packet, and executes it".into(), &|next| {
                next.unread -= 1;
                next.has_s_read = true;
            });
        }
        if let Some(at) = self.s.poll_timeout().filter(|_| is_s_free) {
            step(Must::Happen, "S's timer rings".into(), &|next| {
                next.tell_s(SuccessorInput::Tick, at);
            });
        }
        if self.is_p_up() && self.p.stage() == PredecessorStage::Serving && self.unread > 0 {
            step(Must::Happen, "P reads a packet, and executes it".into(), &|next| {
                next.unread -= 1;
            });
        }
        steps
    }

    fn wrong(&self) -> Option<String> {
        let p_goes_on =
            matches!(self.p.stage(), PredecessorStage::Serving | PredecessorStage::Listening);
        if self.is_s_alive() && self.s_serves() && self.is_p_up() && p_goes_on {
            return Some("two processes serve".into());
        }
        if self.is_p_up() && self.p.stage() == PredecessorStage::Serving && self.has_s_read {
            return Some("P goes on with connections of which S has read".into());
        }
        if self.is_p_up() && self.p.stage() == PredecessorStage::Serving && self.has_p_let_go {
            return Some("P goes on with connections that it has let go of".into());
        }
        if self.is_p_up() && self.has_p_let_go && !self.has_s_taken {
            return Some("connections are lost that nobody has taken".into());
        }
        if self.is_s_alive() && self.s_serves() && self.came > 0 && self.came < GIVEN {
            return Some("S serves, and a connection has no reader".into());
        }
        None
    }

    fn is_well(&self) -> bool {
        let p_serves = self.is_p_up()
            && matches!(self.p.stage(), PredecessorStage::Serving | PredecessorStage::Listening);
        let s_serves = self.s_health == Health::Well && self.s_serves();
        let was_p_killed = !self.is_p_up() && self.p.stage() != PredecessorStage::Ended;
        // After both were killed a supervisor starts a new one; a release that has proven itself
        // has no guard any more. A process that hangs, and that nobody guards, may go on.
        let is_for_supervisor = was_p_killed && !self.is_s_alive()
            || !self.is_p_up() && self.s_health == Health::DiedProven
            || !self.is_p_up() && self.s_health == Health::Hung;
        p_serves || s_serves || is_for_supervisor
    }
}

#[test]
fn u2_u4_somebody_serves_whoever_is_killed_or_hangs() {
    for (kills, hangs, cuts) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (2, 1, 0)] {
        for has_lock in [true, false] {
            let store = if has_lock { "a store" } else { "no store" };
            let name = format!("in place, {store}, kills {kills}, hangs {hangs}, cuts {cuts}");
            explore(Takeover::new(has_lock, kills, hangs, cuts)).holds(&name);
        }
    }
}

#[test]
fn u2_u4_every_rule_is_needed() {
    for (mutant, has_lock, kills, hangs, cuts) in [
        // With a store its lock hides the fault: P cannot open what S has.
        (Mutant::ReadyCommits, false, 0, 0, 0),
        (Mutant::NoKill, true, 0, 1, 0),
        (Mutant::EndMeansNothing, true, 1, 0, 0),
        (Mutant::NoGuard, true, 1, 0, 0),
        (Mutant::LetsGoAtGo, true, 1, 0, 0),
        (Mutant::TakesBeforeItsWord, true, 1, 0, 0),
        (Mutant::LastWordsUnheard, true, 0, 0, 0),
        (Mutant::TruncatedIsWhole, true, 0, 0, 1),
    ] {
        let run = || explore(Takeover::new(has_lock, kills, hangs, cuts));
        let found = mutant::with(mutant, run);
        let Some((why, trace)) = found.wrong else { panic!("{mutant:?} is not found") };
        std::eprintln!("{mutant:?}: {why}, in {} steps of {} states", trace.len(), found.states);
    }
}
