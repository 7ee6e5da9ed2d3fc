//! What happens to a session, in words.

use ubf_client::{LossReason, Notice};

/// A notice as a line. `None` if there are no words for it.
#[expect(clippy::wildcard_enum_match_arm, reason = "what comes with later versions has no words")]
pub(super) fn in_words(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Agreed { address, version, spoken, agent, .. } => {
            let agent = agent
                .as_ref()
                .map(|agent| format!(" ({})", agent.to_latin1().escape_debug()))
                .unwrap_or_default();
            format!("agreed on version {version} with {address}{agent}, which speaks {spoken}")
        }
        Notice::NewSession { id, .. } => {
            format!("a session, {id}: calls outlive their connection")
        }
        Notice::Resumed { address, kept, repeats, .. } => {
            let arrived = format!("{kept} of its messages had arrived");
            format!("the session goes on at {address}: {arrived}, {repeats} are sent again")
        }
        Notice::SessionLost { address, .. } => {
            format!("the session is gone: {address} does not know it any longer")
        }
        Notice::EventsMissed { count: Some(count), .. } => format!("{count} events are missing"),
        Notice::EventsMissed { count: None, .. } => "some events are missing".to_owned(),
        Notice::FellBack { from, to: Some(to), why } => {
            format!("fell back from {from} to {to}: {}", why.as_ref())
        }
        Notice::FellBack { from, to: None, why } => {
            format!("fell back from {from}, to what is agreed next: {}", why.as_ref())
        }
        Notice::QuarantineOpened { version, .. } => format!("version {version} is in quarantine"),
        Notice::QuarantineClosed { version } => format!("version {version} may be used again"),
        Notice::QuarantineForced { version } => {
            format!("version {version} is used all the same: no other is left")
        }
        Notice::Refused { why, .. } => format!("refused, and sent again: {}", why.as_ref()),
        Notice::RedirectAnnounced { next_ip } => format!("the next message goes to {next_ip}"),
        Notice::RedirectRefused { address, refusal } => {
            format!("not sent on to {address}: {}", refusal.as_str())
        }
        Notice::RedirectFailed { .. } => {
            "none of those addresses works: staying here for now".to_owned()
        }
        Notice::Moved { from, to, .. } => format!("moved from {from} to {to}"),
        Notice::Lost {
            address,
            reason:
                reason @ (LossReason::ConnectFailed { .. }
                | LossReason::ConnectTime { .. }
                | LossReason::MoveTime { .. }),
            ..
        } => {
            format!("{address}: {reason}")
        }
        Notice::Lost { address, reason, .. } => format!("lost {address}: {reason}"),
        Notice::Downgraded { address, before, after } => {
            format!("{address} offered version {before} before, and now {after} at most")
        }
        _ => return None,
    })
}
