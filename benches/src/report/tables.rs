//! The figures as Markdown.

use std::fmt::{self, Write as _};
use std::fs;

use benches::Error;
use benches::data;
use benches::work::{UBF, Work, documents};

use super::figures::{Figure, Figures};
use super::goals::{self, Goal, Limit};
use super::{felt, growth};
use crate::markdown::{grouped, header, ratio, whole};
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
    missing(figures, &mut out)?;
    out.push_str(FELT);
    goals_table("work", &felt::goals(figures), &mut out)?;
    growth::write(figures, &mut out)?;
    if !figures.operations.is_empty() {
        goals_of_decoding(figures, &mut out)?;
    }
    let mut goals = goals::of_the_codec(figures);
    goals.extend(figures.servers.iter().flat_map(goals::of_the_servers));
    goals.extend(figures.rows.iter().flat_map(goals::of_rows));
    out.push_str("\n## Other goals\n\n");
    goals_table("", &goals, &mut out)?;
    if !figures.operations.is_empty() {
        decoding(figures, &mut out)?;
        sizes(figures, &mut out)?;
    }
    if let Some(servers) = &figures.servers {
        server::write_tables(servers, &mut out)?;
    }
    if let Some(rows) = &figures.rows {
        state::write_tables(rows, &mut out)?;
    }
    if !figures.operations.is_empty() {
        all(figures, &mut out)?;
    }
    Ok(out)
}

/// What stands before the first table of goals.
const FELT: &str = "
## Where users feel it, with goals

Typed messages, large bodies, the client's handle, the first call, and what connections cost. `≥` rows say how many times as long the peer
takes, or our calls a second for one of the peer's: more is better. `≤` rows say how many times as long as the peer we take, or instructions,
bytes, milliseconds: less is better. Rows without a goal stand there to be compared. What a ratio was made of is in the last column, ours first.

";

fn missing(figures: &Figures, out: &mut String) -> fmt::Result {
    if !figures.missing.0.is_empty() {
        out.push_str("\n## Not measured\n\n");
    }
    figures.missing.0.iter().try_for_each(|reason| writeln!(out, "- {reason}"))
}

/// How the figures were made, and how they are to be read.
fn method(figures: &Figures, out: &mut String) -> fmt::Result {
    // Results without the peers' versions are better than none.
    let lock = fs::read_to_string(toolchain::workspace().join("Cargo.lock")).unwrap_or_default();
    let lock: toml::Table = toml::from_str(&lock).unwrap_or_default();
    let versions: Vec<_> = PEER_PACKAGES
        .iter()
        .filter_map(|package| Some(format!("{package} {}", toolchain::version_of(package, &lock)?)))
        .collect();
    write!(
        out,
        "
## Method

**How to read this.** The first table says what is to be reached where users feel it, and how far it is; the second one how that changes
while something grows. All else is for those who want to know why. Each figure stands beside its peer's of the same run.

**Documents.** All are synthetic: made by the code in `src/data`. Those called twitter, citm and canada are *like* the files of these names that
JSON parsers are measured with, in shape and in the mix of values, and are not these files: names are atoms in UBF, and twitter is about half as
large. `strings` has no escapes and long texts, which suits every reader that copies by blocks; `escapes` is its opposite. The documents say
the same in each format: what is an atom or a name in UBF is an atom in
Erlang's format and a string elsewhere; a record is a list of pairs in UBF and Erlang's format, and an object or a map elsewhere; a tuple is
an array where there are no tuples; text is a binary in Erlang's format, so that readers can borrow it; bytes are base64 in JSON. Before it is
measured, each operation is checked to find, or to write, what the document says.

**What is compared.** *Decode to the borrowed form*: to what each library has that is ready soonest; ours is a table of nodes that borrows from
the packet, serde_json has only a `Value` that owns all, simd-json has a tape. *Visit*: the same, and then every value is looked at, text
being checked and unescaped. *To owned*: our `Term` beside `Value`. *Typed*: the same Rust structs by serde, ours written as property
lists, as JSON has names of fields, too. *Encode*: from a `Term` or a `Value`, into a buffer that is kept.

**Times** are CPU times of one thread, operations of a document having turns of about 2 ms in {} interleaved rounds; the tenth percentile
counts. Ratios say how many times as long as {UBF} the peer takes: more is better for {UBF}. Who can reuse buffers is measured with them reused,
beside ours with its buffers reused. simd-json writes into its input, so its times include a copy of the input. Instructions are counted by
callgrind (`-- counts`). Allocations are counted in a program of their own. How servers are measured is said with them.

Compiler: {}, release profile of the workspace (thin LTO, one codegen unit), no target features beyond the target's own.
Peers: {}.
",
        figures.rounds,
        figures.rustc,
        versions.join(", ")
    )
}

