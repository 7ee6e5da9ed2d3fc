//! The owned term: built, matched, kept and sent between threads.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::{Deref, Range};

use bytes::Bytes;

use super::integer::Integer;
use super::text::Text;
use super::view::TermRef;

/// A term that owns what it is made of. Cloning is cheap: compound terms and texts are shared.
///
/// ```
/// use ubf_codec::{Term, ubf};
///
/// let levels = Term::list([Term::from(1), Term::from(2)]);
/// let request = Term::tuple([Term::atom("put"), Term::from("colour"), levels]);
/// assert_eq!(request, ubf!({put, "colour", [1, 2]}));
/// assert_eq!(request.to_string(), "{put,\"colour\",[1,2]}");
///
/// let Term::Tuple(elements) = &request else { panic!() };
/// let [Term::Atom(name), Term::String(_), Term::List(_)] = &elements[..] else { panic!() };
/// assert_eq!(*name, "put");
/// ```
///
/// Comparing, hashing, printing and dropping do not recurse, however deep a term is (W13). All but
/// dropping take time for each place in which a shared part stands; only parts that are the same in
/// memory are compared at once. Terms are ordered first by kind, in the order of the variants, then
/// by what they hold; tuples by their length first.
#[derive(Clone, Default)]
pub enum Term {
    /// The absent value, `?` (W7).
    #[default]
    Undefined,
    /// An integer of any size.
    Integer(Integer),
    /// A name: `'ok'`.
    Atom(Text),
    /// Text: `"Joe"`.
    String(Text),
    /// Bytes: `3~abc~`.
    Binary(Bytes),
    /// A fixed number of terms: `{'point' 1 2}`.
    Tuple(Elements),
    /// Any number of terms, head first: `#2&1&`.
    List(Elements),
    /// A term with a semantic tag: `` "1.5"`f` ``.
    Tagged(Tagged),
}

// A term is the unit of every tuple and list: keep it small.
const _: () = assert!(size_of::<Term>() <= 40);

impl Term {
    /// An atom.
    #[must_use]
    pub fn atom(name: impl Into<Text>) -> Self {
        Self::Atom(name.into())
    }

    /// A string.
    #[must_use]
    pub fn string(text: impl Into<Text>) -> Self {
        Self::String(text.into())
    }

    /// A binary.
    #[must_use]
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// A tuple of `elements`.
    #[must_use]
    pub fn tuple(elements: impl IntoIterator<Item = Self>) -> Self {
        Self::Tuple(elements.into_iter().collect())
    }

    /// A list of `elements`, the first being the head.
    #[must_use]
    pub fn list(elements: impl IntoIterator<Item = Self>) -> Self {
        Self::List(elements.into_iter().collect())
    }

    /// A float, as existing peers write it: the shortest digits that read back to the same value,
    /// in a string tagged `f` (W8). `None` if the value is infinite or no number, for which UBF
    /// has no word.
    #[must_use]
    pub fn float(value: f64) -> Option<Self> {
        crate::float::write(value).map(|digits| Self::string(digits).tagged(Text::from_static("f")))
    }

    /// This term with a semantic tag. Tags nest.
    #[must_use]
    pub fn tagged(self, tag: impl Into<Text>) -> Self {
        Self::Tagged(Tagged::new(tag.into(), self))
    }

    const fn is_compound(&self) -> bool {
        matches!(self, Self::Tuple(_) | Self::List(_) | Self::Tagged(_))
    }

    /// The parts of a compound term.
    const fn elements_mut(&mut self) -> Option<&mut Elements> {
        match self {
            Self::Tuple(elements) | Self::List(elements) | Self::Tagged(Tagged(elements)) => {
                Some(elements)
            }
            Self::Undefined
            | Self::Integer(_)
            | Self::Atom(_)
            | Self::String(_)
            | Self::Binary(_) => None,
        }
    }

    /// A look at this term that can be passed on by value.
    #[must_use]
    pub fn as_ref(&self) -> TermRef<'_> {
        self.into()
    }
}

macro_rules! from_integer {
    ($($primitive:ty)*) => {$(
        impl From<$primitive> for Term {
            fn from(value: $primitive) -> Self {
                Self::Integer(value.into())
            }
        }
    )*};
}
from_integer!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize Integer);

impl From<&str> for Term {
    /// A string.
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Term {
    /// A string.
    fn from(text: String) -> Self {
        Self::string(text)
    }
}

impl From<Bytes> for Term {
    /// A binary.
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl<const N: usize> From<&'static [u8; N]> for Term {
    /// A binary.
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::Binary(Bytes::from_static(bytes))
    }
}

impl From<bool> for Term {
    /// The atom `'true'` or `'false'`.
    fn from(value: bool) -> Self {
        Self::Atom(Text::from_static(if value { "true" } else { "false" }))
    }
}

impl<T: Into<Self>> From<Option<T>> for Term {
    /// The value, or undefined.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Undefined, Into::into)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Term {
    /// A list.
    fn from(terms: Vec<T>) -> Self {
        Self::list(terms.into_iter().map(Into::into))
    }
}

