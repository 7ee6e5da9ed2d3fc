//! Fleets in which releases are mixed, simulated with the real shards: nodes change their releases in
//! any order and are given up at any point, claim, commit, die, finalize, go back and sweep (T5 to
//! T8).
//!
//! ```text
//! cargo test -p ubf-state --lib fleet                              a hundred seeds
//! UBF_SEEDS=10000 cargo test -p ubf-state --release --lib fleet    as many, and 300 of 100 nodes
//! ```
//!
//! Checked: whoever owns the rows can read each of them; before anything is finalized every node
//! could; no money is made or lost, whatever release moves it; what was answered is there in the
//! end; a contract is offered only while rows hold what it says; and after the way back the oldest
//! release goes on. One seed is one run: a failure names it.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ubf_proto::{Random, Time};

use crate::mutant::{self, Mutant};
use crate::shard::{Config, End, Input, Leaving, Life, NotRun, Output, Ran, Shard, To};
use crate::{
    AnyTable, Base, Batch, Do, Epoch, Known, Lost, Missing, NotCommitted, Order, Page, Reason, Row,
    Scan, ShardId, ShardRecord, Space, Step, Sweeper, Swept, Table, Tx, version_of,
};

const ACCOUNTS: u64 = 3;
const CENTS: i64 = 100;
const OLDEST: u32 = 33;
const NEWEST: u32 = 35;

/// An account in state version 33.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Account33 {
    cents: i64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Account34 {
    cents: i64,
    moves: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Account35 {
    cents: i64,
    moves: u64,
    memo: String,
}

impl Row for Account33 {
    const VERSION: u32 = 33;
    type Before = ();
}
impl Row for Account34 {
    const VERSION: u32 = 34;
    type Before = Account33;
}
impl Row for Account35 {
    const VERSION: u32 = 35;
    type Before = Account34;
}
impl Step<Account34> for Account33 {
    fn up(self) -> Account34 {
        Account34 { cents: self.cents, moves: 0 }
    }

    fn down(new: &Account34, lost: &mut Lost) -> Self {
        if new.moves != 0 {
            lost.field("moves");
        }
        Self { cents: new.cents }
    }
}
impl Step<Account35> for Account34 {
    fn up(self) -> Account35 {
        Account35 { cents: self.cents, moves: self.moves, memo: String::new() }
    }

    fn down(new: &Account35, lost: &mut Lost) -> Self {
        if !new.memo.is_empty() {
            lost.field("memo");
        }
        Self { cents: new.cents, moves: new.moves }
    }
}

/// A transfer that was made: its number, and nothing else.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Made {}
impl Row for Made {
    const VERSION: u32 = 33;
    type Before = ();
}

static ROWS33: Table<u64, Account33> = Table::new("accounts");
static ROWS34: Table<u64, Account34> = Table::new("accounts");
static ROWS35: Table<u64, Account35> = Table::new("accounts");
static MADE: Table<u64, Made> = Table::new("made");

/// A release: the oldest state version that it knows and the newest, in which its code sees rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Release {
    oldest: u32,
    newest: u32,
}

impl Release {
    const fn known(self) -> Known {
        Known { oldest: self.oldest, newest: self.newest, format: 1 }
    }

    /// Any that was ever made: each knows some versions before its own.
    fn any(random: &mut Random) -> Self {
        // The newest one often: else no fleet would ever know it whole.
        let newest = NEWEST.min(OLDEST + small(random, NEWEST - OLDEST + 2));
        let oldest = OLDEST + small(random, newest - OLDEST + 1);
        // One that knows a single version is for the beginning of a fleet alone.
        Self { oldest: if newest == OLDEST { newest } else { oldest.min(newest - 1) }, newest }
    }

