//! Where printed text goes.

use alloc::vec::Vec;
use core::fmt;

/// Takes text piece by piece, until it wants no more.
pub(super) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full>;
}

/// The sink takes no more.
#[derive(Debug)]
pub(super) struct Full;

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Finds out whether a text fits into the rest of a line, without looking at more of it than that.
#[derive(Debug)]
pub(super) struct Room(pub(super) usize);

impl Sink for Room {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(Full)?;
        if bytes.contains(&b'\n') { Err(Full) } else { Ok(()) }
    }
}

/// Text for people, each byte being the character of that number.
pub(super) struct Latin1<'a, 'f>(pub(super) &'a mut fmt::Formatter<'f>);

impl Sink for Latin1<'_, '_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        bytes.iter().try_for_each(|byte| {
            fmt::Write::write_char(self.0, char::from(*byte)).map_err(|_| Full)
        })
    }
}
