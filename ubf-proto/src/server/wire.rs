//! The wire half of a session: one connection, with its bytes, its times and its end.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use core::num::NonZeroU64;
use core::time::Duration;

use ubf_codec::{ClientHeader, Limits, NextIp, Version};

use super::config::Config;
use super::live::LiveContext;
use super::output::{CloseReason, Output, PacketKind};
use crate::control::{Context, Negotiate, ServerControl};
use crate::drain::Phase;
use crate::inbound::Inbound;
use crate::packet::{Packet, ServerHeads};
use crate::rate::RateWindow;
use crate::service::Service;
use crate::time::Time;
use crate::versions::Versions;

/// One connection, from its first byte to its last.
#[derive(Debug)]
#[expect(
    clippy::box_collection,
    reason = "an idle connection has one word for them, and not three"
)]
pub(super) struct Wire {
    pub(super) phase: Phase,
    pub(super) inbound: Inbound<ClientHeader>,
    /// The client will send no more.
    pub(super) has_ended: bool,
    /// P6: packets of the client so far.
    pub(super) packets: u64,
    pub(super) agreed: Option<Version>,
    /// R4: by which peers are shuffled.
    pub(super) seed: Option<NonZeroU64>,
    pub(super) opening: Opening,
    pub(super) negotiations: RateWindow,
    /// N4: versions that stay refused until the client has negotiated again. Apart: seldom there.
    pub(super) refused: Option<Box<BTreeSet<Version>>>,
    /// Apart, since mostly there are none.
    extras: Option<Box<Extras>>,
    pub(super) heads: ServerHeads,
    /// Apart, like the end: seldom there.
    drain: Option<Box<DrainNotice>>,
    /// Apart, since a connection that ends needs it and an idle one does not.
    pub(super) ending: Option<Box<Ending>>,
    pub(super) unsent: usize,
    started: Time,
    last_traffic: Time,
    last_written: Time,
}

/// S1: whether a connection may open a session, or go on with one.
///
/// ```text
/// Possible ── negotiate with a session ──> Asked ──┬── 'unknown' ──────> Possible
///     ├────── anything else ──> Over               └── anything else ──> Over
///     │
///     └────── Cordon ──> Cordoned, and Uncordon leads back
///
/// Cordoned ── negotiate with `resume` ───> Asked ──┬── it goes on ─────> Over
///     └────── anything else ──> closing            └── it does not ────> Cordoned
/// ```
#[derive(Debug)]
pub(super) enum Opening {
    /// The next `negotiate` may.
    Possible,
    /// S10.4: the next `negotiate` may go on with one, and nothing else may come.
    Cordoned(Box<Cordoned>),
    /// One did, and waits for what the endpoint says.
    Asked(Box<Asked>),
    /// It is too late for it.
    Over,
}

/// S10.4: the operator admits no other client.
#[derive(Debug)]
pub(super) struct Cordoned {
    /// Where the client is sent, if nothing else sends it somewhere.
    pub(super) next_ip: Option<NextIp>,
}

/// A `negotiate` about which the endpoint is asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) negotiate: Negotiate,
    /// If the session does not go on.
    pub(super) cordon: Option<Box<Cordoned>>,
}

impl Opening {
    /// S10.4: the client may only go on with a session.
    pub(super) fn cordon(&mut self, next_ip: Option<NextIp>) {
        match self {
            Self::Possible => *self = Self::Cordoned(Box::new(Cordoned { next_ip })),
            Self::Cordoned(cordon) => cordon.next_ip = next_ip,
            // Those that are there stay.
            Self::Asked(_) | Self::Over => {}
        }
    }

    /// Something has come. The cordon that the connection is under.
    pub(super) fn end(&mut self) -> Option<Box<Cordoned>> {
        match core::mem::replace(self, Self::Over) {
            Self::Cordoned(cordon) => Some(cordon),
            Self::Possible | Self::Asked(_) | Self::Over => None,
        }
    }

