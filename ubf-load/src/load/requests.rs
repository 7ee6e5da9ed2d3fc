//! What is asked for.

use ubf_codec::{Term, ubf};

/// The requests of a load.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Requests {
    /// The same one always.
    Same(Term),
    /// `{call,Client,Number}`: each call by its client and its number there, both from 1, so that a
    /// server can keep a journal of what it executed.
    Numbered,
}

impl Requests {
    /// A string that fills a packet's body, up to and with its `$`, to this many bytes. The
    /// smallest is `""$`.
    #[must_use]
    pub fn of_size(bytes: usize) -> Self {
        Self::Same(Term::string("x".repeat(bytes.saturating_sub(3))))
    }

    pub(super) fn term(&self, client: u64, number: u64) -> Term {
        match self {
            Self::Same(term) => term.clone(),
            Self::Numbered => ubf!({call, (client), (number)}),
        }
    }
}

#[cfg(test)]
mod tests {
    use ubf_codec::Encoder;

    use super::*;

    #[test]
    fn a_request_has_the_size_that_was_asked_for() {
        for bytes in [3, 4, 100, 12345] {
            assert_eq!(Encoder::new().encode(&Requests::of_size(bytes).term(1, 1)).len(), bytes);
        }
    }

    #[test]
    fn a_numbered_request_says_whose_and_which_it_is() {
        assert_eq!(Requests::Numbered.term(3, 41).to_string(), "{call,3,41}");
    }
}
