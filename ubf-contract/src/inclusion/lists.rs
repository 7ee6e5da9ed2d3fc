//! Looking for lists.

use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

use ubf_codec::{Integer, Term, Text};

use super::kinds::{Kinds, Lists};
use super::{Found, Language, Search, choices};

/// Lists with more elements are not written down. Chosen: more than anybody reads.
const MAX_SHOWN: u64 = 64;

/// Lists of bytes that are excluded one by one are looked at up to this length. Chosen: names are
/// shorter.
const MAX_PLACED: u64 = 4096;

/// The list that is looked for: its elements are of all of these languages.
#[derive(Default)]
struct Wanted {
    items: Vec<Language>,
    min: u64,
    max: Option<u64>,
}

/// A list that is not wanted.
#[derive(Clone)]
enum Excluded {
    Of { item: Option<Language>, min: u64, max: Option<u64> },
    Codes(Text),
}

impl Excluded {
    fn has_length(&self, length: u64) -> bool {
        match self {
            Self::Of { min, max, .. } => *min <= length && max.is_none_or(|max| length <= max),
            Self::Codes(text) => text.as_bytes().len() as u64 == length,
        }
    }

    /// What an element at this place must not be, so that the list is none of these; `None` where
    /// every term is.
    fn at(&self, place: usize) -> Option<Language> {
        match self {
            Self::Of { item, .. } => *item,
            Self::Codes(text) => text.as_bytes().get(place).map(|byte| Language::Value(*byte)),
        }
    }

    /// The lengths at which it begins and stops to count.
    fn edges(&self) -> [Option<u64>; 2] {
        match self {
            Self::Of { min, max, .. } => [Some(*min), max.and_then(|max| max.checked_add(1))],
            Self::Codes(text) => {
                let length = text.as_bytes().len() as u64;
                [Some(length), Some(length + 1)]
            }
        }
    }
}

