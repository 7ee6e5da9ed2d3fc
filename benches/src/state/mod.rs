//! Services with rows: how many calls a second are durable, beside what they are compared with.
//!
//! Each server is a process of its own, the clients are in this one: 16 sessions with 64 calls in
//! flight, each of which writes a row. In each round every server has its turn, so that what else
//! the machine does hits all alike.

mod child;
mod database;
mod fsync;
mod tables;
mod up;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, process};

use benches::Error;
use benches::measure::percentile;
use clap::Args;
use serde::Serialize;
use ubf_client::{Level, SessionPlan};
use ubf_codec::ubf;
use ubf_load::load::{Load, Outcome, Plan as LoadPlan, Requests};
use ubf_proto::Versions;

use self::child::Child;
pub(crate) use self::child::{ServeArguments, serve};
use self::database::Database;
pub(crate) use self::tables::write as write_tables;

/// Required: as the goals have it.
const CONNECTIONS: usize = 16;
/// Calls in flight on each of them.
const DEPTH: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Measures little, to see that all works
    #[arg(long)]
    quick: bool,
    /// Where the store's file is made: on a disk, if fsyncs are to say something
    #[arg(long, default_value_os_t = env::temp_dir())]
    folder: PathBuf,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A handler that answers each call with its request.
    Echo,
    /// A handler with values in memory.
    Kv,
    /// A service with rows, which are in memory.
    Memory,
    /// The same over a file.
    Redb,
    /// The same over a database.
    Postgres,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Echo, Self::Kv, Self::Memory, Self::Redb, Self::Postgres];

    const fn level(self) -> Level {
        match self {
            Self::Echo | Self::Kv => Level::Memory,
            Self::Memory | Self::Redb | Self::Postgres => Level::Durable,
        }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    rounds: usize,
    /// Of each server in each round.
    time: Duration,
}

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 5, time: Duration::from_secs(3) };
    pub(crate) const QUICK: Self = Self { rounds: 1, time: Duration::from_millis(300) };
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) rounds: usize,
    /// Synchronisations of the disk a second, one after the other, each after some bytes.
    pub(crate) fsyncs: f64,
    /// What a call takes longer whose row is in the state version before, as a part of it.
    pub(crate) up: f64,
    pub(crate) servers: Vec<Figure>,
}

/// Of one server.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) kind: Kind,
    /// The median of the rounds.
    pub(crate) calls: f64,
}

impl Figures {
    /// Calls a second; `None` if there is no such server.
    pub(crate) fn calls(&self, kind: Kind) -> Option<f64> {
        self.servers.iter().find(|figure| figure.kind == kind).map(|figure| figure.calls)
    }
}

pub(crate) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Error> {
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let figures = measure_in(plan, &arguments.folder)?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &figures)?;
        return Ok(writeln!(out)?);
    }
    let mut text = String::new();
    write_tables(&figures, &mut text)?;
    Ok(out.write_all(text.as_bytes())?)
}

/// Measures in the system's folder for such files.
pub(crate) fn measure(plan: Plan) -> Result<Figures, Error> {
    measure_in(plan, &env::temp_dir())
}

fn measure_in(plan: Plan, folder: &std::path::Path) -> Result<Figures, Error> {
    let folder = folder.join(format!("ubf-benches-state-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let database = Database::start(&folder.with_extension("pg"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(rounds(plan, &folder, database.as_ref()));
    drop(database);
    fs::remove_dir_all(&folder)?;
    measured
}

async fn rounds(
    plan: Plan,
    folder: &std::path::Path,
    database: Option<&Database>,
) -> Result<Figures, Error> {
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        let place = match (kind, database) {
            (Kind::Postgres, None) => continue,
            (Kind::Postgres, Some(database)) => database.connection(),
            (Kind::Echo | Kind::Kv | Kind::Memory | Kind::Redb, _) => {
                folder.join("rows.redb").display().to_string()
            }
        };
        servers.push((kind, Child::start(kind, &place)?, Vec::with_capacity(plan.rounds)));
    }
    let mut fsyncs = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        fsyncs.push(fsync::a_second(folder, plan.time)?);
        for (kind, child, speeds) in &mut servers {
            speeds.push(calls_a_second(*kind, child, plan.time).await?);
        }
    }
    let servers = servers
        .into_iter()
        .map(|(kind, _, mut speeds)| Figure { kind, calls: percentile(&mut speeds, 50) })
        .collect();
    let (fsyncs, up) = (percentile(&mut fsyncs, 50), up::part(4 * plan.rounds)?);
    Ok(Figures { rounds: plan.rounds, fsyncs, up, servers })
}

async fn calls_a_second(kind: Kind, child: &Child, time: Duration) -> Result<f64, Error> {
    let mut plan = LoadPlan::new([child.address.to_string().parse::<ubf_client::Target>()?]);
    (plan.connections, plan.depth) = (CONNECTIONS, DEPTH);
    plan.versions = Versions::of([3]);
    plan.session = SessionPlan::demanded(kind.level());
    plan.requests = Requests::Same(ubf!({put, "a", 1}));
    (plan.warm_up, plan.duration) = (time / 10, Some(time));
    let mut load = Load::start(plan).await?;
    load.ended().await;
    let summary = load.finish(Duration::from_secs(10)).await;
    let answered = summary.results.counts.of(Outcome::Answered);
    if answered == 0 || summary.results.counts.bad() > 0 {
        return Err(format!("{kind:?}: {:?}", summary.results.counts).into());
    }
    #[expect(clippy::cast_precision_loss, reason = "no load makes 2^52 calls")]
    let answered = answered as f64;
    Ok(answered / summary.measured.as_secs_f64())
}
