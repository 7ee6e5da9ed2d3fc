//! The plain style: the operators one after the other, and white space only where two numbers would run together.

use bytes::BufMut;

use super::token;
use crate::dialect::Dialect;
use crate::term::{TermRef, View, WireStep, WireWalk};

pub(super) fn write(term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
    let mut after_integer = false;
    for step in WireWalk::new(term) {
        match step {
            WireStep::Leaf(view) => {
                if after_integer && token::begins_with_digit(&view) {
                    out.put_u8(b' ');
                }
                token::leaf(view, dialect, out);
                after_integer = matches!(view, View::Integer(_));
                continue;
            }
            WireStep::OpenTuple => out.put_u8(b'{'),
            WireStep::CloseTuple => out.put_u8(b'}'),
            WireStep::Nil => out.put_u8(b'#'),
            WireStep::Cons => out.put_u8(b'&'),
            WireStep::CloseList => {}
            WireStep::Tag(text) => token::tag(text, out),
        }
        after_integer = false;
    }
    out.put_u8(b'$');
}