    /// S10.7: it may do what any client may.
    pub(super) fn uncordon(&mut self) {
        match self {
            Self::Cordoned(_) => *self = Self::Possible,
            Self::Asked(asked) => asked.cordon = None,
            Self::Possible | Self::Over => {}
        }
    }
}

/// What few connections have.
#[derive(Debug, Default)]
struct Extras {
    /// N14: services that the client may not use.
    barred: BTreeSet<Service>,
    /// N15: the client may tell of its messages, and what it has told of the next one.
    reads_context: bool,
    context: Option<Box<Context>>,
}

/// A drain, as far as one connection has to do with it.
#[derive(Clone, Copy, Debug)]
struct DrainNotice {
    until: Time,
    /// `None` once the client has been told.
    notice_at: Option<Time>,
}

/// The connection closes when no answer is due. At `deadline` all that runs is given up.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) last_words: Option<ServerControl>,
    pub(super) reason: CloseReason,
    pub(super) deadline: Time,
    /// Handlers that were given up at the deadline.
    pub(super) calls_cut: usize,
}

impl Wire {
    pub(super) fn new(limits: Limits, now: Time) -> Self {
        Self {
            phase: Phase::Serving,
            inbound: Inbound::new(limits),
            has_ended: false,
            packets: 0,
            agreed: None,
            seed: None,
            opening: Opening::Possible,
            negotiations: RateWindow::default(),
            refused: None,
            extras: None,
            heads: ServerHeads::default(),
            drain: None,
            ending: None,
            unsent: 0,
            started: now,
            last_traffic: now,
            last_written: now,
        }
    }

    /// The one of a session that is parked: nothing comes of it any more.
    pub(super) fn stopped(limits: Limits, now: Time) -> Self {
        Self { phase: Phase::Stopped, opening: Opening::Over, ..Self::new(limits, now) }
    }

