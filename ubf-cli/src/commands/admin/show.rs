//! The answers of a server, for people.

use std::io;
use std::time::Duration;

use ubf_node::control::{
    ConnectionReport, QuarantineReport, SessionReport, StatusReport, VersionCount, WriterReport,
};
use ubf_server::Versions;

use super::{Answer, Answered};
use crate::admin::{Connections, Page};
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::text::{columns, counted, padded, printable, thousands};

pub(super) fn status(status: &StatusReport, output: &mut Output) -> io::Result<()> {
    let Palette { strong, faint, .. } = output.palette();
    let mut line = |name: &str, value: String| {
        output.line(format_args!("{faint}{name:<10}{faint:#}  {value}"))
    };
    let time_left =
        status.time_left_ms.map(|left| format!(", {} left", time(left))).unwrap_or_default();
    let listening = if status.listening { "" } else { ", not listening" };
    line("phase", format!("{strong}{}{strong:#}{time_left}{listening}", status.phase))?;
    if !status.addresses.is_empty() {
        line("listens on", status.addresses.join(", "))?;
    }
    if let Some(advertised) = &status.advertised {
        line("known as", advertised.clone())?;
    }
    let cordon = status.cordon.as_ref().map(|cordon| {
        let goal = cordon.next_ip.as_deref().unwrap_or("the peers");
        format!(", cordoned: new ones are sent to {goal}")
    });
    let clients = thousands(status.connections);
    line("clients", format!("{clients}{}", cordon.unwrap_or_default()))?;
    if let Some(sessions) = status.sessions {
        let (present, parked) = (thousands(sessions.present), thousands(sessions.parked));
        line("sessions", format!("{present}, {parked} of them without a connection"))?;
    }
    line("calls", format!("{} in progress", thousands(status.calls)))?;
    let because = if status.overloaded { ", because of the load" } else { "" };
    line(
        "NextIP",
        status
            .next_ip
            .as_ref()
            .map_or("?, clients stay".into(), |next_ip| format!("{next_ip}{because}")),
    )?;
    line("peers", status.peers.clone().unwrap_or_else(|| "none".into()))?;
    if let Some(load) = &status.load_marks {
        let marks = format!("above {} {} to {}", thousands(load.high), load.unit, load.next_ip);
        line("load marks", format!("{marks}, until below {}", thousands(load.low)))?;
    }
    if let Some(journal) = status.journal {
        line("journal", health(journal, "record"))?;
    }
    if let Some(log) = status.log {
        line("log", health(log, "line"))?;
    }
    if let Some(audit) = status.audit {
        line("audit log", health(audit, "record"))?;
    }
    if status.tls.is_some_and(|tls| tls.failing) {
        line("certificate", "over, or of no use in its files: the log says why".to_owned())?;
    }
    if status.policy.is_some_and(|policy| policy.failing) {
        line("policy", "wrong in its file: the one from before is in force".to_owned())?;
    }
    line("up", time(status.uptime_ms))?;
    line("process", format!("{} {}", status.pid, status.agent.as_deref().unwrap_or_default()))?;

    let rows = status.services.iter().map(|service| {
        let versions = |versions: &[u32]| Versions::of(versions.iter().copied()).to_string();
        [
            name(service.service.as_deref()).to_owned(),
            dash(versions(&service.spoken)),
            dash(versions(&service.withdrawn)),
        ]
    });
    table(["service", "speaks", "withdrawn"], &rows.collect::<Vec<_>>(), output)?;
    if !status.quarantines.is_empty() {
        let row = |one: &QuarantineReport| {
            [
                name(one.service.as_deref()).to_owned(),
                one.version.to_string(),
                one.peer.as_deref().map_or_else(|| "all".to_owned(), printable),
                time(one.left_ms),
            ]
        };
        let rows: Vec<_> = status.quarantines.iter().map(row).collect();
        table(["service", "quarantined", "for", "time left"], &rows, output)?;
    }
    if !status.connections_by_version.is_empty() {
        by_version(&status.connections_by_version, output)?;
    }
    if !status.connections_by_agent.is_empty() {
        let agents = status.connections_by_agent.iter();
        let rows: Vec<_> =
            agents.map(|entry| [printable(&entry.agent), thousands(entry.connections)]).collect();
        table(["agent", "connections"], &rows, output)?;
    }
    let counted = status.counters.iter().filter(|(_, count)| **count > 0);
    let rows: Vec<_> =
        counted.map(|(name, count)| [name.replace('_', " "), thousands(*count)]).collect();
    if rows.is_empty() { Ok(()) } else { table(["counter", "count"], &rows, output) }
}

pub(super) fn connections(connections: &Connections, output: &mut Output) -> io::Result<()> {
    let agreed: u64 = connections.by_version.iter().map(|entry| entry.connections).sum();
    let others = connections.connections.saturating_sub(agreed);
    let but = if others > 0 {
        format!(", {} without negotiation", thousands(others))
    } else {
        String::new()
    };
    output.line(format_args!("{}{but}", counted(connections.connections, "connection")))?;
    if !connections.by_version.is_empty() {
        by_version(&connections.by_version, output)?;
    }
    match &connections.page {
        Some(page) if !page.list.is_empty() => list(page, output),
        Some(_) | None => Ok(()),
    }
}