    fn tables(self) -> &'static [&'static dyn AnyTable] {
        static OF_33: &[&dyn AnyTable] = &[&ROWS33, &MADE];
        static OF_34: &[&dyn AnyTable] = &[&ROWS34, &MADE];
        static OF_35: &[&dyn AnyTable] = &[&ROWS35, &MADE];
        match self.newest {
            33 => OF_33,
            34 => OF_34,
            _ => OF_35,
        }
    }

    /// What this release's code does when money moves.
    fn transfer(self, tx: &mut Tx<'_>, number: u64, from: u64, to: u64) -> Do<()> {
        tx.put(&MADE, &number, &Made {})?;
        for (account, cents) in [(from, -1), (to, 1)] {
            self.add(tx, account, cents, number)?;
        }
        Ok(())
    }

    fn add(self, tx: &mut Tx<'_>, account: u64, cents: i64, number: u64) -> Do<()> {
        match self.newest {
            33 => {
                let row = tx.get(&ROWS33, &account)?;
                let before = row.map_or(CENTS, |row| row.cents);
                tx.put(&ROWS33, &account, &Account33 { cents: before + cents })
            }
            34 => {
                let row = tx.get(&ROWS34, &account)?;
                let row = row.unwrap_or(Account34 { cents: CENTS, moves: 0 });
                let row = Account34 { cents: row.cents + cents, moves: row.moves + 1 };
                tx.put(&ROWS34, &account, &row)
            }
            _ => {
                let row = tx.get(&ROWS35, &account)?;
                let before = Account35 { cents: CENTS, moves: 0, memo: String::new() };
                let row = row.unwrap_or(before);
                let memo = format!("{number}");
                let row = Account35 { cents: row.cents + cents, moves: row.moves + 1, memo };
                tx.put(&ROWS35, &account, &row)
            }
        }
    }
}

fn small(random: &mut Random, bound: u32) -> u32 {
    u32::try_from(random.below(bound.into())).unwrap_or(0)
}

#[derive(Clone, Default)]
struct Rows(BTreeMap<Bytes, Bytes>);

impl Rows {
    fn record(&self) -> Option<ShardRecord> {
        let value = self.0.get(&ShardRecord::key())?;
        Some(ShardRecord::from_value(value).expect("the record of a shard can be read"))
    }

    fn apply(&mut self, batch: &Batch) {
        for (key, value) in &batch.writes {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }
}

impl Base for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Missing> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, scan: &Scan) -> Result<Page, Missing> {
        let rows = self.0.range(scan.from.clone()..scan.to.clone());
        let own = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match scan.order {
            Order::Upwards => rows.map(own).take(scan.limit).collect(),
            Order::Downwards => rows.rev().map(own).take(scan.limit).collect(),
        })
    }
}

/// A process of some release.
struct Node {
    release: Release,
    shard: Shard,
    /// The rows as this node has loaded and committed them.
    rows: Rows,
    /// The claim that it has made, and the batch on its way.
    claim: Option<Epoch>,
    batch: Option<Arc<Batch>>,
    sweeper: Option<Sweeper>,
    /// The contract that needs the newest state version is offered here.
    is_offered: bool,
}

impl Node {
    fn new(release: Release) -> Self {
        let mut config = Config::new(release.known());
        // A new store is written in what all of the fleet can read.
        config.first_version = OLDEST;
        Self {
            release,
            shard: Shard::new(ShardId(1), Arc::new(config), 7),
            rows: Rows::default(),
            claim: None,
            batch: None,
            sweeper: None,
            is_offered: false,
        }
    }

    fn is_serving(&self) -> bool {
        matches!(self.shard.life(), Life::Serving { .. })
    }
}

struct Fleet {
    random: Random,
    nodes: Vec<Node>,
    rows: Rows,
    epoch: Epoch,
    was_finalized: bool,
    /// The numbers of transfers: the next one, and those that were answered.
    next: u64,
    answered: BTreeSet<u64>,
}

type Wrong = Result<(), String>;

impl Fleet {
    fn new(seed: u64, nodes: usize) -> Self {
        let mut random = Random::new(seed);
        let first = Release { oldest: OLDEST, newest: OLDEST };
        let nodes = (0..nodes).map(|_| {
            let release = if random.below(2) == 0 { first } else { Release::any(&mut random) };
            // At the beginning every node can read the rows.
            Node::new(Release { oldest: OLDEST, ..release })
        });
        let nodes = nodes.collect();
        let (rows, epoch) = (Rows::default(), Epoch(0));
        Self {
            random,
            nodes,
            rows,
            epoch,
            was_finalized: false,
            next: 1,
            answered: BTreeSet::new(),
        }
    }

    fn any(&mut self) -> usize {
        usize::try_from(self.random.below(self.nodes.len() as u64)).unwrap_or(0)
    }

    /// Who thinks that it serves, rather than anybody: else little would happen in a large fleet.
    fn some_owner(&mut self) -> usize {
        let serving: Vec<usize> =
            (0..self.nodes.len()).filter(|at| self.nodes[*at].is_serving()).collect();
        let place = usize::try_from(self.random.below(serving.len().max(1) as u64)).unwrap_or(0);
        serving.get(place).copied().unwrap_or_else(|| self.any())
    }