    /// N14: whether the client may not use a service.
    pub(super) fn bars(&self, service: &Service) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.barred.contains(service))
    }

    /// N14: the client may not use these services.
    pub(super) fn bar(&mut self, services: BTreeSet<Service>) {
        if !services.is_empty() {
            self.extras.get_or_insert_default().barred = services;
        }
    }

    /// N15: whether contexts are agreed on from here on.
    pub(super) fn agree_on_context(&mut self, is_agreed: bool) {
        if is_agreed || self.extras.is_some() {
            self.extras.get_or_insert_default().reads_context = is_agreed;
        }
    }

    /// N15: what comes next is about the next message. `false`: that was not agreed on.
    pub(super) fn set_context(&mut self, context: Context) -> bool {
        let agreed = self.extras.as_mut().filter(|extras| extras.reads_context);
        let is_agreed = agreed.is_some();
        if let Some(extras) = agreed {
            extras.context = Some(Box::new(context));
        }
        is_agreed
    }

    /// N15: what was told of the message that has come.
    pub(super) fn take_context(&mut self) -> Option<Box<Context>> {
        self.extras.as_mut()?.context.take()
    }

    /// U2: what another process is to know of contexts.
    pub(super) fn live_context(&self) -> LiveContext {
        match self.extras.as_deref() {
            Some(Extras { context: Some(context), .. }) => LiveContext::Told((**context).clone()),
            Some(extras) if extras.reads_context => LiveContext::Agreed,
            Some(_) | None => LiveContext::None,
        }
    }

    /// U2: contexts are to another process's client what they were there.
    pub(super) fn go_on_with_context(&mut self, context: LiveContext) {
        self.agree_on_context(context != LiveContext::None);
        if let LiveContext::Told(context) = context {
            self.set_context(context);
        }
    }

    pub(super) fn received(&mut self, bytes: bytes::BytesMut, now: Time) {
        self.last_traffic = now;
        if self.ending.is_none() {
            self.inbound.push(bytes, now);
        }
    }

    pub(super) const fn written(&mut self, count: usize, now: Time) {
        self.unsent = self.unsent.saturating_sub(count);
        self.last_written = now;
        self.last_traffic = now;
    }

    /// A packet on its way out.
    pub(super) fn transmit(&mut self, kind: PacketKind, packet: Packet, now: Time) -> Output {
        self.sends(packet.len(), now);
        Output::Transmit { kind, packet }
    }

    /// A packet of so many bytes is on its way out.
    pub(super) fn sends(&mut self, bytes: usize, now: Time) {
        if self.heads.next_ip().is_some()
            && let Some(drain) = &mut self.drain
        {
            // R3: a reply has told the client; it needs no notice.
            drain.notice_at = None;
        }
        if self.unsent == 0 {
            self.last_written = now;
        }
        self.unsent += bytes;
        self.last_traffic = now;
    }

    /// N4: whether a version stays refused.
    pub(super) fn is_refused(&self, version: Version) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.contains(&version))
    }

    /// N4: a version is refused until the client has negotiated again. Of versions that this
    /// server never speaks none needs to be remembered beyond the bound: they are refused anyway.
    pub(super) fn refuse(&mut self, version: Version) {
        let refused = self.refused.get_or_insert_default();
        if refused.len() < Versions::MAX_LEN {
            refused.insert(version);
        }
    }

    pub(super) fn set_next_ip(&mut self, next_ip: Option<NextIp>) {
        // A drain has the last word.
        if self.drain.is_none() {
            self.heads.set_next_ip(next_ip);
        }
    }

    pub(super) fn begin_drain(&mut self, next_ip: Option<NextIp>, until: Time, notice_at: Time) {
        if self.phase > Phase::Draining {
            return;
        }
        self.phase = Phase::Draining;
        let notice_at = next_ip.is_some().then_some(notice_at);
        self.heads.set_next_ip(next_ip);
        self.drain = Some(Box::new(DrainNotice { until, notice_at }));
    }

    pub(super) fn undrain(&mut self) {
        if self.drain.take().is_some() && self.phase == Phase::Draining {
            self.phase = Phase::Serving;
            self.heads.set_next_ip(None);
        }
    }

    /// R3: when the client is to be told by a notice.
    pub(super) fn notice_at(&self) -> Option<Time> {
        self.drain.as_ref()?.notice_at
    }

    /// R3: the client is told: how long the grace still is.
    pub(super) fn take_notice(&mut self, now: Time) -> Option<Duration> {
        let drain = self.drain.as_mut()?;
        drain.notice_at = None;
        Some(drain.until.since(now))
    }

    /// Takes in no further packet, and closes when the answers that are due are out.
    pub(super) fn end(
        &mut self,
        last_words: Option<ServerControl>,
        reason: CloseReason,
        deadline: Time,
    ) {
        match &mut self.ending {
            // What was first wrong is said; a stricter time counts.
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => {
                let ending = Ending { last_words, reason, deadline, calls_cut: 0 };
                self.ending = Some(Box::new(ending));
            }
        }
        self.phase = Phase::Closing;
    }

    /// L2: nothing could be written for too long.
    pub(super) fn write_deadline(&self, config: &Config) -> Time {
        if self.unsent > 0 { self.last_written + config.max_write_time } else { Time::NEVER }
    }

    /// L1: the first packet must have come.
    pub(super) fn negotiation_deadline(&self, config: &Config) -> Time {
        let is_waiting = self.packets == 0 && self.ending.is_none() && !self.inbound.is_fresh();
        if is_waiting { self.started + config.max_negotiation_time } else { Time::NEVER }
    }

    /// L1: a packet has begun and must become whole. To be asked while bytes are wanted.
    pub(super) fn packet_deadline(&self, config: &Config) -> Time {
        let deadline = if self.inbound.is_fresh() {
            None
        } else {
            self.inbound.deadline(config.max_packet_time)
        };
        deadline.unwrap_or(Time::NEVER)
    }

    /// L1: without any traffic. To be asked while no answer is due.
    pub(super) fn idle_deadline(&self, config: &Config) -> Time {
        let is_waiting = self.ending.is_none() && !self.inbound.is_fresh();
        if is_waiting { self.last_traffic + config.max_idle_time } else { Time::NEVER }
    }
}
