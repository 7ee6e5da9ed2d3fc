//! What an operator did, in words.

use ubf_codec::{Operator, StackItem, Step, TermRef, View};

use crate::ui::brief::brief;
use crate::ui::text::{byte_name, counted};

/// Columns of a term that stands at the end of a sentence, and of one that stands within it.
const TERM_COLUMNS: usize = 22;
const INNER_COLUMNS: usize = 12;

/// The machine after a step.
pub(crate) struct Scene<'a> {
    pub(crate) step: Step,
    /// Offset of the operator from the start of the input.
    pub(crate) offset: u64,
    /// The operator as it was written.
    pub(crate) bytes: &'a [u8],
    /// Bottom first.
    pub(crate) stack: Vec<StackItem<'a>>,
    pub(crate) registers: Vec<(u8, TermRef<'a>)>,
}

/// White space does nothing; a comment does nothing either, but says something.
pub(crate) fn is_worth_a_row(operator: Operator, bytes: &[u8]) -> bool {
    operator != Operator::Blank || bytes.contains(&b'%')
}

impl Scene<'_> {
    /// What the operator did.
    pub(crate) fn words(&self) -> String {
        let top = || self.top().map_or_else(String::new, |term| brief(term, TERM_COLUMNS));
        match self.step.operator {
            Operator::Integer => format!("push the integer {}", top()),
            Operator::String => format!("push the string {}", top()),
            Operator::Atom => {
                let name = top();
                let quote = if name.starts_with('\'') { "" } else { "'" };
                format!("push the atom {quote}{name}{quote}")
            }
            Operator::Binary => {
                let length = match self.top().map(|term| term.view()) {
                    Some(View::Binary(bytes)) => bytes.len(),
                    _ => 0,
                };
                format!("pop {length}, push {} as a binary", counted(length as u64, "byte"))
            }
            Operator::Undefined => "push the undefined value".to_owned(),
            Operator::OpenTuple => "start a tuple".to_owned(),
            Operator::CloseTuple => match self.top().map(|term| term.view()) {
                Some(View::Tuple(tuple)) => {
                    format!("end the tuple: {}", counted(tuple.len() as u64, "term"))
                }
                _ => "end the tuple".to_owned(),
            },
            Operator::Nil => "push the empty list".to_owned(),
            Operator::Cons => {
                let head = match self.top().map(|term| term.view()) {
                    Some(View::List(list)) => list.iter().next(),
                    _ => None,
                };
                let head = head.map_or_else(String::new, |head| brief(head, INNER_COLUMNS));
                format!("pop {head}, put it in front of the list below")
            }
            Operator::Tag => match self.top().map(|term| term.view()) {
                Some(View::Tagged(tag, _)) => {
                    format!("tag the term on top as {}", String::from_utf8_lossy(&tag.to_bytes()))
                }
                _ => "tag the term on top".to_owned(),
            },
            Operator::Store(register) => format!("pop it into register {}", byte_name(register)),
            Operator::Read(register) => format!("push register {}: {}", byte_name(register), top()),
            Operator::Blank => "a comment: nothing happens".to_owned(),
            Operator::End => "end: one term is left".to_owned(),
        }
    }

    /// The operator's name for programs.
    pub(crate) const fn operator_name(&self) -> &'static str {
        match self.step.operator {
            Operator::Integer => "integer",
            Operator::String => "string",
            Operator::Atom => "atom",
            Operator::Binary => "binary",
            Operator::Undefined => "undefined",
            Operator::OpenTuple => "open-tuple",
            Operator::CloseTuple => "close-tuple",
            Operator::Nil => "nil",
            Operator::Cons => "cons",
            Operator::Tag => "tag",
            Operator::Store(_) => "store",
            Operator::Read(_) => "read",
            Operator::Blank => "comment",
            Operator::End => "end",
        }
    }

    /// The register that the operator uses.
    pub(crate) const fn used_register(&self) -> Option<u8> {
        match self.step.operator {
            Operator::Store(register) | Operator::Read(register) => Some(register),
            Operator::Integer
            | Operator::String
            | Operator::Atom
            | Operator::Binary
            | Operator::Undefined
            | Operator::OpenTuple
            | Operator::CloseTuple
            | Operator::Nil
            | Operator::Cons
            | Operator::Tag
            | Operator::Blank
            | Operator::End => None,
        }
    }

    fn top(&self) -> Option<TermRef<'_>> {
        match self.stack.last() {
            Some(StackItem::Term(term)) => Some(*term),
            Some(StackItem::OpenTuple) | None => None,
        }
    }
}
