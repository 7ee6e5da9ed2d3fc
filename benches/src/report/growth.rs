//! How time grows with size, calls in flight, connections and bodies: one table.

use std::fmt::{self, Write as _};

use benches::work::UBF;

use super::figures::{Figure, Figures, count};
use crate::markdown::{grouped, header, ratio, whole};
use crate::server::growth::{BODIES, CALLS, Row, rows};
use crate::server::{Kind, Scenario};

const JSON: &str = "serde_json Value";

pub(super) fn write(figures: &Figures, out: &mut String) -> fmt::Result {
    let servers = figures.servers.as_ref();
    let calls = servers.map(|servers| rows(servers, &CALLS, Kind::Ubf, Kind::Handle));
    let bodies = servers.map(|servers| rows(servers, &BODIES, Kind::Typed, Kind::Halves));
    let (calls, bodies) = (calls.unwrap_or_default(), bodies.unwrap_or_default());
    if figures.sizes.is_empty() && calls.is_empty() && bodies.is_empty() {
        return Ok(());
    }
    out.push_str(
        "
## Growth

What grows, and what becomes of us and of the peer. Where time were the same for each byte, call or connection, the figures of a column
would stay the same once there is enough to do; where the last column falls, we grow worse than the peer does.

",
    );
    header("what grows", &["ubf", "peer", "of the peer"], out)?;
    for (messages, found) in &figures.sizes {
        size(*messages, found, out)?;
    }
    for Row { scenario, ours, peer, ratio: beside } in &calls {
        let (ours, peer, beside) = (whole(*ours), whole(*peer), ratio(*beside));
        let (what, unit) = match scenario {
            Scenario::Connections(count) => (
                format!("connections with handles, a call at a time each: {}", grouped(*count)),
                "calls/s",
            ),
            Scenario::InFlight(depth) => {
                (format!("calls in flight through a handle: {}", grouped(*depth)), "calls/s")
            }
            Scenario::AmongIdle | Scenario::TwoWorkers | Scenario::Bodies { .. } => continue,
        };
        writeln!(out, "| {what} | {ours} {unit} | bare tokio {peer} | {beside} |")?;
    }
    for Row { scenario, ours, peer, ratio: beside } in &bodies {
        let Scenario::Bodies { bytes, .. } = scenario else { continue };
        let megabytes = |calls: f64| ratio(calls * count(*bytes) / 1e6);
        writeln!(
            out,
            "| payload of a typed call, one at a time: {} bytes | {} MB/s each way | bare tokio {} | {} |",
            grouped(*bytes),
            megabytes(*ours),
            megabytes(*peer),
            ratio(*beside)
        )?;
    }
    Ok(())
}

fn size(messages: usize, found: &[Figure], out: &mut String) -> fmt::Result {
    let by = |name| found.iter().find(|figure| figure.key.by == name);
    let (Some(ours), Some(json)) = (by(UBF), by(JSON)) else { return Ok(()) };
    let speed = |figure: &Figure| ratio(count(figure.bytes) / figure.nanoseconds * 1e3);
    writeln!(
        out,
        "| a document, decoded: {} messages, {} bytes | {} MB/s | {JSON} {} | {} |",
        grouped(messages),
        grouped(ours.bytes),
        speed(ours),
        speed(json),
        ratio(json.nanoseconds / ours.nanoseconds)
    )
}
