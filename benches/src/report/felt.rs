//! What is to be reached where users feel it: typed messages, large bodies, the client's handle, the
//! first call, and what connections cost.

use benches::work::{UBF, VIEWS, Work};

use super::figures::{Figures, count};
use super::goals::{Goal, Limit};
use crate::markdown::{ratio, whole};
use crate::server::growth::{HUNDRED_KB_AT_16, LARGEST, MIB};
use crate::server::{self, ACTIVE, Counted, DEPTH, Kind, Scenario, Way};

use Limit::{AtLeast, AtMost};

/// By document: how many times as long as the codec `serde_json` should take to decode into
/// structs, and to encode them.
const TYPED: [(&str, f64, f64); 5] = [
    ("twitter", 2.0, 1.2),
    ("citm", 1.5, 1.0),
    ("canada", 0.8, 0.7),
    ("rpc", 1.5, 1.2),
    ("records", 2.0, 1.5),
];

/// The documents that are only like the files of their names.
const SYNTHETIC: [&str; 3] = ["twitter", "citm", "canada"];

/// All of them, in the order in which they are felt.
pub(super) fn goals(figures: &Figures) -> Vec<Goal> {
    let mut goals = of_the_codec(figures);
    let servers = figures.servers.as_ref();
    let empty = server::Figures::default();
    let servers = servers.unwrap_or(&empty);
    goals.extend(large_bodies(servers));
    goals.extend(handles(servers));
    goals.extend(instructions(servers));
    goals.extend(memory(servers));
    goals.extend(first_calls(servers));
    goals.extend(many(servers));
    goals
}

/// A document's name, as readers must understand it.
pub(super) fn named(document: &str) -> String {
    let is_synthetic = SYNTHETIC.contains(&document);
    if is_synthetic { format!("{document} (synthetic)") } else { document.to_owned() }
}

fn of_the_codec(figures: &Figures) -> Vec<Goal> {
    let beside = |what: String, document, work, peer, least| {
        let time = |by| Some(microseconds(figures.get(document, work, by)?.nanoseconds));
        let measured = time(UBF).zip(time(peer));
        let measured = measured.map(|(ours, theirs)| format!("{ours}; {peer} {theirs}"));
        let reached = figures.times(document, work, peer);
        Goal::new(format!("{what}, vs {peer}"), AtLeast(least), reached).with(measured)
    };
    let mut goals = Vec::new();
    for (document, least, _) in TYPED {
        let what = format!("typed decode, {}", named(document));
        goals.push(beside(what, document, Work::Typed, "serde_json", least));
    }
    for (document, _, least) in TYPED {
        let what = format!("typed encode, {}", named(document));
        goals.push(beside(what, document, Work::EncodeTyped, "serde_json", least));
    }
    for (document, least) in [("twitter", 1.5), ("citm", 1.2), ("canada", 1.0)] {
        let what = format!("decode to an owned `Term`, {}", named(document));
        goals.push(beside(what, document, Work::Owned, "serde_json Value", least));
    }
    for document in ["rpc", "twitter", "citm"] {
        let what = format!("encode a `Term`, {}", named(document));
        goals.push(beside(what, document, Work::Encode, "serde_json Value", 1.5));
    }
    for document in ["twitter", "citm", "records"] {
        goals.push(cached(figures, document));
    }
    for (peer, least) in
        [("serde_json Value", 5.5), ("sonic-rs Value", 2.3), ("erltf borrowed", 3.9)]
    {
        goals.push(beside("decode rpc".to_owned(), "rpc", Work::Decode, peer, least));
    }
    for document in ["twitter", "citm", "records"] {
        let time = |by| Some(figures.get(document, Work::Look, by)?.nanoseconds);
        let both = time(VIEWS).zip(time(UBF));
        let what = format!("visit by `View`, time vs by `Visitor`, {}", named(document));
        let measured = both.map(|(views, visitor)| {
            format!("{}; `Visitor` {}", microseconds(views), microseconds(visitor))
        });
        let reached = both.map(|(views, visitor)| views / visitor);
        goals.push(Goal::new(what, AtMost(1.5), reached).with(measured));
    }
    goals
}

