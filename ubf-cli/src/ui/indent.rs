//! JSON over several lines, for people.

use std::fmt::{self, Write as _};

/// A value whose `Display` is JSON without white space, indented as jq does it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indented<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Indented<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Indenter { f, depth: 0, is_first: false, quote: Quote::Outside }, "{}", self.0)
    }
}

/// Puts line breaks into what passes through it, and keeps none of it.
struct Indenter<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    depth: usize,
    /// An array or an object has just been begun: it may be empty.
    is_first: bool,
    quote: Quote,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Outside,
    Inside,
    /// After a `\`.
    Escaped,
}

impl Indenter<'_, '_> {
    fn break_line(&mut self) -> fmt::Result {
        self.f.write_str("\n")?;
        (0..self.depth).try_for_each(|_| self.f.write_str("  "))
    }
}

impl fmt::Write for Indenter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        if self.quote != Quote::Outside {
            self.quote = match (self.quote, character) {
                (Quote::Inside, '\\') => Quote::Escaped,
                (Quote::Inside, '"') => Quote::Outside,
                _ => Quote::Inside,
            };
            return self.f.write_char(character);
        }
        let is_close = matches!(character, ']' | '}');
        self.depth = self.depth.saturating_sub(usize::from(is_close));
        if self.is_first != is_close {
            self.break_line()?;
        }
        self.is_first = false;
        self.f.write_char(character)?;
        match character {
            '[' | '{' => {
                self.depth += 1;
                self.is_first = true;
            }
            '"' => self.quote = Quote::Inside,
            ':' => self.f.write_str(" ")?,
            ',' => self.break_line()?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indents_as_others_do() {
        for json in [
            "1",
            "[]",
            "{}",
            "[[],{}]",
            "[1,[2,3],{\"a\":[4],\"b\":null}]",
            "{\"a\":{\"b\":{}},\"c\":\"{[,:]}\\\"}\\\\\",\"d\":\"é\"}",
            "[\"\\\\\",\"]\"]",
        ] {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(Indented(json).to_string(), serde_json::to_string_pretty(&value).unwrap());
        }
    }
}
