//! A load: callers that call until its time is over, and the times that their calls took.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use benches::Error;
use hdrhistogram::Histogram;
use tokio::task::{JoinSet, LocalSet};

use super::peer::Peer;

/// No load makes more calls than this, however fast they are.
const MAX_CALLS: u64 = 4_000_000;

/// What all callers of a load share; they run on one thread.
#[derive(Clone, Debug)]
pub(crate) struct Load(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    end: Instant,
    calls: Cell<u64>,
    nanoseconds: RefCell<Histogram<u64>>,
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) calls: u64,
    pub(crate) elapsed: Duration,
    pub(crate) nanoseconds: Histogram<u64>,
}

impl Load {
    fn new(time: Duration) -> Result<Self, Error> {
        let nanoseconds = RefCell::new(Histogram::new_with_bounds(1, 60_000_000_000, 3)?);
        Ok(Self(Rc::new(Shared { end: Instant::now() + time, calls: Cell::new(0), nanoseconds })))
    }

    /// Whether a call that would begin at this time is still wanted.
    pub(crate) fn goes_on(&self, now: Instant) -> bool {
        now < self.0.end && self.0.calls.get() < MAX_CALLS
    }

    pub(crate) fn record(&self, start: Instant, end: Instant) {
        self.0.calls.set(self.0.calls.get() + 1);
        let nanoseconds = u64::try_from((end - start).as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.borrow_mut().saturating_record(nanoseconds);
    }
}

/// Calls one after the other on each of the connections, which are given back.
pub(crate) async fn sequential<P: Peer>(
    clients: Vec<P::Client>,
    time: Duration,
) -> Result<(Outcome, Vec<P::Client>), Error> {
    in_local_set(time, async |load, callers| {
        for mut client in clients {
            let load = load.clone();
            callers.spawn_local(async move {
                let mut start = Instant::now();
                while load.goes_on(start) {
                    P::call(&mut client).await?;
                    let end = Instant::now();
                    load.record(start, end);
                    start = end;
                }
                Ok(client)
            });
        }
        Ok(())
    })
    .await
}

/// Keeps so many calls in flight on one connection.
pub(crate) async fn pipelined<P: Peer>(
    client: P::Client,
    depth: usize,
    time: Duration,
) -> Result<Outcome, Error> {
    let (outcome, _) = in_local_set(time, async |load, callers| {
        let load = load.clone();
        callers.spawn_local(async move { P::pipeline(client, depth, &load).await });
        Ok(())
    })
    .await?;
    Ok(outcome)
}

/// As many callers as the depth is, each with its clone of a handle.
pub(crate) async fn callers<C: Clone + 'static>(
    client: C,
    depth: usize,
    load: &Load,
    call: impl AsyncFn(&mut C) -> Result<(), Error> + Copy + 'static,
) -> Result<(), Error> {
    let mut callers = JoinSet::new();
    for _ in 0..depth {
        let (mut client, load) = (client.clone(), load.clone());
        callers.spawn_local(async move {
            let mut start = Instant::now();
            while load.goes_on(start) {
                call(&mut client).await?;
                let end = Instant::now();
                load.record(start, end);
                start = end;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

/// Runs callers until all have ended.
async fn in_local_set<T: 'static>(
    time: Duration,
    spawn: impl AsyncFnOnce(&Load, &mut JoinSet<Result<T, Error>>) -> Result<(), Error>,
) -> Result<(Outcome, Vec<T>), Error> {
    let ended = async {
        let load = Load::new(time)?;
        let start = Instant::now();
        let mut callers = JoinSet::new();
        spawn(&load, &mut callers).await?;
        let mut results = Vec::new();
        while let Some(ended) = callers.join_next().await {
            results.push(ended??);
        }
        let nanoseconds = load.0.nanoseconds.borrow().clone();
        Ok((Outcome { calls: load.0.calls.get(), elapsed: start.elapsed(), nanoseconds }, results))
    };
    LocalSet::new().run_until(ended).await
}
