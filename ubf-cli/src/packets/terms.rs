//! A text of many terms in Erlang's notation, cut into terms, as it arrives.
//!
//! A term ends with its line, unless a bracket or a quote is open; then with the line that closes
//! it. A `.` before white space ends one too, and `%` begins a comment, so that files for Erlang's
//! `file:consult` can be read. `$"` is a character and no quote.

use bytes::BytesMut;
use ubf_codec::{NotationError, Term};

use crate::packets::marks::mark_hint;
use crate::packets::passage::{Passage, Split, Start};
use crate::ui::report::Report;

/// The term that a text means, or what is wrong with it. Without an input the text is one of the
/// command line.
pub(crate) fn term_of(passage: &Passage, input: Option<&str>) -> Result<Term, Report> {
    let mark = mark_hint(&passage.text);
    let text = passage
        .utf8(input)
        .map_err(|report| report.with_hint(mark.or(Some(r"any byte can be written as \xHH"))))?;
    text.trim().parse().map_err(|error: NotationError| {
        let leading = text.len() - text.trim_start().len();
        passage.report(input, &error.to_string(), leading + error.offset()).with_hint(mark)
    })
}

/// Cuts text into terms.
#[derive(Debug)]
pub(crate) struct TermSplitter {
    /// What has come since the last term.
    buffer: BytesMut,
    /// How much of the buffer has been looked at.
    scanned: usize,
    /// Where the buffer begins.
    start: Start,
    open_brackets: u32,
    within: Within,
    /// Something else than white space and comments has been seen.
    has_begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Nothing,
    Quote {
        quote: u8,
        escaped: bool,
    },
    /// After the `$` of a character such as `$a` or `$\n`.
    Character {
        escaped: bool,
    },
    Comment,
}

impl TermSplitter {
    pub(crate) fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            start: Start::new(),
            open_brackets: 0,
            within: Within::Nothing,
            has_begun: false,
        }
    }

    /// The byte before the one that is looked at.
    fn before(&self) -> Option<u8> {
        self.buffer.get(self.scanned.checked_sub(1)?).copied()
    }

    /// Takes what has been looked at as a term, and throws `skip` bytes after it away.
    fn cut(&mut self, skip: usize) -> Passage {
        let text = self.buffer.split_to(self.scanned).freeze();
        let skipped = self.buffer.split_to(skip.min(self.buffer.len()));
        let start = self.start;
        self.start = start.after(&text).after(&skipped);
        self.scanned = 0;
        self.open_brackets = 0;
        self.within = Within::Nothing;
        self.has_begun = false;
        Passage { text, start }
    }
}

