//! The calls that a client makes, and what their answers have to be.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use ubf_client::{CallError, Client, Reply, Unsupported};
use ubf_codec::{Term, TermRef, Version, View, ubf};
use ubf_testing::random::Random;

use super::keeper::MAX_PACKET_BYTES;
use super::ledger::Fate;
use super::sight::{Sight, Start};
use super::world::{World, crash};

/// L2: what a call may take.
pub(crate) const CALL_TIME: Duration = Duration::from_secs(5);
/// Beyond [`CALL_TIME`], what a busy machine may take to say that it is over.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a call takes is below one of these.
const DELAYS_MS: [usize; 20] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 10, 200];

/// One caller, and the connection that it shares with others.
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) sight: Arc<Sight>,
    pub(crate) random: Random,
    /// Nobody else uses it in the store, for as long as this caller lives.
    pub(crate) key: String,
    /// What the store has at the key: `None` if that is not certain.
    pub(crate) stored: Option<Option<i64>>,
}

impl Caller {
    /// Whatever the service is called.
    pub(crate) async fn ask(&mut self, world: &World, service: &str) {
        match service {
            "echo" => self.echo(world).await,
            "kv" => self.store(world).await,
            "irc" => self.chat(world).await,
            _ => self.record(world).await,
        }
    }

    /// A call of the soak's own service, now and then in an unusual way.
    async fn record(&mut self, world: &World) {
        let random = &mut self.random;
        if random.once_in(20) {
            return self.cast(world).await;
        }
        let may_repeat = random.once_in(10);
        let ticket = world.ledger.open(may_repeat);
        let number = ticket.number;
        let max_delay_ms = *random.choose(&DELAYS_MS).unwrap_or(&1);
        let delay_ms = random.below(max_delay_ms);
        let length = match random.below(400) {
            0 => MAX_PACKET_BYTES as usize + random.below(1000),
            1..8 => random.below(64 << 10),
            _ => random.below(200),
        };
        let padding = Term::binary(vec![random.byte(); length]);
        // The code of one version crashes on this request, or has no words for it.
        let crashing = random.once_in(400).then(|| 1 + random.below(4));
        let lacking = random.once_in(200).then(|| 1 + random.below(4));
        let expected = padding.clone();
        let request = move |version: Version| {
            let is = |number: Option<usize>| number == usize::try_from(version.get()).ok();
            if is(crashing) {
                crash();
            }
            if is(lacking) {
                Err(Unsupported)
            } else {
                Ok(ubf!({run, (version.get()), (number), (delay_ms as u64), (padding.clone())}))
            }
        };

        let start = self.sight.start();
        let mut time = CALL_TIME;
        let mut call = self.client.call(request).within(time);
        if may_repeat {
            call = call.idempotent();
        }
        if random.once_in(40) {
            time = Duration::from_micros(random.below(5000) as u64);
            call = call.within(time);
        }
        let outcome = if random.once_in(40) {
            // Nobody waits for it any longer.
            let patience = Duration::from_micros(random.below(5000) as u64);
            match timeout(patience, call).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    world.count("dropped by callers", 1);
                    return;
                }
            }
        } else {
            match timeout(CALL_TIME + PATIENCE, call).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    return world.broke(format!("call {number} does not end: {:?}", self.client));
                }
            }
        };
        match outcome {
            Ok(reply) => {
                world.check(ticket.close(Fate::Answered));
                let version = reply.version();
                if reply.response() != ubf!({done, (version.get()), (number), (expected)}) {
                    world.broke(format!("the answer to call {number} is another call's"));
                }
                world.count("calls answered", 1);
                if random.once_in(500) {
                    world.count("replies that crash their reader", 1);
                    let read = self.client.read(&reply, |_| crash());
                    if read.is_ok() {
                        world.broke("a crash is not noticed");
                    }
                }
            }
            Err(error) => {
                world.check(ticket.close(fate(&error)));
                self.ended_badly(world, &error, may_repeat, (start, time));
            }
        }
    }

    fn ended_badly(
        &self,
        world: &World,
        error: &CallError,
        may_repeat: bool,
        (start, time): (Start, Duration),
    ) {
        world.count(word(error), 1);
        if matches!(error, CallError::Indeterminate { .. }) {
            self.sight.doubt(may_repeat);
        }
        // What was not sent may have waited behind others, or for a version.
        if matches!(error, CallError::Deadline { may_have_run: true, .. }) {
            self.sight.late(start, time);
        }
    }

    async fn cast(&mut self, world: &World) {
        let ticket = world.ledger.open(false);
        let event = ubf!({note, (ticket.number)});
        let start = self.sight.start();
        let cast = self.client.cast(event).within(CALL_TIME);
        let outcome = if self.random.once_in(4) {
            timeout(CALL_TIME + PATIENCE, cast.taken()).await.map(|taken| taken.map(|_version| ()))
        } else {
            timeout(CALL_TIME + PATIENCE, cast).await
        };
        match outcome {
            // S3: what is taken may run later, and at most once.
            Ok(Ok(())) => {
                world.count("events cast", 1);
                world.check(ticket.close(Fate::Unknown));
            }
            Ok(Err(error)) => {
                world.check(ticket.close(fate(&error)));
                self.ended_badly(world, &error, false, (start, CALL_TIME));
            }
            Err(_) => world.broke("an event's sending does not end"),
        }
    }

    async fn echo(&mut self, world: &World) {
        if self.random.once_in(20) {
            // P3: its echo would be an event, and the next reply would be taken for its own.
            if let Some(reply) = self.plain(world, Term::atom("event_out")).await {
                world.broke(format!("the echo of an event's name is {}", reply.response()));
            }
            return;
        }
        let request = any_term(&mut self.random);
        if let Some(reply) = self.plain(world, request.clone()).await
            && reply.response() != request
        {
            world.broke(format!("the echo of {request} is {}", reply.response()));
        }
    }

    /// What was stored is there, and what may have been is not relied on.
    async fn store(&mut self, world: &World) {
        if self.random.once_in(2) {
            let value = i64::try_from(self.random.below(1 << 30)).unwrap_or_default();
            let before = self.stored.take();
            let outcome = self.plain_call(world, ubf!({put, (self.key.as_str()), (value)})).await;
            self.stored = match outcome {
                Some(Ok(_)) => Some(Some(value)),
                Some(Err(error)) if !error.may_have_run() => before,
                Some(Err(_)) | None => {
                    // It may come yet. Nobody looks at this key again.
                    self.key.push('+');
                    None
                }
            };
        } else if let Some(reply) = self.plain(world, ubf!({get, (self.key.as_str())})).await
            && let Some(stored) = self.stored
        {
            let found = value(reply.response());
            if found != stored {
                world.broke(format!(
                    "the store has {found:?} at {}, where {stored:?} was put",
                    self.key
                ));
            }
        }
    }

    /// Leaves nothing behind.
    pub(crate) async fn tidy(&mut self, world: &World) {
        self.plain(world, ubf!({delete, (self.key.as_str())})).await;
    }

    /// What people say. After a move or a loss they are strangers again: then the answer is that
    /// the contract is broken.
    async fn chat(&mut self, world: &World) {
        let request = match self.random.below(8) {
            0 | 1 => ubf!(logon),
            2 => ubf!({join, "soak"}),
            3 => ubf!({leave, "soak"}),
            4 => ubf!(groups),
            5 => ubf!({nick, (format!("n{}", self.random.below(1000)))}),
            _ => ubf!({msg, "soak", "rain"}),
        };
        self.plain(world, request).await;
    }

    /// A call like any other.
    async fn plain(&self, world: &World, request: Term) -> Option<Reply> {
        self.plain_call(world, request).await?.ok()
    }

    async fn plain_call(&self, world: &World, request: Term) -> Option<Result<Reply, CallError>> {
        let start = self.sight.start();
        let outcome =
            timeout(CALL_TIME + PATIENCE, self.client.call(request).within(CALL_TIME)).await;
        match &outcome {
            Ok(Ok(_)) => world.count("calls answered", 1),
            Ok(Err(error)) => self.ended_badly(world, error, false, (start, CALL_TIME)),
            Err(_) => world.broke(format!("a call does not end: {:?}", self.client)),
        }
        outcome.ok()
    }
}

