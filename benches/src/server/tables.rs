//! The servers' figures as Markdown.

use std::fmt::{self, Write as _};

use super::figures::{DEPTH, Figures, Scenario};
use super::growth;
use super::peer::Kind;
use super::sessions::Figures as Sessions;
use crate::markdown::{header, ratio, whole};

/// Writes all tables of what was measured.
pub(crate) fn write(figures: &Figures, out: &mut String) -> fmt::Result {
    let place = if figures.is_pinned { "each on a processor of its own" } else { "not pinned" };
    write!(
        out,
        "
## Servers

Echo of about 100 bytes over loopback, client and server in separate processes of one thread each, {place}, {} rounds in which all have
their turns one after the other. Calls a second and server CPU time a call are the median of the rounds; a ratio is the median of the
rounds' ratios, so that what else the machine does at the time hits both; latency is of all calls.

The bare server echoes frames of tokio-util's `LengthDelimitedCodec` and flushes all that is ready together; its client without a handle is
a loop that does the same, so that with 64 calls in flight batches of 64 go there and back. *ubf, client without a handle* is our server
called by that loop: like the bare client, it decodes what it receives, replies here and frames there. The others are called by as many
tasks through the handles that programs use; the bare server is too, through a handle of a channel and a task. tonic sends plain bytes as
messages. With many calls in flight a handle costs more than the server: a request is handed to a task, and its caller is woken by
the reply. Compare handles with handles, and loops with loops.
",
        figures.rounds
    )?;
    for scenario in Scenario::TABLES {
        calls(figures, scenario, out)?;
    }
    bodies(figures, out)?;
    beside(figures, out)?;
    connections(figures, out)?;
    instructions(figures, out)?;
    figures.sessions.as_ref().map_or(Ok(()), |sessions| of_sessions(figures, sessions, out))
}

fn calls(figures: &Figures, scenario: Scenario, out: &mut String) -> fmt::Result {
    let found: Vec<_> =
        Kind::ALL.into_iter().filter_map(|kind| figures.get(kind, scenario)).collect();
    if found.is_empty() {
        return Ok(());
    }
    write!(out, "\n### {scenario}")?;
    if scenario == Scenario::AmongIdle {
        write!(out, " ({} of them; one server after the other)", whole(count(figures.idle)))?;
    }
    out.push_str("\n\n");
    let columns =
        ["calls/s", "of bare tokio", "… with a handle", "p50 µs", "p99 µs", "server CPU µs/call"];
    header("", &columns, out)?;
    for figure in found {
        let beside = |peer| figures.speed(figure.kind, scenario, peer).map(ratio);
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            figure.kind.as_str(),
            whole(figure.calls_a_second),
            beside(Kind::Bare).unwrap_or_default(),
            beside(Kind::Handle).unwrap_or_default(),
            ratio(figure.p50_us),
            ratio(figure.p99_us),
            ratio(figure.server_cpu_us)
        )?;
    }
    Ok(())
}

fn bodies(figures: &Figures, out: &mut String) -> fmt::Result {
    let scenarios = [growth::MIB, growth::HUNDRED_KB_AT_16, growth::LARGEST];
    if scenarios.iter().all(|&scenario| figures.get(Kind::Typed, scenario).is_none()) {
        return Ok(());
    }
    out.push_str("\n### Typed calls with large bodies\n\nAn echo of bytes: ours is `on_typed` and `call_typed` with one `Bytes`; the bare server's client writes and reads at the same time.\n\n");
    let columns =
        ["in flight", "ubf calls/s", "bare tokio", "ratio", "ubf p50 µs", "bare tokio", "ratio"];
    header("bytes", &columns, out)?;
    for scenario in scenarios {
        let Scenario::Bodies { bytes, depth } = scenario else { continue };
        let (Some(ours), Some(bare), Some(speed), Some(latency)) = (
            figures.get(Kind::Typed, scenario),
            figures.get(Kind::Halves, scenario),
            figures.speed(Kind::Typed, scenario, Kind::Halves),
            figures.latency(Kind::Typed, scenario, Kind::Halves),
        ) else {
            continue;
        };
        writeln!(
            out,
            "| {} | {depth} | {} | {} | {} | {} | {} | {} |",
            whole(count(bytes)),
            ratio(ours.calls_a_second),
            ratio(bare.calls_a_second),
            ratio(speed),
            whole(ours.p50_us),
            whole(bare.p50_us),
            ratio(latency)
        )?;
    }
    Ok(())
}

