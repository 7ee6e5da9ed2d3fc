//! What a client is told of its sessions, and whether a call of it may end in doubt.

use std::sync::{Arc, Mutex, PoisonError};

use ubf_client::{LossReason, Notice};

use super::fates::{Fates, ServerNumber};
use super::world::{Presence, World};

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

#[derive(Debug, Default)]
struct Seen {
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

/// N3: a call that goes out before the server has said what it accepts may be too large for it.
fn is_too_large(reason: &LossReason) -> bool {
    let LossReason::ReportedError { why, .. } = reason else { return false };
    why.as_ref().is_atom("limit-packet-bytes")
}

impl Sight {
    pub(crate) fn new(world: Arc<World>, has_sessions: bool) -> Arc<Self> {
        let client = Presence::new(&world, "clients");
        Arc::new(Self { world, _client: client, has_sessions, seen: Mutex::default() })
    }

    pub(crate) const fn has_sessions(&self) -> bool {
        self.has_sessions
    }

    /// Takes in what the client is told.
    #[allow(clippy::wildcard_enum_match_arm, reason = "other notices say nothing of sessions")]
    pub(crate) fn note(&self, notice: &Notice) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match notice {
            Notice::Agreed { session: Some(session), agent, .. } => {
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
