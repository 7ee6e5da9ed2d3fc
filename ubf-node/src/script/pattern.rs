//! Patterns of terms: `'_'` fits everything, `'$1'` too and keeps it, all else fits itself. It is
//! what Erlang's match specifications have.
//!
//! What recurses here does so along a pattern, whose depth was looked at when it was read.

use ubf_codec::{Elements, Term, TermRef, Text, View};

/// The variable that stands for all of the message.
const WHOLE: &[u8] = b"$_";

/// What the variables of a pattern stand for.
#[derive(Debug)]
pub(super) struct Bindings<'p, 't> {
    whole: TermRef<'t>,
    variables: Vec<(&'p Text, TermRef<'t>)>,
}

/// The name of a variable.
pub(super) fn variable(pattern: &Term) -> Option<&Text> {
    let Term::Atom(name) = pattern else { return None };
    name.as_bytes().starts_with(b"$").then_some(name)
}

/// Whether a variable needs no pattern that has it.
pub(super) fn is_whole(name: &Text) -> bool {
    name.as_bytes() == WHOLE
}

impl<'p, 't> Bindings<'p, 't> {
    /// `None`: the term does not fit. A variable that is there twice fits what is equal.
    pub(super) fn of(pattern: &'p Term, term: TermRef<'t>) -> Option<Self> {
        let mut bindings = Self { whole: term, variables: Vec::new() };
        bindings.fits(pattern, term).then_some(bindings)
    }

    fn fits(&mut self, pattern: &'p Term, term: TermRef<'t>) -> bool {
        match pattern {
            Term::Atom(name) if name == "_" => true,
            Term::Atom(_) => match variable(pattern) {
                Some(name) => self.bind(name, term),
                None => term == *pattern,
            },
            Term::Tuple(parts) => {
                let View::Tuple(tuple) = term.view() else { return false };
                tuple.len() == parts.len()
                    && parts.iter().zip(tuple).all(|(part, element)| self.fits(part, element))
            }
            Term::List(parts) => {
                let View::List(list) = term.view() else { return false };
                list.len() == parts.len()
                    && parts.iter().zip(list).all(|(part, element)| self.fits(part, element))
            }
            Term::Tagged(tagged) => {
                let View::Tagged(tag, inner) = term.view() else { return false };
                *tagged.tag() == tag.to_text() && self.fits(tagged.term(), inner)
            }
            Term::Undefined | Term::Integer(_) | Term::String(_) | Term::Binary(_) => {
                term == *pattern
            }
        }
    }

    fn bind(&mut self, name: &'p Text, term: TermRef<'t>) -> bool {
        match self.variables.iter().find(|(known, _)| *known == name) {
            Some((_, bound)) => *bound == term,
            None => {
                self.variables.push((name, term));
                true
            }
        }
    }

    /// A term in which variables stand, with what they stand for.
    pub(super) fn fill(&self, template: &Term) -> Term {
        let fill = |parts: &Elements| parts.iter().map(|part| self.fill(part)).collect();
        match template {
            Term::Atom(_) => match variable(template) {
                Some(name) if is_whole(name) => self.whole.to_term(),
                Some(name) => {
                    let bound = self.variables.iter().find(|(known, _)| *known == name);
                    bound.map_or_else(|| template.clone(), |(_, term)| term.to_term())
                }
                None => template.clone(),
            },
            Term::Tuple(parts) => Term::Tuple(fill(parts)),
            Term::List(parts) => Term::List(fill(parts)),
            Term::Tagged(tagged) => self.fill(tagged.term()).tagged(tagged.tag().clone()),
            Term::Undefined | Term::Integer(_) | Term::String(_) | Term::Binary(_) => {
                template.clone()
            }
        }
    }
}
