//! A text of many JSON documents, cut into documents, as it arrives.
//!
//! A document ends with its last bracket or quote, and a number or a word before the next byte that
//! is no part of it. What can begin no document goes to the end of its line, for the message to
//! show, and so does a string that its line does not end.

use bytes::BytesMut;

use crate::packets::passage::{Passage, Split, Start};

/// Cuts text into documents.
#[derive(Debug)]
pub(crate) struct DocumentSplitter {
    /// What has come since the last document.
    buffer: BytesMut,
    /// How much of the buffer has been looked at.
    scanned: usize,
    /// Where the buffer begins.
    start: Start,
    within: Within,
    /// Each line is a document, whatever it holds.
    by_lines: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Nothing,
    /// A number, or `null`, `true`, `false`.
    Word,
    /// As many arrays and objects.
    Brackets(usize),
    /// A string in as many arrays and objects, perhaps after a `\`.
    Quote {
        brackets: usize,
        escaped: bool,
    },
    Line,
}

impl DocumentSplitter {
    /// Documents with white space between them, or none.
    pub(crate) fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            start: Start::new(),
            within: Within::Nothing,
            by_lines: false,
        }
    }

    /// Lines that are a document each.
    pub(crate) fn by_lines() -> Self {
        Self { by_lines: true, ..Self::new() }
    }

    /// What begins with `byte`.
    const fn begin(&self, byte: u8) -> Within {
        match byte {
            _ if self.by_lines => Within::Line,
            b'[' | b'{' | b'"' => Within::Brackets(0),
            b'-' | b'0'..=b'9' | b'n' | b't' | b'f' => Within::Word,
            _ => Within::Line,
        }
    }

    /// Takes one byte. Says whether the document has ended: before this byte, or with it.
    fn step(&mut self, byte: u8) -> Option<End> {
        let mut end = None;
        match self.within {
            Within::Nothing => {}
            Within::Word
                if matches!(byte, b'[' | b']' | b'{' | b'}' | b'"' | b',' | b':')
                    || is_space(byte) =>
            {
                end = Some(End::Before);
            }
            Within::Word => {}
            Within::Line | Within::Quote { .. } if byte == b'\n' => end = Some(End::Before),
            Within::Line => {}
            Within::Brackets(brackets) => match byte {
                b'"' => self.within = Within::Quote { brackets, escaped: false },
                b'[' | b'{' => self.within = Within::Brackets(brackets + 1),
                b']' | b'}' if brackets <= 1 => end = Some(End::With),
                b']' | b'}' => self.within = Within::Brackets(brackets - 1),
                _ => {}
            },
            Within::Quote { brackets, escaped: true } => {
                self.within = Within::Quote { brackets, escaped: false }
            }
            Within::Quote { brackets, escaped: false } => match byte {
                b'\\' => self.within = Within::Quote { brackets, escaped: true },
                b'"' if brackets == 0 => end = Some(End::With),
                b'"' => self.within = Within::Brackets(brackets),
                _ => {}
            },
        }
        end
    }

    /// Takes what has been looked at.
    fn cut(&mut self) -> Passage {
        let text = self.buffer.split_to(self.scanned).freeze();
        let start = self.start;
        self.start = start.after(&text);
        self.scanned = 0;
        self.within = Within::Nothing;
        Passage { text, start }
    }
}

/// The last byte of a document: this one, or the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Before,
    With,
}

impl Split for DocumentSplitter {
    fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    fn next(&mut self, is_end: bool) -> Option<Passage> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.within == Within::Nothing && !is_space(byte) {
                // The white space before it.
                self.cut();
                self.within = self.begin(byte);
            }
            match self.step(byte) {
                None => self.scanned += 1,
                Some(End::Before) => return Some(self.cut()),
                Some(End::With) => {
                    self.scanned += 1;
                    return Some(self.cut());
                }
            }
        }
        if self.within == Within::Nothing {
            self.cut();
            return None;
        }
        is_end.then(|| self.cut())
    }
}

/// JSON's white space.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documents of `text`, fed in pieces of each length.
    fn split_by(text: &str, splitter: fn() -> DocumentSplitter) -> Vec<String> {
        let all: Vec<Vec<String>> = (1..=text.len().max(1))
            .map(|piece| {
                let mut splitter = splitter();
                let mut documents = Vec::new();
                for piece in text.as_bytes().chunks(piece) {
                    splitter.buffer().extend_from_slice(piece);
                    documents.extend(std::iter::from_fn(|| splitter.next(false)));
                }
                documents.extend(std::iter::from_fn(|| splitter.next(true)));
                documents
                    .iter()
                    .map(|document| String::from_utf8_lossy(&document.text).into_owned())
                    .collect()
            })
            .collect();
        assert!(all.iter().all(|documents| *documents == all[0]), "{all:?}");
        all[0].clone()
    }

    fn split(text: &str) -> Vec<String> {
        split_by(text, DocumentSplitter::new)
    }

    #[test]
    fn documents_need_nothing_between_them() {
        assert_eq!(
            split(" [1, 2]{\"a\":\n[]}\r\n\"b\"\"c\" 1 -2.5e3[]true\nnull"),
            ["[1, 2]", "{\"a\":\n[]}", "\"b\"", "\"c\"", "1", "-2.5e3", "[]", "true", "null"]
        );
    }

    #[test]
    fn brackets_and_quotes_in_strings_are_text() {
        assert_eq!(split(r#"["]\"]","\\"]"}""#), [r#"["]\"]","\\"]"#, r#""}""#]);
    }

    #[test]
    fn what_is_wrong_has_an_end_too() {
        assert_eq!(split("[1} 2"), ["[1}", "2"]);
        assert_eq!(split("1, 2\n3"), ["1", ", 2", "3"]);
        assert_eq!(split("hello world\n1"), ["hello world", "1"]);
        assert_eq!(split("[\"a\n\"]\n"), ["[\"a", "\"]"]);
        assert_eq!(split("[1, "), ["[1, "]);
        assert_eq!(split("truth"), ["truth"]);
    }

    #[test]
    fn lines_are_documents_if_they_have_to_be() {
        let text = "[1]\r\n\n  {\"a\":\n1 2";
        assert_eq!(split_by(text, DocumentSplitter::by_lines), ["[1]\r", "{\"a\":", "1 2"]);
    }

    #[test]
    fn nothing_holds_no_document() {
        assert_eq!(split(""), [""; 0]);
        assert_eq!(split(" \r\n\t\n"), [""; 0]);
        assert_eq!(split_by("\n \n", DocumentSplitter::by_lines), [""; 0]);
    }

    #[test]
    fn knows_where_a_document_begins() {
        let mut splitter = DocumentSplitter::new();
        splitter.buffer().extend_from_slice("\"é\" 1\n\n [\n] 2".as_bytes());
        let places: Vec<(u64, u64)> = std::iter::from_fn(|| splitter.next(true))
            .map(|found| (found.start.line, found.start.column))
            .collect();
        assert_eq!(places, [(1, 0), (1, 4), (3, 1), (4, 2)]);
    }
}
