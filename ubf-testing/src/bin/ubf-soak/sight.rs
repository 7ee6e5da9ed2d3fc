//! What a client is told of its sessions, and whether a call of it may end in doubt, or late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ubf_client::{LossReason, Notice};

use super::fates::{Fates, ServerNumber};
use super::outages::Outages;
use super::world::{Presence, World};

/// For so long a session has no connection at most while its server is there. Chosen: some attempts
/// to go on one after the other that are cut, each of which takes a second if nobody sees it.
const MAX_PARKED: Duration = Duration::from_secs(5);
/// What is counted apart: some attempts were in vain.
const LONG_PARKED: Duration = Duration::from_secs(1);
/// So much of its time a call may wait for its answer while its client can reach the server.
/// Chosen: the longest handler, some times over, on a machine that has much else to do.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The sessions of one client.
#[derive(Debug)]
pub(crate) struct Sight {
    world: Arc<World>,
    /// The client's own task holds this, too.
    _client: Presence,
    /// Whether the client asks for sessions.
    has_sessions: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    outages: Outages,
    /// Since when the session has no connection that the client knows of.
    parked_since: Option<Instant>,
    /// The session that was granted last, and the server that did.
    session: Option<(u64, ServerNumber)>,
    /// What is to be said of calls that ended with the last session that was lost.
    verdict: Option<Verdict>,
    /// The program has closed the client, and did not wait for its calls.
    has_left: bool,
}

#[derive(Clone, Debug)]
enum Verdict {
    /// In the words of the report.
    Excused(&'static str),
    /// The session was lost though its server was there.
    Blamed(ServerNumber),
}

/// What a client had when a call was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    session: Option<(u64, ServerNumber)>,
    outages: Duration,
}

/// N3: a call that goes out before the server has said what it accepts may be too large for it.
fn is_too_large(reason: &LossReason) -> bool {
    let LossReason::ReportedError { why, .. } = reason else { return false };
    why.as_ref().is_atom("limit-packet-bytes")
}

impl Sight {
    pub(crate) fn new(world: Arc<World>, has_sessions: bool) -> Arc<Self> {
        let client = Presence::new(&world, "clients");
        let seen = Mutex::new(Seen {
            outages: Outages::new(Instant::now()),
            parked_since: None,
            session: None,
            verdict: None,
            has_left: false,
        });
        Arc::new(Self { world, _client: client, has_sessions, seen })
    }

    /// Whether a session was granted.
    pub(crate) fn has_session(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).session.is_some()
    }

    pub(crate) const fn has_sessions(&self) -> bool {
        self.has_sessions
    }

    /// Takes in what the client is told.
    #[allow(clippy::wildcard_enum_match_arm, reason = "other notices say nothing of sessions")]
    pub(crate) fn note(&self, notice: &Notice) {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match notice {
            Notice::Agreed { .. } | Notice::Moved { .. } | Notice::RedirectFailed { .. } => {
                seen.outages.end(now);
            }
            // R2: until the next connection is there, no call is sent.
            Notice::RedirectAnnounced { .. } => seen.outages.begin(now),
            Notice::Lost { was_in_use: true, .. } => {
                seen.outages.begin(now);
                if seen.session.is_some() {
                    seen.parked_since.get_or_insert(now);
                }
            }
            // L1: a server that is full, or closes, turns it away.
            Notice::Lost { reason: LossReason::Closing { .. }, .. } => {
                if let Some(since) = &mut seen.parked_since {
                    *since = now;
                }
            }
            _ => {}
        }
        if let Some(since) = seen.parked_since {
            self.check_parked(&seen, now.duration_since(since));
        }
        match notice {
            Notice::Resumed { parked, .. } => {
                seen.parked_since = None;
                self.world.count(
                    "sessions parked for a second or longer",
                    u64::from(*parked >= LONG_PARKED),
                );
            }
            Notice::Agreed { session: Some(session), agent, .. } => {
                seen.parked_since = None;
                let Some(server) =
                    agent.as_ref().and_then(|agent| Fates::by_agent(agent.as_str()?))
                else {
                    return self.world.broke("a server does not say which it is");
                };
                // S7: a session in memory is at the server that granted it, and nowhere else.
                if let Some((ordinal, owner)) = seen.session
                    && ordinal == session.ordinal
                    && owner != server
                {
                    self.world.broke(format!("server {server} has a session of server {owner}"));
                }
                seen.session = Some((session.ordinal, server));
            }
            Notice::SessionLost { .. } => {
                seen.parked_since = None;
                let Some((_, server)) = seen.session else {
                    return self.world.broke("a session was lost that nobody had granted");
                };
                seen.verdict = Some(match self.world.fates.excuse(server) {
                    Some(words) => Verdict::Excused(words),
                    None => Verdict::Blamed(server),
                });
            }
            Notice::Lost {
                address,
                reason:
                    reason @ (LossReason::Violation(_)
                    | LossReason::BadSyntax(_)
                    | LossReason::BadControl(_)
                    | LossReason::ReportedError { .. }),
                ..
            } if !is_too_large(reason) => {
                self.world.broke(format!("the connection to {address} ended by a fault: {reason}"));
            }
            _ => {}
        }
    }

    /// S7: whoever comes back finds a server that is there.
    fn check_parked(&self, seen: &Seen, time: Duration) {
        if time > MAX_PARKED
            && let Some((_, server)) = seen.session
            && self.world.fates.excuse(server).is_none()
        {
            self.world
                .broke(format!("a session is parked for {time:?}, and server {server} serves"));
        }
    }

    /// A connection of the client is cut, whoever sees it.
    pub(crate) fn cut(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.outages.begin(Instant::now());
    }

    /// A call is made.
    pub(crate) fn start(&self) -> Start {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Start { session: seen.session, outages: seen.outages.total(Instant::now()) }
    }

    /// The time of a call is over, and it may have run.
    pub(crate) fn late(&self, start: Start, time: Duration) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let outages = seen.outages.total(Instant::now()).saturating_sub(start.outages);
        let waited = time.saturating_sub(outages);
        let words = match seen.session {
            None => "deadline: a client without a session",
            Some(_) if seen.session != start.session => "deadline: another session since",
            Some((_, server)) if self.world.fates.excuse(server).is_some() => {
                "deadline: the server was going, or gone"
            }
            Some(_) if waited <= MAX_WAIT => "deadline: without a connection for long",
            Some((_, server)) => {
                let what = format!("a call had no answer in {waited:?} with a connection");
                return self.world.broke(format!("{what}, and server {server} serves"));
            }
        };
        self.world.count(words, 1);
    }

    /// The program closes the client, and does not wait for its calls.
    pub(crate) fn leaves(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).has_left = true;
    }

    /// A call has ended as indeterminate.
    pub(crate) fn doubt(&self, may_repeat: bool) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let words = if seen.has_left {
            "indeterminate: the program did not wait"
        } else if !self.has_sessions {
            "indeterminate: a client without sessions"
        } else {
            match seen.verdict {
                Some(Verdict::Excused(words)) => words,
                // S1: until a session is granted, such calls are sent in none.
                None if may_repeat => "indeterminate: idempotent, lost before there was a session",
                Some(Verdict::Blamed(server)) => {
                    let what = "is indeterminate, its session was lost";
                    return self.world.broke(format!("a call {what}, and server {server} serves"));
                }
                None => {
                    return self.world.broke("a call is indeterminate, and no session was lost");
                }
            }
        };
        self.world.count(words, 1);
    }
}