fn cached(figures: &Figures, document: &str) -> Goal {
    let what = format!("encode with registers, time vs without, {}", named(document));
    let figure = |work| figures.get(document, work, UBF);
    let measured = figure(Work::EncodeCached).zip(figure(Work::Encode)).map(|(cached, plain)| {
        format!(
            "{}, {} bytes; without {}, {} bytes",
            microseconds(cached.nanoseconds),
            whole(count(cached.bytes)),
            microseconds(plain.nanoseconds),
            whole(count(plain.bytes))
        )
    });
    Goal::new(what, AtMost(1.6), figures.cached_time(document)).with(measured)
}

fn large_bodies(servers: &server::Figures) -> Vec<Goal> {
    let calls = |what: &str, scenario, least| {
        let a_second = |kind| Some(ratio(servers.get(kind, scenario)?.calls_a_second));
        let measured = a_second(Kind::Typed).zip(a_second(Kind::Halves));
        let measured = measured.map(|(ours, bare)| format!("{ours} calls/s; bare tokio {bare}"));
        let reached = servers.speed(Kind::Typed, scenario, Kind::Halves);
        Goal::new(what, AtLeast(least), reached).with(measured)
    };
    let p50 = |kind| Some(ratio(servers.get(kind, LARGEST)?.p50_us / 1e3));
    let measured = p50(Kind::Typed).zip(p50(Kind::Halves));
    vec![
        calls("1 MiB typed echo, calls a second vs bare tokio", MIB, 0.8),
        calls("100 kB typed echo, 16 in flight, vs bare tokio", HUNDRED_KB_AT_16, 0.85),
        Goal::new(
            "64 MiB typed echo, median time vs bare tokio",
            AtMost(1.1),
            servers.latency(Kind::Typed, LARGEST, Kind::Halves),
        )
        .with(measured.map(|(ours, bare)| format!("{ours} ms; bare tokio {bare} ms"))),
    ]
}

fn handles(servers: &server::Figures) -> Vec<Goal> {
    let calls = |what: String, (kind, scenario, beside), limit| {
        let a_second = |kind| Some(whole(servers.get(kind, scenario)?.calls_a_second));
        let measured = a_second(kind).zip(a_second(beside));
        let measured = measured.map(|(ours, bare)| format!("{ours} calls/s; peer {bare}"));
        let reached = servers.speed(kind, scenario, beside);
        Goal::new(what, limit, reached).with(measured)
    };
    let ours = |what: &str, scenario, beside, least| {
        calls(what.to_owned(), (Kind::Ubf, scenario, beside), AtLeast(least))
    };
    let in_flight = Scenario::InFlight(DEPTH);
    vec![
        ours("64 in flight through our handle, vs bare tokio", in_flight, Kind::Bare, 0.8),
        ours("… vs bare tokio through a handle", in_flight, Kind::Handle, 0.95),
        calls(
            "… our server without our handle, decoding on both sides, vs bare tokio".to_owned(),
            (Kind::Packets, in_flight, Kind::Bare),
            Limit::None,
        ),
        ours(
            "256 in flight, vs bare tokio through a handle",
            Scenario::InFlight(256),
            Kind::Handle,
            0.9,
        ),
        ours(
            "1,024 in flight, vs bare tokio through a handle",
            Scenario::InFlight(1_024),
            Kind::Handle,
            0.9,
        ),
        ours(
            "unpinned, servers with two workers, 64 in flight, vs bare tokio",
            Scenario::TwoWorkers,
            Kind::Bare,
            0.8,
        ),
        calls(
            "… vs bare tokio through a handle".to_owned(),
            (Kind::Ubf, Scenario::TwoWorkers, Kind::Handle),
            Limit::None,
        ),
        calls(
            "… our server without our handle, vs bare tokio".to_owned(),
            (Kind::Packets, Scenario::TwoWorkers, Kind::Bare),
            Limit::None,
        ),
        ours(
            "64 connections, a call at a time each, vs bare tokio",
            Scenario::Connections(ACTIVE),
            Kind::Bare,
            0.95,
        ),
        calls(
            "… vs bare tokio through handles".to_owned(),
            (Kind::Ubf, Scenario::Connections(ACTIVE), Kind::Handle),
            Limit::None,
        ),
    ]
}

