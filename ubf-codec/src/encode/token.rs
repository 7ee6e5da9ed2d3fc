//! Single tokens.

use core::convert::Infallible;

use bytes::BufMut;

use crate::dialect::Dialect;
use crate::lexer;
use crate::term::{Leaf, TextRef};

/// Writes a term without parts.
#[inline(always)]
pub(crate) fn leaf(leaf: Leaf<'_>, dialect: Dialect, out: &mut impl BufMut) {
    match leaf {
        Leaf::Undefined => out.put_slice(undefined(dialect)),
        Leaf::Integer(value) => {
            if let Some(value) = value.as_small() {
                return out.put_slice(itoa::Buffer::new().format(value).as_bytes());
            }
            // The closure cannot fail.
            let _ = value.write_decimal(|digits| {
                out.put_slice(digits);
                Ok::<(), Infallible>(())
            });
        }
        Leaf::Atom(text) => quoted(text, b'\'', out),
        Leaf::String(text) => quoted(text, b'"', out),
        Leaf::Binary(bytes) => binary(bytes, out),
    }
}

/// W7: a peer that knows no `?` gets the atom that stands for it there.
const fn undefined(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Extended => b"?",
        Dialect::Classic => b"'undefined'",
    }
}

/// Whether a term begins with a digit, or a sign: it may then not follow an integer directly.
pub(crate) const fn begins_with_digit(leaf: &Leaf<'_>) -> bool {
    matches!(leaf, Leaf::Integer(_) | Leaf::Binary(_))
}

pub(crate) fn tag(text: TextRef<'_>, out: &mut impl BufMut) {
    quoted(text, b'`', out);
}

/// W3: only the quote and `\` are escaped.
#[inline(always)]
fn quoted(text: TextRef<'_>, quote: u8, out: &mut impl BufMut) {
    out.put_u8(quote);
    match text.as_plain() {
        // Most texts are short and need no escape: they are looked through by words, and copied whole.
        Some(bytes) if lexer::is_short_and_plain(quote, bytes) => out.put_slice(bytes),
        Some(bytes) => escaped(bytes, quote, out),
        None => escaped(&text.to_bytes(), quote, out),
    }
    out.put_u8(quote);
}

#[inline(never)]
fn escaped(mut bytes: &[u8], quote: u8, out: &mut impl BufMut) {
    while let Ok((rest, plain)) = lexer::plain_text(quote, bytes) {
        out.put_slice(plain);
        let Some((&special, after)) = rest.split_first() else { return };
        out.put_slice(&[b'\\', special]);
        bytes = after;
    }
}

fn binary(bytes: &[u8], out: &mut impl BufMut) {
    out.put_slice(itoa::Buffer::new().format(bytes.len()).as_bytes());
    out.put_u8(b'~');
    out.put_slice(bytes);
    out.put_u8(b'~');
}