/// A value as versions 1 to 3 of the store's contract say it: `{value,V}`, `{value,V,Revision}`,
/// `{error,not_found}`.
fn value(response: TermRef<'_>) -> Option<i64> {
    let View::Tuple(parts) = response.view() else { return None };
    parts.get(1)?.as_i64()
}

fn any_term(random: &mut Random) -> Term {
    let leaf = |random: &mut Random| match random.below(4) {
        0 => Term::from(random.below(1 << 40) as u64),
        1 => Term::binary((0..random.below(60)).map(|_| random.byte()).collect::<Vec<u8>>()),
        2 => Term::atom("rain"),
        _ => Term::string((0..random.below(60)).map(|_| random.byte()).collect::<Vec<u8>>()),
    };
    let list: Vec<Term> = (0..random.below(8)).map(|_| leaf(random)).collect();
    Term::tuple([Term::from(list), leaf(random), Term::tuple([leaf(random), leaf(random)])])
}

fn fate(error: &CallError) -> Fate {
    if error.may_have_run() { Fate::Unknown } else { Fate::NotExecuted }
}

/// How a call ended, in the words of the report.
fn word(error: &CallError) -> &'static str {
    match error {
        CallError::Overloaded { .. } => "calls ended: overloaded",
        CallError::Deadline { may_have_run, .. } => {
            if *may_have_run {
                "calls ended: deadline, may have run"
            } else {
                "calls ended: deadline, not sent"
            }
        }
        CallError::Cancelled { .. } => "calls ended: cancelled",
        CallError::Indeterminate { .. } => "calls ended: indeterminate",
        CallError::Inexpressible { .. } => "calls ended: inexpressible",
        CallError::Crashed { .. } => "calls ended: all versions crashed",
        CallError::Failed { .. } => "calls ended: failed",
        CallError::Refused { .. } => "calls ended: refused",
        CallError::TooLarge { .. } | CallError::Unacceptable { .. } => "calls ended: too large",
        CallError::Rejected { .. } => "calls ended: rejected",
        CallError::NoCommonVersion { .. } => "calls ended: no common version",
        CallError::Closed => "calls ended: closed",
        CallError::Unreadable { .. } => "calls ended: unreadable",
        CallError::SessionNotGranted { .. } | _ => "calls ended: otherwise",
    }
}
