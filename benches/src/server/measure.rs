//! Rounds in which the servers have their turns one after the other, so that what else the machine
//! does hits all alike, and ratios can be taken round by round.

use std::time::{Duration, Instant};

use benches::Error;
use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::bare::Bare;
use super::bodies::{self, Halves, Typed};
use super::child::Place;
use super::contender::{Contender, start, start_in_version};
use super::figures::{ACTIVE, Connections, DEPTH, Figure, Figures, Scenario, median};
use super::handle::Handle;
use super::packets::Packets;
use super::peer::Kind;
use super::pin::{Pinned, Processors};
use super::tarpc::Tarpc;
use super::tonic::Tonic;
use super::ubf::{InSession, Ubf};
use super::{beside, first, growth, idle, instructions, redirect, sessions};
use crate::missing::{Missing, say};
use crate::section::{Section, Sections};

/// Descriptors that are no idle connections: the active ones, and what a process has besides.
const OTHER_DESCRIPTORS: u64 = 2_048;
/// For one turn, whatever it measures. Chosen: a hundred times what the longest takes.
const MAX_TURN: Duration = Duration::from_secs(60);
/// For one part. Chosen: several times what the longest takes.
const MAX_PART: Duration = Duration::from_secs(300);

/// How often, and how long each time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds {
    pub(super) count: usize,
    /// How long one server has its turn in one round.
    pub(super) turn: Duration,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    rounds: Rounds,
    /// Of figures that only show how something grows.
    pub(super) growth: Rounds,
    /// Of calls that take a long time.
    pub(super) large: Rounds,
    idle: usize,
    /// First calls in each round, and redirects in all.
    first_calls: usize,
    redirects: usize,
    resumes: usize,
    cuts: usize,
    /// Calls under callgrind, at least.
    counted: u64,
    /// Clients whose memory is counted.
    handles: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: Rounds { count: 9, turn: Duration::from_millis(250) },
        growth: Rounds { count: 5, turn: Duration::from_millis(150) },
        large: Rounds { count: 7, turn: Duration::from_millis(600) },
        idle: 10_000,
        first_calls: 100,
        redirects: 200,
        resumes: 100,
        cuts: 5,
        counted: 3_200,
        handles: 400,
    };
    pub(crate) const QUICK: Self = Self {
        rounds: Rounds { count: 2, turn: Duration::from_millis(50) },
        growth: Rounds { count: 1, turn: Duration::from_millis(20) },
        large: Rounds { count: 1, turn: Duration::from_millis(50) },
        idle: 200,
        first_calls: 10,
        redirects: 10,
        resumes: 5,
        cuts: 1,
        counted: 320,
        handles: 50,
    };

    /// The same with so many rounds, and so many idle connections.
    pub(crate) fn with(self, rounds: Option<usize>, idle: Option<usize>) -> Self {
        let count = rounds.unwrap_or(self.rounds.count).max(1);
        let rounds = Rounds { count, ..self.rounds };
        Self { rounds, idle: idle.unwrap_or(self.idle).max(1), ..self }
    }

    const fn of_sessions(self) -> sessions::Plan {
        sessions::Plan { sessions: self.idle, resumes: self.resumes, cuts: self.cuts }
    }
}

/// Measures the parts that are wanted. What cannot be measured is missing.
pub(crate) fn measure(
    plan: Plan,
    sections: &Sections,
    missing: &mut Missing,
) -> Result<Figures, Error> {
    run(plan, missing, async |bench| {
        for (section, name) in [
            (Section::Calls, "calls"),
            (Section::Idle, "idle connections"),
            (Section::Bodies, "typed calls and large bodies"),
            (Section::FirstCalls, "first calls"),
            (Section::Sessions, "sessions"),
            (Section::Instructions, "instructions"),
        ] {
            if sections.has(section) {
                say(format_args!("{name} …"));
                let start = Instant::now();
                bench.part(section, name).await;
                say(format_args!("{name}: {:.0} s", start.elapsed().as_secs_f64()));
            }
        }
    })
}

/// What TLS costs, ours and tonic's.
#[cfg(feature = "tls")]
pub(crate) fn measure_tls(plan: Plan, missing: &mut Missing) -> Result<Figures, Error> {
    use super::tls::{TonicTls, UbfTls};

    run(plan, missing, async |bench| {
        let place = bench.place.clone();
        let mut all = bench.started([
            (Kind::Ubf, start::<Ubf>(Kind::Ubf, &place)),
            (Kind::UbfTls, start::<UbfTls>(Kind::UbfTls, &place)),
            (Kind::Tonic, start::<Tonic>(Kind::Tonic, &place)),
            (Kind::TonicTls, start::<TonicTls>(Kind::TonicTls, &place)),
        ]);
        let rounds = bench.plan.rounds;
        for scenario in [1, DEPTH].map(Scenario::InFlight) {
            bench.rounds(&mut all, scenario, rounds).await;
        }
        bench.rounds(&mut all, Scenario::Connections(ACTIVE), rounds).await;
        bench.first_calls(&mut all).await;
        bench.among_idle(&mut all).await;
    })
}

