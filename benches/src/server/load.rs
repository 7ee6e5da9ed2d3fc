//! A load: callers that call until its time is over or its calls are made, and the times that the
//! calls took.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use benches::Error;
use hdrhistogram::Histogram;
use tokio::task::{JoinSet, LocalSet};

use super::peer::Peer;

/// No load makes more calls than this, however fast they are.
const MAX_CALLS: u64 = 4_000_000;

/// How much a load is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    Time(Duration),
    Calls(u64),
}

/// What all callers of a load share; they run on one thread.
#[derive(Clone, Debug)]
pub(crate) struct Load(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    end: Option<Instant>,
    /// Calls that may still begin.
    left: Cell<u64>,
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
    pub(crate) fn new(extent: Extent) -> Result<Self, Error> {
        let (end, calls) = match extent {
            Extent::Time(time) => (Some(Instant::now() + time), MAX_CALLS),
            Extent::Calls(calls) => (None, calls.min(MAX_CALLS)),
        };
        let (left, calls) = (Cell::new(calls), Cell::new(0));
        let nanoseconds = RefCell::new(Histogram::new_with_bounds(1, 60_000_000_000, 3)?);
        Ok(Self(Rc::new(Shared { end, left, calls, nanoseconds })))
    }

    /// Whether a call that begins at this time is still wanted. It is one of those that were left.
    pub(crate) fn begins(&self, now: Instant) -> bool {
        let Some(left) = self.0.left.get().checked_sub(1) else { return false };
        if self.0.end.is_some_and(|end| now >= end) {
            return false;
        }
        self.0.left.set(left);
        true
    }

    pub(crate) fn record(&self, start: Instant, end: Instant) {
        self.0.calls.set(self.0.calls.get() + 1);
        let nanoseconds = u64::try_from((end - start).as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.borrow_mut().saturating_record(nanoseconds);
    }

    /// What has come of it so far.
    pub(crate) fn outcome(&self, elapsed: Duration) -> Outcome {
        let nanoseconds = self.0.nanoseconds.borrow().clone();
        Outcome { calls: self.0.calls.get(), elapsed, nanoseconds }
    }
}

/// Calls one after the other on each of the connections, which are given back.
pub(crate) async fn sequential<P: Peer>(
    clients: Vec<P::Client>,
    extent: Extent,
) -> Result<(Outcome, Vec<P::Client>), Error> {
    in_local_set(extent, async |load, callers| {
        for mut client in clients {
            let load = load.clone();
            callers.spawn_local(async move {
                one_by_one::<P>(&mut client, &load).await?;
                Ok(client)
            });
        }
        Ok(())
    })
    .await
}

/// Calls one after the other.
pub(crate) async fn one_by_one<P: Peer>(client: &mut P::Client, load: &Load) -> Result<(), Error> {
    let mut start = Instant::now();
    while load.begins(start) {
        P::call(client).await?;
        let end = Instant::now();
        load.record(start, end);
        start = end;
    }
    Ok(())
}

/// Keeps so many calls in flight on one connection.
pub(crate) async fn pipelined<P: Peer>(
    client: P::Client,
    depth: usize,
    extent: Extent,
) -> Result<Outcome, Error> {
    let (outcome, _) = in_local_set(extent, async |load, callers| {
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
            while load.begins(start) {
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
    extent: Extent,
    spawn: impl AsyncFnOnce(&Load, &mut JoinSet<Result<T, Error>>) -> Result<(), Error>,
) -> Result<(Outcome, Vec<T>), Error> {
    let ended = async {
        let load = Load::new(extent)?;
        let start = Instant::now();
        let mut callers = JoinSet::new();
        spawn(&load, &mut callers).await?;
        let mut results = Vec::new();
        while let Some(ended) = callers.join_next().await {
            results.push(ended??);
        }
        Ok((load.outcome(start.elapsed()), results))
    };
    LocalSet::new().run_until(ended).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn a_load_of_so_many_calls_begins_so_many() {
        let load = Load::new(Extent::Calls(3)).unwrap();
        let now = Instant::now();
        assert_eq!((0..10).filter(|_| load.begins(now)).count(), 3);
        let load = Load::new(Extent::Time(Duration::from_secs(1))).unwrap();
        assert!(load.begins(now));
        assert!(!load.begins(now + Duration::from_secs(5)));
    }
}
