//! Semantic tags as the tuples that Erlang's decoder makes of them (Q1).

use alloc::vec::Vec;

use ubf_codec::{ListIter, Term, TermRef, TextRef, TupleIter, View};

/// A term with parts, while its parts are made.
struct Open<'a> {
    parts: Parts<'a>,
    made: Vec<Term>,
}

enum Parts<'a> {
    Tuple(TupleIter<'a>),
    List(ListIter<'a>),
    /// The tag, and the term until it was begun.
    Tagged(TextRef<'a>, Option<TermRef<'a>>),
}

impl<'a> Parts<'a> {
    fn of(view: View<'a>) -> Option<Self> {
        match view {
            View::Tuple(tuple) => Some(Self::Tuple(tuple.iter())),
            View::List(list) => Some(Self::List(list.iter())),
            View::Tagged(tag, term) => Some(Self::Tagged(tag, Some(term))),
            View::Undefined
            | View::Integer(_)
            | View::Atom(_)
            | View::String(_)
            | View::Binary(_) => None,
        }
    }

    fn next(&mut self) -> Option<TermRef<'a>> {
        match self {
            Self::Tuple(elements) => elements.next(),
            Self::List(elements) => elements.next(),
            Self::Tagged(_, term) => term.take(),
        }
    }

    fn close(self, made: Vec<Term>) -> Term {
        match self {
            Self::Tuple(_) => Term::tuple(made),
            Self::List(_) => Term::list(made),
            Self::Tagged(tag, _) => {
                let codes = tag.to_bytes().iter().copied().map(Term::from).collect::<Vec<_>>();
                let front = [Term::atom("$TYPE"), Term::list(codes)];
                Term::tuple(front.into_iter().chain(made))
            }
        }
    }
}

/// Whether there is a tag anywhere in the term.
fn has_tags(term: TermRef<'_>) -> bool {
    let mut open: Vec<Parts<'_>> = Vec::new();
    let mut begun = Some(term);
    loop {
        let next = match begun.take() {
            Some(term) => Some(term),
            None => match open.last_mut() {
                Some(parts) => parts.next(),
                None => return false,
            },
        };
        match next.map(|term| Parts::of(term.view())) {
            Some(Some(Parts::Tagged(..))) => return true,
            Some(Some(parts)) => open.push(parts),
            Some(None) => {}
            None => drop(open.pop()),
        }
    }
}

/// The term without tags, if there are any in it. Without recursion (W13).
pub(super) fn as_tuples(term: TermRef<'_>) -> Option<Term> {
    if !has_tags(term) {
        return None;
    }
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut made: Option<Term> = None;
    let mut begun = Some(term);
    loop {
        if let Some(term) = begun.take() {
            match Parts::of(term.view()) {
                Some(parts) => open.push(Open { parts, made: Vec::new() }),
                None => made = Some(term.to_term()),
            }
        }
        let Some(innermost) = open.last_mut() else { return made };
        innermost.made.extend(made.take());
        begun = innermost.parts.next();
        if begun.is_none() {
            let Open { parts, made: elements } = open.pop()?;
            made = Some(parts.close(elements));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use ubf_codec::{Term, ubf};

    use super::as_tuples;

    #[test]
    fn a_tag_becomes_the_tuple_that_erlang_makes_of_it() {
        let term = Term::tuple([Term::from(1).tagged("tag"), Term::list([Term::from(2)])]);
        assert_eq!(as_tuples(term.as_ref()).unwrap().to_string(), "{{'$TYPE',[116,97,103],1},[2]}");
        let nested = ubf!([{ a }]).tagged("x").tagged("y");
        assert_eq!(
            as_tuples(nested.as_ref()).unwrap().to_string(),
            "{'$TYPE',[121],{'$TYPE',[120],[{a}]}}"
        );
    }

    #[test]
    fn a_term_without_tags_is_left_alone() {
        assert_eq!(as_tuples(ubf!({ok, [1, {}], [], "x"}).as_ref()), None);
        assert_eq!(as_tuples(ubf!(a).as_ref()), None);
    }

    #[test]
    fn depth_takes_no_call_stack() {
        let deep = (0..100_000).fold(Term::from(1).tagged("t"), |term, _| Term::tuple([term]));
        assert!(as_tuples(deep.as_ref()).is_some());
    }
}
