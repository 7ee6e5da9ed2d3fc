//! Equality, order and hash of terms, without recursion (W13).

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};

use super::owned::Term;
use super::view::{TermRef, View};
use super::walk::{Parts, Step, Walk};

impl PartialEq for TermRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for TermRef<'_> {}

impl PartialOrd for TermRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TermRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut open = Vec::new();
        let (mut one, mut two) = (*self, *other);
        loop {
            // Registers and clones share terms: what lies in one place need not be looked at.
            if !one.is_same_place(&two) {
                let (view, other_view) = (one.view(), two.view());
                match compare_heads(view, other_view) {
                    Ordering::Equal => {}
                    unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
                }
                open.extend(Parts::of(view).zip(Parts::of(other_view)));
            }
            // On to the next pair of parts, out of all that are at their end.
            (one, two) = loop {
                let Some((parts, other_parts)) = open.last_mut() else { return Ordering::Equal };
                match (parts.next(), other_parts.next()) {
                    (Some(part), Some(other_part)) => break (part, other_part),
                    (None, None) => {
                        open.pop();
                    }
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                }
            };
        }
    }
}

/// Compares two terms except for the terms inside of them.
fn compare_heads(one: View<'_>, two: View<'_>) -> Ordering {
    match (one, two) {
        (View::Integer(one), View::Integer(two)) => one.cmp(&two),
        (View::Atom(one), View::Atom(two)) | (View::String(one), View::String(two)) => {
            one.cmp(&two)
        }
        (View::Binary(one), View::Binary(two)) => one.cmp(two),
        (View::Tuple(one), View::Tuple(two)) => one.len().cmp(&two.len()),
        (View::Tagged(one, _), View::Tagged(two, _)) => one.cmp(&two),
        _ => rank(one).cmp(&rank(two)),
    }
}

const fn rank(view: View<'_>) -> u8 {
    match view {
        View::Undefined => 0,
        View::Integer(_) => 1,
        View::Atom(_) => 2,
        View::String(_) => 3,
        View::Binary(_) => 4,
        View::Tuple(_) => 5,
        View::List(_) => 6,
        View::Tagged(..) => 7,
    }
}

impl Hash for TermRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for step in Walk::new(*self) {
            let view = match step {
                Step::Leaf(view) => view,
                Step::Enter(term) => term.view(),
                Step::Leave(_) => continue,
            };
            state.write_u8(rank(view));
            match view {
                View::Undefined => {}
                View::Integer(value) => value.hash(state),
                View::Atom(text) | View::String(text) | View::Tagged(text, _) => text.hash(state),
                View::Binary(bytes) => bytes.hash(state),
                View::Tuple(tuple) => state.write_usize(tuple.len()),
                View::List(list) => state.write_usize(list.len()),
            }
        }
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Term {}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Term {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl PartialEq<Term> for TermRef<'_> {
    fn eq(&self, other: &Term) -> bool {
        *self == other.as_ref()
    }
}

impl PartialEq<TermRef<'_>> for Term {
    fn eq(&self, other: &TermRef<'_>) -> bool {
        self.as_ref() == *other
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

    use super::*;
    use crate::{Decoder, ubf};

    #[test]
    fn a_packet_equals_the_term_it_was_written_from() {
        let mut decoder = Decoder::new();
        let packet =
            decoder.decode(b"'a'>r{r #2&1& \"q\\\"\" 99999999999999999999 `t`?}$").unwrap();
        let big: crate::Integer = "99999999999999999999".parse().unwrap();
        let term = ubf!({a, [1, 2], "q\"", (Term::from(big).tagged("t")), ?});
        assert_eq!(packet.root(), term);
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        assert_eq!(hasher.hash_one(packet.root()), hasher.hash_one(&term));
    }

    #[test]
    fn shared_terms_are_equal_at_once() {
        // 2^60 terms when written out; comparing them one by one would not end.
        let huge = (0..60).fold(Term::from(1), |term, _| Term::tuple([term.clone(), term]));
        assert_eq!(huge, huge.clone());
    }

    #[test]
    fn kinds_come_before_contents() {
        let ordered = [
            ubf!(?),
            ubf!(-1),
            ubf!(1),
            ubf!(a),
            ubf!(b),
            ubf!("a"),
            Term::binary(&b"a"[..]),
            ubf!({}),
            ubf!({ 2 }),
            ubf!({1, 1}),
            ubf!([]),
            ubf!([1]),
            ubf!([1, 1]),
            ubf!([2]),
            ubf!(1).tagged("t"),
        ];
        for (i, one) in ordered.iter().enumerate() {
            for (j, two) in ordered.iter().enumerate() {
                assert_eq!(one.cmp(two), i.cmp(&j), "{one} against {two}");
            }
        }
    }
}
