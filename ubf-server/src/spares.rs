//! Descriptors that are kept back, for connections that come when the process has no more.

use std::fs::File;
use std::io;

/// Descriptors that are to be free before a listener that found none takes connections again.
/// Chosen: more than are kept back for operators, so that what they use meanwhile stays theirs.
const FREE_AGAIN: usize = 8;

/// Whether the process has descriptors again, for more than one connection.
///
/// # Errors
/// What the system says if not.
pub(crate) fn are_free_again() -> io::Result<()> {
    // They are closed when the last one is open, or could not be opened.
    (0..FREE_AGAIN).map(|_| File::open(NOTHING)).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Descriptors of a listener that are open for nothing, until one is needed.
#[derive(Debug)]
pub(crate) struct Spares {
    wanted: usize,
    held: Vec<File>,
}

impl Spares {
    pub(crate) fn new(wanted: usize) -> Self {
        let mut spares = Self { wanted, held: Vec::new() };
        spares.refill();
        spares
    }

    /// Closes one, so that the process has room for another descriptor. `false` if there is none.
    pub(crate) fn give(&mut self) -> bool {
        self.held.pop().is_some()
    }

    /// Opens again as many as there should be, as far as the system allows it.
    pub(crate) fn refill(&mut self) {
        while self.held.len() < self.wanted {
            let Ok(spare) = File::open(NOTHING) else { return };
            self.held.push(spare);
        }
    }

    pub(crate) const fn are_kept(&self) -> bool {
        self.wanted > 0
    }

    pub(crate) const fn is_short(&self) -> bool {
        self.held.len() < self.wanted
    }
}

/// A file that is always there and costs nothing.
const NOTHING: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_taken_back() {
        let mut spares = Spares::new(2);
        assert!(!spares.is_short());
        assert_eq!([spares.give(), spares.give(), spares.give()], [true, true, false]);
        assert!(spares.is_short());
        spares.refill();
        assert!(!spares.is_short() && are_free_again().is_ok());
    }
}