fn run(
    plan: Plan,
    missing: &mut Missing,
    measure: impl AsyncFnOnce(&mut Bench<'_>),
) -> Result<Figures, Error> {
    let plan = Plan { idle: plan.idle.min(descriptors()?), ..plan };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let processors = Processors::allowed()?;
    let pinned = if processors.are_two() { Some(Pinned::client(&processors)?) } else { None };
    let place = Place { processors: Some(processors.of_server()), ..Place::default() };
    let figures = Figures {
        rounds: plan.rounds.count,
        idle: plan.idle,
        is_pinned: pinned.is_some(),
        ..Figures::default()
    };
    let mut bench = Bench { plan, place, processors, figures, missing };
    runtime.block_on(measure(&mut bench));
    drop(pinned);
    Ok(bench.figures)
}

/// How many idle connections the system allows, after asking for as many as can be had.
fn descriptors() -> Result<usize, Error> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Ok(usize::try_from(allowed.saturating_sub(OTHER_DESCRIPTORS).max(1))?)
}

type Contenders = Vec<Box<dyn Contender>>;
type Started = Result<Box<dyn Contender>, Error>;

/// What is measured with, and what was found.
pub(super) struct Bench<'a> {
    pub(super) plan: Plan,
    /// Where servers run.
    place: Place,
    processors: Processors,
    figures: Figures,
    missing: &'a mut Missing,
}

