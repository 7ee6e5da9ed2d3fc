//! The session's notices as `tracing` events, in the same words.

use tracing::{debug, info, warn};
use ubf_proto::client::Notice;
use ubf_proto::{Time, Truncated};

/// Writes a notice to the log: what an operator should look into as a warning, the rest as
/// information.
#[expect(clippy::wildcard_enum_match_arm, reason = "two arms are of one variant")]
pub(crate) fn trace(notice: &Notice, now: Time) {
    match notice {
        Notice::Agreed { address, version, spoken, agent, .. } => {
            let agent = agent.as_ref().map(ubf_codec::Text::to_latin1).unwrap_or_default();
            let agent = Truncated(agent).to_string();
            info!(%address, %version, %spoken, agent, "agreed");
        }
        Notice::FellBack { from, to: Some(to), why } => {
            warn!(%from, %to, why = %Truncated(why.as_ref()), "fell back");
        }
        Notice::FellBack { from, to: None, why } => {
            warn!(%from, why = %Truncated(why.as_ref()), "fell back: no lower version is left");
        }
        Notice::QuarantineOpened { version, until } => {
            warn!(%version, seconds = until.since(now).as_secs_f64(), "quarantine opened");
        }
        Notice::QuarantineClosed { version } => info!(%version, "quarantine closed"),
        Notice::QuarantineForced { version } => {
            warn!(%version, "quarantine forced: no other version is left");
        }
        Notice::Refused { call, why } => {
            debug!(call = call.0, why = %Truncated(why.as_ref()), "refused");
        }
        Notice::RedirectAnnounced { next_ip } => info!(%next_ip, "redirect announced"),
        Notice::RedirectRefused { address, refusal } => {
            warn!(%address, why = refusal.as_str(), "redirect refused");
        }
        Notice::RedirectFailed { retry_at } => {
            warn!(retry_in_seconds = retry_at.since(now).as_secs_f64(), "redirect failed");
        }
        Notice::Moved { from, to, hops } => info!(%from, %to, hops, "moved"),
        Notice::Lost { address, reason, was_in_use } => {
            warn!(%address, reason = %Truncated(reason), was_in_use, "lost");
        }
        Notice::NewSession { address, ordinal, id, level, .. } => {
            info!(%address, session = ordinal, %id, %level, "new session");
        }
        Notice::Resumed { address, ordinal, kept, repeats, parked, .. } => {
            let parked_seconds = parked.as_secs_f64();
            info!(%address, session = ordinal, kept, repeats, parked_seconds, "resumed");
        }
        Notice::SessionLost { address, ordinal } => {
            warn!(%address, session = ordinal, "session lost: calls without an answer may have run");
        }
        Notice::EventsMissed { ordinal, count } => {
            warn!(session = ordinal, ?count, "events of the session are gone");
        }
        Notice::Downgraded { address, before, after } => {
            warn!(%address, %before, %after, "downgraded");
        }
        other => info!(notice = ?other, "notice"),
    }
}
