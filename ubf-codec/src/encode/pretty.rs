//! The pretty style: for people. What fits is on one line, the rest is indented.

use alloc::vec::Vec;

use bytes::BufMut;

use super::token;
use crate::dialect::Dialect;
use crate::term::{TermRef, WireStep, WireWalk};

/// What has at most so many bytes stays on one line.
const LINE_BYTES: usize = 72;
const INDENT: &[u8] = b"  ";
/// Deeper levels are not indented further: else the white space would grow with the square of the depth.
const MAX_INDENT: usize = 32;

pub(super) fn write(term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
    let fits = measure(term, dialect);
    let mut fits = fits.iter();
    // For each open tuple and list whether it is on one line, and how many elements it has so far.
    let mut open: Vec<(bool, usize)> = Vec::new();
    for step in WireWalk::new(term) {
        let begins = matches!(step, WireStep::Leaf(_) | WireStep::OpenTuple | WireStep::Nil);
        if begins {
            begin_element(&mut open, out);
        }
        match step {
            WireStep::Leaf(view) => token::leaf(view, dialect, out),
            WireStep::OpenTuple | WireStep::Nil => {
                out.put_u8(if matches!(step, WireStep::Nil) { b'#' } else { b'{' });
                let in_one_line = open.last().is_some_and(|&(one_line, _)| one_line);
                open.push((fits.next().copied().unwrap_or(true) || in_one_line, 0));
            }
            WireStep::CloseTuple => {
                let (one_line, elements) = open.pop().unwrap_or((true, 0));
                if !one_line && elements > 0 {
                    new_line(open.len(), out);
                }
                out.put_u8(b'}');
            }
            WireStep::Cons => out.put_slice(b" &"),
            WireStep::CloseList => {
                open.pop();
            }
            WireStep::Tag(text) => token::tag(text, out),
        }
    }
    out.put_slice(b" $");
}

/// What stands before an element of the innermost open term.
fn begin_element(open: &mut [(bool, usize)], out: &mut impl BufMut) {
    let depth = open.len();
    if let Some((one_line, elements)) = open.last_mut() {
        match (*one_line, *elements) {
            (true, 0) => {}
            (true, _) => out.put_u8(b' '),
            (false, _) => new_line(depth, out),
        }
        *elements += 1;
    }
}

fn new_line(depth: usize, out: &mut impl BufMut) {
    out.put_u8(b'\n');
    for _ in 0..depth.min(MAX_INDENT) {
        out.put_slice(INDENT);
    }
}

/// For each tuple and list, in the order in which they begin: whether it fits on one line.
fn measure(term: TermRef<'_>, dialect: Dialect) -> Vec<bool> {
    let mut fits = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut bytes = 0_usize;
    let mut scratch = Vec::new();
    for step in WireWalk::new(term) {
        match step {
            WireStep::Leaf(view) => {
                scratch.clear();
                token::leaf(view, dialect, &mut scratch);
                bytes += scratch.len() + 1;
            }
            WireStep::OpenTuple | WireStep::Nil => {
                open.push((fits.len(), bytes));
                fits.push(false);
                bytes += 2;
            }
            WireStep::CloseTuple | WireStep::CloseList => {
                bytes += 1;
                if let Some((place, start)) = open.pop()
                    && let Some(fits) = fits.get_mut(place)
                {
                    *fits = bytes - start <= LINE_BYTES;
                }
            }
            WireStep::Cons => bytes += 2,
            WireStep::Tag(text) => bytes += text.to_bytes().len() + 2,
        }
    }
    fits
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
        let expected = "{\n  'people'\n  #\n    {'person' \"Mike\" \"a text that takes more than half of one line\"} &\n    \
                        {'person' \"a text that takes more than half of one line\"} &\n} $";
        assert_eq!(pretty(&term), expected);
    }
}
