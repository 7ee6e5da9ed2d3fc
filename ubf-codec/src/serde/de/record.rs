//! The fields of a record: `{'name', Field, …}`, in the order of the type.

use core::fmt::{self, Write as _};

use serde_core::de::{self, DeserializeSeed, Expected, MapAccess, Visitor};
use serde_core::forward_to_deserialize_any;

use super::access::key_error;
use super::part::{Level, Part};
use crate::serde::cursor::{Cursor, Items};
use crate::serde::error::{Error, Segment};

/// A record, as a map: only as a map does derived code let fields be missing, be in excess, or have
/// a default.
pub(super) struct Fields<'de, 'n> {
    whole: Part<'de, 'n>,
    /// Held while the parts are read.
    _level: Level<'n>,
    elements: Items<'de, 'n>,
    /// The names that the type knows; of a field with aliases, all of them.
    names: &'static [&'static str],
    /// The place of the next element.
    index: usize,
    /// The element whose key was read.
    open: Option<Cursor<'de, 'n>>,
    /// Whether the type takes numbers for names; known when it has read its first key.
    takes_index: Option<bool>,
}

impl<'de, 'n> Fields<'de, 'n> {
    pub(super) const fn new(
        whole: Part<'de, 'n>,
        level: Level<'n>,
        elements: Items<'de, 'n>,
        names: &'static [&'static str],
    ) -> Self {
        Self { whole, _level: level, elements, names, index: 0, open: None, takes_index: None }
    }

    /// Says in which field it happened: the one whose key was read last.
    #[cold]
    fn place(&self, error: Error, element: Cursor<'_, '_>) -> Error {
        let index = self.index.saturating_sub(1);
        let segment =
            self.names.get(index).map_or(Segment::Index(index), |&name| Segment::Name(name.into()));
        error.at(element.offset()).inside(segment)
    }
}

impl<'de> MapAccess<'de> for Fields<'de, '_> {
    type Error = Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        for element in self.elements.by_ref() {
            let index = self.index;
            self.index += 1;
            // A field that its program left out, or has no value for.
            if element.is_undefined() {
                continue;
            }
            let name = self.names.get(index).copied();
            // A program of a later edition sends more. Only derived types can say what they think
            // of it.
            if name.is_none() && self.takes_index != Some(true) {
                return Ok(None);
            }
            self.open = Some(element);
            let key = Key { index, name, takes_index: &mut self.takes_index };
            return match seed.deserialize(key) {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(key_error(error, element)),
            };
        }
        Ok(None)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some(element) = self.open.take() else {
            return Err(Error::mismatch("a value was read before its key"));
        };
        seed.deserialize(self.whole.part(element)).map_err(|error| self.place(error, element))
    }
}

/// Which field an element is.
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
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Whether serde's derive wrote this visitor of field names. Nothing else of it tells; if derive
/// should speak differently one day, fields go by their names, and only those with aliases are not
/// found.
fn is_derived(visitor: &dyn Expected) -> bool {
    let mut rest = Rest("field identifier");
    write!(rest, "{visitor}").is_ok() && rest.0.is_empty()
}

/// What is to be written still.
struct Rest(&'static str);

impl fmt::Write for Rest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}
