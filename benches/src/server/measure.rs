//! Rounds in which the servers have their turns one after the other.

use std::time::{Duration, Instant};

use benches::Error;
use benches::measure::percentile;
use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::sleep;

use super::bare::Bare;
use super::child::Child;
use super::figures::{Connections, Figure, Figures, Scenario};
use super::handle::Handle;
use super::load::{self, Outcome};
use super::packets::Packets;
use super::peer::{Kind, Peer};
use super::redirect;
use super::sessions;
use super::tarpc::Tarpc;
use super::tonic::Tonic;
use super::ubf::{InSession, Ubf};

/// For connections that were given up to end before others are measured. Chosen: a hundred of them
/// take a tenth of it.
const ENDING_TIME: Duration = Duration::from_millis(20);
const DEPTH: usize = 64;
const ACTIVE: usize = 64;
/// Descriptors that are no idle connections: the active ones, and what a process has besides.
const OTHER_DESCRIPTORS: u64 = 256;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    rounds: usize,
    /// How long one server has its turn in one scenario.
    turn: Duration,
    idle: usize,
    /// First calls in each round, and redirects in all.
    first_calls: usize,
    redirects: usize,
    resumes: usize,
    cuts: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 12,
        turn: Duration::from_millis(250),
        idle: 10_000,
        first_calls: 100,
        redirects: 200,
        resumes: 100,
        cuts: 5,
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 2,
        turn: Duration::from_millis(50),
        idle: 200,
        first_calls: 10,
        redirects: 10,
        resumes: 5,
        cuts: 1,
    };

    /// The same with so many rounds, and so many idle connections.
    pub(crate) fn with(self, rounds: Option<usize>, idle: Option<usize>) -> Self {
        Self {
            rounds: rounds.unwrap_or(self.rounds).max(1),
            idle: idle.unwrap_or(self.idle).max(1),
            ..self
        }
    }

    const fn of_sessions(self) -> sessions::Plan {
        sessions::Plan { sessions: self.idle, resumes: self.resumes, cuts: self.cuts }
    }
}

pub(crate) fn measure(plan: Plan) -> Result<Figures, Error> {
    run(plan, measure_all)
}

/// What sessions cost beside their calls, alone.
pub(crate) fn measure_sessions(plan: Plan) -> Result<sessions::Figures, Error> {
    run(plan, async |plan| sessions::measure(plan.of_sessions()).await)
}

/// What TLS costs, ours and tonic's.
#[cfg(feature = "tls")]
pub(crate) fn measure_tls(plan: Plan) -> Result<Figures, Error> {
    run(plan, measure_all_tls)
}

#[cfg(feature = "tls")]
async fn measure_all_tls(plan: Plan) -> Result<Figures, Error> {
    use super::tls::{TonicTls, UbfTls};

    let mut ubf = Candidate::<Ubf>::start(Kind::Ubf)?;
    let mut ubf_tls = Candidate::<UbfTls>::start(Kind::UbfTls)?;
    let mut tonic = Candidate::<Tonic>::start(Kind::Tonic)?;
    let mut tonic_tls = Candidate::<TonicTls>::start(Kind::TonicTls)?;
    for scenario in [Scenario::Sequential, Scenario::InFlight, Scenario::Connections] {
        for _ in 0..plan.rounds {
            ubf.turn(scenario, plan).await?;
            ubf_tls.turn(scenario, plan).await?;
            tonic.turn(scenario, plan).await?;
            tonic_tls.turn(scenario, plan).await?;
        }
    }
    for _ in 0..plan.rounds {
        ubf.first_calls(plan).await?;
        ubf_tls.first_calls(plan).await?;
        tonic.first_calls(plan).await?;
        tonic_tls.first_calls(plan).await?;
    }
    ubf.among_idle(plan).await?;
    ubf_tls.among_idle(plan).await?;
    tonic.among_idle(plan).await?;
    tonic_tls.among_idle(plan).await?;
    let (mut figures, mut connections) = (Vec::new(), Vec::new());
    for (mut of_scenarios, of_connections) in
        [ubf.figures()?, ubf_tls.figures()?, tonic.figures()?, tonic_tls.figures()?]
    {
        figures.append(&mut of_scenarios);
        connections.push(of_connections);
    }
    let Plan { rounds, idle, .. } = plan;
    let sessions = sessions::Figures::default();
    Ok(Figures { rounds, idle, figures, connections, redirect_us: 0.0, sessions })
}

