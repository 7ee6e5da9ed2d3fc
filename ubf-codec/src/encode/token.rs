//! Single tokens.

use bytes::BufMut;
use memchr::memchr2_iter;

use crate::dialect::Dialect;
use crate::term::{TextRef, View};

/// Writes a term without parts. Compound terms are written by their operators.
pub(super) fn leaf(view: View<'_>, dialect: Dialect, out: &mut impl BufMut) {
    match view {
        View::Undefined => out.put_slice(undefined(dialect)),
        View::Integer(value) => {
            // The closure cannot fail.
            let _ = value.write_decimal(|digits| {
                out.put_slice(digits);
                Ok::<(), core::convert::Infallible>(())
            });
        }
        View::Atom(text) => quoted(text, b'\'', out),
        View::String(text) => quoted(text, b'"', out),
        View::Binary(bytes) => binary(bytes, out),
        View::Tuple(_) | View::List(_) | View::Tagged(..) => {}
    }
}

/// W7: a peer that knows no `?` gets the atom that stands for it there.
const fn undefined(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Extended => b"?",
        Dialect::Classic => b"'undefined'",
    }
}

/// Whether a term begins with a digit: it may then not follow an integer directly.
pub(super) const fn begins_with_digit(view: &View<'_>) -> bool {
    matches!(view, View::Integer(_) | View::Binary(_))
}

pub(super) fn tag(text: TextRef<'_>, out: &mut impl BufMut) {
    quoted(text, b'`', out);
}

/// W3: only the quote and `\` are escaped.
fn quoted(text: TextRef<'_>, quote: u8, out: &mut impl BufMut) {
    out.put_u8(quote);
    match text.as_plain() {
        Some(bytes) => escaped(bytes, quote, out),
        None => escaped(&text.to_bytes(), quote, out),
    }
    out.put_u8(quote);
}

fn escaped(bytes: &[u8], quote: u8, out: &mut impl BufMut) {
    let mut written = 0;
    for special in memchr2_iter(quote, b'\\', bytes) {
        out.put_slice(bytes.get(written..special).unwrap_or_default());
        out.put_u8(b'\\');
        written = special;
    }
    out.put_slice(bytes.get(written..).unwrap_or_default());
}

fn binary(bytes: &[u8], out: &mut impl BufMut) {
    let length = View::Integer(crate::Integer::from(bytes.len()).to_i64().map_or_else(
        // No slice is longer than an i64 counts.
        || crate::term::IntegerRef::small(i64::MAX),
        crate::term::IntegerRef::small,
    ));
    leaf(length, Dialect::Extended, out);
    out.put_u8(b'~');
    out.put_slice(bytes);
    out.put_u8(b'~');
}
