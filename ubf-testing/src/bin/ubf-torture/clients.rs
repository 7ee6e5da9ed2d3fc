//! Clients that call all the time: each is a durable session, which several callers share.

use std::future::{Future as _, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use ubf_client::{BackoffTimes, CallError, Client, Level, Reply, SessionPlan};
use ubf_codec::{Term, TermRef, View, ubf};
use ubf_testing::random::Random;

use super::history::{
    Append, Call, ClientNumber, End, Entry, What, client_account, key_account, number_of,
};
use super::world::{Generation, World};

pub(crate) const CLIENTS: u64 = 6;
/// The callers of a client.
pub(crate) const LANES: u64 = 4;
/// What is on the account of a client: the most that the ledger takes.
pub(crate) const OPENED: u64 = 100_000_000_000_000;
/// The most calls of a caller.
const MAX_CALLS: u64 = 10_000_000;
/// Keys at a time.
const KEYS: u64 = 2;
/// So many appends, and there are other keys: what was appended to them fits into a page.
const PER_GENERATION: u64 = 200;
/// The last generation: the ledger has 8,000 accounts. Its keys are appended to, and not read.
const MAX_GENERATIONS: u64 = 3_900;
/// The entries of a page, as the ledger has it.
pub(crate) const PAGE: u64 = 1_000;

/// One client.
struct Session {
    world: Arc<World>,
    client: Client,
    number: ClientNumber,
    /// The appends that were made so far. It is held while one is made, so that its number tells
    /// the order in the session.
    made: Mutex<u64>,
}

/// A client of the ledger, through these addresses.
pub(crate) async fn connect(
    addresses: &[String],
    plan: SessionPlan,
    time: Duration,
) -> Result<Client, String> {
    let builder = addresses.iter().fold(Client::builder(), ubf_client::Builder::address);
    let builder = builder.service("ledger").versions([1]).session(plan).call_time(time);
    // The next fault comes within a second or two. A client that waits ten, as clients of the world
    // do by themselves, may never meet an owner within the minute that its session is kept.
    let times = BackoffTimes { longest: Duration::from_secs(1), ..BackoffTimes::default() };
    let builder = builder.backoff(times);
    let client = builder.connect_within(time).connect().await;
    client.map_err(|error| format!("a client cannot connect: {error}"))
}

/// Starts all clients, and their callers.
pub(crate) async fn start(
    world: &Arc<World>,
    addresses: &[String],
    random: &mut Random,
) -> Result<JoinSet<()>, String> {
    let mut callers = JoinSet::new();
    let mut addresses = addresses.to_vec();
    let plan = SessionPlan::demanded(Level::Durable);
    for number in 0..CLIENTS {
        addresses.rotate_left(1);
        let client = connect(&addresses, plan, world.call_time()).await?;
        let account = client_account(number);
        open(&client, &account, OPENED).await?;
        let (world, made) = (Arc::clone(world), Mutex::new(0));
        let session = Arc::new(Session { world, client, number, made });
        if number == 0 {
            session.open_keys(&mut *session.world.generation.write().await).await?;
        }
        for lane in 0..LANES {
            let random = Random::new(random.below(1 << 30) as u64);
            callers.spawn(Arc::clone(&session).call_on(lane, random));
        }
    }
    Ok(callers)
}

async fn open(client: &Client, account: &str, cents: u64) -> Result<(), String> {
    let reply = client.call(ubf!({open, (account), (cents)})).await;
    let reply = reply.map_err(|error| format!("account {account} cannot be opened: {error}"))?;
    if reply.response().is_atom("ok") {
        return Ok(());
    }
    Err(format!("account {account} is opened once, and answered {}", reply.response()))
}

impl Session {
    /// One caller: each of its calls is made when the one before has ended.
    async fn call_on(self: Arc<Self>, lane: u64, mut random: Random) {
        for _ in 0..MAX_CALLS {
            if self.world.is_over() || self.world.is_broken() {
                return;
            }
            let ended = match random.below(400) {
                0 => self.sum().await,
                1..16 => self.read(lane).await,
                _ => self.append(lane, &mut random).await,
            };
            if let Err(what) = ended {
                return self.world.broke(what);
            }
            sleep(self.world.pause).await;
        }
    }

    async fn append(&self, lane: u64, random: &mut Random) -> Result<(), String> {
        let key = self.generation().await? * KEYS + u64::from(random.once_in(2));
        let begun_us = self.world.now_us();
        let mut made = None;
        let mut call = None;
        // The order in which calls are made is that in which their futures are polled first.
        let first = poll_fn(|cx| {
            let mut count = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            let element = *count * CLIENTS + self.number + 1;
            *count += 1;
            made = Some(Append { key, element });
            let (from, to) = (client_account(self.number), key_account(key));
            let request = ubf!({transfer, (from.as_str()), (to.as_str()), (element)});
            let mut future = Box::pin(self.client.call(request).into_future());
            let first = future.as_mut().poll(cx);
            call = Some(future);
            Poll::Ready(first)
        })
        .await;
        let (Some(append), Some(call)) = (made, call) else { return Ok(()) };
        let reply = match first {
            Poll::Ready(reply) => reply,
            Poll::Pending => call.await,
        };
        let ended_us = self.world.now_us();
        let end = match reply {
            Ok(reply) => match done(&reply) {
                Some(number) => End::Done(number),
                None => return Err(format!("append {append:?} was answered {}", reply.response())),
            },
            Err(error) => self.ended_badly(append, &error),
        };
        let (client, what) = (self.number, What::Append(append, end));
        self.world.record(Call { client, lane, begun_us, ended_us, what });
        Ok(())
    }

    /// A call that is not answered. All faults of a run are such that it should have been.
    fn ended_badly(&self, append: Append, error: &CallError) -> End {
        let element = append.element;
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        let why = format!("{error}{}", cause.unwrap_or_default());
        if error.may_have_run() {
            self.world.broke(format!("indeterminate: element {element}: {why}"));
            End::InDoubt
        } else {
            self.world.broke(format!("not answered: element {element}: {why}"));
            End::NotRun(error.to_string())
        }
    }

    /// The keys of the present, of which one more append is made. The next ones are opened if these
    /// have enough.
    async fn generation(&self) -> Result<u64, String> {
        loop {
            let generation = self.world.generation.read().await;
            let begun = generation.begun.fetch_add(1, Ordering::Relaxed);
            if begun < PER_GENERATION || generation.number >= MAX_GENERATIONS {
                return Ok(generation.number);
            }
            let number = generation.number;
            drop(generation);
            let mut generation = self.world.generation.write().await;
            if generation.number == number {
                generation.number += 1;
                self.open_keys(&mut generation).await?;
            }
        }
    }

    async fn open_keys(&self, generation: &mut Generation) -> Result<(), String> {
        for key in 0..KEYS {
            open(&self.client, &key_account(generation.number * KEYS + key), 0).await?;
        }
        generation.after = self.ask_sum().await?;
        generation.begun = AtomicU64::new(0);
        Ok(())
    }

    /// All that was appended to the present keys.
    async fn read(&self, lane: u64) -> Result<(), String> {
        let (number, after) = {
            let generation = self.world.generation.read().await;
            (generation.number, generation.after)
        };
        let begun_us = self.world.now_us();
        let reply = self.client.call(ubf!({transfers, (after), (PAGE)})).await;
        let reply = reply.map_err(|error| format!("a read is not answered: {error}"))?;
        let ended_us = self.world.now_us();
        let page = page(reply.response()).ok_or_else(|| format!("a page: {}", reply.response()))?;
        if page.is_last && number < MAX_GENERATIONS {
            let keys = (0..KEYS).map(|key| number * KEYS + key).collect();
            let what = What::Read { after, keys, seen: page.entries };
            self.world.record(Call { client: self.number, lane, begun_us, ended_us, what });
        }
        Ok(())
    }

    /// Adds all accounts up: nothing is made or lost at any moment.
    async fn sum(&self) -> Result<(), String> {
        self.ask_sum().await.map(drop)
    }

    /// How many transfers there have been.
    async fn ask_sum(&self) -> Result<u64, String> {
        let reply = self.client.call(ubf!(sum)).await;
        let reply = reply.map_err(|error| format!("the sum is not told: {error}"))?;
        let View::Tuple(parts) = reply.response().view() else {
            return Err(format!("a sum: {}", reply.response()));
        };
        let part = |index| parts.get(index).and_then(|part| part.as_u64());
        match (part(2), part(3), part(4)) {
            (Some(cents), Some(made), Some(transfers)) if cents == made => Ok(transfers),
            _ => Err(format!("money was made or lost: {}", reply.response())),
        }
    }
}

/// The number of a transfer that was made.
fn done(reply: &Reply) -> Option<u64> {
    let View::Tuple(parts) = reply.response().view() else { return None };
    let is_ok = parts.get(0).is_some_and(|ok| ok.is_atom("ok"));
    parts.get(1)?.as_u64().filter(|_| is_ok)
}

/// A page of transfers.
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    pub(crate) is_last: bool,
}

