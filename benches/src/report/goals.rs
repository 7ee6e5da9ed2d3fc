//! What is to be reached.

use benches::work::{UBF, Work};

use super::figures::{Figures, count};
use crate::server::{self, DEPTH, Kind, Scenario};
use crate::state;

/// The peers of the table of goals for decoding, and what each row wants of them.
pub(crate) const PEERS: [&str; 5] = [
    "serde_json Value",
    "simd-json tape",
    "simd-json borrowed",
    "sonic-rs Value",
    "erltf borrowed",
];

/// By document: how many times as long as the codec each of the [`PEERS`] should take to decode.
pub(crate) const DECODE: [(&str, [Option<f64>; 5]); 6] = [
    ("rpc", [Some(5.5), Some(1.6), Some(3.9), Some(2.3), Some(3.9)]),
    ("twitter", [Some(8.0), Some(1.2), Some(3.0), Some(1.0), Some(5.0)]),
    ("citm", [Some(6.0), Some(1.0), Some(3.4), Some(0.75), Some(5.3)]),
    ("records", [Some(9.0), Some(1.7), Some(4.5), Some(1.05), Some(4.9)]),
    ("strings", [Some(6.0), Some(1.4), Some(2.3), Some(0.95), Some(1.7)]),
    ("canada", [Some(4.4), Some(1.3), None, Some(1.1), None]),
];

/// One more goal.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) limit: Limit,
    /// `None` if it was not measured.
    pub(crate) reached: Option<f64>,
    /// What the figure was made of.
    pub(crate) measured: Option<String>,
}

impl Goal {
    pub(crate) fn new(what: impl Into<String>, limit: Limit, reached: Option<f64>) -> Self {
        Self { what: what.into(), limit, reached, measured: None }
    }

    pub(crate) fn with(self, measured: Option<String>) -> Self {
        Self { measured, ..self }
    }
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtLeast(f64),
    AtMost(f64),
    /// It stands beside others, and nothing is wanted of it.
    None,
}

impl Limit {
    pub(crate) fn is_met_by(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(limit) => figure >= limit,
            Self::AtMost(limit) => figure <= limit,
            Self::None => true,
        }
    }
}

/// The goals of the codec beside those for decoding.
pub(crate) fn of_the_codec(figures: &Figures) -> Vec<Goal> {
    use Limit::{AtLeast, AtMost};
    let goal = |what: String, limit, reached| Goal::new(what, limit, reached);
    let mut goals = Vec::new();
    for document in ["twitter", "records"] {
        let times = figures.times(document, Work::Visit, "serde_json Value");
        let what = format!("decode and visit {document}, vs serde_json `Value`");
        goals.push(goal(what, AtLeast(5.0), times));
    }
    for (document, least) in [("twitter", 1.1), ("records", 1.1), ("citm", 1.0)] {
        let times = figures.times(document, Work::Validate, "sonic-rs skip");
        goals.push(goal(format!("validate {document}, vs sonic-rs skip"), AtLeast(least), times));
    }
    let instructions = figures.instructions.as_ref();
    let a_token = instructions.map(|instructions| instructions.a_token_validated);
    let a_node = instructions.map(|instructions| instructions.a_node_decoded);
    goals.push(goal("instructions a token, twitter, validated".into(), AtMost(36.0), a_token));
    goals.push(goal("instructions a node, twitter, decoded".into(), AtMost(64.0), a_node));
    for (document, peer, least) in [
        ("ints", "sonic-rs Value", 1.15),
        ("ints", "rmpv ValueRef", 1.0),
        ("bins", "rmpv ValueRef", 1.4),
    ] {
        let times = figures.times(document, Work::Decode, peer);
        goals.push(goal(format!("decode {document}, vs {peer}"), AtLeast(least), times));
    }
    let allocations = |figure: &super::figures::Figure| {
        figure.allocations.and_then(|count| u32::try_from(count).ok())
    };
    let reused = figures
        .operations
        .iter()
        .filter(|figure| figure.key.work == Work::DecodeReused && figure.key.by == UBF);
    let most = reused.filter_map(allocations).max().map(f64::from);
    goals.push(goal(
        "allocations, reused buffers, the most of any document".into(),
        AtMost(0.0),
        most,
    ));
    let fresh = figures.get("rpc", Work::Decode, UBF).and_then(allocations).map(f64::from);
    goals.push(goal("allocations, rpc, fresh buffers".into(), AtMost(1.0), fresh));
    for (document, most) in [("records", 0.32), ("twitter", 0.6)] {
        let times = figures.cached_bytes(document);
        goals.push(goal(format!("encode {document} cached, bytes vs plain"), AtMost(most), times));
    }
    let worst = benches::data::NAMES
        .iter()
        .filter_map(|document| figures.cached_bytes(document))
        .max_by(f64::total_cmp);
    goals.push(goal(
        "encode cached, bytes vs plain, the most of any document".into(),
        AtMost(1.0),
        worst,
    ));
    let trees = figures.get("parse trees", Work::EncodeCached, UBF);
    let trees = trees.map(|figure| count(figure.bytes) / count(figures.parse_trees_etf_bytes));
    goals.push(goal(
        "encode parse trees cached, bytes vs Erlang's external term format".into(),
        AtMost(0.5),
        trees,
    ));
    let long_text = |by| Some(figures.get("long text", Work::LongText, by)?.nanoseconds);
    let in_pieces = long_text("ubf-codec, in pieces of 1 KiB").zip(long_text("ubf-codec, at once"));
    let in_pieces = in_pieces.map(|(pieces, once)| pieces / once);
    goals.push(goal(
        "a packet of 64 MiB in pieces of 1 KiB, time vs at once".into(),
        AtMost(1.15),
        in_pieces,
    ));
    goals
}

