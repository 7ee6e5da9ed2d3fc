//! The pretty style: for people. What fits is on one line, the rest is indented.

use alloc::vec::{self, Vec};

use bytes::BufMut;

use super::sink::{Block, Kept, Sink as _};
use super::token;
use crate::dialect::Dialect;
use crate::term::{Leaf, TermRef, TextRef, WireVisitor};

/// A term of at most so many bytes stays on one line.
const LINE_BYTES: usize = 72;
const INDENT: &[u8] = b"  ";
/// Deeper levels are not indented further: else the white space would grow with the square of the
/// depth.
const MAX_INDENT: usize = 32;

pub(super) fn write(term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
    let mut measure = Measure { dialect, ..Measure::default() };
    term.visit_wire(&mut measure);
    let mut pretty =
        Pretty { out: Block::new(out), dialect, fits: measure.fits.into_iter(), open: Vec::new() };
    term.visit_wire(&mut pretty);
    pretty.out.slice(b" $");
    pretty.out.flush();
}

struct Pretty<'o, B: BufMut> {
    out: Block<'o, B>,
    dialect: Dialect,
    /// For each tuple and list that is still to come: whether it fits on one line.
    fits: vec::IntoIter<bool>,
    open: Vec<Open>,
}

/// A tuple or list that is being written.
struct Open {
    one_line: bool,
    elements: usize,
}

impl<B: BufMut> Pretty<'_, B> {
    /// What stands before an element of the innermost open term.
    fn begin_element(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        open.elements += 1;
        match (open.one_line, open.elements) {
            (true, 1) => {}
            (true, _) => self.out.byte(b' '),
            (false, _) => self.new_line(),
        }
    }

    fn new_line(&mut self) {
        self.out.byte(b'\n');
        for _ in 0..self.open.len().min(MAX_INDENT) {
            self.out.slice(INDENT);
        }
    }

    fn open(&mut self, operator: u8) {
        self.begin_element();
        self.out.byte(operator);
        let in_one_line = self.open.last().is_some_and(|open| open.one_line);
        let one_line = self.fits.next().unwrap_or(true) || in_one_line;
        self.open.push(Open { one_line, elements: 0 });
    }
}

impl<B: BufMut> WireVisitor for Pretty<'_, B> {
    fn leaf(&mut self, leaf: Leaf<'_>) {
        self.begin_element();
        token::leaf(leaf, self.dialect, &mut self.out);
    }

    fn open_tuple(&mut self) {
        self.open(b'{');
    }

    fn close_tuple(&mut self) {
        if self.open.pop().is_some_and(|open| !open.one_line && open.elements > 0) {
            self.new_line();
        }
        self.out.byte(b'}');
    }

    fn nil(&mut self) {
        self.open(b'#');
    }

    fn cons(&mut self) {
        self.out.slice(b" &");
    }

    fn close_list(&mut self) {
        self.open.pop();
    }

    fn tag(&mut self, tag: TextRef<'_>) {
        token::tag(tag, &mut self.out);
    }
}

/// Finds for each tuple and list, in the order in which they begin, whether it fits on one line.
#[derive(Default)]
struct Measure {
    dialect: Dialect,
    fits: Vec<bool>,
    /// The places in `fits` of the open tuples and lists, and where they begin.
    open: Vec<(usize, usize)>,
    bytes: usize,
    scratch: Kept,
}

impl Measure {
    fn open(&mut self) {
        self.open.push((self.fits.len(), self.bytes));
        self.fits.push(false);
        self.bytes += 2;
    }

    fn close(&mut self) {
        self.bytes += 1;
        if let Some((place, start)) = self.open.pop()
            && let Some(fits) = self.fits.get_mut(place)
        {
            *fits = self.bytes - start <= LINE_BYTES;
        }
    }

    /// Counts a token and the space before it.
    fn token(&mut self, write: impl FnOnce(&mut Kept)) {
        self.scratch.truncate(0);
        write(&mut self.scratch);
        self.bytes += self.scratch.len() + 1;
    }
}

impl WireVisitor for Measure {
    fn leaf(&mut self, leaf: Leaf<'_>) {
        let dialect = self.dialect;
        self.token(|scratch| token::leaf(leaf, dialect, scratch));
    }

    fn open_tuple(&mut self) {
        self.open();
    }

    fn close_tuple(&mut self) {
        self.close();
    }

    fn nil(&mut self) {
        self.open();
    }

    fn cons(&mut self) {
        self.bytes += 2;
    }

    fn close_list(&mut self) {
        self.close();
    }

    fn tag(&mut self, tag: TextRef<'_>) {
        self.token(|scratch| token::tag(tag, scratch));
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use crate::{Encoder, Style, Term, decode, ubf};

    fn pretty(term: &Term) -> String {
        let packet = Encoder::new().with_style(Style::Pretty).encode(term);
        assert_eq!(decode(&packet).unwrap().root(), *term);
        String::from_utf8(packet).unwrap()
    }

    #[test]
    fn what_fits_is_on_one_line() {
        assert_eq!(pretty(&ubf!({person, "Joe", 1, 2})), "{'person' \"Joe\" 1 2} $");
        assert_eq!(pretty(&ubf!([1, 2])), "#2 & 1 & $");
    }

    #[test]
    fn what_does_not_is_indented() {
        let long = "a text that takes more than half of one line";
        let term = ubf!({people, [{person, (long)}, {person, "Mike", (long)}]});
        let expected = "{\n  'people'\n  #\n    {'person' \"Mike\" \
                        \"a text that takes more than half of one line\"} &\n    \
                        {'person' \"a text that takes more than half of one line\"} &\n} $";
        assert_eq!(pretty(&term), expected);
    }

    fn lines(term: &Term) -> usize {
        pretty(term).lines().count()
    }

    #[test]
    fn a_line_has_72_bytes_at_most() {
        let text = |length: usize| Term::string("x".repeat(length));
        // `{"…"` and a space are not counted as they stand, but never too short: of 72, four are
        // around a token.
        assert_eq!([66, 67].map(|length| lines(&ubf!({ (text(length)) }))), [1, 3]);
        assert_eq!([66, 67].map(|length| lines(&ubf!({(text(length - 4)), 1, 2}))), [1, 5]);
        // `&` and the space before it.
        assert_eq!([64, 65].map(|length| lines(&ubf!([(text(length))]))), [1, 2]);
        assert_eq!([60, 61].map(|length| lines(&ubf!([(text(length)), 1]))), [1, 3]);
        // A tag and its quotes.
        assert_eq!([62, 63].map(|length| lines(&ubf!({ (text(length).tagged("t")) }))), [1, 3]);
        assert_eq!([58, 59].map(|length| lines(&ubf!({ (text(length).tagged("five5")) }))), [1, 3]);
        // What is inside counts with what is around it.
        assert_eq!([63, 64].map(|length| lines(&ubf!({ { (text(length)) } }))), [1, 3]);
    }

    #[test]
    fn the_undefined_value_is_as_long_as_it_is_written() {
        // Eleven bytes in the classic dialect, one in the extended.
        let term = ubf!({(Term::string("x".repeat(60))), ?});
        let lines = |dialect| {
            let packet =
                Encoder::new().with_style(Style::Pretty).with_dialect(dialect).encode(&term);
            packet.split(|&byte| byte == b'\n').count()
        };
        assert_eq!([crate::Dialect::Extended, crate::Dialect::Classic].map(lines), [1, 4]);
    }
}
