//! Dialogues as they are written in the vectors.

use serde::Deserialize;

use super::act::Act;
use super::told::{Body, Told};
use crate::outcome::Side;

/// A step of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Step {
    // The wire.
    Client {
        client: String,
        #[serde(default)]
        connection: u64,
    },
    Server {
        server: String,
        #[serde(default)]
        connection: u64,
    },
    // The clock and the network.
    At {
        at_ms: u64,
    },
    Dial {
        dial: String,
        connection: u64,
        tls: Option<String>,
    },
    Connected {
        connected: u64,
        peer: Option<String>,
        #[serde(default)]
        tls: bool,
    },
    Unreachable {
        unreachable: u64,
    },
    Lost {
        lost: u64,
    },
    Hangup {
        hangup: u64,
    },
    Stalled {
        stalled: bool,
    },
    // The client's program.
    Call {
        call: String,
        #[serde(default)]
        idempotent: bool,
        time_ms: Option<u64>,
        trace: Option<String>,
    },
    Event {
        event: String,
    },
    Cancel {
        cancel: String,
    },
    Close {
        close: bool,
    },
    Paused {
        paused: bool,
    },
    Crash {
        crash: u32,
    },
    Quarantine {
        quarantine: u32,
        until_ms: u64,
    },
    Render {
        render: String,
        version: u32,
        #[serde(default)]
        body: String,
        #[serde(default)]
        crashes: bool,
        #[serde(default)]
        inexpressible: bool,
    },
    Done {
        done: String,
        version: u32,
        #[serde(default)]
        body: String,
    },
    Failed {
        failed: String,
        why: String,
    },
    EventOut {
        event_out: String,
        version: u32,
    },
    // The server's program and its operator.
    Request {
        request: u64,
        version: u32,
        trace: Option<String>,
        deadline_ms: Option<u64>,
    },
    EventIn {
        event_in: u64,
        version: u32,
    },
    Reply {
        reply: u64,
        body: String,
    },
    Fail {
        fail: u64,
    },
    Refuse {
        refuse: u64,
        why: String,
    },
    CrashFrom {
        crash_from: String,
        version: u32,
    },
    Notify {
        notify: u32,
        body: String,
    },
    Withdraw {
        withdraw: u32,
    },
    Restore {
        restore: u32,
    },
    NextIp {
        next_ip: String,
    },
    Drain {
        drain: String,
        until_ms: u64,
        notice_at_ms: u64,
    },
    Undrain {
        undrain: bool,
    },
    Cordon {
        cordon: String,
    },
    Uncordon {
        uncordon: bool,
    },
    Shutdown {
        shutdown: String,
        within_ms: u64,
    },
    Closed {
        closed: String,
        cut: usize,
        #[serde(default)]
        connection: u64,
    },
    // Either.
    Notice {
        notice: String,
    },
}

/// What a step is to the end that is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// It is told.
    Told(Told),
    /// It does this.
    Does(Act),
    /// It does this, and is then told the answer.
    Asks(Act, Told),
    /// It is the other end's.
    NotIts,
}

impl Step {
    pub(super) fn part(&self, side: Side) -> Part {
        match side {
            Side::Client => self.of_client(),
            Side::Server => self.of_server(),
        }
    }

