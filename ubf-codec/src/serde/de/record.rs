//! The fields of a record: `{'name', Field, …}`, in the order of the type.

use core::any;
use core::fmt::{self, Write as _};
use core::mem;

use serde_core::de::{self, DeserializeSeed, Expected, MapAccess, Visitor};
use serde_core::forward_to_deserialize_any;

use super::access::key_error;
use super::part::{Level, Part};
use crate::serde::cursor::{Cursor, Items, Whole};
use crate::serde::error::{Error, Segment};
use crate::term::TextRef;

/// A record, as a map: only as a map does derived code let fields be missing, be in excess, or have
/// a default.
pub(super) struct Fields<'de, 'n> {
    whole: Part<'de, 'n>,
    /// Held while the parts are read.
    _level: Level<'n>,
    elements: Items<'de, 'n>,
    /// The names that the type knows; of a field with aliases, all of them.
    names: &'static [&'static str],
    /// How many elements the record has.
    count: usize,
    /// The place of the next element.
    index: usize,
    /// What the key stands for that was read.
    open: Open<'de, 'n>,
    /// Whether the type takes numbers for names; known when it has read its first key.
    takes_index: Option<bool>,
}

/// What a key stands for.
enum Open<'de, 'n> {
    /// No key was read.
    No,
    /// The element of the record that the key named.
    Element(Cursor<'de, 'n>),
    /// The place after the last element: does the type have a field there?
    End,
    /// The place after the last element, when the type has said whether it has a field there.
    Ended,
}

impl<'de, 'n> Fields<'de, 'n> {
    /// Refuses a record of more elements than its type has fields.
    #[inline]
    pub(super) fn check(
        whole: Part<'de, 'n>,
        elements: &Items<'de, 'n>,
        names: &'static [&'static str],
    ) -> Result<(), Error> {
        let count = elements.len();
        if count > names.len() && !whole.whole().growing.get() {
            return Err(whole.wrong_count(count));
        }
        Ok(())
    }

    /// The elements of a record that was [checked](Self::check).
    #[inline]
    pub(super) fn new(
        whole: Part<'de, 'n>,
        level: Level<'n>,
        elements: Items<'de, 'n>,
        names: &'static [&'static str],
    ) -> Self {
        let count = elements.len();
        let (index, open, takes_index) = (0, Open::No, None);
        Self { whole, _level: level, elements, names, count, index, open, takes_index }
    }

    /// Asks the type, after the last element, whether it has further fields: with aliases it has
    /// more names than fields.
    #[cold]
    fn ask_for_the_end<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.open = Open::Ended;
        if self.takes_index == Some(false) {
            // A type whose code serde has not derived has no skipped fields.
            return Ok(None);
        }
        let key = Key { index: self.count, name: None, takes_index: &mut self.takes_index };
        // A type that denies unknown fields says so here: then it has no more.
        let Ok(key) = seed.deserialize(key) else { return Ok(None) };
        self.open = Open::End;
        Ok(Some(key))
    }

    /// Says in which field it happened: the one whose key was read last.
    #[cold]
    fn place(&self, error: Error, element: Cursor<'_, '_>) -> Error {
        let index = self.index.saturating_sub(1);
        match self.names.get(index) {
            Some(&name) if element.is_undefined() => {
                error.of_missing_field(&Segment::Name(name.into()))
            }
            Some(&name) => error.at(element.offset()).inside(Segment::Name(name.into())),
            None => error.at(element.offset()).inside(Segment::Index(index)),
        }
    }
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if matches!(self.open, Open::Ended) {
            return Ok(None);
        }
        for element in self.elements.by_ref() {
            let index = self.index;
            self.index += 1;
            let name = self.names.get(index).copied();
            // A field that its program left out, or has no value for.
            if element.is_undefined() && is_passed_over(self.whole.whole(), name) {
                continue;
            }
            // A record that grows may have more elements. Only derived types have an answer to a
            // field that they do not know.
            if name.is_none() && self.takes_index != Some(true) {
                return Ok(None);
            }
            self.open = Open::Element(element);
            let key = Key { index, name, takes_index: &mut self.takes_index };
            return match seed.deserialize(key) {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(key_error(error, element)),
            };
        }
        if self.count < self.names.len() && !self.whole.whole().growing.get() {
            return self.ask_for_the_end(seed);
        }
        Ok(None)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        // Derived types read an element into this type if it is no field of theirs.
        let is_ignored = size_of::<S::Value>() == 0
            && any::type_name::<S::Value>() == any::type_name::<de::IgnoredAny>();
        let element = match mem::replace(&mut self.open, Open::No) {
            Open::Element(element) if is_ignored && !self.whole.whole().growing.get() => {
                return Err(self.whole.wrong_count(self.count).at(element.offset()));
            }
            Open::Element(element) => element,
            Open::End if is_ignored => {
                self.open = Open::Ended;
                self.whole.missing()
            }
            Open::End => return Err(self.whole.wrong_count(self.count)),
            Open::No | Open::Ended => {
                return Err(Error::mismatch("a value was read before its key"));
            }
        };
        seed.deserialize(self.whole.part(element)).map_err(|error| self.place(error, element))
    }
}

/// Whether an undefined field is passed over, as if it were missing.
#[cold]
fn is_passed_over(whole: &Whole<'_, '_>, name: Option<&'static str>) -> bool {
    name.is_none_or(|name| whole.passes_over(TextRef::plain(name.as_bytes())))
}

/// The field that an element belongs to.
struct Key<'k> {
    index: usize,
    name: Option<&'static str>,
    takes_index: &'k mut Option<bool>,
}

impl<'de> de::Deserializer<'de> for Key<'_> {
    type Error = Error;

    /// Derived types know their fields by number, and with aliases only by number: they have more
    /// names than fields then. Types whose `Deserialize` is written by hand, such as
    /// `Duration`, know only names.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let takes_index = *self.takes_index.get_or_insert_with(|| is_derived(&visitor));
        match self.name {
            Some(name) if !takes_index => visitor.visit_borrowed_str(name),
            _ => visitor.visit_u64(self.index as u64),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// Whether serde's derive wrote this visitor of field names. Nothing else of it tells; if derive
/// should speak differently one day, fields go by their names, and only those with aliases are not
/// found.
fn is_derived(visitor: &dyn Expected) -> bool {
    let mut unwritten = Unwritten("field identifier");
    write!(unwritten, "{visitor}").is_ok() && unwritten.0.is_empty()
}

/// The part of the expected text that has not been written yet.
struct Unwritten(&'static str);

impl fmt::Write for Unwritten {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}
