//! The figures as Markdown.

use std::fmt::{self, Write as _};
use std::fs;

use benches::Error;
use benches::data;
use benches::work::{UBF, Work, documents};

use super::figures::{Figure, Figures};
use super::goals::{self, Goal, Limit};
use crate::{server, state, toolchain};

const PEER_PACKAGES: [&str; 13] = [
    "serde_json",
    "simd-json",
    "sonic-rs",
    "rmpv",
    "rmp-serde",
    "erltf",
    "erltf_serde",
    "eetf",
    "redis-protocol",
    "tokio",
    "tokio-util",
    "tarpc",
    "tonic",
];

/// The columns of the table of decoding.
const DECODERS: [&str; 8] = [
    "serde_json Value",
    "simd-json tape",
    "simd-json borrowed",
    "sonic-rs Value",
    "rmpv ValueRef",
    "erltf borrowed",
    "eetf",
    "redis-protocol ranges",
];

/// All of RESULTS.md.
pub(crate) fn results(figures: &Figures) -> Result<String, Error> {
    let mut out = String::new();
    out.push_str(
        "# Results\n\nWritten by `cargo run -p benches --release -- report`; what is written here by hand is lost.\n",
    );
    method(figures, &mut out)?;
    goals_of_decoding(figures, &mut out)?;
    let mut goals = goals::of_the_codec(figures);
    goals.extend(figures.servers.iter().flat_map(goals::of_the_servers));
    goals.extend(figures.rows.iter().flat_map(goals::of_rows));
    other_goals(&goals, &mut out)?;
    decoding(figures, &mut out)?;
    sizes(figures, &mut out)?;
    if let Some(servers) = &figures.servers {
        server::write_tables(servers, &mut out)?;
    }
    if let Some(rows) = &figures.rows {
        state::write_tables(rows, &mut out)?;
    }
    all(figures, &mut out)?;
    Ok(out)
}

fn method(figures: &Figures, out: &mut String) -> Result<(), Error> {
    let lock: toml::Table =
        toml::from_str(&fs::read_to_string(toolchain::workspace().join("Cargo.lock"))?)?;
    let versions: Vec<_> = PEER_PACKAGES
        .iter()
        .filter_map(|package| Some(format!("{package} {}", toolchain::version_of(package, &lock)?)))
        .collect();
    write!(
        out,
        "
## Method

All documents are synthetic: made by the code in `src/data`. Those called twitter, citm and canada are *like* the files of these names that
JSON parsers are measured with, in shape and in the mix of values, and are not these files: names are atoms in UBF, and twitter is about half as
large. `strings` has no escapes and long texts, which suits every reader that copies by blocks; `escapes` is its opposite. The documents say
the same in each format: what is an atom or a name in UBF is an atom in
Erlang's format and a string elsewhere; a record is a list of pairs in UBF and Erlang's format, and an object or a map elsewhere; a tuple is
an array where there are no tuples; text is a binary in Erlang's format, so that readers can borrow it; bytes are base64 in JSON. Before it is
measured, each operation is checked to find, or to write, what the document says.

Times are CPU times of one thread, operations of a document having turns of about 2 ms in {} interleaved rounds; the tenth percentile
counts. Ratios say how many times as long as {UBF} the peer takes: more is better for {UBF}. simd-json writes into its input, so its times
include a copy of the input. Instructions are counted by callgrind (`-- counts`). Allocations are counted in a program of their own.

Compiler: {}, release profile of the workspace (thin LTO, one codegen unit), no target features beyond the target's own.
Peers: {}.
",
        figures.rounds,
        figures.rustc,
        versions.join(", ")
    )?;
    Ok(())
}

fn goals_of_decoding(figures: &Figures, out: &mut String) -> fmt::Result {
    out.push_str("\n## Decode to the borrowed form, with goals\n\nFresh buffers. Each cell: how many times as long the peer takes, and the goal.\n\n");
    header("", &goals::PEERS, out)?;
    for (document, wanted) in goals::DECODE {
        write!(out, "| {document} |")?;
        for (peer, goal) in goals::PEERS.into_iter().zip(wanted) {
            let reached = figures.times(document, Work::Decode, peer);
            match (reached, goal) {
                (Some(reached), Some(goal)) => {
                    let mark = if Limit::AtLeast(goal).is_met_by(reached) { "✓" } else { "✗" };
                    write!(out, " {} {mark} ≥ {goal} |", ratio(reached))?;
                }
                (Some(reached), None) => write!(out, " {} |", ratio(reached))?,
                (None, _) => out.push_str(" |"),
            }
        }
        out.push('\n');
    }
    Ok(())
}

fn other_goals(goals: &[Goal], out: &mut String) -> fmt::Result {
    out.push_str("\n## Other goals\n\n");
    header("", &["goal", "reached", ""], out)?;
    for Goal { what, limit, reached } in goals {
        let (sign, value) = match limit {
            Limit::AtLeast(value) => ('≥', value),
            Limit::AtMost(value) => ('≤', value),
        };
        let (found, verdict) = match *reached {
            None => ("not measured".to_owned(), "".to_owned()),
            Some(found) if limit.is_met_by(found) => (ratio(found), "✓".to_owned()),
            Some(found) if *value == 0.0 => (ratio(found), "✗".to_owned()),
            Some(found) => (ratio(found), format!("✗ {} of the goal", ratio(found / value))),
        };
        writeln!(out, "| {what} | {sign} {value} | {found} | {verdict} |")?;
    }
    Ok(())
}

