//! Terms for fuzzers (feature `arbitrary`).

use alloc::vec::Vec;

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::term::{Integer, Term, Text};

/// Subterms of a term when all that is shared is written out. A copy costs two bytes of input and
/// may double the term: without an end to it, short inputs would make terms that nobody can walk.
const MAX_NODES: usize = 10_000;

/// Terms are built on a stack, as in a packet, so that no input makes this recurse.
impl<'a> Arbitrary<'a> for Term {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut stack: Vec<Counted> = Vec::new();
        let mut nodes = 0;
        while !u.is_empty() {
            let next = match u.int_in_range(0..=12)? {
                0 => Counted::leaf(Self::Undefined),
                1 | 2 => Counted::leaf(Self::from(u.arbitrary::<i64>()?)),
                3 => Counted::leaf(Self::Integer(big_integer(u)?)),
                4 | 5 => Counted::leaf(Self::atom(text(u)?)),
                6 | 7 => Counted::leaf(Self::string(text(u)?)),
                8 => Counted::leaf(Self::binary(u.arbitrary::<Vec<u8>>()?)),
                9 => Counted::compound(take(&mut stack, u)?, Self::tuple),
                10 => Counted::compound(take(&mut stack, u)?, Self::list),
                11 => {
                    let Counted { term, nodes } = stack.pop().unwrap_or_default();
                    Counted { term: term.tagged(text(u)?), nodes: nodes + 1 }
                }
                // What comes again is what registers are for.
                _ => copy(&stack, u)?,
            };
            nodes += next.nodes;
            if nodes > MAX_NODES {
                break;
            }
            stack.push(next);
        }
        let mut terms: Vec<Self> = stack.into_iter().map(|sized| sized.term).collect();
        Ok(if terms.len() == 1 { terms.pop().unwrap_or_default() } else { Self::tuple(terms) })
    }
}

/// A term, and how many subterms it has, itself included.
#[derive(Clone, Default)]
struct Counted {
    term: Term,
    nodes: usize,
}

impl Counted {
    const fn leaf(term: Term) -> Self {
        Self { term, nodes: 1 }
    }

    fn compound(parts: Vec<Self>, make: impl FnOnce(Vec<Term>) -> Term) -> Self {
        let nodes = 1 + parts.iter().map(|part| part.nodes).sum::<usize>();
        Self { term: make(parts.into_iter().map(|part| part.term).collect()), nodes }
    }
}

fn take(stack: &mut Vec<Counted>, u: &mut Unstructured<'_>) -> Result<Vec<Counted>> {
    let count = u.int_in_range(0..=stack.len().min(8))?;
    Ok(stack.split_off(stack.len() - count))
}

fn copy(stack: &[Counted], u: &mut Unstructured<'_>) -> Result<Counted> {
    match stack.len().checked_sub(1) {
        Some(last) => Ok(stack.get(u.int_in_range(0..=last)?).cloned().unwrap_or_default()),
        None => Ok(Counted::leaf(Term::Undefined)),
    }
}

fn text(u: &mut Unstructured<'_>) -> Result<Text> {
    let len = u.int_in_range(0..=40)?;
    Ok(Text::from(u.bytes(len.min(u.len()))?))
}

fn big_integer(u: &mut Unstructured<'_>) -> Result<Integer> {
    let value = u.arbitrary::<i128>()?;
    let factor = u.arbitrary::<i128>()?;
    Ok(Integer::from(Integer::from(value).to_big_int() * Integer::from(factor).to_big_int()))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::term::Walk;

    #[test]
    fn no_input_makes_a_term_that_cannot_be_walked() {
        for byte in 0..=u8::MAX {
            let input = [byte, 12, 0, 9, 2, byte.wrapping_mul(31)].repeat(300);
            let term = Term::arbitrary(&mut Unstructured::new(&input)).unwrap_or_default();
            assert!(Walk::new(term.as_ref()).count() <= 3 * MAX_NODES);
        }
    }

    fn made(bytes: &[u8]) -> alloc::string::String {
        Term::arbitrary(&mut Unstructured::new(bytes)).unwrap().to_string()
    }

    #[test]
    fn a_byte_chooses_what_is_made_and_what_it_is_made_of() {
        assert_eq!(made(&[]), "{}");
        assert_eq!(made(&[0]), "?");
        assert_eq!(made(&[0, 0]), "{?,?}");
        assert_eq!(made(&[1, 5, 0, 0, 0, 0, 0, 0, 0]), "5");
        assert_eq!(made(&[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "-1");
        assert_eq!(
            made(&[&[3][..], &i128::MIN.to_le_bytes(), &8_i128.to_le_bytes()].concat()),
            "-1361129467683753853853498429727072845824"
        );
        assert_eq!(made(&[4, 1, b'a', 5, 2, b'b', b'c']), "{a,bc}");
        assert_eq!(made(&[6, 1, b'a', 7, 2, b'b', b'c']), "{\"a\",\"bc\"}");
        assert!(made(&[8, 1, 2, 3]).starts_with("<<"));
        // Two of three become a tuple, one of two a list; one is copied, with all that it holds.
        assert_eq!(made(&[0, 0, 0, 9, 2]), "{?,{?,?}}");
        assert_eq!(made(&[0, 0, 10, 1]), "{?,[?]}");
        assert_eq!(made(&[0, 0, 9, 2, 12]), "{{?,?},{?,?}}");
        assert_eq!(made(&[0, 4, 1, b'a', 12, 1]), "{?,a,a}");
        assert_eq!(made(&[12]), "?");
        assert_eq!(made(&[0, 11, 1, b't']), "?`t`");
    }

    #[test]
    fn a_term_has_max_nodes_parts_at_most() {
        for (count, parts) in
            [(MAX_NODES - 1, MAX_NODES - 1), (MAX_NODES, MAX_NODES), (MAX_NODES + 1, MAX_NODES)]
        {
            let term = Term::arbitrary(&mut Unstructured::new(&alloc::vec![0; count])).unwrap();
            assert_eq!(term, Term::tuple(alloc::vec![Term::Undefined; parts]));
        }
        // Sixteen in one, and copies of that: 17 nodes each, and 588 of them.
        let of_16 = [&[0; 16][..], &[9, 8, 9, 8, 9, 2], &[12, 0].repeat(1_000)].concat();
        let term = Term::arbitrary(&mut Unstructured::new(&of_16)).unwrap();
        let nodes = crate::Decoder::new()
            .check(&crate::Encoder::new().encode(&term))
            .unwrap()
            .expanded_nodes;
        assert!((9_900..=MAX_NODES as u64 + 1).contains(&nodes), "{nodes}");
    }
}
