//! Connecting and the first call, in the ways that there are, each beside the bare server's.

use std::net::SocketAddr;
use std::time::Instant;

use benches::Error;
use serde::Serialize;
use tokio::time::sleep;
use ubf_client::Client;

use super::bare::Bare;
use super::child::{Child, Place};
use super::contender::ENDING_TIME;
use super::figures::{median, ratio_of};
use super::peer::{Kind, Peer as _, Target};
use super::ubf::{self, Caller, Ubf, builder, remembering, without_session};

/// How a client begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// `connect()` waits for the agreement on a version; then the call goes out.
    Connect,
    /// `start()` waits for nothing, and the program says which version was agreed on before (N3).
    Remembered,
    /// The same with a session, the call being idempotent.
    RememberedInSession,
    /// `start()` to an address that this process has talked to before, and that is all.
    KnownAddress,
}

impl Way {
    const ALL: [Self; 4] =
        [Self::Connect, Self::Remembered, Self::RememberedInSession, Self::KnownAddress];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "`connect()` and a call",
            Self::Remembered => "`start()` with a remembered version, and a call",
            Self::RememberedInSession => {
                "`start()` with a remembered version, and an idempotent call in a session"
            }
            Self::KnownAddress => "`start()` to an address known from before, and a call",
        }
    }
}

/// What was measured of one way.
#[derive(Debug, Serialize)]
pub(crate) struct FirstCalls {
    pub(crate) way: Way,
    /// The medians of the rounds' medians.
    pub(crate) ours_us: f64,
    pub(crate) bare_us: f64,
    /// The median of the rounds' ratios.
    pub(crate) ratio: f64,
}

/// In each round, so many first calls in each of the ways, and of the bare server's client.
pub(super) async fn measure(
    place: &Place,
    rounds: usize,
    calls: usize,
) -> Result<Vec<FirstCalls>, Error> {
    let (server, bare_server) = (Child::start(Kind::Ubf, place)?, Child::start(Kind::Bare, place)?);
    let bare = Target::new(bare_server.address);
    let mut found = Vec::new();
    for way in Way::ALL {
        let mut turns = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let ours = turn(calls, async || connect(server.address, way).await).await?;
            turns.push((ours, turn(calls, async || Bare::connect_and_call(bare).await).await?));
        }
        found.push(FirstCalls {
            way,
            ours_us: median(turns.iter().map(|turn| turn.0)),
            bare_us: median(turns.iter().map(|turn| turn.1)),
            ratio: ratio_of(turns),
        });
    }
    Ok(found)
}

/// The median of so many, in microseconds.
async fn turn<T>(calls: usize, first: impl AsyncFn() -> Result<T, Error>) -> Result<f64, Error> {
    // Kept, so that the end of one is not measured with the beginning of the next.
    let (mut kept, mut times) = (Vec::with_capacity(calls), Vec::with_capacity(calls));
    for _ in 0..calls {
        let start = Instant::now();
        kept.push(first().await?);
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    drop(kept);
    sleep(ENDING_TIME).await;
    Ok(median(times))
}

async fn connect(address: SocketAddr, way: Way) -> Result<Caller, Error> {
    match way {
        Way::Connect => called(without_session(address).connect().await?).await,
        Way::Remembered => ubf::connect_and_call(without_session(address)).await,
        Way::RememberedInSession => {
            let caller = Caller::new(remembering(builder(address)).start()?);
            caller.call_idempotent().await?;
            Ok(caller)
        }
        Way::KnownAddress => called(without_session(address).start()?).await,
    }
}

async fn called(client: Client) -> Result<Caller, Error> {
    let mut caller = Caller::new(client);
    Ubf::call(&mut caller).await?;
    Ok(caller)
}
