//! Dialogues as they are written in the vectors.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) dialogue: Vec<Dialogue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialogue {
    pub(crate) name: String,
    pub(crate) rules: Vec<String>,
    #[serde(default)]
    pub(crate) case: Case,
    /// The end that is run; both if not given.
    pub(crate) side: Option<Side>,
    pub(crate) service: Option<String>,
    pub(crate) remembered: Option<u32>,
    pub(crate) client_versions: Vec<u32>,
    pub(crate) server_versions: Vec<u32>,
    /// Where the client starts. If they are given, its dials are steps; if not, connection 0 is
    /// made already.
    #[serde(default)]
    pub(crate) addresses: Vec<String>,
    #[serde(default)]
    pub(crate) client: ClientSettings,
    #[serde(default)]
    pub(crate) server: ServerSettings,
    pub(crate) step: Vec<Step>,
}

/// What a vector shows of its rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Case {
    #[default]
    Usual,
    /// The last value that is allowed and the first that is not, or rules that meet.
    Edge,
    /// The other end breaks the rule, or something fails.
    Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Client,
    Server,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientSettings {
    pub(crate) floor: Option<u32>,
    pub(crate) refuse_downgrade: bool,
    pub(crate) tls: bool,
    pub(crate) pinned: bool,
    pub(crate) max_pending: Option<usize>,
    pub(crate) max_in_flight: Option<usize>,
    pub(crate) max_depth: Option<u32>,
    pub(crate) max_packet: Option<u32>,
    /// S1: what the client wishes for.
    pub(crate) session: Option<SessionSettings>,
}

/// A session that a client wishes for. What is not given is what clients wish for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionSettings {
    pub(crate) window: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) keep_ms: Option<u64>,
    /// The level that it demands: `memory` or `durable`.
    pub(crate) demand: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerSettings {
    pub(crate) agent: Option<String>,
    pub(crate) peers: Vec<String>,
    /// T11: the first state of a pinned service.
    pub(crate) pinned: Option<String>,
    pub(crate) max_pending: Option<usize>,
    pub(crate) max_unread_bytes: Option<usize>,
    pub(crate) max_pending_bytes: Option<usize>,
    // Sessions (S1, S6).
    pub(crate) max_window: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_kept: Option<u64>,
    pub(crate) max_kept_in_all: Option<u64>,
    pub(crate) max_keep_ms: Option<u64>,
    pub(crate) max_kept_event_bytes: Option<usize>,
    pub(crate) max_sessions: Option<usize>,
    pub(crate) max_sessions_per_address: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Step {
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
