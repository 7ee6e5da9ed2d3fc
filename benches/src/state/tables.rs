//! The figures for people.

use std::fmt::Write as _;

use benches::Error;

use super::{CONNECTIONS, DEPTH, Figures, Kind};
use crate::markdown::whole;

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
median of {} rounds. What is durable is on the disk before it is answered. The disk itself is synchronised {} times a second by
one who writes 100 bytes and waits, again and again.

| server | calls a second | of the echo | calls for one fsync alone |
|---|---|---|---|
",
        figures.rounds,
        whole(figures.fsyncs.unwrap_or(f64::NAN)),
    )?;
    let echo = figures.calls(Kind::Echo).unwrap_or(f64::NAN);
    for figure in &figures.servers {
        let is_on_disk = matches!(figure.kind, Kind::Redb | Kind::Postgres);
        let calls = figure.calls;
        let fsyncs = figures.fsyncs.filter(|_| is_on_disk).map(|fsyncs| whole(calls / fsyncs));
        let (name, fsyncs) = (name(figure.kind), fsyncs.unwrap_or_default());
        writeln!(out, "| {name} | {} | {:.2} | {fsyncs} |", whole(calls), calls / echo)?;
    }
    if let Some(up) = figures.up {
        writeln!(
            out,
            "\nA call that reads a row in the state version before takes {:.1} % longer, without connection and disk.",
            up * 100.0
        )?;
    }
    if figures.calls(Kind::Postgres).is_none() {
        writeln!(out, "\nThere was no PostgreSQL on the machine.")?;
    }
    Ok(())
}