impl From<TermRef<'_>> for Term {
    fn from(term: TermRef<'_>) -> Self {
        term.to_term()
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

/// The elements of a tuple or a list: a shared slice of terms.
#[derive(Clone, Default)]
pub struct Elements {
    /// The elements, perhaps beside those of other terms: to take memory for each term takes longer
    /// than to copy it.
    block: Arc<[Term]>,
    /// The place in the block, if the elements are not all of it.
    part: Option<Range<u32>>,
}

impl Deref for Elements {
    type Target = [Term];

    #[inline(always)]
    fn deref(&self) -> &[Term] {
        match self.part {
            None => &self.block,
            Some(Range { start, end }) => {
                self.block.get(start as usize..end as usize).unwrap_or_default()
            }
        }
    }
}

impl FromIterator<Term> for Elements {
    fn from_iter<I: IntoIterator<Item = Term>>(terms: I) -> Self {
        Self::whole(terms.into_iter().collect())
    }
}

impl From<Vec<Term>> for Elements {
    fn from(terms: Vec<Term>) -> Self {
        Self::whole(terms.into())
    }
}

impl<'a> IntoIterator for &'a Elements {
    type Item = &'a Term;
    type IntoIter = core::slice::Iter<'a, Term>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// W13: terms are taken apart level by level, so that a deep one does not exhaust the machine's
/// stack.
impl Drop for Elements {
    fn drop(&mut self) {
        // Most tuples are of leaves.
        if !self.is_last_of_deep() {
            return;
        }
        let mut pending = Vec::new();
        self.detach_into(&mut pending);
        while let Some(mut term) = pending.pop() {
            if let Some(elements) = term.elements_mut() {
                elements.detach_into(&mut pending);
            }
        }
    }
}

impl Elements {
    const fn whole(block: Arc<[Term]>) -> Self {
        Self { block, part: None }
    }

    /// The terms of `block` in this range.
    pub(super) fn part(block: &Arc<[Term]>, part: Range<u32>) -> Self {
        debug_assert!(part.end as usize <= block.len(), "a part lies in its block");
        Self { block: Arc::clone(block), part: Some(part) }
    }

    /// Whether nobody else holds the block, and terms in it have parts.
    fn is_last_of_deep(&self) -> bool {
        Arc::strong_count(&self.block) == 1 && self.block.iter().any(Term::is_compound)
    }

    /// Takes the compound terms out of the block, unless somebody else holds it too. Those that
    /// hold the last of a block with compound terms move to `pending`; to drop the others goes no
    /// deeper.
    fn detach_into(&mut self, pending: &mut Vec<Term>) {
        for term in Arc::get_mut(&mut self.block).unwrap_or_default() {
            if let Some(elements) = term.elements_mut() {
                let is_deep = elements.is_last_of_deep();
                let term = mem::take(term);
                if is_deep {
                    pending.push(term);
                }
            }
        }
    }
}

/// A term and its semantic tag.
#[derive(Clone)]
pub struct Tagged(
    /// The tag, as an atom, and the term: exactly two.
    Elements,
);

impl Tagged {
    pub(crate) fn new(tag: Text, term: Term) -> Self {
        Self([Term::Atom(tag), term].into_iter().collect())
    }

    /// A tagged term made of its parts: the tag, as an atom, and the term.
    pub(super) const fn of_parts(parts: Elements) -> Self {
        Self(parts)
    }

    /// The tag, as an atom, and the term.
    pub(crate) fn parts(&self) -> &[Term] {
        &self.0
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &Text {
        static EMPTY: Text = Text::from_static("");
        if let Some(Term::Atom(tag)) = self.0.first() { tag } else { &EMPTY }
    }

    /// The term that is tagged.
    #[must_use]
    pub fn term(&self) -> &Term {
        self.0.last().unwrap_or(&Term::Undefined)
    }
}

impl fmt::Debug for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} tagged {:?}", self.term(), self.tag())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::ubf;

    fn deep(levels: usize) -> Term {
        (0..levels).fold(Term::Undefined, |term, level| match level % 3 {
            0 => Term::tuple([term]),
            1 => Term::list([term]),
            _ => term.tagged("t"),
        })
    }

    #[test]
    fn a_million_levels_are_compared_printed_and_dropped() {
        let one = deep(1_000_000);
        let two = deep(1_000_000);
        assert_eq!(one, two);
        assert!(one.to_string().len() > 2_000_000);
        let mut kept = one.clone();
        drop(one);
        assert_eq!(kept, two);
        kept = Term::Undefined;
        assert_ne!(kept, two);
    }

    #[test]
    fn blocks_that_terms_share_are_dropped_level_by_level() {
        let mut term = ubf!({ a });
        for _ in 0..100_000 {
            let block: Arc<[Term]> = [term, Term::from(1), ubf!([b])].into_iter().collect();
            let [one, two] = [0..2, 2..3].map(|range| Elements::part(&block, range));
            term = Term::tuple([Term::Tuple(one), Term::List(two)]);
        }
        let inner = term[0][0].clone();
        drop(term);
        assert_eq!((inner.as_tuple().map(<[Term]>::len), &inner[1]), (Some(2), &ubf!([[b]])));
    }

    #[test]
    fn is_sent_between_threads() {
        fn check<T: Send + Sync + 'static>() {}
        check::<Term>();
    }

    #[test]
    fn converts_what_programs_have() {
        assert_eq!(Term::from(Some(3)), Term::from(3));
        assert_eq!(Term::from(None::<i32>), Term::Undefined);
        assert_eq!(Term::from(true), Term::atom("true"));
        assert_eq!(Term::from(alloc::vec![1, 2]), Term::list([Term::from(1), Term::from(2)]));
        assert_eq!(Term::float(f64::NAN), None);
    }
}
