//! Errors and their causes, for people.

use std::error::Error;
use std::io;

/// Causes that are shown. Chosen: nobody reads more, and a chain that goes in a circle ends.
const MAX_CAUSES: usize = 8;

/// An error of the operating system without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    without_number(&error.to_string()).to_owned()
}

/// An error and what caused it, outermost first. A cause that the error before it has said already
/// is left out.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = without_number(&error.to_string()).to_owned();
    let chain = std::iter::successors(error.source(), |&error| error.source());
    for cause in chain.take(MAX_CAUSES) {
        let cause = cause.to_string();
        let cause = without_number(&cause);
        if !text.ends_with(cause) {
            text.push_str(": ");
            text.push_str(cause);
        }
    }
    text
}

/// What the last cause of an error says, or the error itself if it has none.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let last = chain.take(MAX_CAUSES).last().map(ToString::to_string).unwrap_or_default();
    without_number(&last).to_owned()
}

fn without_number(text: &str) -> &str {
    text.split_once(" (os error").map_or(text, |(words, _)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(&'static str, io::Error);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn an_error_is_followed_by_its_cause() {
        let refused = || io::Error::from_raw_os_error(111);
        assert_eq!(
            causes(&Outer("cannot connect", refused())),
            "cannot connect: Connection refused"
        );
        assert_eq!(causes(&Outer("no: Connection refused", refused())), "no: Connection refused");
        assert_eq!(reason(&refused()), "Connection refused");
        assert_eq!(innermost(&Outer("cannot connect", refused())), "Connection refused");
        assert_eq!(innermost(&refused()), "Connection refused");
    }
}
