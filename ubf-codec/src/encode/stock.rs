//! The stock style: the bytes that Erlang's encoder writes.

use alloc::collections::BTreeMap;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use bytes::BufMut;

use super::sink::{Block, Sink as _};
use super::token;
use crate::dialect::Dialect;
use crate::term::{
    Integer, IntegerRef, Leaf, Step, TermRef, Text, TextRef, View, Walk, WireVisitor,
};

/// Erlang's registers in the order in which it gives them out, but for the backtick, which it
/// cannot read itself. After them come the bytes from [`FIRST_HIGH`] on.
const ASCII: &[u8; 71] =
    b"!()*+./:;<=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_abcdefghijklmnopqrstuvwxyz|";
const FIRST_HIGH: u8 = 0x7F;

pub(super) fn write(term: TermRef<'_>, dialect: Dialect, out: &mut impl BufMut) {
    let registers = registers(term, dialect);
    let mut stock =
        Stock { out: Block::new(out), dialect, registers: &registers, open: Vec::new() };
    // Each definition stands in front of those before it.
    let mut by_register: Vec<_> = registers.iter().collect();
    by_register.sort_unstable_by_key(|(_, (place, _))| core::cmp::Reverse(*place));
    for (what, (_, register)) in by_register {
        stock.write_whole(what);
        stock.out.byte(b'>');
        stock.out.byte(*register);
    }
    term.visit_wire(&mut stock);
    stock.out.byte(b'$');
    stock.out.byte(b'\n');
    stock.out.flush();
}

/// What a register may hold. In Erlang's order of terms.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Integer(Integer),
    Atom(Text),
}

impl What {
    fn integer(value: IntegerRef<'_>) -> Self {
        Self::Integer(value.to_integer())
    }

    fn atom(text: TextRef<'_>) -> Self {
        Self::Atom(text.to_text())
    }

    fn of(view: View<'_>, dialect: Dialect) -> Option<Self> {
        match view {
            View::Integer(value) => Some(Self::integer(value)),
            View::Atom(text) => Some(Self::atom(text)),
            View::Undefined if dialect == Dialect::Classic => {
                Some(Self::atom(TextRef::plain(token::CLASSIC_UNDEFINED)))
            }
            View::Undefined
            | View::String(_)
            | View::Binary(_)
            | View::Tuple(_)
            | View::List(_)
            | View::Tagged(..) => None,
        }
    }

    /// How many bytes its text has, without quotes and escapes.
    fn text_len(&self) -> usize {
        match self {
            Self::Integer(value) => value.to_string().len(),
            Self::Atom(text) => text.as_bytes().len(),
        }
    }
}

/// The register of each term that has one, and how many were given out before it.
type Registers = BTreeMap<What, (usize, u8)>;

/// The terms that get registers: what occurs more than once and saves most comes first; of equals
/// the last in Erlang's order.
fn registers(term: TermRef<'_>, dialect: Dialect) -> Registers {
    let mut uses: BTreeMap<What, usize> = BTreeMap::new();
    let mut walk = Walk::new(term);
    while let Some(step) = walk.next() {
        match step {
            Step::Leaf(view) => {
                if let Some(what) = What::of(view, dialect) {
                    *uses.entry(what).or_default() += 1;
                }
            }
            // Erlang looks into tuples alone.
            Step::Enter(term) => {
                if !matches!(term.view(), View::Tuple(_)) {
                    walk.skip_parts();
                }
            }
            Step::Leave(_) => {}
        }
    }
    let mut worth: Vec<(usize, What)> = uses
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(what, count)| ((what.text_len().saturating_sub(1)).saturating_mul(count), what))
        .filter(|(saved, _)| *saved > 0)
        .collect();
    worth.sort_unstable_by(|one, other| other.cmp(one));
    let named = worth.into_iter().zip(names(dialect)).enumerate();
    named.map(|(place, ((_, what), register))| (what, (place, register))).collect()
}

/// W7: in the extended dialect `?` is no register.
fn names(dialect: Dialect) -> impl Iterator<Item = u8> {
    let all = ASCII.iter().copied().chain(FIRST_HIGH..=u8::MAX);
    all.filter(move |&name| name != b'?' || dialect == Dialect::Classic)
}

struct Stock<'o, B: BufMut> {
    out: Block<'o, B>,
    dialect: Dialect,
    registers: &'o Registers,
    open: Vec<Open>,
}

/// A term with parts that has begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A tuple without elements so far.
    EmptyTuple,
    /// A tuple with elements.
    Tuple,
    /// A list or a tagged term: nothing separates their parts.
    Other,
}

