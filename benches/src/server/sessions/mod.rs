//! What a session costs beside its calls: at rest, without a connection, and when it goes on.

mod cut;
mod herd;
mod raw;

use std::time::Instant;

use benches::Error;
use benches::measure::percentile;
use serde::Serialize;

use self::raw::Raw;
use super::child::{Child, Place};
use super::peer::Kind;

/// Answers that are kept when a session goes on. Required: as many as the goals name.
const KEPT: usize = 1_024;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Connections or sessions of which the memory is measured, and sessions that lose their
    /// connections together.
    pub(crate) sessions: usize,
    /// How often a session with [`KEPT`] answers goes on.
    pub(crate) resumes: usize,
    /// How often all connections are cut.
    pub(crate) cuts: usize,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) sessions: usize,
    pub(crate) bytes: Bytes,
    /// From connecting to the last of the answers that were kept.
    pub(crate) resume_us: f64,
    /// From connecting to the last answer to as many calls, outside of a session.
    pub(crate) anew_us: f64,
    pub(crate) herd: Herd,
}

/// Of the server, for each of many.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Bytes {
    pub(crate) connection: f64,
    /// With its connection.
    pub(crate) session: f64,
    pub(crate) parked: f64,
}

/// Of a cut of all connections.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Herd {
    /// Until the last session has gone on and its call was answered.
    pub(crate) last_ms: f64,
    pub(crate) server_cpu_us: f64,
}

pub(crate) async fn measure(plan: Plan, place: &Place) -> Result<Figures, Error> {
    let bytes = Bytes {
        connection: bytes_each(plan.sessions, Rest::Connection, place).await?,
        session: bytes_each(plan.sessions, Rest::Session, place).await?,
        parked: bytes_each(plan.sessions, Rest::Parked, place).await?,
    };
    let (resume_us, anew_us) = resume(plan.resumes, place).await?;
    let herd = herd::measure(plan.sessions, plan.cuts, place).await?;
    Ok(Figures { sessions: plan.sessions, bytes, resume_us, anew_us, herd })
}

/// What rests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Connection,
    /// A session and its connection, all answers being acknowledged.
    Session,
    /// A session that has lost it.
    Parked,
}

/// The memory that a server of its own takes for each of so many.
async fn bytes_each(count: usize, rest: Rest, place: &Place) -> Result<f64, Error> {
    let mut child = Child::start(Kind::Ubf, place)?;
    // What is taken once is not measured.
    let mut first = Raw::connect(child.address).await?;
    first.open(&raw::id(count)).await?;
    first.call(1).await?;
    let before = child.used()?.resident_bytes;
    let mut kept = Vec::with_capacity(count);
    for number in 0..count {
        let mut raw = Raw::connect(child.address).await?;
        match rest {
            Rest::Connection => raw.negotiate().await?,
            Rest::Session | Rest::Parked => raw.open(&raw::id(number)).await?,
        }
        raw.call(1).await?;
        if rest != Rest::Connection {
            raw.acknowledge(1).await?;
        }
        if rest != Rest::Parked {
            kept.push(raw);
        }
    }
    // The last thing that was sent has been read when another connection is served.
    first.call(1).await?;
    let grown = child.used()?.resident_bytes.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "no server takes 2^52 bytes")]
    let each = grown as f64 / count as f64;
    Ok(each)
}

/// The medians: a session goes on and its answers come again; as many calls are made anew.
async fn resume(times: usize, place: &Place) -> Result<(f64, f64), Error> {
    let child = Child::start(Kind::Ubf, place)?;
    let id = raw::id(0);
    let mut opened = Raw::connect(child.address).await?;
    opened.open(&id).await?;
    opened.call(KEPT).await?;
    drop(opened);
    let (mut resumed, mut anew) = (Vec::with_capacity(times), Vec::with_capacity(times));
    for turn in (2..).take(times) {
        let start = Instant::now();
        let mut raw = Raw::connect(child.address).await?;
        raw.resume(&id, turn, KEPT).await?;
        resumed.push(start.elapsed().as_secs_f64() * 1e6);

        let start = Instant::now();
        let mut raw = Raw::connect(child.address).await?;
        raw.negotiate().await?;
        raw.call(KEPT).await?;
        anew.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok((percentile(&mut resumed, 50), percentile(&mut anew, 50)))
}
