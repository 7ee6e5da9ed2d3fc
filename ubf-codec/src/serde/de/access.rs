//! The parts of lists, tuples and maps, one after the other.

use alloc::borrow::Cow;
use alloc::string::ToString as _;

use serde_core::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::key::Key;
use super::part::{Level, Part};
use crate::serde::cursor::{Cursor, Items, Meaning};
use crate::serde::error::{Error, Segment};

/// The elements of a list or a tuple.
pub(super) struct Sequence<'de, 'n> {
    whole: Part<'de, 'n>,
    /// Held while the parts are read.
    _level: Level<'n>,
    items: Items<'de, 'n>,
    index: usize,
    /// Elements that are missing and count as undefined: what a program of an earlier edition does
    /// not send.
    missing: usize,
}

impl<'de, 'n> Sequence<'de, 'n> {
    pub(super) const fn new(whole: Part<'de, 'n>, level: Level<'n>, items: Items<'de, 'n>) -> Self {
        Self { whole, _level: level, items, index: 0, missing: 0 }
    }

    /// `len` elements; of a record that grows, however many there are.
    pub(super) fn of_exactly(
        len: usize,
        whole: Part<'de, 'n>,
        level: Level<'n>,
        items: Items<'de, 'n>,
    ) -> Result<Self, Error> {
        if items.len() != len && !whole.whole().growing.get() {
            return Err(whole.wrong_count(items.len()));
        }
        let missing = len.saturating_sub(items.len());
        Ok(Self { whole, _level: level, items, index: 0, missing })
    }
}

impl<'de> SeqAccess<'de> for Sequence<'de, '_> {
    type Error = Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let cursor = match self.items.next() {
            Some(cursor) => cursor,
            None if self.missing > 0 => {
                self.missing -= 1;
                self.whole.missing()
            }
            None => return Ok(None),
        };
        let index = self.index;
        self.index += 1;
        match seed.deserialize(self.whole.part(cursor)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(element_error(error, cursor, index)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len().saturating_add(self.missing))
    }
}

/// The entries of a list of pairs.
pub(super) struct Entries<'de, 'n> {
    whole: Part<'de, 'n>,
    /// Held while the parts are read.
    _level: Level<'n>,
    items: Items<'de, 'n>,
    /// Whether they are the fields of a struct: an undefined value is as good as none there.
    is_struct: bool,
    /// The entry whose key was read.
    open: Option<(Cursor<'de, 'n>, Cursor<'de, 'n>)>,
}

impl<'de, 'n> Entries<'de, 'n> {
    pub(super) const fn new(whole: Part<'de, 'n>, level: Level<'n>, items: Items<'de, 'n>) -> Self {
        Self { whole, _level: level, items, is_struct: false, open: None }
    }

    /// The fields of a struct, as a property list.
    pub(super) const fn of_struct(
        whole: Part<'de, 'n>,
        level: Level<'n>,
        items: Items<'de, 'n>,
    ) -> Self {
        Self { whole, _level: level, items, is_struct: true, open: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        for item in self.items.by_ref() {
            let Some((key, value)) = item.entry() else {
                return Err(self.whole.part(item).wrong(&"a pair of key and value"));
            };
            if self.is_struct && value.is_undefined() && key.is_key_passed_over() {
                continue;
            }
            self.open = Some((key, value));
            let part = self.whole.part(key);
            let read =
                if self.is_struct { seed.deserialize(part) } else { seed.deserialize(Key(part)) };
            return match read {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(key_error(error, key)),
            };
        }
        Ok(None)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some((key, value)) = self.open.take() else {
            return Err(Error::mismatch("a value was read before its key"));
        };
        seed.deserialize(self.whole.part(value)).map_err(|error| {
            if self.is_struct && value.is_undefined() {
                return error.of_missing_field(&segment(key));
            }
            entry_error(error, key, value)
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// Whether a list can be read as a map.
pub(super) fn are_entries(mut items: Items<'_, '_>) -> bool {
    items.all(|item| item.entry().is_some())
}

/// Whether a tuple of these elements may be a record, or a variant with content.
pub(super) fn begin_with_a_name(mut items: Items<'_, '_>) -> bool {
    items.len() > 1 && items.next().is_some_and(|first| matches!(first.meaning(), Meaning::Atom(_)))
}

/// Whether the first of these elements is the atom of this name.
pub(super) fn begin_with(mut items: Items<'_, '_>, name: &str) -> bool {
    items.next().is_some_and(|first| matches!(first.meaning(), Meaning::Atom(text) if text == name))
}

#[cold]
fn element_error(error: Error, element: Cursor<'_, '_>, index: usize) -> Error {
    error.at(element.offset()).inside(Segment::Index(index))
}

#[cold]
pub(super) fn key_error(error: Error, key: Cursor<'_, '_>) -> Error {
    error.at(key.offset())
}

#[cold]
fn entry_error(error: Error, key: Cursor<'_, '_>, value: Cursor<'_, '_>) -> Error {
    error.at(value.offset()).inside(segment(key))
}

#[cold]
pub(super) fn segment(key: Cursor<'_, '_>) -> Segment {
    let (Meaning::Atom(text) | Meaning::String(text)) = key.meaning() else {
        return Segment::Key(key.term().to_string());
    };
    Segment::Name(text.to_str().map_or_else(|| text.to_latin1(), Cow::into_owned))
}