fn run<T>(plan: Plan, measure: impl AsyncFnOnce(Plan) -> Result<T, Error>) -> Result<T, Error> {
    let plan = Plan { idle: plan.idle.min(descriptors()?), ..plan };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(plan))
}

/// How many idle connections the system allows, after asking for as many as can be had.
fn descriptors() -> Result<usize, Error> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Ok(usize::try_from(allowed.saturating_sub(OTHER_DESCRIPTORS))?)
}

async fn measure_all(plan: Plan) -> Result<Figures, Error> {
    let mut ubf = Candidate::<Ubf>::start(Kind::Ubf)?;
    let mut in_session = Candidate::<InSession>::start(Kind::InSession)?;
    let mut packets = Candidate::<Packets>::start(Kind::Packets)?;
    let mut bare = Candidate::<Bare>::start(Kind::Bare)?;
    let mut handle = Candidate::<Handle>::start(Kind::Handle)?;
    let mut tarpc = Candidate::<Tarpc>::start(Kind::Tarpc)?;
    let mut tonic = Candidate::<Tonic>::start(Kind::Tonic)?;
    for scenario in [Scenario::Sequential, Scenario::InFlight, Scenario::Connections] {
        for _ in 0..plan.rounds {
            ubf.turn(scenario, plan).await?;
            in_session.turn(scenario, plan).await?;
            packets.turn(scenario, plan).await?;
            bare.turn(scenario, plan).await?;
            handle.turn(scenario, plan).await?;
            tarpc.turn(scenario, plan).await?;
            tonic.turn(scenario, plan).await?;
        }
    }
    for _ in 0..plan.rounds {
        ubf.first_calls(plan).await?;
        in_session.first_calls(plan).await?;
        packets.first_calls(plan).await?;
        bare.first_calls(plan).await?;
        handle.first_calls(plan).await?;
        tarpc.first_calls(plan).await?;
        tonic.first_calls(plan).await?;
    }
    // Idle connections are many: one server after the other has them, and then they are closed.
    ubf.among_idle(plan).await?;
    in_session.among_idle(plan).await?;
    packets.among_idle(plan).await?;
    bare.among_idle(plan).await?;
    handle.among_idle(plan).await?;
    tarpc.among_idle(plan).await?;
    tonic.among_idle(plan).await?;

    let mut figures = Vec::new();
    let mut connections = Vec::new();
    let found = [
        ubf.figures()?,
        in_session.figures()?,
        packets.figures()?,
        bare.figures()?,
        handle.figures()?,
        tarpc.figures()?,
        tonic.figures()?,
    ];
    for (mut of_scenarios, of_connections) in found {
        figures.append(&mut of_scenarios);
        connections.push(of_connections);
    }
    let redirect_us = percentile(&mut redirect::microseconds(plan.redirects).await?, 50);
    let sessions = sessions::measure(plan.of_sessions()).await?;
    let Plan { rounds, idle, .. } = plan;
    Ok(Figures { rounds, idle, figures, connections, redirect_us, sessions })
}

/// A server that runs, and what was found of it.
struct Candidate<P: Peer> {
    kind: Kind,
    child: Child,
    /// Kept from one turn to the next.
    clients: Vec<P::Client>,
    turns: Vec<(Scenario, Turn)>,
    first_calls_us: Vec<f64>,
    bytes_idle: f64,
}

struct Turn {
    outcome: Outcome,
    server_cpu: Duration,
}

