//! What must come out, computed with plain sets.

use std::collections::{BTreeMap, BTreeSet};

use ubf_proto::Origin;
use ubf_proto::client::{CallError, Done};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// An event: the server has it, and may begin its handler later (S3).
    Taken,
    /// It certainly did not run.
    NotRun,
    /// Nobody knows.
    MayHaveRun,
}

#[derive(Debug, Default)]
struct Fate {
    is_idempotent: bool,
    executions: u32,
    end: Option<End>,
}

/// All calls of all clients.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    calls: BTreeMap<(usize, u64), Fate>,
    /// By client: the last call that ended well, and when it was executed.
    last_done: BTreeMap<usize, (u64, u64)>,
    executions: u64,
}

impl Ledger {
    pub(crate) fn begin(&mut self, client: usize, call: u64, is_idempotent: bool) {
        let fate = Fate { is_idempotent, ..Fate::default() };
        assert!(self.calls.insert((client, call), fate).is_none());
    }

    /// A server executes a call: the number of this execution.
    pub(crate) fn execute(&mut self, client: usize, call: u64) -> u64 {
        let fate = self.calls.get_mut(&(client, call)).expect("a call that somebody made");
        fate.executions += 1;
        assert!(
            fate.executions == 1 || fate.is_idempotent,
            "call {call} of client {client} was executed twice"
        );
        assert_ne!(
            fate.end,
            Some(End::NotRun),
            "call {call} of client {client} was said not to have run"
        );
        self.executions += 1;
        self.executions
    }

    pub(crate) fn end(&mut self, client: usize, call: u64, end: End) {
        let fate = self.calls.get_mut(&(client, call)).expect("a call that somebody made");
        assert_eq!(fate.end.replace(end), None, "call {call} of client {client} ended twice");
        match end {
            End::Done => assert!(
                fate.executions > 0,
                "call {call} of client {client} was answered and not executed"
            ),
            End::NotRun => assert_eq!(fate.executions, 0, "call {call} of client {client} has run"),
            End::Taken | End::MayHaveRun => {}
        }
    }

    /// The order of one client's calls: of replies, and of executions.
    pub(crate) fn reply(&mut self, client: usize, call: u64, execution: u64) {
        let (last_call, last_execution) =
            self.last_done.insert(client, (call, execution)).unwrap_or_default();
        assert!(
            call > last_call,
            "client {client}: the reply to {call} came after that to {last_call}"
        );
        assert!(
            execution > last_execution,
            "client {client}: {call} was executed before {last_call}"
        );
    }

    /// Events that a server has taken and nobody has executed.
    pub(crate) fn forgotten(&self) -> Vec<(usize, u64)> {
        let is_it = |fate: &Fate| fate.end == Some(End::Taken) && fate.executions == 0;
        self.calls.iter().filter(|(_, fate)| is_it(fate)).map(|(&key, _)| key).collect()
    }

    pub(crate) fn open(&self) -> Vec<(usize, u64)> {
        self.calls.iter().filter(|(_, fate)| fate.end.is_none()).map(|(&key, _)| key).collect()
    }
}

/// The versions of one side, and those it does not use now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    pub(crate) versions: BTreeSet<u32>,
    pub(crate) floor: u32,
    /// Until when each is not used.
    pub(crate) held: BTreeMap<u32, u64>,
    /// The same for single peers of a server.
    pub(crate) held_for: BTreeMap<(Origin, u32), u64>,
    pub(crate) withdrawn: BTreeSet<u32>,
}

impl Side {
    pub(crate) fn willing(&self, now: u64) -> BTreeSet<u32> {
        let is_held = |version: &u32| self.held.get(version).is_some_and(|&until| now < until);
        let all = self.acceptable().into_iter();
        all.filter(|version| !self.withdrawn.contains(version) && !is_held(version)).collect()
    }

