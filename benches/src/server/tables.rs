//! The servers' figures as Markdown.

use std::fmt::{self, Write as _};

use super::figures::{Figures, Scenario};
use super::peer::Kind;
use super::sessions::Figures as Sessions;
use crate::report::{header, ratio};

/// Writes all tables.
pub(crate) fn write(figures: &Figures, out: &mut String) -> fmt::Result {
    write!(
        out,
        "
## Servers

Echo of about 100 bytes over loopback, client and server in separate processes of one thread each, {} interleaved rounds. Calls a second
and server CPU time a call: the tenth percentile of the times a call; latency: of all calls. The bare server echoes frames of tokio-util's
`LengthDelimitedCodec` and flushes all that is ready together; its client has no handle but a loop that does the same, so that with 64 calls in
flight batches of 64 go there and back. The others are called by as many tasks through the handles that programs use; the bare server is too,
through a handle of a channel and a task, and ubf by the loop of the bare server's client, so that servers can be compared without clients. tonic sends plain bytes as messages.

With 64 calls in flight a handle costs more than the server: a request is handed to a task, and its caller is woken by the reply. The goal for
a client with a handle is therefore set beside the bare server that is called through one, like clients beside like clients;
the goal for the server alone is set beside the loop. Both ratios are in the tables.
",
        figures.rounds
    )?;
    for scenario in Scenario::ALL {
        write!(out, "\n### {}", scenario.as_str())?;
        if scenario == Scenario::AmongIdle {
            write!(out, " ({} of them)", figures.idle)?;
        }
        out.push_str("\n\n");
        let columns = [
            "calls/s",
            "of bare tokio",
            "… with a handle",
            "p50 µs",
            "p99 µs",
            "server CPU µs/call",
        ];
        header("", &columns, out)?;
        for kind in Kind::ALL {
            let speed = |beside| figures.speed(kind, scenario, beside);
            let (Some(figure), Some(of_bare), Some(of_handle)) =
                (figures.get(kind, scenario), speed(Kind::Bare), speed(Kind::Handle))
            else {
                continue;
            };
            writeln!(
                out,
                "| {} | {:.0} | {} | {} | {} | {} | {} |",
                kind.as_str(),
                figure.calls_a_second,
                ratio(of_bare),
                ratio(of_handle),
                ratio(figure.p50_us),
                ratio(figure.p99_us),
                ratio(figure.server_cpu_us)
            )?;
        }
    }
    out.push_str("\n### Connections\n\nThe median of connecting (and negotiating) and a first call, and the growth of the server's memory with idle connections. ubf's client\nremembers the version of an earlier session, so that its call follows the negotiation in the same flight (N3); without a handle, its call waits for the answer.\n\n");
    header("", &["connect + first call µs", "of bare tokio", "bytes an idle connection"], out)?;
    for kind in Kind::ALL {
        let (Some(connections), Some(first)) =
            (figures.connections(kind), figures.first_call(kind))
        else {
            continue;
        };
        let (name, time) = (kind.as_str(), ratio(connections.first_call_us));
        writeln!(out, "| {name} | {time} | {} | {:.0} |", ratio(first), connections.bytes_idle)?;
    }
    writeln!(
        out,
        "\nA redirect, from the reply that names another server to the first reply from there: {} µs, the median.",
        ratio(figures.redirect_us)
    )?;
    sessions(figures, out)
}

fn sessions(figures: &Figures, out: &mut String) -> fmt::Result {
    let Sessions { sessions, bytes, resume_us, anew_us, herd } = &figures.sessions;
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
            figures.cpu_in_session(Scenario::InFlight),
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