fn beside(figures: &Figures, out: &mut String) -> fmt::Result {
    if figures.beside.is_empty() {
        return Ok(());
    }
    out.push_str("\n### A small call beside a stream of 1 MB\n\nOne caller makes calls of 1 MB one after the other, another one calls of 100 bytes; both through handles. Medians of the rounds.\n\n");
    let columns =
        ["ubf p50 µs", "p99 µs", "large/s", "bare tokio p50 µs", "p99 µs", "large/s", "p99, ratio"];
    header("the stream is", &columns, out)?;
    for found in &figures.beside {
        write!(out, "| {} |", found.stream.as_str())?;
        for latency in [&found.ours, &found.bare] {
            write!(
                out,
                " {} | {} | {} |",
                whole(latency.p50_us),
                whole(latency.p99_us),
                ratio(latency.large_a_second)
            )?;
        }
        writeln!(out, " {} |", ratio(found.ratio))?;
    }
    Ok(())
}

fn connections(figures: &Figures, out: &mut String) -> fmt::Result {
    if !figures.connections.is_empty() {
        out.push_str("\n### Connections\n\nThe median of connecting (and negotiating) and a first call, and the growth of the server's memory with idle connections. ubf's client\nremembers the version of an earlier session, so that its call follows the negotiation in the same flight (N3); without a handle, its call waits for the answer.\n\n");
        header("", &["connect + first call µs", "of bare tokio", "bytes an idle connection"], out)?;
    }
    for kind in Kind::ALL {
        let Some(connections) = figures.connections(kind) else { continue };
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            kind.as_str(),
            figures.first_call(kind).map(ratio).unwrap_or_default(),
            figures.first_call_beside(kind, Kind::Bare).map(ratio).unwrap_or_default(),
            connections.bytes_idle.map(whole).unwrap_or_default()
        )?;
    }
    if !figures.first_calls.is_empty() {
        out.push_str("\nThe ways in which our client begins, each beside the bare server's client in the same rounds:\n\n");
        header("", &["µs", "bare tokio", "ratio"], out)?;
    }
    for found in &figures.first_calls {
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            found.way.as_str(),
            ratio(found.ours_us),
            ratio(found.bare_us),
            ratio(found.ratio)
        )?;
    }
    if let Some(handles) = &figures.handles {
        out.push_str("\nAn idle client, in bytes of the heap, counted:\n\n");
        header("", &["bytes"], out)?;
        for (what, bytes) in [
            ("ubf", handles.ours),
            ("ubf, in a session", handles.in_session),
            ("bare tokio with a handle", handles.bare),
        ] {
            writeln!(out, "| {what} | {} |", whole(bytes))?;
        }
    }
    if let Some(redirect_us) = figures.redirect_us {
        writeln!(
            out,
            "\nA redirect, from the reply that names another server to the first reply from there: {} µs, the median.",
            ratio(redirect_us)
        )?;
    }
    Ok(())
}

fn instructions(figures: &Figures, out: &mut String) -> fmt::Result {
    if figures.instructions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n### Instructions a call, {DEPTH} in flight\n\nBy callgrind: what each of many more calls adds, in the whole process.\n"
    )?;
    header("", &["instructions"], out)?;
    for found in &figures.instructions {
        writeln!(out, "| {} | {} |", found.of.as_str(), whole(found.a_call))?;
    }
    Ok(())
}

fn of_sessions(figures: &Figures, sessions: &Sessions, out: &mut String) -> fmt::Result {
    let Sessions { sessions, bytes, resume_us, anew_us, herd } = sessions;
    let sessions = whole(count(*sessions));
    write!(
        out,
        "
### Sessions

Memory: the growth of a server's memory with {sessions} of each; all answers are acknowledged. A session goes on with 1,024 kept answers: from
connecting to the last of them, the median, beside as many calls that are made anew on a connection without a session. A cut of all connections:
{sessions} clients lose them at one moment, come back at random moments within 100 ms, and each makes a call.

"
    )?;
    header("", &["figure"], out)?;
    let beside = bytes.session - bytes.connection;
    for (what, figure) in [
        (
            "server CPU of a call in a session, 64 in flight, vs without",
            figures.cpu_in_session(Scenario::InFlight(DEPTH)),
        ),
        ("bytes a connection without a session", Some(bytes.connection)),
        ("bytes a session at rest, beside its connection", Some(beside)),
        ("bytes a session without a connection", Some(bytes.parked)),
        ("µs to go on with 1,024 kept answers", Some(*resume_us)),
        ("µs to make 1,024 calls anew", Some(*anew_us)),
        ("ms from a cut of all connections to the last answer", Some(herd.last_ms)),
        ("µs of server CPU for each session that goes on after it", Some(herd.server_cpu_us)),
    ] {
        let figure = figure.map_or_else(|| "not measured".to_owned(), ratio);
        writeln!(out, "| {what} | {figure} |")?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "no figure has 52 bits")]
const fn count(count: usize) -> f64 {
    count as f64
}