    /// What a server is willing to speak with this peer.
    pub(crate) fn willing_to(&self, peer: Origin, now: u64) -> BTreeSet<u32> {
        let held = |version: &u32| self.held_for.get(&(peer, *version));
        let is_held = |version: &u32| held(version).is_some_and(|&until| now < until);
        self.willing(now).into_iter().filter(|version| !is_held(version)).collect()
    }

    pub(crate) fn acceptable(&self) -> BTreeSet<u32> {
        self.versions.iter().copied().filter(|&version| version >= self.floor).collect()
    }

    /// N2, N7, N9: whether a client may send this list.
    pub(crate) fn check_list(&self, list: &BTreeSet<u32>, now: u64) {
        let grease = list.iter().filter(|&&version| version > 2_147_483_647 - 1024).count();
        assert_eq!(grease, 1, "N9: {list:?}");
        let list: BTreeSet<u32> =
            list.iter().copied().filter(|&version| version <= 2_147_483_647 - 1024).collect();
        let willing = self.willing(now);
        assert!(willing.is_subset(&list), "N2: {willing:?} are willing, {list:?} are asked for");
        let forced: Vec<u32> = list.difference(&willing).copied().collect();
        assert!(
            forced.len() <= 1 && forced.iter().all(|version| self.acceptable().contains(version)),
            "N7: {forced:?}"
        );
    }
}

/// R5: the moves of one client since a call of it was executed last.
#[derive(Debug)]
pub(crate) struct Chase {
    max_hops: u32,
    hops: u32,
    last_move: u64,
    /// A call may have been executed without a word to the caller.
    is_doubtful: bool,
}

impl Chase {
    /// A chase is over when so much time has passed since its last move.
    const STABLE_MS: u64 = 60_000;

    pub(crate) const fn new(max_hops: u32) -> Self {
        Self { max_hops, hops: 0, last_move: 0, is_doubtful: false }
    }

    pub(crate) fn call_ended(&mut self, outcome: &Result<Done, CallError>) {
        match outcome {
            // What nobody can read is a reply all the same: the call was executed.
            Ok(Done::Reply { .. })
            | Err(CallError::Failed { .. } | CallError::Unreadable { .. }) => self.hops = 0,
            // Its reply may yet come, and nobody is told.
            Err(CallError::Deadline { .. } | CallError::Cancelled { .. }) => {
                self.is_doubtful = true;
            }
            _ => {}
        }
    }

    pub(crate) fn moved(&mut self, hops: u32, now: u64) {
        let is_same = now < self.last_move + Self::STABLE_MS;
        self.hops = if is_same { self.hops + 1 } else { 1 };
        self.last_move = now;
        let (least, max_hops) = (if self.is_doubtful { 1 } else { self.hops }, self.max_hops);
        assert!(
            (least..=max_hops).contains(&hops),
            "R5: {hops} hops are counted, {least} to {max_hops} are legal"
        );
    }
}

/// N1.
pub(crate) fn choose(one: &BTreeSet<u32>, two: &BTreeSet<u32>) -> Option<u32> {
    one.intersection(two).max().copied()
}

/// The events that a client has heard in sessions, by the machine that sent them.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The number of the last one, and how many came.
    by_machine: BTreeMap<usize, (u64, u64)>,
    /// Those that it was told it has missed.
    pub(crate) missed: u64,
}

impl Heard {
    pub(crate) fn hear(&mut self, machine: usize, number: u64) {
        let (last, count) = self.by_machine.entry(machine).or_default();
        assert!(number > *last, "S4: event {number} of machine {machine} came after {last}");
        (*last, *count) = (number, *count + 1);
    }

    /// Of so many events of this machine all were heard, or missed, or dropped (S8).
    pub(crate) fn check(&self, machine: usize, spoken: u64, dropped: u64) {
        let (_, count) = self.by_machine.get(&machine).copied().unwrap_or_default();
        let known = count + self.missed + dropped;
        assert!(known >= spoken, "S4: of {spoken} events of machine {machine} {count} came");
    }
}
