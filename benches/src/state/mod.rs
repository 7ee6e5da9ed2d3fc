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
use std::path::{Path, PathBuf};
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
use crate::missing::Missing;

/// Required: as the goals have it.
const CONNECTIONS: usize = 16;
/// Calls in flight on each of them.
const DEPTH: usize = 64;
/// For one turn of one server. Chosen: ten times what it takes.
const MAX_TURN: Duration = Duration::from_secs(40);

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
    pub(crate) const FULL: Self = Self { rounds: 5, time: Duration::from_secs(2) };
    pub(crate) const QUICK: Self = Self { rounds: 1, time: Duration::from_millis(300) };
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) rounds: usize,
    /// Synchronisations of the disk a second, one after the other, each after some bytes.
    pub(crate) fsyncs: Option<f64>,
    /// What a call takes longer whose row is in the state version before, as a part of it.
    pub(crate) up: Option<f64>,
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
    let figures = measure_in(plan, &arguments.folder, &mut Missing::default())?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &figures)?;
        return Ok(writeln!(out)?);
    }
    let mut text = String::new();
    write_tables(&figures, &mut text)?;
    Ok(out.write_all(text.as_bytes())?)
}

/// Measures in the system's folder for such files. What cannot be measured is missing.
pub(crate) fn measure(plan: Plan, missing: &mut Missing) -> Result<Figures, Error> {
    measure_in(plan, &env::temp_dir(), missing)
}

fn measure_in(plan: Plan, folder: &Path, missing: &mut Missing) -> Result<Figures, Error> {
    let folder = folder.join(format!("ubf-benches-state-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let database = folder.with_extension("pg");
    let database = missing.attempt("PostgreSQL", |_| Database::start(&database)).flatten();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(rounds(plan, &folder, database.as_ref(), missing));
    drop(database);
    // A folder that stays is no fault.
    let _is_gone = fs::remove_dir_all(&folder);
    Ok(measured)
}

/// In each round, the disk and every server have their turns. A server that fails has no more.
async fn rounds(
    plan: Plan,
    folder: &Path,
    database: Option<&Database>,
    missing: &mut Missing,
) -> Figures {
    let mut servers = Vec::new();
    for kind in Kind::ALL {
        let place = match (kind, database) {
            (Kind::Postgres, None) => continue,
            (Kind::Postgres, Some(database)) => database.connection(),
            (Kind::Echo | Kind::Kv | Kind::Memory | Kind::Redb, _) => {
                folder.join("rows.redb").display().to_string()
            }
        };
        let child = missing.attempt(format!("{kind:?}"), |_| Child::start(kind, &place));
        servers.push((kind, child, Vec::with_capacity(plan.rounds)));
    }
    let mut fsyncs = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        fsyncs.extend(missing.attempt("fsyncs", |_| fsync::a_second(folder, plan.time)));
        for (kind, place, speeds) in &mut servers {
            let Some(child) = place else { continue };
            let calls = calls_a_second(*kind, child, plan.time);
            match missing.within(format!("{kind:?}"), MAX_TURN, calls).await {
                Some(speed) => speeds.push(speed),
                None => *place = None,
            }
        }
    }
    let median = |values: &mut Vec<f64>| (!values.is_empty()).then(|| percentile(values, 50));
    let found = servers.into_iter().filter_map(|(kind, _, mut speeds)| {
        median(&mut speeds).map(|calls| Figure { kind, calls })
    });
    let servers = found.collect();
    let up = missing.attempt("`up` on read", |_| up::part(4 * plan.rounds));
    Figures { rounds: plan.rounds, fsyncs: median(&mut fsyncs), up, servers }
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
