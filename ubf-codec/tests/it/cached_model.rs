//! The cached style beside the rule as it stands in the spec (W14): slow, and without a memory that
//! forgets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use proptest::prelude::*;
use ubf_codec::{Dialect, Encoder, Style, Term};

use crate::support::{terms, without_undefined};

const ASCII: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!()*+./:;<=@[\\]^_|";

/// What was written, and which terms are in it.
struct Model {
    dialect: Dialect,
    written: Vec<u8>,
    first_copies: Vec<FirstCopy>,
    /// Those with registers, as they got them.
    defined: Vec<usize>,
}

struct FirstCopy {
    term: Term,
    end: usize,
    register: Option<u8>,
}

fn cached(term: &Term, dialect: Dialect) -> String {
    let mut encoder = Encoder::new().with_dialect(dialect).with_style(Style::Cached);
    encoder.encode(term).escape_ascii().to_string()
}

fn modelled(term: &Term, dialect: Dialect) -> String {
    Model::encode(term, dialect).escape_ascii().to_string()
}

impl Model {
    fn encode(term: &Term, dialect: Dialect) -> Vec<u8> {
        let mut model =
            Self { dialect, written: Vec::new(), first_copies: Vec::new(), defined: Vec::new() };
        model.write(term);
        let mut packet = model.written;
        let mut definitions: Vec<_> =
            model.first_copies.iter().filter_map(|copy| Some((copy.end, copy.register?))).collect();
        definitions.sort_unstable();
        for (end, register) in definitions.into_iter().rev() {
            packet.splice(end..end, [b'>', register, register]);
        }
        packet.push(b'$');
        packet
    }

    fn write(&mut self, term: &Term) {
        let (start, defined) = (self.written.len(), self.defined.len());
        match term {
            Term::Tuple(parts) => {
                self.written.push(b'{');
                parts.iter().for_each(|part| self.write(part));
                self.written.push(b'}');
            }
            Term::List(parts) if !parts.is_empty() => {
                self.written.push(b'#');
                for part in parts.iter().rev() {
                    self.write(part);
                    self.written.push(b'&');
                }
            }
            Term::Tagged(tagged) => {
                self.write(tagged.term());
                let whole = self.plain(&Term::Integer(0.into()).tagged(tagged.tag().as_bytes()));
                self.written.extend_from_slice(&whole[1..]);
            }
            leaf @ (Term::Undefined
            | Term::Integer(_)
            | Term::Atom(_)
            | Term::String(_)
            | Term::Binary(_)
            | Term::List(_)) => {
                let token = self.plain(leaf);
                let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
                if self.written.last().is_some_and(u8::is_ascii_digit)
                    && token.first().is_some_and(is_number)
                {
                    self.written.push(b' ');
                }
                self.written.extend_from_slice(&token);
            }
        }
        self.written_as(term, start, defined);
    }

    /// What stands for `leaf` in the plain style.
    fn plain(&self, leaf: &Term) -> Vec<u8> {
        let mut packet = Encoder::new().with_dialect(self.dialect).encode(leaf);
        packet.pop();
        packet
    }

    /// `term` was written from `start` on.
    fn written_as(&mut self, term: &Term, start: usize, defined: usize) {
        let end = self.written.len();
        let Some(first) = self.first_copies.iter().position(|copy| copy.term == *term) else {
            return self.first_copies.push(FirstCopy { term: term.clone(), end, register: None });
        };
        // The space before a leaf is not a part of it. That before a tagged term is.
        let is_leaf = !matches!(term, Term::Tagged(_));
        let space = usize::from(is_leaf && self.written.get(start) == Some(&b' '));
        let bytes = end - start - space + 3 * (self.defined.len() - defined);
        let register = match self.first_copies[first].register {
            Some(register) if bytes > 1 => register,
            None if bytes >= 5 => match self.register_after(defined) {
                Some(register) => register,
                None => return,
            },
            _ => return,
        };
        for place in self.defined.drain(defined..) {
            self.first_copies[place].register = None;
        }
        if self.first_copies[first].register.replace(register).is_none() {
            self.defined.push(first);
        }
        self.written.truncate(start);
        self.written.push(register);
    }

    fn register_after(&self, count: usize) -> Option<u8> {
        let high = (self.dialect == Dialect::Extended).then_some(0x7F..=0xFF).into_iter().flatten();
        ASCII.iter().copied().chain(high).nth(count)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    #[test]
    fn packets_are_those_of_the_model(term in terms()) {
        let classic = without_undefined(&term);
        for (dialect, term) in [(Dialect::Extended, term), (Dialect::Classic, classic)] {
            prop_assert_eq!(cached(&term, dialect), modelled(&term, dialect));
        }
    }
}

proptest! {
    // The model compares each term with all before it.
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// More terms that come again than there are registers.
    #[test]
    fn and_when_registers_are_used_up(
        numbers in prop::collection::vec(0_i64..250, 500..700),
        is_compound in any::<bool>(),
    ) {
        let named = |&number: &i64| {
            let name = Term::atom(format!("name {number}"));
            if is_compound { Term::tuple([name.tagged("t"), Term::from(number)]) } else { name }
        };
        let term = Term::list(numbers.chunks(7).map(|some| Term::tuple(some.iter().map(named))));
        for dialect in [Dialect::Extended, Dialect::Classic] {
            prop_assert_eq!(cached(&term, dialect), modelled(&term, dialect));
        }
    }
}
