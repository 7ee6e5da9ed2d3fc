//! The plain style: the operators one after the other, and white space only where two numbers would
//! run together.

use bytes::BufMut;

use super::sink::{Block, Sink as _};
use super::token;
use crate::dialect::Dialect;
use crate::term::{Leaf, TermRef, TextRef, WireVisitor};

pub(super) fn write(term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
    let mut plain = Plain { out: Block::new(out), dialect, after_integer: false };
    term.visit_wire(&mut plain);
    plain.out.byte(b'$');
    plain.out.flush();
}

struct Plain<'o, B: BufMut> {
    out: Block<'o, B>,
    dialect: Dialect,
    after_integer: bool,
}

impl<B: BufMut> Plain<'_, B> {
    #[inline(always)]
    fn operator(&mut self, operator: u8) {
        self.out.byte(operator);
        self.after_integer = false;
    }
}

impl<B: BufMut> WireVisitor for Plain<'_, B> {
    #[inline(always)]
    fn leaf(&mut self, leaf: Leaf<'_>) {
        if self.after_integer && token::begins_with_digit(&leaf) {
            self.out.byte(b' ');
        }
        token::leaf(leaf, self.dialect, &mut self.out);
        self.after_integer = matches!(leaf, Leaf::Integer(_));
    }

    #[inline(always)]
    fn open_tuple(&mut self) {
        self.operator(b'{');
    }

    #[inline(always)]
    fn close_tuple(&mut self) {
        self.operator(b'}');
    }

    #[inline(always)]
    fn nil(&mut self) {
        self.operator(b'#');
    }

    #[inline(always)]
    fn cons(&mut self) {
        self.operator(b'&');
    }

    #[inline(always)]
    fn close_list(&mut self) {}

    fn tag(&mut self, tag: TextRef<'_>) {
        token::tag(tag, &mut self.out);
        self.after_integer = false;
    }
}
