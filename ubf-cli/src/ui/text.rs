//! Text for people: bytes made visible, widths in terminal columns, shortening.

use std::borrow::Cow;
use std::fmt;

use unicode_width::UnicodeWidthChar as _;

/// How many columns of a terminal `character` takes. What has no width of its own takes one: it is
/// shown by an escape, or not at all.
pub(crate) fn columns_of(character: char) -> usize {
    character.width().unwrap_or(1)
}

/// How many columns `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// `text` and spaces behind it, up to this many columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{:room$}", "", room = width.saturating_sub(columns(text)))
}

/// As much of the beginning of `text` as fits in `max` columns.
pub(crate) fn prefix(text: &str, max: usize) -> &str {
    let mut left = max;
    let end =
        text.char_indices().find(|(_, character)| match left.checked_sub(columns_of(*character)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
    end.and_then(|(index, _)| text.get(..index)).unwrap_or(text)
}

/// `text` in at most `max` columns: its beginning, and `…` for what was cut.
pub(crate) fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    match max.checked_sub(1) {
        _ if columns(text) <= max => Cow::Borrowed(text),
        Some(room) => Cow::Owned(format!("{}…", prefix(text, room))),
        None => Cow::Borrowed(""),
    }
}

/// What `value` displays, but no more than `max` columns of it; and whether that is all. Looks no
/// further than that.
pub(crate) fn beginning(value: impl fmt::Display, max: usize) -> (String, bool) {
    struct Budget {
        text: String,
        left: usize,
    }
    impl fmt::Write for Budget {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for character in text.chars() {
                self.left = self.left.checked_sub(columns_of(character)).ok_or(fmt::Error)?;
                self.text.push(character);
            }
            Ok(())
        }
    }
    let mut budget = Budget { text: String::new(), left: max };
    let is_all = fmt::write(&mut budget, format_args!("{value}")).is_ok();
    (budget.text, is_all)
}

/// A byte on its own: itself where it can be seen, `0x0A` where not.
pub(crate) fn byte_name(byte: u8) -> String {
    if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("0x{byte:02X}") }
}

/// A byte as a part of a line: `\n`, `\t`, `\r`, `\x1B`, or itself.
pub(crate) fn escaped_byte(byte: u8) -> String {
    match byte {
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\r' => "\\r".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    }
}

/// Whether `character` is drawn alike by all terminals, so that a caret can be put below what
/// follows it.
const fn is_steady(character: char) -> bool {
    matches!(
        character,
        ' '..='~' | '\u{A1}'..='\u{AC}' | '\u{AE}'..='\u{2FF}' | '\u{370}'..='\u{377}' | '\u{37A}'..='\u{37F}'
            | '\u{384}'..='\u{38A}' | '\u{38E}'..='\u{3A1}' | '\u{3A3}'..='\u{482}' | '\u{48A}'..='\u{52F}'
            | '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}'
    )
}

/// A piece of a line that shows one character, or one byte that is none: how many bytes it stands
/// for, and its text.
pub(crate) struct Piece {
    pub(crate) byte_count: usize,
    pub(crate) text: String,
}

/// `bytes` in pieces that can be seen. A character that holds the byte at `exact` is shown byte by
/// byte.
pub(crate) fn pieces(bytes: &[u8], exact: Option<usize>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let end = start + character.len_utf8();
            let hit = character.len_utf8() > 1
                && exact.is_some_and(|exact| (start..end).contains(&exact));
            if is_steady(character) && !hit {
                pieces.push(Piece { byte_count: end - start, text: character.to_string() });
            } else {
                let mut encoded = [0; 4];
                pieces.extend(character.encode_utf8(&mut encoded).bytes().map(byte_piece));
            }
            start = end;
        }
        pieces.extend(chunk.invalid().iter().copied().map(byte_piece));
        start += chunk.invalid().len();
    }
    pieces
}

fn byte_piece(byte: u8) -> Piece {
    Piece { byte_count: 1, text: escaped_byte(byte) }
}

/// `bytes` on one line.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    pieces(bytes, None).into_iter().map(|piece| piece.text).collect()
}

/// A name that came from outside (of a file, say), safe to print.
pub(crate) fn printable(name: &str) -> String {
    name.chars()
        .flat_map(|character| {
            let escape = character.is_control();
            let (escaped, plain) = if escape {
                (Some(character.escape_default()), None)
            } else {
                (None, Some(character))
            };
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 packet`, `2 packets`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_to_columns_and_not_to_bytes() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdef", 5), "abcd…");
        assert_eq!(shorten("äöüäöü", 4), "äöü…");
        assert_eq!(shorten("日本語", 4), "日…");
        assert_eq!(shorten("abc", 0), "");
    }

    #[test]
    fn displays_no_more_than_it_has_room_for() {
        assert_eq!(beginning(12345, 5), ("12345".to_owned(), true));
        assert_eq!(beginning(12345, 4), ("1234".to_owned(), false));
    }

    #[test]
    fn shows_text_as_text_and_other_bytes_as_escapes() {
        assert_eq!(escaped("'é'\n\u{1b}[1m\u{202e}".as_bytes()), "'é'\\n\\x1B[1m\\xE2\\x80\\xAE");
        assert_eq!(escaped(b"\xff$"), "\\xFF$");
    }

    #[test]
    fn splits_the_character_that_holds_the_exact_byte() {
        let shown: Vec<String> =
            pieces("éé".as_bytes(), Some(3)).into_iter().map(|piece| piece.text).collect();
        assert_eq!(shown, ["é", "\\xC3", "\\xA9"]);
    }

    #[test]
    fn takes_the_escape_sequences_out_of_file_names() {
        assert_eq!(printable("a\u{1b}[31m.ubf"), "a\\u{1b}[31m.ubf");
        assert_eq!(printable("grün.ubf"), "grün.ubf");
    }

    #[test]
    fn groups_digits_by_three() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(counted(1, "packet"), "1 packet");
        assert_eq!(counted(1000, "packet"), "1,000 packets");
    }
}