fn goals_of_decoding(figures: &Figures, out: &mut String) -> fmt::Result {
    out.push_str("\n## Decode to the borrowed form, with goals\n\nEach cell: how many times as long the peer takes, and the goal. simd-json can reuse its buffers: both then do. The others cannot: then\nneither does.\n\n");
    header("", &goals::PEERS, out)?;
    for (document, wanted) in goals::DECODE {
        write!(out, "| {document} |")?;
        for (peer, goal) in goals::PEERS.into_iter().zip(wanted) {
            let reached = figures.decoding(document, peer);
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

fn goals_table(first: &str, goals: &[Goal], out: &mut String) -> fmt::Result {
    let has_measured = goals.iter().any(|goal| goal.measured.is_some());
    let columns: &[_] =
        if has_measured { &["goal", "reached", "", "measured"] } else { &["goal", "reached", ""] };
    header(first, columns, out)?;
    for Goal { what, limit, reached, measured } in goals {
        let (wanted, value) = match *limit {
            Limit::AtLeast(value) => (format!("≥ {}", limit_text(value)), value),
            Limit::AtMost(value) => (format!("≤ {}", limit_text(value)), value),
            Limit::None => (String::new(), 0.0),
        };
        let verdict = match *reached {
            None => String::new(),
            Some(_) if matches!(limit, Limit::None) => String::new(),
            Some(found) if limit.is_met_by(found) => "✓".to_owned(),
            Some(_) if value == 0.0 => "✗".to_owned(),
            Some(found) => format!("✗ {} of the goal", ratio(found / value)),
        };
        let found = reached.map_or_else(|| "not measured".to_owned(), figure);
        write!(out, "| {what} | {wanted} | {found} | {verdict} |")?;
        if has_measured {
            write!(out, " {} |", measured.as_deref().unwrap_or_default())?;
        }
        out.push('\n');
    }
    Ok(())
}

/// A figure: a ratio, or a count.
fn figure(value: f64) -> String {
    if value >= 1_000.0 { whole(value) } else { ratio(value) }
}

fn limit_text(value: f64) -> String {
    if value >= 1_000.0 { whole(value) } else { value.to_string() }
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
            let times = peers.iter().map(|peer| figures.times(document, work, peer));
            row(document, times, out)?;
        }
    }
    Ok(())
}

fn row(name: &str, times: impl Iterator<Item = Option<f64>>, out: &mut String) -> fmt::Result {
    write!(out, "| {name} |")?;
    for times in times {
        write!(out, " {} |", times.map(ratio).unwrap_or_default())?;
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

/// What the README shows: decoding, and the calls that users make.
pub(crate) fn short(figures: &Figures) -> String {
    let mut out = String::new();
    let peers =
        ["serde_json Value", "simd-json tape", "sonic-rs Value", "rmpv ValueRef", "erltf borrowed"];
    let names = peers.map(|peer| {
        let reuses = figures.times("rpc", Work::DecodeReused, peer).is_some();
        if reuses { format!("{peer}, buffers reused by both") } else { peer.to_owned() }
    });
    // A `String` takes all that is written.
    let names = names.each_ref().map(String::as_str);
    let _written = header("decode to the borrowed form", &names, &mut out);
    for document in ["rpc", "twitter", "citm", "canada", "strings", "records"] {
        let times = peers.iter().map(|peer| figures.decoding(document, peer));
        let _written = row(&felt::named(document), times, &mut out);
    }
    out
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        time if time >= 1e6 => format!("{} ms", ratio(time / 1e6)),
        time if time >= 1e3 => format!("{} µs", ratio(time / 1e3)),
        time => format!("{time:.0} ns"),
    }
}
