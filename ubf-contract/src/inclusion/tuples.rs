//! Looking for tuples.

use alloc::rc::Rc;
use alloc::vec::Vec;

use ubf_codec::Term;

use super::kinds::{Kinds, Tuples};
use super::{Found, Language, Search, choices};

/// An element of the tuple that is looked for: of all of these languages, of none of those.
#[derive(Clone, Default)]
struct Element {
    within: Vec<Language>,
    without: Vec<Language>,
}

impl Search<'_> {
    pub(super) fn tuples(&mut self, within: &[Rc<Kinds>], without: &[Rc<Kinds>]) -> Found {
        let excluded: Vec<&Tuples> = without.iter().flat_map(|kinds| &kinds.tuples).collect();
        let mut answer = Found::Nothing;
        for choice in choices(within, |kinds| &kinds.tuples) {
            if !self.step() {
                return Found::GaveUp;
            }
            let found = self.tuple_of(&choice, &excluded);
            answer = answer.or_else(|| found);
            if matches!(answer, Found::Term(_)) {
                break;
            }
        }
        answer
    }

    /// A tuple of all of these and of none of those.
    fn tuple_of(&mut self, all: &[&Tuples], excluded: &[&Tuples]) -> Found {
        let mut elements: Option<Vec<Element>> = None;
        let mut nonempty = false;
        for tuples in all {
            match tuples {
                Tuples::All { nonempty: own } => nonempty |= own,
                Tuples::Of(parts) => {
                    let known = elements
                        .get_or_insert_with(|| alloc::vec![Element::default(); parts.len()]);
                    if known.len() != parts.len() {
                        return Found::Nothing;
                    }
                    for (element, part) in known.iter_mut().zip(parts.iter()) {
                        element.within.push(*part);
                    }
                }
            }
        }
        match elements {
            Some(elements) if elements.is_empty() && nonempty => Found::Nothing,
            Some(elements) => self.tuple_of_size(elements, excluded),
            None => self.tuple_of_any_size(nonempty, excluded),
        }
    }

    /// All that is wanted is a tuple: the first size of which not all are excluded will do.
    fn tuple_of_any_size(&mut self, nonempty: bool, excluded: &[&Tuples]) -> Found {
        let sizes = excluded.iter().map(|tuples| match tuples {
            Tuples::All { .. } => 0,
            Tuples::Of(parts) => parts.len(),
        });
        let beyond = sizes.max().map_or(0, |largest| largest + 1);
        let mut answer = Found::Nothing;
        for size in usize::from(nonempty)..=beyond.max(usize::from(nonempty)) {
            let found = self.tuple_of_size(alloc::vec![Element::default(); size], excluded);
            answer = answer.or_else(|| found);
            if matches!(answer, Found::Term(_)) {
                break;
            }
        }
        answer
    }

    fn tuple_of_size(&mut self, elements: Vec<Element>, excluded: &[&Tuples]) -> Found {
        let mut left: Vec<Rc<[Language]>> = Vec::new();
        for tuples in excluded {
            match tuples {
                Tuples::All { nonempty } if *nonempty && elements.is_empty() => {}
                Tuples::All { .. } => return Found::Nothing,
                Tuples::Of(parts) if parts.len() == elements.len() => left.push(Rc::clone(parts)),
                Tuples::Of(_) => {}
            }
        }
        let mut gave_up = false;
        for element in &elements {
            match self.part(&element.within, &[]) {
                Found::Nothing => return Found::Nothing,
                Found::GaveUp => gave_up = true,
                Found::Term(_) => {}
            }
        }
        if gave_up { Found::GaveUp } else { self.tuple_beside(elements, &left) }
    }

    /// A tuple of these elements that is none of the excluded ones, of the same size: of each of
    /// them it misses at least one element.
    fn tuple_beside(
        &mut self,
        mut elements: Vec<Element>,
        mut excluded: &[Rc<[Language]>],
    ) -> Found {
        while let Some((first, others)) = excluded.split_first() {
            if !self.step() {
                return Found::GaveUp;
            }
            excluded = others;
            let mut is_apart = false;
            let mut gave_up = false;
            let mut can_miss = Vec::new();
            for (index, (element, part)) in elements.iter().zip(first.iter()).enumerate() {
                let both = [element.within.as_slice(), &[*part]].concat();
                if self.part(&both, &element.without) == Found::Nothing {
                    // No tuple that is looked for is of this one, so nothing is excluded by it.
                    is_apart = true;
                    break;
                }
                let without = [element.without.as_slice(), &[*part]].concat();
                match self.part(&element.within, &without) {
                    Found::Nothing => {}
                    Found::Term(_) => can_miss.push((index, *part)),
                    Found::GaveUp => gave_up = true,
                }
            }
            match can_miss.as_slice() {
                _ if is_apart => {}
                [] => return if gave_up { Found::GaveUp } else { Found::Nothing },
                [(index, part)] if !gave_up => {
                    if let Some(element) = elements.get_mut(*index) {
                        element.without.push(*part);
                    }
                }
                several => {
                    let found = self.tuple_by_cases(&elements, several, others);
                    return if gave_up { Found::GaveUp.or_else(|| found) } else { found };
                }
            }
        }
        let mut terms = Vec::new();
        for element in &elements {
            match self.part(&element.within, &element.without) {
                Found::Term(Some(term)) => terms.push(term),
                found @ (Found::Term(None) | Found::Nothing | Found::GaveUp) => return found,
            }
        }
        Found::Term(Some(Term::tuple(terms)))
    }

    fn tuple_by_cases(
        &mut self,
        elements: &[Element],
        cases: &[(usize, Language)],
        excluded: &[Rc<[Language]>],
    ) -> Found {
        let mut answer = Found::Nothing;
        for (index, part) in cases {
            let mut elements = elements.to_vec();
            if let Some(element) = elements.get_mut(*index) {
                element.without.push(*part);
            }
            let found = self.tuple_beside(elements, excluded);
            answer = answer.or_else(|| found);
            if matches!(answer, Found::Term(_)) {
                break;
            }
        }
        answer
    }
}
