//! One after the other: handlers of a connection that must not run side by side.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

/// The line in which the handlers of one connection stand. Takes no memory before the first one
/// does.
#[derive(Debug, Default)]
pub(crate) struct Turns(OnceLock<Arc<Mutex<Line>>>);

#[derive(Debug, Default)]
struct Line {
    next: u64,
    /// Those in the line, first the one whose turn it is; the others with what wakes them.
    places: BTreeMap<u64, Option<Waker>>,
}

/// A place in the line. It is given up when it is dropped, whether its turn has come or not.
#[derive(Debug)]
pub(crate) struct Turn {
    line: Arc<Mutex<Line>>,
    place: u64,
}

impl Turns {
    /// Steps in line, behind all others.
    pub(crate) fn take(&self) -> Turn {
        let line = Arc::clone(self.0.get_or_init(Arc::default));
        let mut places = lock(&line);
        let place = places.next;
        places.next += 1;
        places.places.insert(place, None);
        drop(places);
        Turn { line, place }
    }

    /// Whether nobody stands in the line: whoever is done before anybody else can step in needs no
    /// place.
    #[cfg(feature = "contract")]
    pub(crate) fn is_free(&self) -> bool {
        self.0.get().is_none_or(|line| lock(line).places.is_empty())
    }
}

impl Turn {
    /// Waits until those before it are gone.
    pub(crate) async fn come(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut line = lock(&self.line);
        match line.places.range_mut(..=self.place).next() {
            Some((&first, _)) if first < self.place => {
                line.places.insert(self.place, Some(cx.waker().clone()));
                Poll::Pending
            }
            Some(_) | None => Poll::Ready(()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut line = lock(&self.line);
        line.places.remove(&self.place);
        let next = line.places.first_entry().and_then(|mut first| first.get_mut().take());
        drop(line);
        if let Some(next) = next {
            next.wake();
        }
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn turns_come_in_the_order_in_which_they_were_taken() {
        let turns = Turns::default();
        let order = Mutex::new(Vec::new());
        let [first, second, third] = [turns.take(), turns.take(), turns.take()];
        let wait = async |number: u32, turn: Turn| {
            turn.come().await;
            tokio::task::yield_now().await;
            order.lock().unwrap().push(number);
        };
        // Each is looked at in another order than they stand in.
        tokio::join!(wait(3, third), wait(1, first), wait(2, second));
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
    }

    #[test]
    fn who_gives_up_while_it_waits_lets_nobody_past_the_one_whose_turn_it_is() {
        let turns = Turns::default();
        let [first, second, third] = [turns.take(), turns.take(), turns.take()];
        assert!(second.come().now_or_never().is_none());
        drop(second);
        assert!(third.come().now_or_never().is_none());
        drop(first);
        assert!(third.come().now_or_never().is_some());
    }
}
