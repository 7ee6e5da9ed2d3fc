//! The bytes around a wrong byte, on one line, with a caret below it.

use crate::ui::text::{columns, escaped, pieces};

/// Columns of the line, so that it fits a terminal of 80 with its indent.
const MAX_COLUMNS: usize = 74;
/// Columns before the caret, at most: what went wrong is mostly explained by what stands before.
const MAX_BEFORE: usize = 48;
/// Bytes looked at on either side; more could not be shown.
const MAX_BYTES: usize = 2 * MAX_COLUMNS;

/// A line that shows bytes, and the place of one of them in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The bytes as text.
    pub(crate) line: String,
    /// Columns before the caret.
    pub(crate) caret: usize,
    /// Columns that the wrong byte takes.
    pub(crate) width: usize,
}

impl Excerpt {
    /// The surroundings of `bytes[at]`; `at` may be one past the end. A character that holds that
    /// byte is shown as bytes.
    pub(crate) fn of(bytes: &[u8], at: usize) -> Self {
        Self::new(bytes, at, true)
    }

    /// The surroundings of the character at `bytes[at]`; `at` may be one past the end.
    pub(crate) fn of_text(bytes: &[u8], at: usize) -> Self {
        Self::new(bytes, at, false)
    }

    fn new(bytes: &[u8], at: usize, is_exact: bool) -> Self {
        let at = at.min(bytes.len());
        let mut from = at.saturating_sub(MAX_BYTES);
        if from > 0 {
            // Not into the middle of a character.
            from +=
                bytes.iter().skip(from).take(3).take_while(|&&byte| byte & 0xC0 == 0x80).count();
        }
        let to = bytes.len().min(at + MAX_BYTES);
        let shown = pieces(bytes.get(from..to).unwrap_or_default(), is_exact.then_some(at - from));

        let mut before = Vec::new();
        let mut after = shown.into_iter();
        let mut byte = from;
        while byte < at {
            let Some(piece) = after.next() else { break };
            byte += piece.byte_count;
            before.push(piece.text);
        }
        let mut before_columns: usize = before.iter().map(|text| columns(text)).sum();
        let mut cut_before = from > 0;
        let mut kept = before.as_slice();
        while before_columns > MAX_BEFORE {
            let Some((first, rest)) = kept.split_first() else { break };
            before_columns -= columns(first);
            kept = rest;
            cut_before = true;
        }
        let mut line = String::new();
        if cut_before {
            line.push('…');
        }
        line.extend(kept.iter().map(String::as_str));
        let caret = columns(&line);

        let mut width = 1;
        let mut cut_after = to < bytes.len();
        for (index, piece) in after.enumerate() {
            if index == 0 {
                width = columns(&piece.text);
            } else if columns(&line) + columns(&piece.text) > MAX_COLUMNS {
                cut_after = true;
                break;
            }
            line.push_str(&piece.text);
        }
        if cut_after {
            line.push('…');
        }
        Self { line, caret, width }
    }

    /// The caret's line.
    pub(crate) fn caret_line(&self) -> String {
        format!("{}{}", " ".repeat(self.caret), "^".repeat(self.width.max(1)))
    }
}

/// A short piece of `bytes` for a table: at most `max` columns.
pub(crate) fn cell(bytes: &[u8], max: usize) -> String {
    // No character takes more than four bytes or less than one column.
    let enough = bytes.get(..4 * max + 4).unwrap_or(bytes);
    crate::ui::text::shorten(&escaped(enough), max).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(bytes: &[u8], at: usize) -> String {
        let excerpt = Excerpt::of(bytes, at);
        format!("{}\n{}", excerpt.line, excerpt.caret_line())
    }

    #[test]
    fn puts_the_caret_below_the_byte() {
        assert_eq!(drawn(b"{'a' q}$", 5), "{'a' q}$\n     ^");
    }

    #[test]
    fn points_past_the_end_of_what_is_cut_short() {
        assert_eq!(drawn(b"{1", 2), "{1\n  ^");
        assert_eq!(drawn(b"", 0), "\n^");
    }

    #[test]
    fn makes_bytes_visible_that_are_not() {
        assert_eq!(drawn(b"1\n\x00$", 2), "1\\n\\x00$\n   ^^^^");
        assert_eq!(drawn("'é'é".as_bytes(), 4), "'é'\\xC3\\xA9\n   ^^^^");
        assert_eq!(
            Excerpt::of_text("é日".as_bytes(), 2),
            Excerpt { line: "é日".to_owned(), caret: 1, width: 2 }
        );
    }

    #[test]
    fn fits_eighty_columns_wherever_the_byte_is() {
        let long = [b"0123456789".repeat(50), vec![0; 200]].concat();
        for at in 0..=long.len() {
            let excerpt = Excerpt::of(&long, at);
            assert!(columns(&excerpt.line) <= 76, "{at}: {}", excerpt.line);
            assert!(excerpt.caret + excerpt.width <= 76, "{at}");
        }
        let middle = Excerpt::of(&long, 255);
        assert_eq!(middle.caret, 49);
        assert_eq!(middle.line.chars().nth(49), Some('5'));
        assert!(middle.line.starts_with('…') && middle.line.ends_with('…'));
    }
}
