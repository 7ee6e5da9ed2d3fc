//! What is counted and logged of a connection.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ubf_proto::Truncated;
use ubf_proto::server::{CloseReason, Config, Notice};

use super::{Connection, End};
use crate::log::{debug, info, millis, warn};

impl Connection {
    pub(super) fn note(&self, notice: Notice) {
        let (peer, counters) = (&self.entry.peer, &self.endpoint.totals);
        match notice {
            Notice::Agreed { service, version, agent, quarantined } => {
                counters.agreed.add(1);
                let agent = agent.as_ref().map(ubf_codec::Text::to_latin1);
                // A client may put line ends and colours into it.
                let shown = agent.as_deref().map(|agent| Truncated(agent.escape_debug()));
                debug!(%peer, %service, %version, agent = shown.map(tracing::field::display), quarantined = quarantined.len(), "agreed");
                let place = self.services.iter().position(|opened| opened.name == service);
                self.mailbox.set_spoken(place, version);
                self.entry.agree(service, version, agent.as_deref());
            }
            Notice::NoCommonVersion { service, asked } => {
                counters.no_common_version.add(1);
                info!(%peer, %service, %asked, "no common version");
            }
            Notice::NotAllowed { service } => {
                counters.services_not_allowed.add(1);
                info!(%peer, %service, "not allowed to use the service");
            }
            Notice::Refused { version, packet } => {
                counters.refused.add(1);
                debug!(%peer, %version, packet, "refused");
            }
            Notice::ReplyIsAnEvent { version, packet } => {
                counters.failed.add(1);
                warn!(%peer, service = %self.session.service(), %version, packet, "failed: the reply has the form of an event");
            }
            Notice::EventTooLarge { version, bytes, max_packet } => {
                warn!(%peer, %version, bytes, max_packet, "event not sent: the client does not accept packets so large");
            }
            Notice::MovedSent => {
                counters.moved.add(1);
                debug!(%peer, "moved");
            }
            Notice::ReportedError { why, offset } => {
                counters.reported_errors.add(1);
                warn!(%peer, why = %Truncated(why.as_ref()), offset, "the client reports an error");
            }
            Notice::SessionOpened { id, grant } => {
                counters.sessions.add(1);
                let (window, bytes, keep_ms) = (grant.window, grant.bytes, millis(grant.keep));
                debug!(%peer, session = %id, window, bytes, keep_ms, "session");
            }
            Notice::SessionResumed { id, turn, again, events_lost } => {
                counters.sessions_resumed.add(1);
                debug!(%peer, session = %id, turn, again, events_lost, "session resumed");
            }
            other => debug!(%peer, ?other, "a notice"),
        }
    }

    pub(super) fn record_end(&self, end: End) {
        let (peer, counters) = (&self.entry.peer, &self.endpoint.totals);
        self.entry.running.store(0, Ordering::Relaxed);
        let is_aborted = self.link.as_ref().is_some_and(|link| link.is_aborted);
        let is_ours = is_aborted || end.reason == CloseReason::Shutdown;
        if is_ours && end.calls_cut > 0 {
            counters.calls_cut.add(end.calls_cut as u64);
            warn!(%peer, calls_cut = end.calls_cut, "calls cut");
        }
        match end.reason {
            CloseReason::ByClient | CloseReason::Shutdown => {}
            CloseReason::Lost => counters.lost.add(u64::from(!is_aborted)),
            CloseReason::BadSyntax(_) | CloseReason::BadControl => counters.bad_syntax.add(1),
            // Counted with its notice.
            CloseReason::ReportedError => {}
            CloseReason::NegotiationTime
            | CloseReason::PacketTime
            | CloseReason::IdleTime
            | CloseReason::SlowReader => counters.too_slow.add(1),
            CloseReason::Cordoned => counters.connections_refused.add(1),
            CloseReason::SessionExists | CloseReason::Overtaken | _ => {}
        }
        let packets = self.session.packets();
        match exceeded(&end.reason, &self.endpoint.config) {
            // Whoever finds its clients cut off sees what to raise.
            Some((limit, value)) => {
                let value_ms = millis(value);
                debug!(%peer, reason = %end.reason, limit, value_ms, packets, "closed");
            }
            None => debug!(%peer, reason = %end.reason, packets, "closed"),
        }
    }
}

/// The limit that ended a connection, by its field in [`Config`], and its value.
const fn exceeded(reason: &CloseReason, config: &Config) -> Option<(&'static str, Duration)> {
    match reason {
        CloseReason::NegotiationTime => Some(("max_negotiation_time", config.max_negotiation_time)),
        CloseReason::PacketTime => Some(("max_packet_time", config.max_packet_time)),
        CloseReason::IdleTime => Some(("max_idle_time", config.max_idle_time)),
        CloseReason::SlowReader => Some(("max_write_time", config.max_write_time)),
        // A limit of packets is in the error, with its value.
        CloseReason::BadSyntax(_)
        | CloseReason::ByClient
        | CloseReason::Lost
        | CloseReason::Shutdown
        | CloseReason::BadControl
        | CloseReason::ReportedError
        | CloseReason::SessionExists
        | CloseReason::Overtaken
        | CloseReason::Cordoned
        | _ => None,
    }
}