impl Search<'_> {
    pub(super) fn lists(&mut self, within: &[Rc<Kinds>], without: &[Rc<Kinds>]) -> Found {
        self.list_of(within, without, &[])
    }

    /// A list of all of `within`, of none of `without`, and not one of these lists of bytes.
    pub(super) fn list_of(
        &mut self,
        within: &[Rc<Kinds>],
        without: &[Rc<Kinds>],
        not_these: &[Text],
    ) -> Found {
        let excluded = without.iter().flat_map(|kinds| &kinds.lists).map(|lists| match lists {
            Lists::Of { item, min, max } => Excluded::Of { item: *item, min: *min, max: *max },
            Lists::Codes(text) => Excluded::Codes(text.clone()),
        });
        let excluded: Vec<Excluded> =
            excluded.chain(not_these.iter().cloned().map(Excluded::Codes)).collect();
        let mut answer = Found::Nothing;
        for choice in choices(within, |kinds| &kinds.lists) {
            if !self.step() {
                return Found::GaveUp;
            }
            let found = self.list_of_all(&choice, &excluded);
            answer = answer.or_else(|| found);
            if matches!(answer, Found::Term(_)) {
                break;
            }
        }
        answer
    }

    fn list_of_all(&mut self, all: &[&Lists], excluded: &[Excluded]) -> Found {
        let mut wanted = Wanted::default();
        let mut exactly: Option<&Text> = None;
        for lists in all {
            match lists {
                Lists::Of { item, min, max } => {
                    wanted.items.extend(item);
                    wanted.min = wanted.min.max(*min);
                    wanted.max = match (wanted.max, *max) {
                        (Some(own), Some(other)) => Some(own.min(other)),
                        (own, other) => own.or(other),
                    };
                }
                Lists::Codes(text) if exactly.is_none_or(|other| other == text) => {
                    exactly = Some(text);
                }
                Lists::Codes(_) => return Found::Nothing,
            }
        }
        if let Some(text) = exactly {
            let length = text.as_bytes().len() as u64;
            if length < wanted.min || wanted.max.is_some_and(|max| length > max) {
                return Found::Nothing;
            }
            return self.list_of_codes(text, &wanted.items, excluded);
        }
        if wanted.max.is_some_and(|max| max < wanted.min) {
            return Found::Nothing;
        }
        self.list_of_some_length(&wanted, excluded)
    }

    /// The one list of these bytes, if it is wanted.
    fn list_of_codes(&mut self, text: &Text, items: &[Language], excluded: &[Excluded]) -> Found {
        let length = text.as_bytes().len() as u64;
        let item_has = |search: &mut Self, item: Language, byte: u8| {
            let kinds = search.kinds_of(&[item]);
            kinds.iter().all(|kinds| kinds.integers.has(&Integer::from(i64::from(byte))))
        };
        for byte in text.as_bytes() {
            if !items.iter().all(|item| item_has(self, *item, *byte)) {
                return Found::Nothing;
            }
        }
        for lists in excluded.iter().filter(|lists| lists.has_length(length)) {
            let is_one = text.as_bytes().iter().enumerate().all(|(place, byte)| {
                lists.at(place).is_none_or(|item| item_has(self, item, *byte))
            });
            if is_one {
                return Found::Nothing;
            }
        }
        let codes =
            text.as_bytes().iter().map(|byte| Term::Integer(Integer::from(i64::from(*byte))));
        Found::Term(Some(Term::list(codes)))
    }

    /// Between two edges all lengths exclude the same, so one of them is tried: long enough that
    /// each exclusion may have an element of its own, since more elements never hurt.
    fn list_of_some_length(&mut self, wanted: &Wanted, excluded: &[Excluded]) -> Found {
        let mut starts = BTreeSet::from([wanted.min]);
        // Without elements there is less to show, and a list of none needs no element.
        starts.extend((wanted.min == 0).then_some(1));
        starts.extend(excluded.iter().flat_map(Excluded::edges).flatten());
        starts.retain(|start| *start >= wanted.min && wanted.max.is_none_or(|max| *start <= max));
        let starts: Vec<u64> = starts.into_iter().collect();
        let mut answer = Found::Nothing;
        for (index, start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).map(|next| next - 1).or(wanted.max);
            let here: Vec<&Excluded> =
                excluded.iter().filter(|lists| lists.has_length(*start)).collect();
            let enough = if *start == 0 { 0 } else { (*start).max(here.len() as u64) };
            let length = end.map_or(enough, |end| enough.min(end));
            let found = self.list_of_length(wanted, length, *start, &here);
            answer = answer.or_else(|| found);
            if matches!(answer, Found::Term(_)) {
                break;
            }
        }
        answer
    }

    /// A list of `length` elements, or of fewer, down to `least`, if fewer will do.
    fn list_of_length(
        &mut self,
        wanted: &Wanted,
        length: u64,
        least: u64,
        excluded: &[&Excluded],
    ) -> Found {
        if length == 0 {
            let is_excluded = !excluded.is_empty();
            return if is_excluded { Found::Nothing } else { Found::Term(Some(Term::list([]))) };
        }
        let filler = match self.part(&wanted.items, &[]) {
            Found::Term(term) => term,
            found @ (Found::Nothing | Found::GaveUp) => return found,
        };
        let is_placed = excluded.iter().any(|lists| matches!(lists, Excluded::Codes(_)));
        let places = usize::try_from(length).unwrap_or(usize::MAX);
        if is_placed && length > MAX_PLACED {
            return Found::GaveUp;
        }
        // Beyond as many places as there are exclusions, one is as good as another.
        let places = if is_placed { places } else { places.min(excluded.len()) };
        let mut groups: Vec<Vec<Language>> = vec![Vec::new(); places];
        match self.sort_into(wanted, excluded, &mut groups, is_placed) {
            Found::Term(_) => {}
            found @ (Found::Nothing | Found::GaveUp) => return found,
        }
        let used = groups.iter().rposition(|group| !group.is_empty()).map_or(0, |last| last + 1);
        // Lists of bytes exclude one length only, so there the length is not for choosing.
        let count = if is_placed { length } else { least.max(used as u64) };
        if count > MAX_SHOWN {
            return Found::Term(None);
        }
        let mut terms = Vec::new();
        for place in 0..usize::try_from(count).unwrap_or(0) {
            match groups.get(place).filter(|group| !group.is_empty()) {
                None => terms.extend(filler.clone()),
                Some(group) => match self.part(&wanted.items, group) {
                    Found::Term(term) => terms.extend(term),
                    found @ (Found::Nothing | Found::GaveUp) => return found,
                },
            }
        }
        let is_whole = terms.len() as u64 == count;
        Found::Term(is_whole.then(|| Term::list(terms)))
    }

    /// Gives each exclusion a place whose element keeps the list out of it.
    fn sort_into(
        &mut self,
        wanted: &Wanted,
        excluded: &[&Excluded],
        groups: &mut [Vec<Language>],
        is_placed: bool,
    ) -> Found {
        let Some((first, others)) = excluded.split_first() else { return Found::Term(None) };
        if !self.step() {
            return Found::GaveUp;
        }
        let mut answer = Found::Nothing;
        for place in 0..groups.len() {
            let Some(item) = first.at(place) else { continue };
            let Some(group) = groups.get(place) else { continue };
            let was_empty = group.is_empty();
            let without = [group.as_slice(), &[item]].concat();
            let found = match self.part(&wanted.items, &without) {
                Found::Term(_) => {
                    if let Some(group) = groups.get_mut(place) {
                        group.push(item);
                    }
                    let found = self.sort_into(wanted, others, groups, is_placed);
                    if matches!(found, Found::Term(_)) {
                        return found;
                    }
                    if let Some(group) = groups.get_mut(place) {
                        group.pop();
                    }
                    found
                }
                found @ (Found::Nothing | Found::GaveUp) => found,
            };
            answer = answer.or_else(|| found);
            // One empty place is as good as another.
            if was_empty && !is_placed {
                break;
            }
        }
        answer
    }
}
