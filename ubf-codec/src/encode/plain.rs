//! The plain style: the operators one after the other, and white space only where two numbers would run together.

use bytes::BufMut;

use super::token;
use crate::dialect::Dialect;
use crate::term::{Leaf, TermRef, TextRef, WireVisitor};

pub(super) fn write(term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
    let mut plain = Plain { out, dialect, after_integer: false };
    term.visit_wire(&mut plain);
    plain.out.put_u8(b'$');
}

struct Plain<'o, B> {
    out: &'o mut B,
    dialect: Dialect,
    after_integer: bool,
}

impl<B: BufMut> Plain<'_, B> {
    #[inline(always)]
    fn operator(&mut self, operator: u8) {
        self.out.put_u8(operator);
        self.after_integer = false;
    }
}

impl<B: BufMut> WireVisitor for Plain<'_, B> {
    #[inline(always)]
    fn leaf(&mut self, leaf: Leaf<'_>) {
        if self.after_integer && token::begins_with_digit(&leaf) {
            self.out.put_u8(b' ');
        }
        token::leaf(leaf, self.dialect, self.out);
        self.after_integer = matches!(leaf, Leaf::Integer(_));
    }

    fn open_tuple(&mut self) {
        self.operator(b'{');
    }

    fn close_tuple(&mut self) {
        self.operator(b'}');
    }

    fn nil(&mut self) {
        self.operator(b'#');
    }

    fn cons(&mut self) {
        self.operator(b'&');
    }

    fn close_list(&mut self) {}

    fn tag(&mut self, tag: TextRef<'_>) {
        token::tag(tag, self.out);
        self.after_integer = false;
    }
}