    fn of_client(&self) -> Part {
        Part::Told(match self.clone() {
            Self::Client { client, connection } => {
                return Part::Does(Act::Send { connection, bytes: client.into_bytes() });
            }
            Self::Dial { dial, connection, tls } => {
                return Part::Does(Act::Dial { connection, address: dial, tls });
            }
            Self::Hangup { hangup } => return Part::Does(Act::Hangup { connection: hangup }),
            Self::Done { done, version, body } => {
                return Part::Does(Act::Done { name: done, version, body: body.into_bytes() });
            }
            Self::Failed { failed, why } => {
                return Part::Does(Act::Failed { name: failed, why });
            }
            Self::EventOut { event_out, version } => {
                return Part::Does(Act::EventOut { version, body: event_out.into_bytes() });
            }
            Self::Notice { notice } => return Part::Does(Act::Notice { word: notice }),
            Self::Render { render, version, body, crashes, inexpressible } => {
                let body = match (crashes, inexpressible) {
                    (true, _) => Body::Crashes,
                    (false, true) => Body::Inexpressible,
                    (false, false) => Body::Bytes(body.into_bytes()),
                };
                let told = Told::Rendered { name: render.clone(), version, body };
                return Part::Asks(Act::Render { name: render, version }, told);
            }
            Self::Server { server, connection } => {
                Told::Received { connection, bytes: server.into_bytes() }
            }
            Self::At { at_ms } => Told::At { at_ms },
            Self::Connected { connected, peer, tls } => {
                Told::Connected { connection: connected, peer, tls }
            }
            Self::Unreachable { unreachable } => Told::Unreachable { connection: unreachable },
            Self::Lost { lost } => Told::Lost { connection: lost },
            Self::Call { call, idempotent, time_ms, trace } => {
                Told::Call { name: call, is_idempotent: idempotent, time_ms, trace }
            }
            Self::Event { event } => Told::Event { name: event },
            Self::Cancel { cancel } => Told::Cancel { name: cancel },
            Self::Close { .. } => Told::Close,
            Self::Paused { paused } => Told::Paused { is_paused: paused },
            Self::Stalled { stalled } => Told::Stalled { is_stalled: stalled },
            Self::Crash { crash } => Told::Crash { version: crash },
            Self::Quarantine { quarantine, until_ms } => {
                Told::Quarantine { version: quarantine, until_ms }
            }
            Self::Request { .. }
            | Self::EventIn { .. }
            | Self::Reply { .. }
            | Self::Fail { .. }
            | Self::Refuse { .. }
            | Self::CrashFrom { .. }
            | Self::Notify { .. }
            | Self::Withdraw { .. }
            | Self::Restore { .. }
            | Self::NextIp { .. }
            | Self::Drain { .. }
            | Self::Undrain { .. }
            | Self::Cordon { .. }
            | Self::Uncordon { .. }
            | Self::Shutdown { .. }
            | Self::Closed { .. } => return Part::NotIts,
        })
    }

    fn of_server(&self) -> Part {
        Part::Told(match self.clone() {
            Self::Server { server, connection } => {
                return Part::Does(Act::Send { connection, bytes: server.into_bytes() });
            }
            Self::Request { request, version, trace, deadline_ms } => {
                return Part::Does(Act::Request { number: request, version, trace, deadline_ms });
            }
            Self::EventIn { event_in, version } => {
                return Part::Does(Act::EventIn { number: event_in, version });
            }
            Self::Closed { closed, cut, connection } => {
                return Part::Does(Act::Closed { connection, why: closed, cut });
            }
            Self::Notice { notice } => return Part::Does(Act::Notice { word: notice }),
            Self::Client { client, connection } => {
                Told::Received { connection, bytes: client.into_bytes() }
            }
            Self::At { at_ms } => Told::At { at_ms },
            Self::Connected { connected, peer, tls } => {
                Told::Connected { connection: connected, peer, tls }
            }
            Self::Lost { lost } => Told::Lost { connection: lost },
            Self::Stalled { stalled } => Told::Stalled { is_stalled: stalled },
            Self::Reply { reply, body } => Told::Reply { number: reply, body: body.into_bytes() },
            Self::Fail { fail } => Told::Fail { number: fail },
            Self::Refuse { refuse, why } => Told::Refuse { number: refuse, why },
            Self::CrashFrom { crash_from, version } => {
                Told::CrashFrom { address: crash_from, version }
            }
            Self::Notify { notify, body } => {
                Told::Notify { version: notify, body: body.into_bytes() }
            }
            Self::Withdraw { withdraw } => Told::Withdraw { version: withdraw },
            Self::Restore { restore } => Told::Restore { version: restore },
            Self::NextIp { next_ip } => Told::NextIp { addresses: next_ip },
            Self::Drain { drain, until_ms, notice_at_ms } => {
                Told::Drain { addresses: drain, until_ms, notice_at_ms }
            }
            Self::Undrain { .. } => Told::Undrain,
            Self::Cordon { cordon } => Told::Cordon { addresses: cordon },
            Self::Uncordon { .. } => Told::Uncordon,
            Self::Shutdown { shutdown, within_ms } => Told::Shutdown { why: shutdown, within_ms },
            Self::Dial { .. }
            | Self::Unreachable { .. }
            | Self::Hangup { .. }
            | Self::Call { .. }
            | Self::Event { .. }
            | Self::Cancel { .. }
            | Self::Close { .. }
            | Self::Paused { .. }
            | Self::Crash { .. }
            | Self::Quarantine { .. }
            | Self::Render { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::EventOut { .. } => return Part::NotIts,
        })
    }
}
