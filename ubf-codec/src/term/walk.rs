//! Walking a term without recursion (W13).

use alloc::vec::Vec;

use super::text::TextRef;
use super::view::{ListIter, TermRef, TupleIter, View};

/// A step of a walk in reading order: elements first to last, a tagged term inside its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// A term without parts.
    Leaf(View<'a>),
    /// A tuple, list or tagged term begins.
    Enter(TermRef<'a>),
    /// It ends.
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
            View::Undefined | View::Integer(_) | View::Atom(_) | View::String(_) | View::Binary(_) => None,
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

/// A step of a walk in the order of the wire: what has to be written, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WireStep<'a> {
    Leaf(View<'a>),
    OpenTuple,
    CloseTuple,
    Nil,
    Cons,
    /// A list is complete. Nothing is written for it.
    CloseList,
    Tag(TextRef<'a>),
}

/// A walk in the order of the wire: lists last element first, tags after their term.
#[derive(Debug)]
pub(crate) struct WireWalk<'a> {
    open: Vec<Open<'a>>,
    /// Elements of the open lists that are still to be written, each list's from its head on.
    elements: Vec<TermRef<'a>>,
}

/// What is being written.
#[derive(Debug)]
enum Open<'a> {
    Term(TermRef<'a>),
    Tuple(TupleIter<'a>),
    /// A list, whose elements begin at this place of `elements`.
    List(usize),
    Cons,
    Tag(TextRef<'a>),
}

impl<'a> WireWalk<'a> {
    pub(crate) fn new(term: TermRef<'a>) -> Self {
        Self { open: alloc::vec![Open::Term(term)], elements: Vec::new() }
    }

    /// The next term to begin with, or the operator that ends one.
    fn advance(&mut self) -> Option<Result<TermRef<'a>, WireStep<'a>>> {
        match self.open.last_mut()? {
            Open::Tuple(elements) => match elements.next() {
                Some(element) => Some(Ok(element)),
                None => {
                    self.open.pop();
                    Some(Err(WireStep::CloseTuple))
                }
            },
            Open::List(first) => {
                if self.elements.len() > *first {
                    self.open.push(Open::Cons);
                    self.elements.pop().map(Ok)
                } else {
                    self.open.pop();
                    Some(Err(WireStep::CloseList))
                }
            }
            Open::Term(term) => {
                let term = *term;
                self.open.pop();
                Some(Ok(term))
            }
            Open::Cons => {
                self.open.pop();
                Some(Err(WireStep::Cons))
            }
            Open::Tag(tag) => {
                let tag = *tag;
                self.open.pop();
                Some(Err(WireStep::Tag(tag)))
            }
        }
    }
}

impl<'a> Iterator for WireWalk<'a> {
    type Item = WireStep<'a>;

    fn next(&mut self) -> Option<WireStep<'a>> {
        let mut term = match self.advance()? {
            Ok(term) => term,
            Err(step) => return Some(step),
        };
        loop {
            let view = term.view();
            return Some(match view {
                View::Tagged(tag, inner) => {
                    self.open.push(Open::Tag(tag));
                    term = inner;
                    continue;
                }
                View::Tuple(tuple) => {
                    self.open.push(Open::Tuple(tuple.iter()));
                    WireStep::OpenTuple
                }
                View::List(list) => {
                    self.open.push(Open::List(self.elements.len()));
                    self.elements.extend(list);
                    WireStep::Nil
                }
                View::Undefined | View::Integer(_) | View::Atom(_) | View::String(_) | View::Binary(_) => {
                    WireStep::Leaf(view)
                }
            });
        }
    }
}