/// Comments are blanked out.
impl Split for TermSplitter {
    fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    fn next(&mut self, is_end: bool) -> Option<Passage> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            match self.within {
                Within::Comment if byte != b'\n' => {
                    if let Some(slot) = self.buffer.get_mut(self.scanned) {
                        *slot = b' ';
                    }
                }
                Within::Quote { quote, escaped } => {
                    self.within = match (escaped, byte) {
                        (true, _) => Within::Quote { quote, escaped: false },
                        (false, b'\\') => Within::Quote { quote, escaped: true },
                        (false, _) if byte == quote => Within::Nothing,
                        (false, _) => Within::Quote { quote, escaped },
                    };
                }
                Within::Character { escaped } => {
                    self.within = match byte {
                        b'\\' if !escaped => Within::Character { escaped: true },
                        _ => Within::Nothing,
                    };
                }
                Within::Comment | Within::Nothing => {
                    self.within = Within::Nothing;
                    match byte {
                        b'%' => {
                            self.within = Within::Comment;
                            continue;
                        }
                        b'"' | b'\'' | b'`' => {
                            self.within = Within::Quote { quote: byte, escaped: false };
                        }
                        b'$' => self.within = Within::Character { escaped: false },
                        b'{' | b'[' | b'<' => {
                            self.open_brackets = self.open_brackets.saturating_add(1);
                        }
                        // `=>` stands in maps, and closes nothing.
                        b'>' if self.before() == Some(b'=') => {}
                        b'}' | b']' | b'>' => {
                            self.open_brackets = self.open_brackets.saturating_sub(1);
                        }
                        b'\n' if self.open_brackets == 0 && self.has_begun => {
                            return Some(self.cut(0));
                        }
                        b'.' if self.open_brackets == 0 && self.has_begun => {
                            match self.buffer.get(self.scanned + 1) {
                                Some(next) if next.is_ascii_whitespace() || *next == b'%' => {
                                    return Some(self.cut(1));
                                }
                                None if is_end => return Some(self.cut(1)),
                                None => return None,
                                Some(_) => {}
                            }
                        }
                        _ => {}
                    }
                    self.has_begun |= !byte.is_ascii_whitespace();
                }
            }
            self.scanned += 1;
        }
        (is_end && self.has_begun).then(|| self.cut(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The terms of `text`, fed in pieces of each length, as `line:column text` without the white
    /// space around.
    fn split(text: &str) -> Vec<String> {
        let all: Vec<Vec<String>> = (1..=text.len().max(1))
            .map(|piece| {
                let mut splitter = TermSplitter::new();
                let mut terms = Vec::new();
                for piece in text.as_bytes().chunks(piece) {
                    splitter.buffer().extend_from_slice(piece);
                    terms.extend(std::iter::from_fn(|| splitter.next(false)));
                }
                terms.extend(std::iter::from_fn(|| splitter.next(true)));
                terms
                    .iter()
                    .map(|term| String::from_utf8_lossy(&term.text).trim().to_owned())
                    .collect()
            })
            .collect();
        assert!(all.iter().all(|terms| *terms == all[0]), "{all:?}");
        all[0].clone()
    }

    #[test]
    fn a_line_is_a_term() {
        assert_eq!(split("{a,1}\n\n  b\r\n[c]"), ["{a,1}", "b", "[c]"]);
    }

    #[test]
    fn an_open_bracket_or_quote_goes_on() {
        assert_eq!(split("{a,\n 1}\n\"b\nc\"\n<<1,\n2>>"), ["{a,\n 1}", "\"b\nc\"", "<<1,\n2>>"]);
        assert_eq!(split("\"}\\\"\n\"\n1"), ["\"}\\\"\n\"", "1"]);
    }

    #[test]
    fn a_full_stop_ends_a_term_but_not_within_a_number() {
        assert_eq!(split("a. b.\n1.5. 2."), ["a", "b", "1.5", "2"]);
        assert_eq!(split("{a,'x. y'}.% end"), ["{a,'x. y'}"]);
    }

    #[test]
    fn comments_are_no_terms() {
        assert_eq!(split("% one, {two\n1 % and \"\n% [\n2"), ["1", "2"]);
        assert_eq!(split("{a, % }\n b}").len(), 1);
        assert_eq!(split("\"50%\""), ["\"50%\""]);
    }

    #[test]
    fn characters_are_no_quotes_and_no_brackets() {
        assert_eq!(split("[$\",$%,$\\n,$\\\\,${]\n$a\n$."), ["[$\",$%,$\\n,$\\\\,${]", "$a", "$."]);
    }

    #[test]
    fn nothing_holds_no_term() {
        assert_eq!(split(""), [""; 0]);
        assert_eq!(split(" \n% only this"), [""; 0]);
    }

    #[test]
    fn a_bracket_that_is_never_closed_takes_the_rest() {
        assert_eq!(split("{a\nb\n").len(), 1);
        assert_eq!(split("a}\nb"), ["a}", "b"]);
    }

    #[test]
    fn knows_where_a_term_begins() {
        let mut splitter = TermSplitter::new();
        splitter.buffer().extend_from_slice(b"a.\n\n b. c");
        let places: Vec<(u64, u64)> = std::iter::from_fn(|| splitter.next(true))
            .map(|term| (term.start.line, term.start.column))
            .collect();
        assert_eq!(places, [(1, 0), (1, 2), (3, 3)]);
    }
}
