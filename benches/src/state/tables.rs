//! The figures for people.

use std::fmt::Write as _;

use benches::Error;

use super::{CONNECTIONS, DEPTH, Figures, Kind};

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Echo => "a handler that echoes",
        Kind::Kv => "`kv`, a handler",
        Kind::Memory => "`kv` with rows, in memory",
        Kind::Redb => "`kv` with rows, redb",
        Kind::Postgres => "`kv` with rows, PostgreSQL",
    }
}

pub(crate) fn write(figures: &Figures, out: &mut String) -> Result<(), Error> {
    write!(
        out,
        "
## Services with rows

Calls a second of {CONNECTIONS} sessions with {DEPTH} calls in flight each, server and clients on one machine; each call is `{{put,\"a\",1}}`, in the
median of {} rounds. What is durable is on the disk before it is answered. The disk itself is synchronised {:.0} times a second by
one who writes 100 bytes and waits, again and again.

| server | calls a second | of the echo | calls for one fsync alone |
|---|---|---|---|
",
        figures.rounds, figures.fsyncs,
    )?;
    let echo = figures.calls(Kind::Echo).unwrap_or(f64::NAN);
    for figure in &figures.servers {
        let is_on_disk = matches!(figure.kind, Kind::Redb | Kind::Postgres);
        let fsyncs = match is_on_disk {
            true => format!("{:.0}", figure.calls / figures.fsyncs),
            false => String::new(),
        };
        let calls = figure.calls;
        writeln!(out, "| {} | {calls:.0} | {:.2} | {fsyncs} |", name(figure.kind), calls / echo)?;
    }
    writeln!(
        out,
        "\nA call that reads a row in the state version before takes {:.1} % longer, without connection and disk.",
        figures.up * 100.0
    )?;
    if figures.calls(Kind::Postgres).is_none() {
        writeln!(out, "\nThere was no PostgreSQL on the machine.")?;
    }
    Ok(())
}
