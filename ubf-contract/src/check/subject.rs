//! What is held against a type: a term, or what existing peers see in one.

use alloc::borrow::Cow;

use ubf_codec::{ListIter, TermRef, TextRef, TupleIter, View};

/// A term, or a part of a string or tag as peers see it for which those are tuples.
#[derive(Clone, Copy)]
pub(super) enum Subject<'t> {
    Term(TermRef<'t>),
    /// The atom in front of such a tuple.
    Atom(&'static str),
    /// The bytes of a text as a list of integers.
    Codes(TextRef<'t>),
    /// One of these integers.
    Code(u8),
}

/// The elements of a tuple, or of what peers take for one.
pub(super) enum Elements<'t> {
    Tuple(TupleIter<'t>),
    /// `{'#S', Codes}` and `{'$TYPE', Codes, Term}`: those from some index on.
    Text(TextRef<'t>, u8),
    Tagged(TextRef<'t>, TermRef<'t>, u8),
}

impl<'t> Iterator for Elements<'t> {
    type Item = Subject<'t>;

    #[inline]
    fn next(&mut self) -> Option<Subject<'t>> {
        match self {
            Self::Tuple(elements) => elements.next().map(Subject::Term),
            Self::Text(text, at) => {
                *at += 1;
                match *at {
                    1 => Some(Subject::Atom("#S")),
                    2 => Some(Subject::Codes(*text)),
                    _ => None,
                }
            }
            Self::Tagged(tag, term, at) => {
                *at += 1;
                match *at {
                    1 => Some(Subject::Atom("$TYPE")),
                    2 => Some(Subject::Codes(*tag)),
                    3 => Some(Subject::Term(*term)),
                    _ => None,
                }
            }
        }
    }
}

/// The elements of a list, or of a text as one.
pub(super) enum Items<'t> {
    List(ListIter<'t>),
    /// The bytes, and how many of them have been taken.
    Codes(Cow<'t, [u8]>, usize),
}

impl<'t> Iterator for Items<'t> {
    type Item = Subject<'t>;

    #[inline]
    fn next(&mut self) -> Option<Subject<'t>> {
        match self {
            Self::List(items) => items.next().map(Subject::Term),
            Self::Codes(bytes, at) => {
                let code = *bytes.get(*at)?;
                *at += 1;
                Some(Subject::Code(code))
            }
        }
    }
}

/// Whether a term is the undefined value or the atom that stands for it with old peers.
pub(super) fn is_undefined(view: &View<'_>) -> bool {
    match view {
        View::Undefined => true,
        View::Atom(name) => *name == "undefined",
        View::Integer(_)
        | View::String(_)
        | View::Binary(_)
        | View::Tuple(_)
        | View::List(_)
        | View::Tagged(..) => false,
    }
}
