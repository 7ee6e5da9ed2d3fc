//! Clients that come, call and go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use ubf_client::{BackoffTimes, Builder, Client, Incoming, SessionPlan, State};
use ubf_testing::random::Random;

use super::cuts::Scissors;
use super::recorder;
use super::requests::{CALL_TIME, Caller};
use super::sabotage::Sabotage;
use super::sight::Sight;
use super::world::{PLACES, Presence, Stage, World};

/// The services, the more often the more is known of what their answers have to be.
const SERVICES: [&str; 8] = ["", "", "", "", "", "echo", "kv", "irc"];
/// How long a client may take to end.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// For so long a session is kept that has no connection: longer than any of its calls waits.
const KEEP_TIME: Duration = Duration::from_secs(20);
/// One client in so many has no sessions.
const WITHOUT: usize = 8;
/// Keys of one seat. They are used again when none of the calls that were made with them can be
/// under way.
const KEYS: u64 = 64;

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// When all its calls have ended.
    Closed,
    /// The same, by dropping the last handle.
    Dropped,
    /// In the midst of calls.
    Abruptly,
    /// Its callers do not wait for their calls.
    Deserted,
}

/// One seat: a client at a time, until it is time to leave.
pub(crate) async fn seat(world: Arc<World>, seat: usize, mut random: Random) {
    let mut visit = 0;
    while !world.has_entered(Stage::Leaving) {
        visit += 1;
        world.count("clients", 1);
        let service = *random.choose(&SERVICES).unwrap_or(&"");
        let has_sessions =
            !random.once_in(WITHOUT) && world.sabotage != Some(Sabotage::Sessionless);
        let sight = Sight::new(Arc::clone(&world), has_sessions);
        let settings = settings(&world, &sight, service, &mut random);
        let client = if random.once_in(2) { settings.start() } else { settings.connect().await };
        match client {
            Ok(client) => {
                let guest = Guest { client, sight, service };
                stay(&world, &guest, &format!("{seat}/{}", visit % KEYS), &mut random).await;
            }
            Err(_) => {
                world.count("clients that did not connect", 1);
                world.rest(Duration::from_millis(20), Stage::Leaving).await;
            }
        }
    }
}

/// A client that is there.
struct Guest {
    client: Client,
    sight: Arc<Sight>,
    service: &'static str,
}

fn settings(world: &Arc<World>, sight: &Arc<Sight>, service: &str, random: &mut Random) -> Builder {
    let versions: Vec<u32> = (1..=4).filter(|_| !random.once_in(3)).collect();
    let order = random.order(PLACES).into_iter().take(1 + random.below(PLACES));
    let addresses: Vec<_> = order.filter_map(|place| world.addresses.get(place).copied()).collect();
    let plan = if sight.has_sessions() { SessionPlan::wanted() } else { SessionPlan::off() };
    let plan = plan.with_window(*random.choose(&[1, 16, 1024]).unwrap_or(&16)).with_keep(KEEP_TIME);
    let own = Random::new(random.below(1 << 40) as u64);
    let scissors = Scissors::new(Arc::clone(world), Arc::clone(sight), own);
    let sight = Arc::clone(sight);
    let builder = Client::builder()
        .addresses(addresses)
        // 1 is always there: all services have it.
        .versions(versions.into_iter().chain([1]))
        .agent("soak")
        .call_time(CALL_TIME)
        .connect_time(Duration::from_secs(1))
        .close_time(CLOSE_TIME)
        .backoff(BackoffTimes {
            first: Duration::from_millis(5),
            longest: Duration::from_millis(200),
        })
        .max_pending(*random.choose(&[1, 8, 1000]).unwrap_or(&8))
        .max_in_flight(*random.choose(&[1, 8, 64]).unwrap_or(&8))
        .max_events(16)
        .session(plan)
        .connector(move |attempt| Arc::clone(&scissors).connect(attempt))
        .on_notice(move |notice| sight.note(notice))
        // Many connections break without a sign.
        .configure(|config| {
            config.ping_after = Duration::from_millis(400);
            config.max_pong_time = Duration::from_millis(400);
            config.ask_after = Duration::from_millis(600);
            config.max_silence = Duration::from_millis(1_500);
            config.max_write_time = Duration::from_secs(1);
            config.max_negotiation_time = Duration::from_secs(1);
        })
        .seed(random.below(1 << 40) as u64);
    if service.is_empty() { builder } else { builder.service(service) }
}

/// A client's life, once it is there.
async fn stay(world: &Arc<World>, guest: &Guest, key: &str, random: &mut Random) {
    let Guest { client, sight, service } = guest;
    let service = *service;
    let leaving = *random
        .choose(&[Leaving::Closed, Leaving::Dropped, Leaving::Abruptly, Leaving::Deserted])
        .unwrap_or(&Leaving::Closed);
    let mut callers = JoinSet::new();
    if random.once_in(2)
        && let Some(mut events) = client.events()
    {
        let presence = Presence::new(world, "readers of events");
        let world = Arc::clone(world);
        // It ends with the client. Who leaves does not wait for it.
        drop(tokio::spawn(async move {
            let _presence = presence;
            let mut heard = HashSet::new();
            while let Some(incoming) = events.recv().await {
                let Incoming::Event(event) = incoming else { continue };
                world.count("events read", 1);
                // S4: an event comes once, on whichever connection.
                if let Some(number) = recorder::note_number(event.event())
                    && !heard.insert(number)
                {
                    world.broke(format!("event {number} came twice"));
                }
            }
        }));
    }
    for caller in 0..1 + random.below(6) {
        let mut caller = Caller {
            client: client.clone(),
            sight: Arc::clone(sight),
            random: Random::new(random.below(1 << 40) as u64),
            key: format!("{key}/{caller}"),
            stored: None,
        };
        let (world, calls) = (Arc::clone(world), random.below(300));
        callers.spawn(async move {
            for _ in 0..calls {
                if world.has_entered(Stage::Leaving)
                    || caller.client.status().borrow().state == State::Closed
                {
                    break;
                }
                caller.ask(&world, service).await;
            }
            if service == "kv" {
                caller.tidy(&world).await;
            }
        });
    }
    let time = Duration::from_millis(random.below(400) as u64);
    match leaving {
        Leaving::Closed => {
            join(world, &mut callers).await;
            client.close(CLOSE_TIME).await;
        }
        Leaving::Dropped => join(world, &mut callers).await,
        Leaving::Abruptly => {
            world.rest(time, Stage::Leaving).await;
            sight.leaves();
            client.close(Duration::ZERO).await;
            join(world, &mut callers).await;
        }
        // What they have opened in the ledger stays open.
        Leaving::Deserted => {
            world.rest(time, Stage::Leaving).await;
            callers.shutdown().await;
        }
    }
    let statistics = client.status().borrow().statistics;
    world.count("fallbacks", statistics.fallbacks);
    world.count("moves", statistics.moves);
    world.count("losses", statistics.losses);
    world.count("sessions", statistics.sessions);
    world.count("sessions resumed", statistics.resumes);
    world.count("sessions lost", statistics.unknown);
    world.count("messages sent again after a resume", statistics.repeats);
    world.count("calls refused and sent again", statistics.refused);
}

async fn join(world: &World, callers: &mut JoinSet<()>) {
    while let Some(outcome) = callers.join_next().await {
        world.check(outcome.map_err(|error| format!("a caller: {error}")));
    }
}