    fn step(&mut self) -> Wrong {
        match self.random.below(20) {
            0 => self.change_release(),
            1 => {
                // It dies. What is on its way may arrive, now or never.
                let at = self.some_owner();
                let release = self.nodes[at].release;
                self.restart(at, release);
            }
            2..=4 => self.claim(),
            5..=6 => {
                let at = self.any();
                self.claimed(at);
            }
            7..=11 => {
                let at = self.some_owner();
                self.transfer(at)?;
            }
            12..=15 => {
                let at = self.some_owner();
                self.commit(at);
            }
            16 => self.finalize()?,
            17 => self.lower(),
            18 => {
                let at = self.some_owner();
                self.sweep(at)?;
            }
            _ => self.offer(),
        }
        for at in 0..self.nodes.len() {
            self.drain(at);
        }
        self.wrong()
    }

    /// An upgrade, a downgrade, or one that is given up. As the operator of a fleet must, nobody
    /// starts a release that has forgotten the version that is written; one that does not know it
    /// yet is started all the same, and must not own.
    fn change_release(&mut self) {
        let at = self.any();
        let mut release = Release::any(&mut self.random);
        let write = self.rows.record().map_or(OLDEST, |record| record.versions.state.lowest);
        release.oldest = release.oldest.min(write.max(OLDEST)).min(release.newest);
        self.restart(at, release);
    }

    fn restart(&mut self, at: usize, release: Release) {
        if let Some(batch) = self.nodes[at].batch.take()
            && self.random.below(2) == 0
            && batch.epoch == self.epoch
        {
            self.store(&batch);
        }
        self.nodes[at] = Node::new(release);
    }

    fn store(&mut self, batch: &Batch) {
        self.rows.apply(batch);
        if let Some(record) = self.rows.record() {
            self.was_finalized |= record.versions.state.highest > OLDEST;
        }
    }

    fn claim(&mut self) {
        let at = self.any();
        if self.nodes[at].claim.is_some() || !matches!(self.nodes[at].shard.life(), Life::Apart) {
            return;
        }
        let (seen, record) = (self.epoch, self.rows.record());
        self.nodes[at].shard.handle(Input::Claim { seen, record });
    }

    /// The store answers a claim. Another one may have been faster.
    fn claimed(&mut self, at: usize) {
        let Some(seen) = self.nodes[at].claim.take() else { return };
        if seen != self.epoch {
            self.nodes[at].shard.handle(Input::NotClaimed);
            return;
        }
        self.epoch = seen.next();
        let (epoch, record) = (self.epoch, self.rows.record());
        let node = &mut self.nodes[at];
        (node.rows, node.sweeper) = (self.rows.clone(), None);
        node.shard.handle(Input::Claimed { epoch, record });
        // What is offered follows the rows: a batch that raised them may have been let go.
        node.is_offered &= node.shard.record().versions.may_offer(NEWEST);
    }

