//! A walk in reading order, without recursion (W13).

use alloc::vec::Vec;

use super::view::{ListIter, TermRef, TupleIter, View};

/// A step of a walk in reading order: elements first to last, a tagged term inside its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// A term without parts.
    Leaf(View<'a>),
    /// A tuple, list or tagged term begins.
    Enter(TermRef<'a>),
    /// The tuple, list or tagged term ends.
    Leave(View<'a>),
}

/// A walk in reading order.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    start: Option<TermRef<'a>>,
    open: Vec<(View<'a>, Parts<'a>)>,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(term: TermRef<'a>) -> Self {
        Self { start: Some(term), open: Vec::new() }
    }

    /// Leaves out the parts of the term that was just entered, and its end.
    pub(crate) fn skip_parts(&mut self) {
        self.open.pop();
    }

    fn begin(&mut self, term: TermRef<'a>) -> Step<'a> {
        let view = term.view();
        match Parts::of(view) {
            None => Step::Leaf(view),
            Some(parts) => {
                self.open.push((view, parts));
                Step::Enter(term)
            }
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if let Some(term) = self.start.take() {
            return Some(self.begin(term));
        }
        match self.open.last_mut()?.1.next() {
            Some(part) => Some(self.begin(part)),
            None => self.open.pop().map(|(view, _)| Step::Leave(view)),
        }
    }
}

/// The parts of a compound term in reading order.
#[derive(Debug)]
pub(crate) enum Parts<'a> {
    Tuple(TupleIter<'a>),
    List(ListIter<'a>),
    Tagged(Option<TermRef<'a>>),
}

impl<'a> Parts<'a> {
    pub(crate) fn of(view: View<'a>) -> Option<Self> {
        match view {
            View::Tuple(tuple) => Some(Self::Tuple(tuple.iter())),
            View::List(list) => Some(Self::List(list.iter())),
            View::Tagged(_, term) => Some(Self::Tagged(Some(term))),
            View::Undefined
            | View::Integer(_)
            | View::Atom(_)
            | View::String(_)
            | View::Binary(_) => None,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = TermRef<'a>;

    fn next(&mut self) -> Option<TermRef<'a>> {
        match self {
            Self::Tuple(elements) => elements.next(),
            Self::List(elements) => elements.next(),
            Self::Tagged(term) => term.take(),
        }
    }
}