impl<B: BufMut> Stock<'_, B> {
    /// A term begins: commas stand between the elements of tuples.
    fn begin(&mut self) {
        match self.open.last_mut() {
            Some(Open::Tuple) => self.out.byte(b','),
            Some(empty @ Open::EmptyTuple) => *empty = Open::Tuple,
            Some(Open::Other) | None => {}
        }
    }

    fn write_whole(&mut self, what: &What) {
        match what {
            What::Integer(value) => {
                token::leaf(Leaf::Integer(value.into()), self.dialect, &mut self.out);
            }
            What::Atom(text) => {
                token::leaf(
                    Leaf::Atom(TextRef::plain(text.as_bytes())),
                    self.dialect,
                    &mut self.out,
                );
            }
        }
    }

    fn register(&self, leaf: &Leaf<'_>) -> Option<u8> {
        if self.registers.is_empty() {
            return None;
        }
        let what = match leaf {
            Leaf::Integer(value) => What::integer(*value),
            Leaf::Atom(text) => What::atom(*text),
            Leaf::ShortAtom(text) => What::atom(TextRef::plain(text.as_bytes())),
            Leaf::Undefined if self.dialect == Dialect::Classic => {
                What::atom(TextRef::plain(token::CLASSIC_UNDEFINED))
            }
            Leaf::Undefined
            | Leaf::Nil
            | Leaf::ShortString(_)
            | Leaf::String(_)
            | Leaf::Binary(_) => return None,
        };
        self.registers.get(&what).map(|(_, register)| *register)
    }
}

impl<B: BufMut> WireVisitor for Stock<'_, B> {
    fn leaf(&mut self, leaf: Leaf<'_>) {
        self.begin();
        match self.register(&leaf) {
            Some(register) => self.out.byte(register),
            None => token::leaf(leaf, self.dialect, &mut self.out),
        }
    }

    fn open_tuple(&mut self) {
        self.begin();
        self.open.push(Open::EmptyTuple);
        self.out.byte(b'{');
    }

    fn close_tuple(&mut self) {
        self.open.pop();
        self.out.byte(b'}');
    }

    fn nil(&mut self) {
        self.begin();
        self.open.push(Open::Other);
        self.out.byte(b'#');
    }

    fn cons(&mut self) {
        self.out.byte(b'&');
    }

    fn close_list(&mut self) {
        self.open.pop();
    }

    fn open_tagged(&mut self) {
        self.begin();
        self.open.push(Open::Other);
    }

    fn tag(&mut self, tag: TextRef<'_>) {
        token::tag(tag, &mut self.out);
        self.open.pop();
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use crate::{Decoder, Dialect, Encoder, Style, Term, ubf};

    fn stock(term: &Term, dialect: Dialect) -> Vec<u8> {
        let packet = Encoder::new().with_dialect(dialect).with_style(Style::Stock).encode(term);
        let mut decoder = Decoder::new().with_dialect(dialect);
        assert_eq!(decoder.packets(&packet).next().unwrap().unwrap().to_term(), *term);
        packet
    }

    fn classic(term: &Term) -> String {
        String::from_utf8(stock(term, Dialect::Classic)).unwrap()
    }

    #[test]
    fn tuples_have_commas_and_lists_have_none() {
        assert_eq!(classic(&ubf!({})), "{}$\n");
        assert_eq!(classic(&ubf!([])), "#$\n");
        assert_eq!(
            classic(&ubf!({ok, [1, {2, "a"}], (b"bin"), [], {}})),
            "{'ok',#{2,\"a\"}&1&,3~bin~,#,{}}$\n"
        );
        assert_eq!(
            classic(&ubf!({(ubf!({1, 2}).tagged("t")), [(ubf!(1).tagged("t"))]})),
            "{{1,2}`t`,#1`t`&}$\n"
        );
    }

    #[test]
    fn atoms_and_integers_that_come_again_are_defined_in_front() {
        assert_eq!(classic(&ubf!({{ok, ok}, start})), "'ok'>!{{!,!},'start'}$\n");
        assert_eq!(classic(&ubf!({100, abc, 100, abc})), "100>('abc'>!{(,!,(,!}$\n");
        // Three bytes, twice, save as much as two bytes, four times, less than four bytes, twice.
        assert_eq!(
            classic(&ubf!({abc, abc, xyz, xyz, 4444, 4444})),
            "'abc'>)'xyz'>(4444>!{),),(,(,!,!}$\n"
        );
    }

    #[test]
    fn short_texts_and_lists_get_no_registers() {
        assert_eq!(classic(&ubf!({a, a, 1, 1, "ok", "ok"})), "{'a','a',1,1,\"ok\",\"ok\"}$\n");
        assert_eq!(classic(&ubf!([ok, ok])), "#'ok'&'ok'&$\n");
        // What has a register is read from it in lists, too.
        assert_eq!(classic(&ubf!({ok, ok, [ok]})), "'ok'>!{!,!,#!&}$\n");
    }

    #[test]
    fn undefined_is_an_atom_like_others() {
        let packet = Encoder::new()
            .with_dialect(Dialect::Classic)
            .with_style(Style::Stock)
            .encode(&ubf!({?, ?}));
        assert_eq!(packet, b"'undefined'>!{!,!}$\n");
    }

    #[test]
    fn neither_the_backtick_nor_in_versioned_packets_the_question_mark_is_given_out() {
        let atoms = (100..400).flat_map(|number| {
            let atom = Term::atom(std::format!("atom{number}"));
            [atom.clone(), atom]
        });
        let term = Term::tuple(atoms);
        for (dialect, registers) in [(Dialect::Classic, 200), (Dialect::Extended, 199)] {
            let packet = stock(&term, dialect);
            let stores = packet.iter().filter(|&&byte| byte == b'>').count();
            assert_eq!(stores, registers);
            assert!(!packet.contains(&b'`'));
            assert_eq!(packet.contains(&b'?'), dialect == Dialect::Classic);
        }
    }
}
