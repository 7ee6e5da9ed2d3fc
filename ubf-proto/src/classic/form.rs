//! The forms of packets that mean something to both ends (Q2 to Q9).

use ubf_codec::{Term, TermRef, TextRef};

/// The atom that begins a hello.
pub(super) const HELLO: &str = "ubf1.0";

/// The elements of a tuple that begins with this atom and has so many elements.
pub(super) fn named<'a, const N: usize>(term: TermRef<'a>, name: &str) -> Option<[TermRef<'a>; N]> {
    let elements: [TermRef<'a>; N] = elements(term)?;
    is_atom(*elements.first()?, name).then_some(elements)
}

/// The elements of a tuple of this size.
pub(super) fn elements<const N: usize>(term: TermRef<'_>) -> Option<[TermRef<'_>; N]> {
    let tuple = term.as_tuple()?;
    if tuple.len() != N {
        return None;
    }
    let mut elements = [term; N];
    for (place, element) in elements.iter_mut().zip(tuple.iter()) {
        *place = element;
    }
    Some(elements)
}

pub(super) fn is_atom(term: TermRef<'_>, name: &str) -> bool {
    term.as_atom().is_some_and(|atom| atom == name)
}

/// The event in `{Word, Event}`.
pub(super) fn event<'a>(term: TermRef<'a>, word: &str) -> Option<TermRef<'a>> {
    named::<2>(term, word).map(|[_, event]| event)
}

/// Q2: whether a packet is a hello: a tuple of three or more that begins with the atom.
pub(super) fn hello(term: TermRef<'_>) -> Option<(TermRef<'_>, TermRef<'_>)> {
    let tuple = term.as_tuple()?;
    let mut elements = tuple.iter();
    let (word, name, help) = (elements.next()?, elements.next()?, elements.next()?);
    is_atom(word, HELLO).then_some((name, help))
}

/// Q6: the service and the argument of a start or restart.
pub(super) fn start<'a>(term: TermRef<'a>, word: &str) -> Option<(TextRef<'a>, TermRef<'a>)> {
    let [_, name, argument] = named(term, word)?;
    Some((name.as_string()?, argument))
}

/// `{'error', Why}`.
pub(super) fn error(why: Term) -> Term {
    Term::tuple([Term::atom("error"), why])
}

/// `{'ok', Result}`.
pub(super) fn ok(result: Term) -> Term {
    Term::tuple([Term::atom("ok"), result])
}

/// Q6: why a start is refused of a service that does not exist.
pub(super) const NO_SUCH_SERVICE: &str = "noSuchService";
