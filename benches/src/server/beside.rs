//! A small call while large ones go there and back: how long it waits for them.

use std::time::{Duration, Instant};

use benches::Error;
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::LocalSet;

use super::bodies::{self, Typed};
use super::child::{Child, Place};
use super::figures::{median, microseconds, ratio_of};
use super::handle::Handle;
use super::load::{Extent, Load, one_by_one};
use super::peer::{Kind, Peer, Target};

/// Required: as the goal has it.
const LARGE_BYTES: usize = 1_000_000;
/// As in the other scenarios.
const SMALL_BYTES: usize = 100;

/// Where the large calls are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stream {
    SameConnection,
    OtherConnection,
}

impl Stream {
    const ALL: [Self; 2] = [Self::SameConnection, Self::OtherConnection];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SameConnection => "on the same connection",
            Self::OtherConnection => "on another connection",
        }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Beside {
    pub(crate) stream: Stream,
    pub(crate) ours: Latency,
    /// Of the bare server, through a handle.
    pub(crate) bare: Latency,
    /// The median of the rounds' ratios of the 99th percentiles.
    pub(crate) ratio: f64,
}

/// Of the small calls; of each, the median of the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Large calls a second meanwhile.
    pub(crate) large_a_second: f64,
}

/// A client whose connection has room for other callers.
trait Shared: Peer {
    fn with_body(client: &Self::Client, bytes: usize) -> Self::Client;
}

impl Shared for Typed {
    fn with_body(client: &Self::Client, bytes: usize) -> Self::Client {
        client.with_body(bytes)
    }
}

impl Shared for Handle {
    fn with_body((handle, _): &Self::Client, bytes: usize) -> Self::Client {
        (handle.clone(), super::bare::request(bytes))
    }
}

pub(super) async fn measure(
    place: &Place,
    rounds: usize,
    time: Duration,
) -> Result<Vec<Beside>, Error> {
    let (server, bare_server) =
        (Child::start(Kind::Typed, place)?, Child::start(Kind::Handle, place)?);
    let ours = Target { version: bodies::BYTES, ..Target::new(server.address) };
    let bare = Target::new(bare_server.address);
    let mut found = Vec::new();
    for stream in Stream::ALL {
        let mut turns = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let turn_of_ours = turn::<Typed>(ours, stream, time).await?;
            turns.push((turn_of_ours, turn::<Handle>(bare, stream, time).await?));
        }
        let of = |which: fn(&(Latency, Latency)) -> &Latency| Latency {
            p50_us: median(turns.iter().map(|turn| which(turn).p50_us)),
            p99_us: median(turns.iter().map(|turn| which(turn).p99_us)),
            large_a_second: median(turns.iter().map(|turn| which(turn).large_a_second)),
        };
        let ratio = ratio_of(turns.iter().map(|(ours, bare)| (ours.p99_us, bare.p99_us)));
        found.push(Beside { stream, ours: of(|turn| &turn.0), bare: of(|turn| &turn.1), ratio });
    }
    Ok(found)
}

async fn turn<P: Shared>(target: Target, stream: Stream, time: Duration) -> Result<Latency, Error> {
    let mut large = P::connect(Target { body_bytes: LARGE_BYTES, ..target }).await?;
    let mut small = match stream {
        Stream::SameConnection => P::with_body(&large, SMALL_BYTES),
        Stream::OtherConnection => P::connect(Target { body_bytes: SMALL_BYTES, ..target }).await?,
    };
    // Buffers have grown.
    P::call(&mut large).await?;
    P::call(&mut small).await?;
    let (of_large, of_small) = (Load::new(Extent::Time(time))?, Load::new(Extent::Time(time))?);
    let (loads, start) = ((of_large.clone(), of_small.clone()), Instant::now());
    LocalSet::new()
        .run_until(async move {
            let stream =
                tokio::task::spawn_local(
                    async move { one_by_one::<P>(&mut large, &loads.0).await },
                );
            one_by_one::<P>(&mut small, &loads.1).await?;
            stream.await?
        })
        .await?;
    let elapsed = start.elapsed();
    let nanoseconds: Histogram<u64> = of_small.outcome(elapsed).nanoseconds;
    #[expect(clippy::cast_precision_loss, reason = "calls are counted in thousands")]
    let large_calls = of_large.outcome(elapsed).calls as f64;
    Ok(Latency {
        p50_us: microseconds(&nanoseconds, 0.5),
        p99_us: microseconds(&nanoseconds, 0.99),
        large_a_second: large_calls / elapsed.as_secs_f64(),
    })
}
