//! Places in the text of a contract.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// A range of bytes in the text of a contract. What no text was read for has an empty span at 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The offset of the first byte.
    pub start: u32,
    /// The offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to, and without, `end`.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// From the start of this span to the end of the other one.
    #[must_use]
    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }

    /// The span as a range of a slice.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A line and a column, as editors count them: from 1. Columns are bytes: contracts are Latin-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where the lines of a text begin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// The offset of the first byte of every line but the first.
    starts: Vec<u32>,
}

impl Lines {
    /// The text is at most 4 GiB: its reader checks that.
    pub(crate) fn of(text: &[u8]) -> Self {
        let starts = (1_u32..).zip(text).filter(|(_, byte)| **byte == b'\n');
        Self { starts: starts.map(|(after, _)| after).collect() }
    }

    pub(crate) fn position(&self, offset: u32) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.starts.get(line)).copied();
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1),
            column: offset.saturating_sub(start.unwrap_or(0)).saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_counted_from_one() {
        let lines = Lines::of(b"ab\n\ncd");
        let places: Vec<_> = (0..=6).map(|offset| lines.position(offset)).collect();
        let expected = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3)];
        assert_eq!(places, expected.map(|(line, column)| Position { line, column }));
    }
}