    fn transfer(&mut self, at: usize) -> Wrong {
        let (from, number) = (self.random.below(ACCOUNTS), self.next);
        let to = (from + 1 + self.random.below(ACCOUNTS - 1)) % ACCOUNTS;
        let node = &mut self.nodes[at];
        let release = node.release;
        let run = |tx: &mut Tx<'_>| {
            release.transfer(tx, number, from, to)?;
            Ok(Bytes::from(number.to_string()))
        };
        match node.shard.run(&node.rows, To::Connection(number), Time::ZERO, run, |_| Bytes::new())
        {
            Ok(Ran::TakenBack(reason)) => Err(format!("{release:?} cannot run a call: {reason:?}")),
            Ok(Ran::Read | Ran::Wrote) => {
                self.next += 1;
                Ok(())
            }
            Err(NotRun::NotOwner | NotRun::NotNow | NotRun::Full) => Ok(()),
            Err(why) => Err(format!("{release:?} does not run a call: {why}")),
        }
    }

    /// The store does what a node has sent it, or does not, or does not say.
    fn commit(&mut self, at: usize) {
        let Some(batch) = self.nodes[at].batch.take() else { return };
        let number = batch.number;
        let (is_unknown, is_done) = (self.random.below(8) == 0, self.random.below(2) == 0);
        let input = if batch.epoch != self.epoch {
            Input::NotCommitted { number, why: NotCommitted::Fenced { epoch: self.epoch } }
        } else if is_unknown {
            if is_done {
                self.store(&batch);
            }
            Input::NotCommitted { number, why: NotCommitted::Unknown }
        } else {
            self.store(&batch);
            self.nodes[at].rows.apply(&batch);
            Input::Committed { number }
        };
        self.nodes[at].shard.handle(input);
    }

    fn finalize(&mut self) -> Wrong {
        let at = self.some_owner();
        let nodes = self.nodes.iter().map(|node| node.release.known()).collect();
        let before = self.nodes[at].shard.record().versions.state.write;
        self.nodes[at].shard.handle(Input::Finalize { nodes });
        let write = self.nodes[at].shard.record().versions.state.write;
        match self.nodes.iter().find(|node| node.release.newest < write) {
            Some(node) if write > before => {
                Err(format!("{:?} was shut out by finalizing {write}", node.release))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn lower(&mut self) {
        let at = self.some_owner();
        let is_withdrawn = self.random.below(2) == 0;
        let node = &mut self.nodes[at];
        if is_withdrawn {
            node.is_offered = false;
        }
        let needed = node.is_offered.then_some(NEWEST);
        node.shard.handle(Input::Lower { format: 1, needed });
    }

    fn sweep(&mut self, at: usize) -> Wrong {
        let rows = 1 + usize::try_from(self.random.below(40)).unwrap_or(0);
        let node = &mut self.nodes[at];
        let state = node.shard.record().versions.state;
        if !node.is_serving() || state.is_swept() {
            return Ok(());
        }
        let sweeper = node.sweeper.take().unwrap_or_else(|| Sweeper::new(state.write));
        let tables = node.release.tables();
        let step = |tx: &mut Tx<'_>| sweeper.step(tx, tables, rows);
        match node.shard.run_own(&node.rows, Time::ZERO, step) {
            Ok(Ok(Swept::More(next))) => node.sweeper = Some(next),
            Ok(Ok(Swept::All(_))) => node.shard.handle(Input::Swept),
            Ok(Ok(Swept::Outdated)) => {}
            Ok(Err(reason)) => return Err(format!("a sweep cannot go on: {reason:?}")),
            Err(_) => node.sweeper = Some(sweeper),
        }
        Ok(())
    }

    fn offer(&mut self) {
        let at = self.some_owner();
        let node = &mut self.nodes[at];
        let may = node.is_serving() && node.shard.record().versions.may_offer(NEWEST);
        node.is_offered |= may && node.release.newest == NEWEST;
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.nodes[at].shard.poll_output() {
            let node = &mut self.nodes[at];
            match output {
                Output::Claim { seen, .. } => node.claim = Some(seen),
                Output::Commit(batch) => node.batch = Some(batch),
                Output::Leave { what: Leaving::Answer { body, .. }, .. } => {
                    let number: Option<u64> =
                        core::str::from_utf8(&body).ok().and_then(|text| text.parse().ok());
                    self.answered.extend(number);
                }
                Output::LetGo(_) => node.sweeper = None,
                Output::Ended(End::CannotOwn(_) | End::Fenced(_) | End::NotClaimed) => {
                    node.is_offered = false;
                }
                // What an operator wished for is refused, which is right.
                Output::NotFinalized(_) | Output::NotLowered(_) | Output::Versions(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn wrong(&self) -> Wrong {
        let record = self.rows.record();
        let versions = record.map_or_else(|| ShardRecord::first(OLDEST).versions, |it| it.versions);
        let spaces = Bytes::from(Space::Rows.key())..Bytes::from(Space::Rows.end());
        for value in self.rows.0.range(spaces).map(|(_, value)| value) {
            let version = version_of(value).map_err(|error| format!("a row: {error}"))?;
            if version > versions.state.highest {
                return Err(format!("a row is of version {version}, and {versions:?} is told"));
            }
        }
        for node in &self.nodes {
            if !self.was_finalized && versions.may_be_owned_by(&node.release.known()).is_err() {
                return Err(format!("nothing was finalized, and {:?} may not own", node.release));
            }
            let Life::Serving { epoch } = node.shard.life() else { continue };
            if epoch != self.epoch {
                continue;
            }
            let known = node.release.known();
            let [lowest, highest] = [versions.state.lowest, versions.state.highest];
            if lowest < known.oldest || highest > known.newest {
                return Err(format!("{:?} owns what it cannot read: {versions:?}", node.release));
            }
            let own = node.shard.record().versions;
            if node.is_offered && own.state.write < NEWEST {
                return Err("a contract is offered whose words the rows cannot hold".into());
            }
        }
        Ok(())
    }

    /// All is well again: somebody owns the rows who knows all versions, and goes back to the oldest
    /// one, whose release owns them in the end.
    fn heal(&mut self) -> Wrong {
        self.nodes = [Node::new(Release { oldest: OLDEST, newest: NEWEST })].into();
        self.own()?;
        self.money(Release { oldest: OLDEST, newest: NEWEST })?;
        while self.nodes[0].shard.record().versions.state.write > OLDEST
            || !self.nodes[0].shard.record().versions.state.is_swept()
        {
            while !self.nodes[0].shard.record().versions.state.is_swept() {
                self.sweep(0)?;
                self.settle();
            }
            if self.nodes[0].shard.record().versions.state.write > OLDEST {
                self.nodes[0].shard.handle(Input::Lower { format: 1, needed: None });
                self.settle();
            }
        }
        let oldest = Release { oldest: OLDEST, newest: OLDEST };
        self.nodes = [Node::new(oldest)].into();
        self.own()?;
        self.money(oldest)
    }

    fn own(&mut self) -> Wrong {
        self.claim();
        self.drain(0);
        self.claimed(0);
        self.settle();
        let release = self.nodes[0].release;
        if self.nodes[0].is_serving() { Ok(()) } else { Err(format!("{release:?} cannot own")) }
    }

    fn settle(&mut self) {
        self.drain(0);
        while let Some(batch) = self.nodes[0].batch.take() {
            self.store(&batch);
            self.nodes[0].rows.apply(&batch);
            self.nodes[0].shard.handle(Input::Committed { number: batch.number });
            self.drain(0);
        }
    }

    fn money(&mut self, release: Release) -> Wrong {
        let node = &mut self.nodes[0];
        let read = |tx: &mut Tx<'_>| {
            let cents: Vec<i64> = if release.newest == OLDEST {
                tx.range(&ROWS33, .., 9)?.into_iter().map(|(_, row)| row.cents).collect()
            } else {
                tx.range(&ROWS35, .., 9)?.into_iter().map(|(_, row)| row.cents).collect()
            };
            let made = tx.range(&MADE, .., 9_999)?.into_iter().map(|(number, _)| number);
            Ok((cents, made.collect::<BTreeSet<u64>>()))
        };
        let read: Result<Result<_, Reason>, NotRun> =
            node.shard.run_own(&node.rows, Time::ZERO, read);
        let Ok(Ok((cents, made))) = read else { return Err(format!("rows: {read:?}")) };
        let expected = CENTS * i64::try_from(cents.len()).unwrap_or(0);
        if cents.iter().sum::<i64>() != expected {
            return Err(format!("money was made or lost: {cents:?}"));
        }
        match self.answered.difference(&made).next() {
            Some(lost) => Err(format!("transfer {lost} was answered, and is not there")),
            None => Ok(()),
        }
    }
}

/// How much happened in all runs together.
#[derive(Default, Debug)]
struct Counts {
    answered: usize,
    epochs: u64,
    finalized: u64,
}

fn play(seed: u64, nodes: usize, steps: u32, counts: &mut Counts) -> Wrong {
    let mut fleet = Fleet::new(seed, nodes);
    for _ in 0..steps {
        fleet.step()?;
    }
    counts.answered += fleet.answered.len();
    counts.epochs += fleet.epoch.0;
    counts.finalized += u64::from(fleet.was_finalized);
    fleet.heal()
}

fn seeds() -> u64 {
    let given = std::env::var("UBF_SEEDS").ok().map(|text| text.parse().expect("a number"));
    given.unwrap_or(if cfg!(debug_assertions) { 100 } else { 10_000 })
}

#[test]
fn t6_mixed_releases_in_any_order_lose_nothing() {
    let (seeds, mut counts) = (seeds(), Counts::default());
    for seed in 0..seeds {
        let nodes = 2 + usize::try_from(seed % 4).unwrap_or(0);
        play(seed, nodes, 300, &mut counts).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    std::eprintln!("{seeds} seeds of 2 to 5 nodes: {counts:?}");
    assert!(
        counts.answered as u64 > seeds && counts.epochs > seeds && counts.finalized > seeds / 9
    );
}

#[test]
fn t6_mixed_releases_of_a_hundred_nodes_lose_nothing() {
    // Three of a hundred of the seeds.
    let (seeds, mut counts) = (seeds() * 3 / 100, Counts::default());
    for seed in 0..seeds {
        play(seed, 100, 3_000, &mut counts).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    std::eprintln!("{seeds} seeds of 100 nodes: {counts:?}");
}

#[test]
fn t6_a_fleet_without_one_of_the_rules_is_found() {
    for mutant in [Mutant::ClaimsBlindly, Mutant::FinalizesTooEarly, Mutant::LowersUnderAnOffer] {
        let mut counts = Counts::default();
        let mut found =
            |seed: &u64| mutant::with(mutant, || play(*seed, 2, 300, &mut counts)).is_err();
        let found = (0..300).find(|seed| found(seed));
        let Some(seed) = found else { panic!("{mutant:?} is not found") };
        std::eprintln!("{mutant:?}: seed {seed}");
    }
}