impl<P: Peer> Candidate<P> {
    fn start(kind: Kind) -> Result<Self, Error> {
        let child = Child::start(kind, None)?;
        Ok(Self {
            kind,
            child,
            clients: Vec::new(),
            turns: Vec::new(),
            first_calls_us: Vec::new(),
            bytes_idle: f64::NAN,
        })
    }

    async fn turn(&mut self, scenario: Scenario, plan: Plan) -> Result<(), Error> {
        let wanted = if scenario == Scenario::Sequential { 1 } else { ACTIVE };
        if scenario != Scenario::InFlight {
            while self.clients.len() < wanted {
                let mut client = P::connect(self.child.address).await?;
                P::call(&mut client).await?;
                self.clients.push(client);
            }
        }
        let before = self.child.used()?;
        let outcome = if scenario == Scenario::InFlight {
            let client = P::connect(self.child.address).await?;
            load::pipelined::<P>(client, DEPTH, plan.turn).await?
        } else {
            let (outcome, clients) =
                load::sequential::<P>(std::mem::take(&mut self.clients), plan.turn).await?;
            self.clients = clients;
            outcome
        };
        let server_cpu = self.child.used()?.cpu.saturating_sub(before.cpu);
        self.turns.push((scenario, Turn { outcome, server_cpu }));
        Ok(())
    }

    async fn first_calls(&mut self, plan: Plan) -> Result<(), Error> {
        // Kept, so that the end of one is not measured with the beginning of the next.
        let mut clients = Vec::with_capacity(plan.first_calls);
        for _ in 0..plan.first_calls {
            let start = Instant::now();
            clients.push(P::connect_and_call(self.child.address).await?);
            self.first_calls_us.push(start.elapsed().as_secs_f64() * 1e6);
        }
        drop(clients);
        sleep(ENDING_TIME).await;
        Ok(())
    }

    async fn among_idle(&mut self, plan: Plan) -> Result<(), Error> {
        let before = self.child.used()?.resident_bytes;
        let mut idle = Vec::with_capacity(plan.idle);
        for _ in 0..plan.idle {
            let mut client = P::connect(self.child.address).await?;
            P::call(&mut client).await?;
            idle.push(client);
        }
        let grown = self.child.used()?.resident_bytes.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "no server takes 2^52 bytes")]
        let bytes_idle = grown as f64 / plan.idle as f64;
        self.bytes_idle = bytes_idle;
        for _ in 0..plan.rounds {
            self.turn(Scenario::AmongIdle, plan).await?;
        }
        drop(idle);
        Ok(())
    }

    fn figures(mut self) -> Result<(Vec<Figure>, Connections), Error> {
        let mut figures = Vec::new();
        for scenario in Scenario::ALL {
            let turns =
                || self.turns.iter().filter(|(of, _)| *of == scenario).map(|(_, turn)| turn);
            #[expect(clippy::cast_precision_loss, reason = "calls are counted in millions")]
            let per_call =
                |time: Duration, turn: &Turn| time.as_secs_f64() * 1e6 / turn.outcome.calls as f64;
            let mut call_us: Vec<_> =
                turns().map(|turn| per_call(turn.outcome.elapsed, turn)).collect();
            let mut server_cpu_us: Vec<_> =
                turns().map(|turn| per_call(turn.server_cpu, turn)).collect();
            let mut nanoseconds = Histogram::<u64>::new(3)?;
            for turn in turns() {
                nanoseconds.add(&turn.outcome.nanoseconds)?;
            }
            #[expect(clippy::cast_precision_loss, reason = "no call takes 2^52 ns")]
            let latency_us = |quantile| nanoseconds.value_at_quantile(quantile) as f64 / 1e3;
            figures.push(Figure {
                kind: self.kind,
                scenario,
                calls_a_second: 1e6 / percentile(&mut call_us, 10),
                p50_us: latency_us(0.5),
                p99_us: latency_us(0.99),
                server_cpu_us: percentile(&mut server_cpu_us, 10),
            });
        }
        let first_call_us = percentile(&mut self.first_calls_us, 50);
        Ok((figures, Connections { kind: self.kind, bytes_idle: self.bytes_idle, first_call_us }))
    }
}
