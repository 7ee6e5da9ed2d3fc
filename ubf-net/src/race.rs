//! Several IP addresses of one name, tried one beside the other (RFC 8305, "Happy Eyeballs").
//!
//! ```text
//! first  ├── no answer ───────────────────────────────┄
//! second          ├── refused ┤
//! third                       ├── connected: the others are given up
//!        0     250 ms       300 ms                  time
//! ```

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::dial_error::{DialError, DialErrorKind};

/// How long an attempt is alone before the next one begins beside it: what RFC 8305 recommends
/// (Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Puts addresses of the other family between those of the first one, so that a network without a
/// way for one family costs one attempt.
pub(crate) fn interleave(candidates: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = candidates.first().copied() else { return candidates };
    let count = candidates.len();
    let (preferred, others): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| candidate.is_ipv4() == first.is_ipv4());
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        ordered.extend(preferred.next());
        ordered.extend(others.next());
    }
    ordered
}

/// The first connection that is made. An attempt that fails lets the next one begin at once.
pub(crate) async fn race<S, F>(
    candidates: Vec<SocketAddr>,
    connect: impl FnMut(SocketAddr) -> F,
) -> Result<(S, SocketAddr), DialError>
where
    F: Future<Output = io::Result<S>>,
{
    let mut race = Race {
        candidates: candidates.into_iter(),
        connect,
        attempts: Vec::new(),
        delay: Box::pin(sleep(Duration::ZERO)),
        failure: DialError::without_cause(DialErrorKind::NoSuchName),
    };
    poll_fn(|cx| race.poll(cx)).await
}

struct Race<C, F> {
    candidates: std::vec::IntoIter<SocketAddr>,
    connect: C,
    attempts: Vec<(SocketAddr, Pin<Box<F>>)>,
    /// Until the next attempt.
    delay: Pin<Box<Sleep>>,
    /// The one to tell of, if all fail.
    failure: DialError,
}

impl<S, C, F> Race<C, F>
where
    C: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<S>>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(S, SocketAddr), DialError>> {
        loop {
            if let Some(made) = self.poll_attempts(cx) {
                return Poll::Ready(Ok(made));
            }
            if !self.attempts.is_empty() && self.delay.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match self.candidates.next() {
                Some(candidate) => {
                    self.attempts.push((candidate, Box::pin((self.connect)(candidate))));
                    self.delay.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
                }
                None if self.attempts.is_empty() => {
                    return Poll::Ready(Err(self.failure.clone()));
                }
                // Those that are under way wake us.
                None => return Poll::Pending,
            }
        }
    }

    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<(S, SocketAddr)> {
        let mut made = None;
        let mut failed = Vec::new();
        self.attempts.retain_mut(|(candidate, attempt)| match attempt.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(stream)) => {
                made.get_or_insert((stream, *candidate));
                false
            }
            Poll::Ready(Err(cause)) => {
                failed.push(DialError::of_ip(*candidate, cause));
                false
            }
        });
        if !failed.is_empty() {
            // The next one need not wait.
            self.delay.as_mut().reset(Instant::now());
        }
        for failure in failed {
            // What is wrong at this end is the better hint.
            if self.failure.kind() != DialErrorKind::NoDescriptors {
                self.failure = failure;
            }
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn ip(text: &str) -> SocketAddr {
        format!("{text}:4000").parse().unwrap()
    }

    /// What becomes of an attempt: the last number of the address says it.
    async fn connect(candidate: SocketAddr) -> io::Result<&'static str> {
        let SocketAddr::V4(candidate) = candidate else { return pending().await };
        match candidate.ip().octets()[3] {
            1 => Ok("at once"),
            2 => Err(io::ErrorKind::ConnectionRefused.into()),
            3 => Err(io::Error::from_raw_os_error(24)),
            4 => {
                sleep(Duration::from_millis(400)).await;
                Ok("slowly")
            }
            _ => pending().await,
        }
    }

    async fn raced(candidates: &[&str]) -> (Result<SocketAddr, DialErrorKind>, u128) {
        let start = Instant::now();
        let candidates = candidates.iter().map(|text| ip(text)).collect();
        let outcome = race(candidates, connect).await;
        (outcome.map(|(_, at)| at).map_err(|error| error.kind()), start.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn one_black_hole_among_the_addresses_of_a_name_costs_a_quarter_of_a_second() {
        assert_eq!(raced(&["10.0.0.9", "10.0.0.1"]).await, (Ok(ip("10.0.0.1")), 250));
        assert_eq!(raced(&["10.0.0.8", "10.0.0.9", "10.0.0.1"]).await, (Ok(ip("10.0.0.1")), 500));
        assert_eq!(raced(&["10.0.0.1", "10.0.0.9"]).await, (Ok(ip("10.0.0.1")), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_lets_the_next_attempt_begin_at_once() {
        assert_eq!(raced(&["10.0.0.2", "10.0.0.1"]).await, (Ok(ip("10.0.0.1")), 0));
        assert_eq!(raced(&["10.0.0.2", "10.0.0.2"]).await, (Err(DialErrorKind::Refused), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_still_wins_over_none() {
        assert_eq!(raced(&["10.0.0.4", "10.0.0.9"]).await, (Ok(ip("10.0.0.4")), 400));
        // The second begins after 250 ms, and is refused.
        assert_eq!(raced(&["10.0.0.4", "10.0.0.2"]).await, (Ok(ip("10.0.0.4")), 400));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lack_of_descriptors_is_told_before_what_came_later() {
        let kind = DialErrorKind::NoDescriptors;
        assert_eq!(raced(&["10.0.0.3", "10.0.0.2"]).await, (Err(kind), 0));
        assert_eq!(raced(&["10.0.0.2", "10.0.0.3"]).await, (Err(kind), 0));
    }

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let v6 = |last: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 4000));
        let (a, b, c) = (ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3"));
        assert_eq!(interleave(vec![v6(1), v6(2), a, b, c]), [v6(1), a, v6(2), b, c]);
        assert_eq!(interleave(vec![a, b, v6(1)]), [a, v6(1), b]);
        assert_eq!(interleave(Vec::new()), []);
    }
}