fn instructions(servers: &server::Figures) -> Vec<Goal> {
    let of = |counted| {
        let found = servers.instructions.iter().find(|found| found.of == counted);
        found.map(|found| found.a_call)
    };
    let beside = |peers: &[Counted]| {
        let found = peers
            .iter()
            .filter_map(|&peer| Some(format!("{} {}", peer.as_str(), whole(of(peer)?))));
        let found: Vec<_> = found.collect();
        (!found.is_empty()).then(|| found.join("; "))
    };
    vec![
        Goal::new("server, instructions a call", AtMost(1_700.0), of(Counted::Server))
            .with(beside(&[Counted::ServerInSession, Counted::BareServer, Counted::TarpcServer])),
        Goal::new("server, instructions a typed call", AtMost(3_000.0), of(Counted::TypedAtOnce))
            .with(beside(&[Counted::TypedMayWait])),
        Goal::new("client, instructions a call", AtMost(3_000.0), of(Counted::Client))
            .with(beside(&[Counted::ClientInSession, Counted::BareHandle])),
    ]
}

fn memory(servers: &server::Figures) -> Vec<Goal> {
    let handles = servers.handles.as_ref();
    let bytes = servers.sessions.as_ref().map(|sessions| &sessions.bytes);
    let bare = servers.connections(Kind::Bare).and_then(|found| found.bytes_idle);
    vec![
        Goal::new("idle client handle, bytes of heap", AtMost(3_072.0), handles.map(|h| h.ours))
            .with(handles.map(|handles| {
                let (session, bare) = (whole(handles.in_session), whole(handles.bare));
                format!("in a session {session}; bare tokio with a handle {bare}")
            })),
        Goal::new(
            "idle server connection, bytes resident",
            AtMost(1_536.0),
            bytes.map(|bytes| bytes.connection),
        )
        .with(bare.map(|bare| format!("bare tokio {}", whole(bare)))),
        Goal::new(
            "idle server connection with its session, bytes resident",
            AtMost(2_560.0),
            bytes.map(|bytes| bytes.session),
        ),
    ]
}

fn first_calls(servers: &server::Figures) -> Vec<Goal> {
    let way = |way: Way, limit| {
        let found = servers.first_calls.iter().find(|found| found.way == way);
        let what = format!("connect + first call vs bare tokio: {}", way.as_str());
        let measured = found.map(|found| {
            format!("{} µs; bare tokio {}", ratio(found.ours_us), ratio(found.bare_us))
        });
        Goal::new(what, limit, found.map(|found| found.ratio)).with(measured)
    };
    vec![
        way(Way::Connect, AtMost(1.8)),
        way(Way::Remembered, AtMost(1.3)),
        way(Way::RememberedInSession, AtMost(1.3)),
        way(Way::KnownAddress, AtMost(1.3)),
    ]
}

/// A small call that has large neighbours.
fn many(servers: &server::Figures) -> Vec<Goal> {
    let goal = |stream: server::Stream| {
        let found = servers.beside.iter().find(|found| found.stream == stream);
        let what = format!("small call beside a 1 MB stream {}, p99 in ms", stream.as_str());
        let reached = found.map(|found| found.ours.p99_us / 1e3);
        let measured = found.map(|found| {
            format!(
                "bare tokio {} ms; ratio {}",
                ratio(found.bare.p99_us / 1e3),
                ratio(found.ratio)
            )
        });
        Goal::new(what, AtMost(2.0), reached).with(measured)
    };
    vec![goal(server::Stream::SameConnection), goal(server::Stream::OtherConnection)]
}

/// `1.23 µs`
fn microseconds(nanoseconds: f64) -> String {
    match nanoseconds {
        time if time >= 1e6 => format!("{} ms", ratio(time / 1e6)),
        time if time >= 1e3 => format!("{} µs", ratio(time / 1e3)),
        time => format!("{time:.0} ns"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use benches::measure::Plan;

    #[test]
    fn every_goal_has_its_row_before_anything_is_measured() {
        let goals = goals(&Figures::new(Plan::QUICK).unwrap());
        assert!(goals.len() > 40, "{}", goals.len());
        assert!(goals.iter().all(|goal| goal.reached.is_none()), "nothing was measured");
        // Readers must not take them for the files of these names.
        for goal in goals {
            let is_like_a_file = SYNTHETIC.iter().any(|document| goal.what.contains(document));
            assert_eq!(is_like_a_file, goal.what.contains("(synthetic)"), "{}", goal.what);
        }
    }
}
