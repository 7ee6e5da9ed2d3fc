//! Pieces of a text, where in their input they stand, and messages that point into them.

use bytes::{Bytes, BytesMut};

use crate::ui::excerpt::Excerpt;
use crate::ui::report::Report;

/// Cuts a text that is still arriving into passages.
pub(crate) trait Split {
    /// Where more text is to be put, at the end.
    fn buffer(&mut self) -> &mut BytesMut;

    /// The next passage, if its end has come; at the end of the input whatever is left, if it is
    /// more than white space.
    fn next(&mut self, is_end: bool) -> Option<Passage>;
}

/// The text of one term, whatever its notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) text: Bytes,
    pub(crate) start: Start,
}

/// Where in a text something begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Counted from 1.
    pub(crate) line: u64,
    /// Characters before it on that line.
    pub(crate) column: u64,
}

impl Start {
    /// The beginning of a text.
    pub(crate) const fn new() -> Self {
        Self { line: 1, column: 0 }
    }

    /// The place after `text`, which begins here.
    pub(crate) fn after(self, text: &[u8]) -> Self {
        text.iter().fold(self, |Self { line, column }, byte| match byte {
            b'\n' => Self { line: line + 1, column: 0 },
            // A character counts where it begins.
            0x80..=0xBF => Self { line, column },
            _ => Self { line, column: column + 1 },
        })
    }
}

impl Passage {
    /// A text that is all there is.
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.to_owned().into(), start: Start::new() }
    }

    /// The text as UTF-8, or the message that it is not.
    pub(crate) fn utf8(&self, input: Option<&str>) -> Result<&str, Report> {
        str::from_utf8(&self.text)
            .map_err(|error| self.report(input, "not UTF-8", error.valid_up_to()))
    }

    /// An error at a byte of the text: line and column instead of the byte that `message` may name,
    /// and the line with a caret. Without an input the text is one of the command line.
    pub(crate) fn report(&self, input: Option<&str>, message: &str, offset: usize) -> Report {
        let message = message.rsplit_once(", at byte ").map_or(message, |(words, _)| words);
        let offset = offset.min(self.text.len());
        let before = self.text.get(..offset).unwrap_or_default();
        let line_start =
            before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(line_start..).unwrap_or_default();
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let Start { line: number, column } = self.start.after(before);
        let message = match input {
            None => format!("{message}, at column {}", column + 1),
            Some(input) => format!("{input}: {message}, at line {number}, column {}", column + 1),
        };
        Report::new(message).with_excerpt(Excerpt::of_text(line, offset - line_start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        assert_eq!(Start::new().after(b""), Start { line: 1, column: 0 });
        assert_eq!(Start::new().after("a\nbé日".as_bytes()), Start { line: 2, column: 3 });
        assert_eq!(Start { line: 7, column: 4 }.after(b"ab"), Start { line: 7, column: 6 });
    }
}