fn decoding(figures: &Figures, out: &mut String) -> fmt::Result {
    for (work, heading) in [
        (Work::Decode, "Decode to the borrowed form, fresh buffers"),
        (Work::DecodeReused, "Decode to the borrowed form, all who can reusing their buffers"),
        (Work::Visit, "Decode, and visit every value (text as checked and unescaped UTF-8)"),
    ] {
        write!(out, "\n## {heading}: times as long as {UBF}\n\n")?;
        let of_work = |peer: &&str| {
            data::NAMES.iter().any(|document| figures.get(document, work, peer).is_some())
        };
        let peers: Vec<_> = DECODERS.into_iter().filter(of_work).collect();
        header("", &peers, out)?;
        for document in data::NAMES {
            row(figures, document, work, &peers, out)?;
        }
    }
    Ok(())
}

fn row(
    figures: &Figures,
    document: &str,
    work: Work,
    peers: &[&str],
    out: &mut String,
) -> fmt::Result {
    write!(out, "| {document} |")?;
    for peer in peers {
        write!(out, " {} |", figures.times(document, work, peer).map(ratio).unwrap_or_default())?;
    }
    out.push('\n');
    Ok(())
}

fn sizes(figures: &Figures, out: &mut String) -> fmt::Result {
    let columns = ["UBF", "UBF cached", "JSON", "MessagePack", "Erlang", "RESP3"];
    out.push_str("\n## Bytes\n\n");
    header("", &columns, out)?;
    for document in data::NAMES {
        write!(out, "| {document} |")?;
        for (work, by) in [
            (Work::Encode, UBF),
            (Work::EncodeCached, UBF),
            (Work::Decode, "serde_json Value"),
            (Work::Decode, "rmpv ValueRef"),
            (Work::Decode, "erltf borrowed"),
            (Work::Decode, "redis-protocol ranges"),
        ] {
            match figures.get(document, work, by) {
                Some(figure) => write!(out, " {} |", grouped(figure.bytes))?,
                None => out.push_str(" |"),
            }
        }
        out.push('\n');
    }
    write!(
        out,
        "\nThe parse trees with Erlang's strings for text, as `term_to_binary` writes them: {} bytes.\n",
        grouped(figures.parse_trees_etf_bytes)
    )
}

fn all(figures: &Figures, out: &mut String) -> fmt::Result {
    out.push_str(
        "\n## All figures\n\nThe last column is the time for one of serde_json's `Value`: of the same work, or of decoding where it has no such work.\n",
    );
    for document in documents() {
        write!(out, "\n### {document}\n\n")?;
        header("work", &["by", "bytes", "time", "allocations", "of serde_json `Value`"], out)?;
        for work in Work::ALL {
            let baseline = figures.get(document, work, "serde_json Value").or_else(|| {
                let is_encoding = matches!(work, Work::EncodeCached | Work::EncodeTyped);
                let alike = if is_encoding { Work::Encode } else { Work::Decode };
                figures.get(document, alike, "serde_json Value")
            });
            for figure in figures
                .operations
                .iter()
                .filter(|figure| figure.key.document == document && figure.key.work == work)
            {
                let Figure { key, bytes, nanoseconds, allocations, .. } = figure;
                let allocations = allocations.map(|count| count.to_string()).unwrap_or_default();
                let relative = baseline
                    .map(|baseline| ratio(nanoseconds / baseline.nanoseconds))
                    .unwrap_or_default();
                let (by, bytes, time) = (&key.by, grouped(*bytes), time(*nanoseconds));
                writeln!(out, "| {work} | {by} | {bytes} | {time} | {allocations} | {relative} |")?;
            }
        }
    }
    Ok(())
}

/// What the README shows.
pub(crate) fn short(figures: &Figures) -> String {
    let mut out = String::new();
    let peers =
        ["serde_json Value", "simd-json tape", "sonic-rs Value", "rmpv ValueRef", "erltf borrowed"];
    // A `String` takes all that is written.
    let _written = header("decode to the borrowed form", &peers, &mut out);
    for document in ["rpc", "twitter", "citm", "canada", "strings", "records"] {
        let _written = row(figures, document, Work::Decode, &peers, &mut out);
    }
    out
}

pub(crate) fn header(first: &str, columns: &[&str], out: &mut String) -> fmt::Result {
    writeln!(out, "| {first} | {} |", columns.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(columns.len()))
}

/// Three digits at most, and two decimals at most.
pub(crate) fn ratio(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        time if time >= 1e6 => format!("{} ms", ratio(time / 1e6)),
        time if time >= 1e3 => format!("{} µs", ratio(time / 1e3)),
        time => format!("{time:.0} ns"),
    }
}

/// `1,048,576`
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
