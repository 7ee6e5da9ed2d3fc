//! One run: servers, load, faults; then what clients saw is held against the rows.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;
use tokio::time::timeout;
use ubf_client::{Client, SessionPlan};
use ubf_codec::{Term, ubf};
use ubf_store::testing::TestPostgres;
use ubf_testing::random::Random;

use super::checker::{self, Rows, Verdict};
use super::clients::{self, LANES, OPENED, PAGE};
use super::cluster::Cluster;
use super::elle;
use super::history::number_of;
use super::logs;
use super::node::create;
use super::options::Options;
use super::report::Report;
use super::world::World;

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);
/// The most pages that are read at the end: the ledger keeps no more transfers.
const MAX_PAGES: u64 = 4_000;

/// Why there was no run, or what came of it.
pub(crate) async fn run(options: &Options) -> Result<Report, String> {
    let seed = options.seed.unwrap_or_else(time_of_day);
    let folder = options.out.clone().unwrap_or_else(|| own_folder(seed));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    let database = match options.is_shared() {
        true => Some(database()?),
        false => None,
    };
    let pause = Duration::from_millis(options.pause);
    let world = Arc::new(World::new(options.patience(), pause));
    let mutant = options.mutant.map(super::options::Mutant::name);
    let mut cluster = Cluster::start(Arc::clone(&world), &folder, database, mutant).await?;
    let mut random = Random::new(seed);
    let callers = clients::start(&world, &cluster.addresses(), &mut random).await;
    let callers = callers.unwrap_or_else(|why| {
        world.broke(why);
        JoinSet::new()
    });
    let began = Instant::now();
    let torture = torture(options, &mut cluster, &mut random);
    let faults = tokio::select! {
        faults = torture => faults,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("ubf-torture: ends early");
            0
        }
    };
    let verdict = judge(&mut cluster, callers, &folder).await;
    read_logs(&mut cluster);
    let mut breaks = world.breaks();
    breaks.extend(verdict.breaks.iter().cloned());
    let (counts, folder) = (cluster.counts.clone(), folder.display().to_string());
    Ok(Report { seed, time: began.elapsed(), faults, counts, verdict, folder, breaks })
}

fn time_of_day() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}

fn own_folder(seed: u64) -> PathBuf {
    std::env::temp_dir().join(format!("ubf-torture-{}-{seed}", std::process::id()))
}

/// One fault after the other, until the time is over or something is broken. How many there were.
async fn torture(options: &Options, cluster: &mut Cluster, random: &mut Random) -> u64 {
    let began = Instant::now();
    let mut told = began;
    let mut faults = 0;
    let all = options.faults();
    let in_turn = options.mutant.is_some() || !options.only.is_empty();
    while began.elapsed() < options.time()
        && faults < options.max_faults
        && !cluster.world.is_broken()
    {
        let next = usize::try_from(faults).unwrap_or(0) % all.len().max(1);
        let fault = if in_turn { all.get(next) } else { random.choose(&all) };
        let Some(&fault) = fault else { break };
        if let Err(what) = cluster.suffer(fault, random).await {
            cluster.world.broke(what);
        }
        faults += 1;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let counts = &cluster.counts;
            eprintln!(
                "{:>5} s  {faults} faults, {} kills, {} changes, {} calls",
                began.elapsed().as_secs(),
                counts.of(super::counts::KILLS),
                counts.of(super::counts::CHANGES),
                cluster.world.answered(),
            );
        }
    }
    faults
}

fn database() -> Result<TestPostgres, String> {
    let started = TestPostgres::start("torture");
    let started = started.map_err(|error| format!("the database cannot be started: {error}"))?;
    started.ok_or_else(|| "there is no PostgreSQL on this machine".into())
}

/// What servers have told as errors, which no fault explains, is broken, too.
fn read_logs(cluster: &mut Cluster) {
    for node in &cluster.nodes {
        for (message, count) in logs::errors(&node.log()) {
            if logs::is_expected(&message) {
                cluster.counts.add_many(&format!("logged as errors: {message}"), count);
            } else {
                let number = node.number;
                cluster.world.broke(format!("node {number} logs {count} times: {message}"));
            }
        }
    }
}

/// Ends the load, reads all rows, and holds them against what clients saw.
async fn judge(cluster: &mut Cluster, callers: JoinSet<()>, folder: &Path) -> Verdict {
    let world = Arc::clone(&cluster.world);
    world.end();
    if timeout(world.end_time(), callers.join_all()).await.is_err() {
        world.broke("calls do not end");
    }
    let calls = world.take_calls();
    let written = create(folder, "history.edn")
        .and_then(|file| elle::write(&calls, LANES, BufWriter::new(file)));
    if let Err(error) = written {
        world.broke(format!("the history cannot be written: {error}"));
    }
    match read_rows(cluster).await {
        Ok(rows) => checker::check(&calls, &rows, OPENED),
        Err(why) => {
            world.broke(format!("the rows cannot be read at the end: {why}"));
            Verdict::default()
        }
    }
}

async fn read_rows(cluster: &mut Cluster) -> Result<Rows, String> {
    cluster.start_all_again()?;
    cluster.find_owner().await?;
    let mut addresses = cluster.addresses();
    addresses.rotate_left(cluster.owner);
    let client =
        clients::connect(&addresses, SessionPlan::off(), cluster.world.call_time()).await?;
    let mut rows = Rows::default();
    for _ in 0..MAX_PAGES {
        let after = rows.log.last().map_or(0, |entry| entry.number);
        let page = ask(&client, ubf!({transfers, (after), (PAGE)}), clients::page).await?;
        rows.log.extend(page.entries);
        if page.is_last {
            break;
        }
    }
    let mut after = Term::Undefined;
    for _ in 0..MAX_PAGES {
        let request = ubf!({accounts, (after), (PAGE)});
        let (page, is_last) = ask(&client, request, clients::accounts).await?;
        for (account, cents) in &page {
            let number = number_of(account).ok_or_else(|| format!("account {account}"))?;
            let kind = if account.starts_with('c') { &mut rows.clients } else { &mut rows.keys };
            kind.insert(number, *cents);
        }
        match page.last() {
            Some((account, _)) if !is_last => after = Term::string(account.as_str()),
            _ => break,
        }
    }
    Ok(rows)
}

/// A call that only reads.
async fn ask<T>(
    client: &Client,
    request: Term,
    read: impl Fn(ubf_codec::TermRef<'_>) -> Option<T>,
) -> Result<T, String> {
    let reply = client.call(request).idempotent().await.map_err(|error| error.to_string())?;
    read(reply.response()).ok_or_else(|| format!("it was answered {}", reply.response()))
}