impl Bench<'_> {
    async fn part(&mut self, section: Section, name: &str) {
        let (plan, place) = (self.plan, self.place.clone());
        match section {
            Section::Calls => self.calls().await,
            Section::Idle => self.idle().await,
            Section::Bodies => self.bodies().await,
            Section::FirstCalls => {
                let mut all = self.all();
                self.first_calls(&mut all).await;
                let ways = first::measure(&place, plan.rounds.count, plan.first_calls);
                let ways = self.missing.within(name, MAX_PART, ways).await;
                self.figures.first_calls = ways.unwrap_or_default();
                let redirects = redirect::microseconds(plan.redirects, &place);
                let redirects = self.missing.within("redirects", MAX_PART, redirects).await;
                self.figures.redirect_us = redirects.map(median);
            }
            Section::Sessions => {
                let sessions = sessions::measure(plan.of_sessions(), &place);
                self.figures.sessions = self.missing.within(name, MAX_PART, sessions).await;
            }
            Section::Instructions => {
                let mut missing = Missing::default();
                let counted = instructions::measure(plan.counted, &place, &mut missing);
                let counted = self.missing.within(name, 2 * MAX_PART, counted).await;
                self.figures.instructions = counted.unwrap_or_default();
                self.missing.0.append(&mut missing.0);
            }
            Section::Codec | Section::Rows => {}
        }
    }

    /// The servers that could be started.
    fn started<const N: usize>(&mut self, found: [(Kind, Started); N]) -> Contenders {
        let started = found
            .into_iter()
            .filter_map(|(kind, started)| self.missing.attempt(kind.as_str(), |_| started));
        started.collect()
    }

    /// All that stand in the large tables.
    fn all(&mut self) -> Contenders {
        let place = self.place.clone();
        let mut all = self.four(&place);
        all.extend(self.started([
            (Kind::InSession, start::<InSession>(Kind::InSession, &place)),
            (Kind::Tarpc, start::<Tarpc>(Kind::Tarpc, &place)),
            (Kind::Tonic, start::<Tonic>(Kind::Tonic, &place)),
        ]));
        all
    }

    /// Ours and the bare server, with handles and without.
    fn four(&mut self, place: &Place) -> Contenders {
        self.started([
            (Kind::Ubf, start::<Ubf>(Kind::Ubf, place)),
            (Kind::Handle, start::<Handle>(Kind::Handle, place)),
            (Kind::Packets, start::<Packets>(Kind::Packets, place)),
            (Kind::Bare, start::<Bare>(Kind::Bare, place)),
        ])
    }

    async fn calls(&mut self) {
        let (plan, place) = (self.plan, self.place.clone());
        let mut all = self.all();
        for scenario in
            [Scenario::InFlight(1), Scenario::InFlight(DEPTH), Scenario::Connections(ACTIVE)]
        {
            self.rounds(&mut all, scenario, plan.rounds).await;
        }
        drop(all);
        let mut four = self.four(&place);
        for depth in [256, 1_024] {
            self.rounds(&mut four, Scenario::InFlight(depth), plan.rounds).await;
        }
        for scenario in growth::CALLS {
            if self.figures.get(Kind::Ubf, scenario).is_none() {
                self.rounds(&mut four, scenario, plan.growth).await;
            }
        }
        drop(four);
        let all = self.processors.clone();
        let place = Place { processors: Some(all.clone()), workers: Some(2), ..place };
        let mut four = self.four(&place);
        // The client's thread may run everywhere, too.
        self.keep_to(&all);
        self.rounds(&mut four, Scenario::TwoWorkers, plan.rounds).await;
        if self.figures.is_pinned {
            self.keep_to(&all.of_client());
        }
    }

    async fn idle(&mut self) {
        let mut all = self.all();
        self.among_idle(&mut all).await;
        drop(all);
        // It may have to be built, by all processors.
        let (all, count) = (self.processors.clone(), self.plan.handles);
        self.keep_to(&all);
        self.figures.handles = self.missing.attempt("idle clients", |_| idle::measure(count));
        if self.figures.is_pinned {
            self.keep_to(&all.of_client());
        }
    }

    fn keep_to(&mut self, processors: &Processors) {
        self.missing.attempt("processors", |_| Ok(processors.keep_to()?));
    }

    async fn bodies(&mut self) {
        let (plan, place) = (self.plan, self.place.clone());
        let mut both = self.started([
            (Kind::Typed, start_in_version::<Typed>(Kind::Typed, &place, bodies::BYTES)),
            (Kind::Halves, start::<Halves>(Kind::Halves, &place)),
        ]);
        for (scenario, rounds) in [
            (growth::MIB, plan.rounds),
            (growth::HUNDRED_KB_AT_16, plan.rounds),
            (growth::LARGEST, plan.large),
        ] {
            self.rounds(&mut both, scenario, rounds).await;
        }
        for scenario in growth::BODIES {
            if self.figures.get(Kind::Typed, scenario).is_none() {
                self.rounds(&mut both, scenario, plan.growth).await;
            }
        }
        drop(both);
        let beside = beside::measure(&place, plan.large.count, plan.large.turn);
        let beside = self.missing.within("small calls beside large ones", MAX_PART, beside).await;
        self.figures.beside = beside.unwrap_or_default();
    }

    /// Each has its turn in each round. One that fails has no further turns in this scenario.
    async fn rounds(
        &mut self,
        contenders: &mut [Box<dyn Contender>],
        scenario: Scenario,
        rounds: Rounds,
    ) {
        let mut found: Vec<_> = contenders.iter().map(|_| (true, Vec::new())).collect();
        for _ in 0..rounds.count {
            for (contender, (is_well, turns)) in contenders.iter_mut().zip(&mut found) {
                if !*is_well {
                    continue;
                }
                let what = format!("{}, {scenario}", contender.kind().as_str());
                let turn = contender.turn(scenario, rounds.turn);
                match self.missing.within(what, MAX_TURN, turn).await {
                    Some(turn) => turns.push(turn),
                    None => *is_well = false,
                }
            }
        }
        for (contender, (_, turns)) in contenders.iter().zip(found) {
            let mut nanoseconds = Histogram::<u64>::new(3).ok();
            for turn in &turns {
                let sum = nanoseconds.as_mut().map(|sum| sum.add(&turn.outcome.nanoseconds));
                debug_assert!(sum.is_some_and(|sum| sum.is_ok()), "a histogram grows");
            }
            let (Some(nanoseconds), false) = (nanoseconds, turns.is_empty()) else { continue };
            let rounds = turns.iter().map(super::contender::Turn::round).collect();
            let figure = Figure::new(contender.kind(), scenario, rounds, &nanoseconds);
            self.figures.figures.push(figure);
        }
    }

    async fn first_calls(&mut self, contenders: &mut [Box<dyn Contender>]) {
        let (rounds, count) = (self.plan.rounds.count, self.plan.first_calls);
        for _ in 0..rounds {
            for contender in &mut *contenders {
                let kind = contender.kind();
                let what = format!("{}, first calls", kind.as_str());
                let calls = contender.first_calls(count);
                if let Some(times) = self.missing.within(what, MAX_TURN, calls).await {
                    self.of_connections(kind, |found| found.first_calls_us.push(median(times)));
                }
            }
        }
    }

    /// Idle connections are many: one server after the other has them, and then they are closed.
    async fn among_idle(&mut self, contenders: &mut [Box<dyn Contender>]) {
        let (plan, idle) = (self.plan, self.plan.idle);
        for contender in contenders {
            let kind = contender.kind();
            let what = format!("{}, idle connections", kind.as_str());
            let opened = contender.open_idle(idle);
            let Some(bytes) = self.missing.within(what, MAX_PART, opened).await else { continue };
            self.of_connections(kind, |found| found.bytes_idle = Some(bytes));
            self.rounds(std::slice::from_mut(contender), Scenario::AmongIdle, plan.rounds).await;
            contender.close_idle();
        }
    }

    /// Sets what was found of a server's connections.
    fn of_connections(&mut self, kind: Kind, set: impl FnOnce(&mut Connections)) {
        let all = &mut self.figures.connections;
        match all.iter_mut().find(|found| found.kind == kind) {
            Some(found) => set(found),
            None => {
                let mut found = Connections::new(kind);
                set(&mut found);
                all.push(found);
            }
        }
    }
}
