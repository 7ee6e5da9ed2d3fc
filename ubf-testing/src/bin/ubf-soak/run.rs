//! A run from its start to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use ubf_node::services::Kv;
use ubf_server::Versions;
use ubf_testing::random::Random;

use super::gauge::Gauge;
use super::keeper::{self, Keeper};
use super::options::Options;
use super::report::Report;
use super::sabotage::Sabotage;
use super::world::{PLACES, Stage, World};
use super::{crowd, strangers};

/// What all may take to leave. The slowest are calls to servers that are not there.
const LEAVING_TIME: Duration = Duration::from_secs(90);
/// What tasks and descriptors may take to be gone after that.
const SETTLING_TIME: Duration = Duration::from_secs(20);
const GAUGE_PERIOD: Duration = Duration::from_secs(1);
/// Gauges between two lines of progress.
const PROGRESS: usize = 10;

pub(crate) fn run(options: &Options) -> Result<Report, String> {
    let time_of_day =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = options.seed.unwrap_or_else(time_of_day);
    eprintln!("seed {seed}");
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(Box::pin(soak(options, seed)))
}

async fn soak(options: &Options, seed: u64) -> Result<Report, String> {
    let before = Gauge::read(0)?;
    let reserved = (0..PLACES).map(|_| keeper::reserve()).collect::<io::Result<Vec<_>>>();
    let (ports, addresses): (Vec<_>, Vec<SocketAddr>) =
        reserved.map_err(|error| format!("no port: {error}"))?.into_iter().unzip();
    let addresses = addresses.try_into().map_err(|_| "no port")?;
    let world = Arc::new(World::new(addresses, options.sabotage));

    options.sabotage.map_or(Ok(()), Sabotage::begin)?;
    let mut random = Random::new(seed);
    let mut fork = || Random::new(random.below(1 << 40) as u64);
    let kv = Arc::new(Kv::new(&Versions::of(Kv::VERSIONS)));
    let (mut keepers, mut guests) = (JoinSet::new(), JoinSet::new());
    for place in 0..PLACES {
        let keeper =
            Keeper { world: Arc::clone(&world), place, random: fork(), kv: Arc::clone(&kv) };
        keepers.spawn(keeper.keep());
    }
    for seat in 0..options.clients {
        guests.spawn(crowd::seat(Arc::clone(&world), seat, fork()));
    }
    for _ in 0..options.strangers {
        guests.spawn(strangers::come(Arc::clone(&world), fork()));
    }

    let gauges = watch(&world, options).await?;

    world.enter(Stage::Leaving);
    leave(&world, &mut guests, "clients").await;
    world.enter(Stage::Closing);
    leave(&world, &mut keepers, "servers").await;
    drop((kv, ports));
    let after = settle(before).await?;
    Ok(Report::new(
        seed,
        (before, &gauges, after),
        world.tallies(),
        (world.broken(), &world.present()),
        options.margin_percent,
    ))
}

/// Lets the time go by.
async fn watch(world: &World, options: &Options) -> Result<Vec<Gauge>, String> {
    let (start, mut gauges) = (Instant::now(), Vec::new());
    while !world.has_entered(Stage::Leaving)
        && start.elapsed() < options.time()
        && world.ledger.made() < options.max_calls
    {
        world
            .rest(GAUGE_PERIOD.min(options.time().saturating_sub(start.elapsed())), Stage::Leaving)
            .await;
        if let Some(sabotage) = options.sabotage {
            sabotage.go_on();
        }
        let gauge = Gauge::read(start.elapsed().as_secs())?;
        gauges.push(gauge);
        if gauges.len().is_multiple_of(PROGRESS) {
            let answered = world.tallies().0.get("calls answered").copied().unwrap_or_default();
            eprintln!(
                "{:>6} s  {answered:>10} calls answered  {:>5} tasks  {:>5} descriptors  {:>8} KiB",
                gauge.second, gauge.tasks, gauge.descriptors, gauge.memory_kib
            );
        }
        if !world.broken().is_empty() {
            break;
        }
    }
    Ok(gauges)
}

async fn leave(world: &World, all: &mut JoinSet<()>, who: &str) {
    let left = timeout(LEAVING_TIME, async {
        while let Some(outcome) = all.join_next().await {
            world.check(outcome.map_err(|error| format!("one of the {who}: {error}")));
        }
    });
    if left.await.is_err() {
        world.broke(format!("{} of the {who} do not leave", all.len()));
        all.shutdown().await;
    }
}

/// Waits until nothing is left, or for too long.
async fn settle(before: Gauge) -> Result<Gauge, String> {
    let start = Instant::now();
    loop {
        let after = Gauge::read(0)?;
        let is_settled = Handle::current().metrics().num_alive_tasks() == before.tasks
            && after.descriptors == before.descriptors;
        if is_settled || start.elapsed() > SETTLING_TIME {
            return Ok(after);
        }
        sleep(Duration::from_millis(20)).await;
    }
}
