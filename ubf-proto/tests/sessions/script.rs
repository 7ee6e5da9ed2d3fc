//! Sessions as they are written in the vectors.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) session: Vec<Session>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    pub(crate) name: String,
    #[allow(dead_code, reason = "for readers, and for the check that each rule has a vector")]
    pub(crate) rules: Vec<String>,
    pub(crate) service: Option<String>,
    pub(crate) remembered: Option<u32>,
    pub(crate) client_versions: Vec<u32>,
    pub(crate) server_versions: Vec<u32>,
    pub(crate) step: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(crate) enum Step {
    Client { client: String },
    Server { server: String },
    Call { call: String },
    Event { event: String },
    Crash { crash: u32 },
    Withdraw { withdraw: u32 },
    Render { render: String, version: u32, body: String },
    Request { request: u64, version: u32 },
    EventIn { event_in: u64, version: u32 },
    Reply { reply: u64, body: String },
    Fail { fail: u64 },
    Notify { notify: u32, body: String },
    Done { done: String, version: u32, body: String },
    Failed { failed: String, why: String },
    EventOut { event_out: String, version: u32 },
}
