//! What it costs to read rows in an older state version: the step `up` of each.

use std::time::Duration;

use benches::Error;
use benches::measure::{cpu_time, percentile};
use ubf_codec::{Term, Version, Versioned as _, ubf};
use ubf_node::services::KvRows;
use ubf_service::{Bench, Caller, StatefulService};

/// Calls of a turn.
const CALLS: u32 = 2_000;

type Request = <KvRows as StatefulService>::Request;

/// The CPU time that a call takes longer which reads a row in the state version before, as a part of
/// the same call with the row in the newest one. There is no connection and no disk: with them a
/// call takes longer, and the part is smaller.
pub(super) fn part(rounds: usize) -> Result<f64, Error> {
    let mut older = Bench::new(KvRows::default());
    let mut newest = Bench::new(KvRows::default());
    newest.finalize(&[])?;
    newest.sweep().map_err(|reason| format!("{reason:?}"))?;
    for bench in [&mut older, &mut newest] {
        call(bench, &ubf!({put, "a", 1}))?;
    }
    let mut parts = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let [old, new] = [turn(&mut older)?, turn(&mut newest)?];
        parts.push(old.as_secs_f64() / new.as_secs_f64() - 1.0);
    }
    Ok(percentile(&mut parts, 50))
}

fn turn(bench: &mut Bench<KvRows>) -> Result<Duration, Error> {
    let request = ubf!({get, "a"});
    let start = cpu_time();
    for _ in 0..CALLS {
        call(bench, &request)?;
    }
    let took = cpu_time() - start;
    // What has left is kept until somebody asks.
    bench.events();
    Ok(took)
}

fn call(bench: &mut Bench<KvRows>, request: &Term) -> Result<(), Error> {
    let version = Version::new(2).ok_or("there is a version 2")?;
    let request = Request::from_term(version, request.as_ref())?;
    bench.call_as(&Caller::new(version), request).map_err(|reason| format!("{reason:?}"))?;
    Ok(())
}