pub(crate) fn page(response: TermRef<'_>) -> Option<Page> {
    let (list, is_last) = list(response)?;
    let entry = |term: &Term| {
        let View::Tuple(parts) = term.as_ref().view() else { return None };
        let number = |index| parts.get(index).and_then(|part| part.as_u64());
        let account = |index| number_of(parts.get(index)?.as_str()?.as_ref());
        let append = Append { key: account(2)?, element: number(3)? };
        Some(Entry { number: number(0)?, client: account(1)?, append })
    };
    let entries = list.iter().map(entry).collect::<Option<Vec<_>>>()?;
    Some(Page { entries, is_last })
}

/// Accounts and what is on them, and whether there are no more.
pub(crate) fn accounts(response: TermRef<'_>) -> Option<(Vec<(String, u64)>, bool)> {
    let (list, is_last) = list(response)?;
    let account = |term: &Term| {
        let View::Tuple(parts) = term.as_ref().view() else { return None };
        Some((parts.get(0)?.as_str()?.into_owned(), parts.get(1)?.as_u64()?))
    };
    let accounts = list.iter().map(account).collect::<Option<Vec<_>>>()?;
    Some((accounts, is_last))
}

/// The entries of `{Name,Entries,Next}`.
fn list(response: TermRef<'_>) -> Option<(Vec<Term>, bool)> {
    let View::Tuple(parts) = response.view() else { return None };
    let View::List(list) = parts.get(1)?.view() else { return None };
    let is_last = parts.get(2)?.is_undefined();
    Some((list.iter().map(|term| term.to_term()).collect(), is_last))
}
