//! What is shown while a demo runs: a timeline, and below it, on a terminal, a table that is drawn
//! again and again.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::text::shorten;
use crate::ui::units::{count, rate, time};

/// Between two lines about how it is going, where nothing can be drawn again.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
/// If the terminal does not say how wide it is.
const DEFAULT_COLUMNS: usize = 80;

/// One server, as the table shows it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) phase: String,
    pub(super) pid: u32,
    pub(super) clients: u64,
    pub(super) calls_per_second: f64,
    /// As `3` or `3, 10`.
    pub(super) versions: String,
}

/// How the load was in the last second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    pub(super) calls_per_second: f64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) answered: u64,
    pub(super) bad: u64,
}

pub(super) struct Screen<'a> {
    output: &'a mut Output,
    is_on_stdout: bool,
    is_terminal: bool,
    palette: Palette,
    columns: usize,
    start: Instant,
    /// Lines below the timeline that are drawn again.
    drawn: usize,
    table: Vec<String>,
    last_line: Instant,
}

impl<'a> Screen<'a> {
    /// Data on stdout is a report: what is shown before it stands there only for people.
    pub(super) fn new(output: &'a mut Output, json: bool) -> Self {
        let is_on_stdout = io::stdout().is_terminal() && !json;
        let is_terminal = (is_on_stdout || io::stderr().is_terminal())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let palette = if is_on_stdout { output.palette() } else { output.message_palette() };
        let width = if is_on_stdout {
            terminal_size::terminal_size_of(io::stdout())
        } else {
            terminal_size::terminal_size_of(io::stderr())
        };
        let columns = width.map_or(DEFAULT_COLUMNS, |(width, _)| usize::from(width.0)).max(20);
        let start = Instant::now();
        Self {
            output,
            is_on_stdout,
            is_terminal,
            palette,
            columns,
            start,
            drawn: 0,
            table: Vec::new(),
            last_line: start,
        }
    }

    /// A phase begins: its number, its name, and what is to be understood.
    pub(super) fn phase(
        &mut self,
        number: usize,
        of: usize,
        title: &str,
        purpose: &str,
    ) -> io::Result<()> {
        let Palette { strong, faint, .. } = self.palette;
        let mut text = format!("\n{strong}{number}/{of} {title}{strong:#}\n");
        for line in wrap(purpose, self.columns.saturating_sub(5).clamp(20, 95)) {
            text.push_str(&format!("{faint}    {line}{faint:#}\n"));
        }
        self.above(&text)
    }

    /// Something happened.
    pub(super) fn event(&mut self, text: &str) -> io::Result<()> {
        let Palette { good, .. } = self.palette;
        let seconds = self.start.elapsed().as_secs_f64();
        // Long ones go on below their own beginning.
        let width = self.columns.saturating_sub(11).max(20);
        let mut lines = wrap(text, width).into_iter();
        let mut all =
            format!("{good}{seconds:>6.2} s{good:#}  {}\n", lines.next().unwrap_or_default());
        for line in lines {
            all.push_str(&format!("          {line}\n"));
        }
        self.above(&all)
    }

    /// How it is going. Without a terminal that is a line a second.
    pub(super) fn update(&mut self, rows: &[Row], pulse: Pulse) -> io::Result<()> {
        let Pulse { calls_per_second, p50, p99, answered, bad } = pulse;
        let (calls, p50, p99) = (rate(calls_per_second), time(p50), time(p99));
        if !self.is_terminal {
            if self.last_line.elapsed() < LINE_INTERVAL {
                return Ok(());
            }
            self.last_line = Instant::now();
            let at: Vec<_> =
                rows.iter().map(|row| format!("{} {}", row.name, count(row.clients))).collect();
            return self.event(&format!(
                "{calls} calls/s, p50 {p50}, p99 {p99}; clients: {}",
                at.join(", ")
            ));
        }
        let mut table = vec![String::new()];
        let head = ["node", "address", "phase", "pid", "clients", "calls/s", "versions"];
        table.push(line(head.map(str::to_owned)));
        table.extend(rows.iter().map(|row| {
            line([
                row.name.clone(),
                row.address.clone(),
                row.phase.clone(),
                row.pid.to_string(),
                count(row.clients),
                rate(row.calls_per_second),
                row.versions.clone(),
            ])
        }));
        table.push(format!(
            "last second {calls} calls/s, p50 {p50}, p99 {p99}; {} answered, {} failed",
            count(answered),
            count(bad)
        ));
        self.table = table;
        self.above("")
    }

    /// Takes the table away: what follows is the report.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.table.clear();
        self.above("")
    }

    /// Writes text where the table is, and the table below it.
    fn above(&mut self, text: &str) -> io::Result<()> {
        let mut all = String::new();
        if self.drawn > 0 {
            // To the table's first line, and clear from there on.
            all.push_str(&format!("\x1b[{}F\x1b[J", self.drawn));
        }
        all.push_str(text);
        let Palette { strong, .. } = self.palette;
        for (index, line) in self.table.iter().enumerate() {
            let line = shorten(line, self.columns.saturating_sub(1));
            let style = if index == 1 { strong } else { anstyle::Style::new() };
            all.push_str(&format!("{style}{line}{style:#}\n"));
        }
        self.drawn = self.table.len();
        if self.is_on_stdout {
            self.output.text(all)?;
            self.output.flush()
        } else {
            self.output.aside(&all);
            Ok(())
        }
    }
}

/// Ends what was drawn in the midst, whoever drops it.
impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // Best effort: the terminal may be what is gone.
        self.finish().ok();
    }
}

fn line([name, address, phase, pid, clients, calls, versions]: [String; 7]) -> String {
    format!("{name:<8} {address:<16} {phase:<9} {pid:>7} {clients:>8} {calls:>8}  {versions}")
}

/// Breaks at blanks, into lines of so many columns where that can be.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fits_80_columns() {
        let cells =
            ["B (2nd)", "127.0.0.1:65535", "draining", "4194304", "400", "100,000", "3, 10"];
        let line = line(cells.map(str::to_owned));
        assert!(line.chars().count() < 80, "{line}");
    }

    #[test]
    fn long_events_go_on_in_the_next_line() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible a b", 5), ["incomprehensible", "a b"]);
    }
}
