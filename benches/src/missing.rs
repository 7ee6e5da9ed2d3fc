//! What cannot be measured, and why: it is said in the results, and everything else is measured.

use std::fmt::Display;
use std::io::{Write as _, stderr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use benches::Error;
use serde::Serialize;
use tokio::time::timeout;

/// What could not be measured.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Missing(pub(crate) Vec<String>);

impl Missing {
    /// What is measured, if it can be.
    pub(crate) fn attempt<T>(
        &mut self,
        what: impl Display,
        measure: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Option<T> {
        // A panic of a peer is a figure that is missing, too.
        let found = catch_unwind(AssertUnwindSafe(|| measure(self)));
        self.keep(what, found.unwrap_or_else(|_| Err("a panic".into())))
    }

    /// The same of a future, which must end in time.
    pub(crate) async fn within<T>(
        &mut self,
        what: impl Display,
        time: Duration,
        measure: impl Future<Output = Result<T, Error>>,
    ) -> Option<T> {
        let found = timeout(time, measure).await;
        self.keep(what, found.unwrap_or_else(|_| Err(format!("no end in {time:?}").into())))
    }

    fn keep<T>(&mut self, what: impl Display, found: Result<T, Error>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(error) => {
                let reason = format!("{what}: {error}");
                say(format_args!("not measured: {reason}"));
                self.0.push(reason);
                None
            }
        }
    }
}

/// Says to who waits how far it is.
pub(crate) fn say(what: impl Display) {
    // Who does not listen misses nothing that is not in the results.
    let _is_written = writeln!(stderr(), "{what}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn what_fails_is_kept_with_its_reason_and_the_rest_goes_on() {
        let mut missing = Missing::default();
        assert_eq!(missing.attempt("one", |_| Ok(1)), Some(1));
        assert_eq!(missing.attempt("two", |_| Err::<u8, _>("it is not there".into())), None);
        let divisor = std::hint::black_box(0);
        assert_eq!(missing.attempt("three", |_| Ok(1_u32.checked_div(divisor).unwrap())), None);
        assert_eq!(missing.0, ["two: it is not there", "three: a panic"]);
    }

    #[tokio::test]
    async fn what_does_not_end_is_given_up() {
        let mut missing = Missing::default();
        let never = std::future::pending::<Result<u8, Error>>();
        assert_eq!(missing.within("one", Duration::ZERO, never).await, None);
        assert_eq!(missing.0, ["one: no end in 0ns"]);
    }
}