/// The goals of services with rows.
pub(crate) fn of_rows(figures: &state::Figures) -> Vec<Goal> {
    use Limit::AtLeast;
    let calls = |kind| figures.calls(kind);
    let goal = |what: &str, least, reached| Goal::new(what, AtLeast(least), reached);
    let redb = calls(state::Kind::Redb);
    let echo = calls(state::Kind::Echo);
    vec![
        goal("durable calls a second, redb, 16 sessions with 64 in flight", 100_000.0, redb),
        goal(
            "durable calls a second, redb, vs one fsync a call",
            100.0,
            redb.zip(figures.fsyncs).map(|(redb, fsyncs)| redb / fsyncs),
        ),
        goal(
            "durable calls a second, PostgreSQL, 16 sessions with 64 in flight",
            30_000.0,
            calls(state::Kind::Postgres),
        ),
        goal(
            "calls a second with rows in memory, vs a handler that echoes",
            0.7,
            calls(state::Kind::Memory).zip(echo).map(|(memory, echo)| memory / echo),
        ),
        Goal::new("`up` on read, as a part of the call", Limit::AtMost(0.15), figures.up),
    ]
}

/// The goals of client and server that stand in no other table.
pub(crate) fn of_the_servers(figures: &server::Figures) -> Vec<Goal> {
    use Limit::{AtLeast, AtMost};
    let in_flight = Scenario::InFlight(DEPTH);
    let bytes = figures.sessions.as_ref().map(|sessions| &sessions.bytes);
    vec![
        Goal::new(
            "calls a second, 64 in flight, called as the bare server is, vs bare tokio",
            AtLeast(0.5),
            figures.speed(Kind::Packets, in_flight, Kind::Bare),
        ),
        Goal::new(
            "server CPU µs a call, 64 in flight",
            AtMost(0.75),
            figures.get(Kind::Ubf, in_flight).map(|figure| figure.server_cpu_us),
        ),
        Goal::new(
            "server CPU of a call in a session, 64 in flight, vs without",
            AtMost(1.1),
            figures.cpu_in_session(in_flight),
        ),
        Goal::new(
            "bytes of the server a session at rest, beside its connection",
            AtMost(1024.0),
            bytes.map(|bytes| bytes.session - bytes.connection),
        ),
        Goal::new(
            "bytes of the server a session without a connection",
            AtMost(512.0),
            bytes.map(|bytes| bytes.parked),
        ),
    ]
}
