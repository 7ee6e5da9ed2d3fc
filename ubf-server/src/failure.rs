//! How a handler says that it did not do what it was asked for.

use std::error::Error;
use std::fmt::{self, Write as _};

use ubf_codec::{Term, TermRef, Text};
use ubf_proto::Truncated;

use crate::reply::Reply;

/// An error, whatever its type.
type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request was not answered as its contract has it.
///
/// | made by | the client is told | the call |
/// |---|---|---|
/// | `?` on any error | `{'failed','error',…}` | may have run in part |
/// | [`failed`](Self::failed) | `{'failed',Why,…}` | may have run in part |
/// | [`refused`](Self::refused) | `{'refused',Why,…}` | was not executed |
/// | [`From<Reply>`](Reply), `?` on a [`Reply`] | that reply | is over, as with any reply |
///
/// None of these is a crash: the version stays, however often it happens (N6). What a contract has
/// an answer for, `{error,not_found}` say, is no failure but a reply like any other.
///
/// ```
/// use ubf_server::{Call, Failure, Handlers, Reply};
///
/// async fn double(call: Call<()>) -> Result<Reply, Failure> {
///     let Some(number) = call.term().as_i64() else {
///         return Err(Failure::broken_contract(call.term(), &["integer()"], "start"));
///     };
///     if number > 1_000 {
///         return Err(Failure::refused("no numbers so large"));
///     }
///     // The client is told 'error', the log all of it.
///     let doubled = u32::try_from(number * 2)?;
///     Ok(Reply::ok(doubled))
/// }
///
/// let service = Handlers::new().on(1, double);
/// # drop(service);
/// ```
pub struct Failure(Box<Parts>);

struct Parts {
    ending: Ending,
    cause: Option<BoxError>,
}

/// How the call ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With an answer of the contract.
    Replied(Reply),
    /// It may have been executed, or some of it.
    Failed(Term),
    /// It was not executed.
    Refused(Term),
}

impl Failure {
    fn new(ending: Ending) -> Self {
        Self(Box::new(Parts { ending, cause: None }))
    }

    /// The request may have been executed, or some of it: the client learns that it cannot know.
    /// `why` is for the client.
    #[must_use]
    pub fn failed(why: impl Into<Term>) -> Self {
        Self::new(Ending::Failed(why.into()))
    }

    /// The request was not executed, and nothing of it was. `why` is for the client.
    ///
    /// It does not come back by itself: a client sends again only what was refused because of its
    /// version (N4).
    #[must_use]
    pub fn refused(why: impl Into<Term>) -> Self {
        Self::new(Ending::Refused(why.into()))
    }

    /// L3: as [`Reply::broken_contract`].
    #[must_use]
    pub fn broken_contract(
        request: TermRef<'_>,
        expected: &[&str],
        state: impl Into<Text>,
    ) -> Self {
        Reply::broken_contract(request, expected, state).into()
    }

    /// This failure with what caused it. That is for the log, and the client is not told.
    #[must_use]
    pub fn because(mut self, cause: impl Into<BoxError>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// What caused it.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.cause {
            Some(cause) => Some(&**cause),
            None => None,
        }
    }

    /// Whether the request was executed, or may have been, at least in part.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        !matches!(self.0.ending, Ending::Refused(_))
    }

    /// A failure that has been an error of any type meanwhile, or such an error.
    #[cfg(feature = "tower")]
    pub(crate) fn from_boxed(error: BoxError) -> Self {
        match error.downcast::<Carried>() {
            Ok(carried) => carried.0,
            Err(error) => Self::failed(Term::atom("error")).because(error),
        }
    }

    pub(crate) fn into_parts(self) -> (Ending, Option<BoxError>) {
        (self.0.ending, self.0.cause)
    }
}

/// The error is for the log. The client is told `{'failed','error',…}`: what goes on inside of a
/// server is not for strangers.
impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(Term::atom("error")).because(error)
    }
}

/// An early return with an answer of the contract.
impl From<Reply> for Failure {
    fn from(reply: Reply) -> Self {
        Self::new(Ending::Replied(reply))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.ending {
            Ending::Replied(_) => f.write_str("replied early"),
            Ending::Failed(why) => write!(f, "failed: {}", Truncated(why.as_ref())),
            Ending::Refused(why) => write!(f, "refused: {}", Truncated(why.as_ref())),
        }
    }
}

/// A failure as an error, which it is not by itself: else it could not be made of any other one.
#[derive(Debug)]
struct Carried(Failure);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Carried {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause()
    }
}

/// For code that wants errors, such as the layers of tower.
impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        Box::new(Carried(failure))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Failure").field(&self.0.ending).field(&self.0.cause).finish()
    }
}

/// An error and all that caused it, on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        // An error often quotes what a stranger sent: that must not forge a line of the log.
        for letter in text.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Result<u8, Failure> {
        Ok(text.parse::<u8>()?)
    }

    #[test]
    fn any_error_becomes_a_failure_whose_cause_the_client_does_not_learn() {
        assert_eq!(digits("7").unwrap(), 7);
        let failure = digits("many").unwrap_err();
        assert_eq!(failure.to_string(), "failed: error");
        assert!(failure.may_have_run());
        let cause = failure.cause().unwrap();
        assert_eq!(Chain(cause).to_string(), "invalid digit found in string");
    }

    #[test]
    fn what_was_refused_has_not_run() {
        let failure = Failure::refused("full").because("the disk is full");
        assert!(!failure.may_have_run());
        assert_eq!(failure.to_string(), "refused: \"full\"");
        assert_eq!(failure.cause().unwrap().to_string(), "the disk is full");
    }

    #[test]
    fn an_error_that_quotes_a_stranger_stays_on_its_line() {
        let failure = Failure::failed("no").because("no file \"a\nb\"");
        assert_eq!(Chain(failure.cause().unwrap()).to_string(), "no file \"a\\nb\"");
    }
}