/// A line for each connection. What a client says that it is may hold anything.
fn list(page: &Page<ConnectionReport>, output: &mut Output) -> io::Result<()> {
    let row = |it: &ConnectionReport| {
        let service = it.version.map(|_| name(it.service.as_deref()));
        [
            it.number.to_string(),
            it.peer.clone(),
            dash(service.map(printable).unwrap_or_default()),
            dash(it.version.map(|version| version.to_string()).unwrap_or_default()),
            dash(it.agent.as_deref().map(printable).unwrap_or_default()),
            thousands(it.calls),
            time(it.age_ms),
        ]
    };
    let heads = ["number", "peer", "service", "version", "agent", "calls", "age"];
    table(heads, &page.list.iter().map(row).collect::<Vec<_>>(), output)?;
    more(page, output)
}

/// A line for each session.
pub(super) fn sessions(page: &Page<SessionReport>, output: &mut Output) -> io::Result<()> {
    let parked = page.list.iter().filter(|session| session.parked).count() as u64;
    let count = counted(page.list.len() as u64, "session");
    output.line(format_args!("{count}, {} parked", thousands(parked)))?;
    if page.list.is_empty() {
        return Ok(());
    }
    let row = |it: &SessionReport| {
        [
            it.number.to_string(),
            printable(&it.name),
            printable(name(it.service.as_deref())),
            it.peer.clone(),
            it.connection.to_string(),
            if it.parked { "parked" } else { "attached" }.to_owned(),
            thousands(it.resumes),
            thousands(it.kept),
            time(it.age_ms),
        ]
    };
    let heads =
        ["number", "name", "service", "peer", "connection", "is", "resumes", "kept bytes", "age"];
    table(heads, &page.list.iter().map(row).collect::<Vec<_>>(), output)?;
    more(page, output)
}

fn more<T>(page: &Page<T>, output: &mut Output) -> io::Result<()> {
    match page.more_after {
        Some(after) => {
            output.line("")?;
            output.line(format_args!("more with --after {after}"))
        }
        None => Ok(()),
    }
}

/// A line for each server.
pub(super) fn servers<'a>(
    answers: impl Iterator<Item = (String, &'a Answered)>,
    output: &mut Output,
) -> io::Result<()> {
    let row = |(name, answer): (String, &Answered)| match answer {
        Ok(Answer::Status(status, _)) => {
            let left = status.time_left_ms.map(|left| format!(", {} left", time(left)));
            let spoken = status.services.iter().find(|service| service.service.is_none());
            let spoken = spoken.map(|service| service.spoken.iter().copied());
            [
                name,
                format!("{}{}", status.phase, left.unwrap_or_default()),
                thousands(status.connections),
                thousands(status.calls),
                dash(spoken.map(|spoken| Versions::of(spoken).to_string()).unwrap_or_default()),
                status.next_ip.clone().unwrap_or_else(|| "?".into()),
                time(status.uptime_ms),
                status.pid.to_string(),
            ]
        }
        Ok(Answer::Ended | Answer::Connections(_) | Answer::Sessions(_) | Answer::Rows(_)) => {
            row_without_server(name, "stopped")
        }
        Err(_) => row_without_server(name, "no answer"),
    };
    let heads = ["server", "phase", "clients", "calls", "speaks", "NextIP", "up", "process"];
    table(heads, &answers.map(row).collect::<Vec<_>>(), output)
}

fn row_without_server(name: String, phase: &str) -> [String; 8] {
    let mut row: [String; 8] = std::array::from_fn(|_| "-".to_owned());
    [row[0], row[1]] = [name, phase.to_owned()];
    row
}

fn by_version(entries: &[VersionCount], output: &mut Output) -> io::Result<()> {
    let row = |entry: &VersionCount| {
        [
            name(entry.service.as_deref()).to_owned(),
            entry.version.to_string(),
            thousands(entry.connections),
        ]
    };
    table(
        ["service", "version", "connections"],
        &entries.iter().map(row).collect::<Vec<_>>(),
        output,
    )
}

/// A blank line, the heads and the rows.
pub(super) fn table<const N: usize>(
    heads: [&str; N],
    rows: &[[String; N]],
    output: &mut Output,
) -> io::Result<()> {
    let Palette { strong, .. } = output.palette();
    let heads = heads.map(str::to_owned);
    let mut widths = [0; N];
    for row in rows.iter().chain([&heads]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    let text = |row: &[String; N]| {
        let cells: Vec<_> =
            row.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    output.line("")?;
    output.line(format_args!("{strong}{}{strong:#}", text(&heads)))?;
    rows.iter().try_for_each(|row| output.line(text(row)))
}

/// Whether log or journal is written, and what is missing in it since the start.
fn health(writer: WriterReport, unit: &str) -> String {
    let state = if writer.failing { "failing" } else { "written" };
    match writer.missing {
        0 => state.to_owned(),
        missing => format!("{state}, {} missing", counted(missing, unit)),
    }
}

fn name(service: Option<&str>) -> &str {
    service.unwrap_or("? (default)")
}

fn dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

/// To a tenth of a second below a minute, then to the second.
fn time(millis: u64) -> String {
    let time = Duration::from_millis(millis);
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{:.1} s", time.as_secs_f64()),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted() {
        let mut writer = WriterReport::default();
        assert_eq!(health(writer, "line"), "written");
        writer.missing = 1;
        assert_eq!(health(writer, "line"), "written, 1 line missing");
        (writer.failing, writer.missing) = (true, 2000);
        assert_eq!(health(writer, "record"), "failing, 2,000 records missing");
    }
}
