//! A part of a term: how each kind of Rust value is read from it.

use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use core::cell::Cell;

use serde_core::de::{self, Expected, Visitor};

use super::access::{self, Entries, Sequence};
use super::record::Fields;
use super::variant::{Content, Named, PacketVariant, Variant};
use crate::serde::cursor::{At, Cursor, Items, Meaning, Whole};
use crate::serde::error::{Error, ErrorKind};
use crate::serde::term;
use crate::serde::wrappers::GROWING;
use crate::term::{IntegerRef, TextRef};

/// How many `Option`s and newtypes may stand around one term. They leave no trace in the packet, so
/// that a type like `struct Endless(Option<Box<Endless>>)` would recurse for ever.
const MAX_WRAPPERS: u8 = 64;

/// A part of a term, or all of it.
#[derive(Clone, Copy)]
pub(in crate::serde) struct Part<'de, 'n> {
    cursor: Cursor<'de, 'n>,
}

/// A level that is taken for as long as this lives.
pub(super) struct Level<'n>(&'n Cell<u32>);

impl Drop for Level<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

impl<'de, 'n> Whole<'de, 'n> {
    pub(super) const fn root(&'n self, at: At<'de>) -> Part<'de, 'n> {
        Part { cursor: Cursor::new(at, self) }
    }
}

impl<'de, 'n> Part<'de, 'n> {
    pub(super) const fn whole(&self) -> &'n Whole<'de, 'n> {
        self.cursor.whole()
    }

    pub(super) const fn cursor(&self) -> Cursor<'de, 'n> {
        self.cursor
    }

    pub(super) fn term(&self) -> crate::term::TermRef<'n> {
        self.cursor.term()
    }

    #[cold]
    pub(super) fn offset(&self) -> Option<u64> {
        self.cursor.offset()
    }

    #[inline]
    pub(super) fn meaning(&self) -> Meaning<'de, 'n> {
        self.cursor.meaning()
    }

    pub(super) fn is_undefined(&self) -> bool {
        self.cursor.is_undefined()
    }

    /// A part of this term.
    #[inline]
    pub(super) fn part(&self, cursor: Cursor<'de, 'n>) -> Self {
        self.cursor.whole().wrappers.set(0);
        Self { cursor }
    }

    /// What counts for a part that is missing.
    pub(super) const fn missing(&self) -> Cursor<'de, 'n> {
        self.cursor.undefined()
    }

    /// The parts of this term are about to be read.
    #[inline]
    pub(super) fn enter(&self) -> Result<Level<'n>, Error> {
        let levels = &self.cursor.whole().levels;
        match levels.get().checked_sub(1) {
            Some(left) => {
                levels.set(left);
                Ok(Level(levels))
            }
            None => Err(self.too_deep()),
        }
    }

    /// This term without the `Option` or the newtype around it.
    #[inline]
    pub(super) fn unwrap(self) -> Result<Self, Error> {
        let wrappers = &self.cursor.whole().wrappers;
        wrappers.set(wrappers.get() + 1);
        if wrappers.get() > MAX_WRAPPERS { Err(self.too_deep()) } else { Ok(self) }
    }

    #[cold]
    fn too_deep(&self) -> Error {
        Error::new(ErrorKind::Depth(self.cursor.whole().max_depth)).at(self.cursor.offset())
    }

    #[cold]
    pub(super) fn wrong(&self, expected: &dyn Expected) -> Error {
        Error::mismatch(format_args!("invalid type: {}, expected {expected}", self.cursor))
            .at(self.cursor.offset())
    }

    /// The error of a record of so many elements whose type has more or fewer fields. A guess which
    /// of them are the same would take one value for another: a field may have been added at the
    /// end, or serde may have been told to skip one in the middle, of writing or of reading alone.
    #[cold]
    pub(super) fn wrong_count(&self, count: usize) -> Error {
        Error::mismatch(format_args!(
            "record of {count} where the type has another number of fields: \
             see ubf_codec::serde::Growing"
        ))
        .at(self.cursor.offset())
    }

    /// W8: a number from a string tagged `f`, or from an integer.
    fn float<F: core::str::FromStr>(&self, expected: &dyn Expected) -> Result<F, Error> {
        let meaning = self.meaning();
        let digits = if let Meaning::Float(digits) = meaning {
            digits.to_str()
        } else if let Meaning::Integer(value) = meaning {
            Some(Cow::Owned(value.to_string()))
        } else {
            None
        };
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.wrong(expected))
    }

    /// The integer that is no small one of a packet. As what follows, apart, so that the way that
    /// most terms take is short.
    #[inline(never)]
    fn other_integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Integer(value) => {
                visit_integer(value, visitor, |visitor| Err(self.wrong(&visitor)))
            }
            Meaning::Undefined
            | Meaning::Float(_)
            | Meaning::Atom(_)
            | Meaning::String(_)
            | Meaning::Binary(_)
            | Meaning::Tuple(_)
            | Meaning::List(_)
            | Meaning::Pairs(_) => Err(self.wrong(&visitor)),
        }
    }

    /// A text that has escapes, is not known to be UTF-8, or is written in another form.
    #[inline(never)]
    fn other_text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::String(text) | Meaning::Atom(text) => visit_text(text, visitor),
            // What Elixir sends, and Erlang today.
            Meaning::Binary(bytes) => visit_text(TextRef::plain(bytes), visitor),
            // What Erlang's own strings are.
            Meaning::List(items) => match characters(items) {
                Some(text) => visitor.visit_string(text),
                None => Err(self.wrong(&visitor)),
            },
            Meaning::Undefined
            | Meaning::Integer(_)
            | Meaning::Float(_)
            | Meaning::Tuple(_)
            | Meaning::Pairs(_) => Err(self.wrong(&visitor)),
        }
    }

    fn visit_seq<V: Visitor<'de>>(
        self,
        items: Items<'de, 'n>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Sequence::new(self, self.enter()?, items))
    }

    fn visit_entries<V: Visitor<'de>>(
        self,
        items: Items<'de, 'n>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Entries::new(self, self.enter()?, items))
    }

    /// The elements of a record after its name. The atom alone is a record without elements.
    fn record(self, name: &'static str, expected: &dyn Expected) -> Result<Items<'de, 'n>, Error> {
        let Some((found, elements)) = self.name_and_elements() else {
            return Err(self.wrong(expected));
        };
        if found.is_atom(name) {
            return Ok(elements);
        }
        let message = format_args!("invalid name: {found}, expected atom '{name}' of {expected}");
        Err(Error::mismatch(message).at(self.cursor.offset()))
    }

    /// `{Name, Element, …}`, or the name alone.
    #[inline]
    fn name_and_elements(&self) -> Option<(Cursor<'de, 'n>, Items<'de, 'n>)> {
        if let Some(mut items) = self.cursor.tuple() {
            return Some((items.next()?, items));
        }
        if self.cursor.is_text() {
            return Some((self.cursor, self.cursor.no_items()));
        }
        match self.meaning() {
            Meaning::Atom(_) | Meaning::String(_) => Some((self.cursor, self.cursor.no_items())),
            Meaning::Tuple(mut items) => Some((items.next()?, items)),
            Meaning::Undefined
            | Meaning::Integer(_)
            | Meaning::Float(_)
            | Meaning::Binary(_)
            | Meaning::List(_)
            | Meaning::Pairs(_) => None,
        }
    }
}

#[inline]
fn visit_small<'de, V: Visitor<'de>>(value: i64, visitor: V) -> Result<V::Value, Error> {
    match u64::try_from(value) {
        Ok(value) => visitor.visit_u64(value),
        Err(_) => visitor.visit_i64(value),
    }
}

/// Beyond 128 bits serde has no integers: then `beyond` says what to do.
fn visit_integer<'de, V: Visitor<'de>>(
    value: IntegerRef<'de>,
    visitor: V,
    beyond: impl FnOnce(V) -> Result<V::Value, Error>,
) -> Result<V::Value, Error> {
    if let Some(value) = value.to_i64() {
        return visit_small(value, visitor);
    }
    match (value.to_u64(), value.to_i128()) {
        (Some(value), _) => visitor.visit_u64(value),
        (None, Some(value)) => visitor.visit_i128(value),
        (None, None) => match value.to_string().parse() {
            Ok(value) => visitor.visit_u128(value),
            Err(_) => beyond(visitor),
        },
    }
}

/// W1: a text is usually UTF-8. One that is not is bytes.
fn visit_text<'de, V: Visitor<'de>>(text: TextRef<'de>, visitor: V) -> Result<V::Value, Error> {
    match text.to_str() {
        Some(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
        Some(Cow::Owned(text)) => visitor.visit_string(text),
        None => visit_bytes(text, visitor),
    }
}

fn visit_bytes<'de, V: Visitor<'de>>(text: TextRef<'de>, visitor: V) -> Result<V::Value, Error> {
    match text.to_bytes() {
        Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
        Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
    }
}

/// The text of a list of characters, each the number that Unicode gives it.
fn characters(items: Items<'_, '_>) -> Option<String> {
    items
        .map(|item| match item.meaning() {
            Meaning::Integer(value) => {
                value.to_i64().and_then(|value| u32::try_from(value).ok()).and_then(char::from_u32)
            }
            Meaning::Undefined
            | Meaning::Float(_)
            | Meaning::Atom(_)
            | Meaning::String(_)
            | Meaning::Binary(_)
            | Meaning::Tuple(_)
            | Meaning::List(_)
            | Meaning::Pairs(_) => None,
        })
        .collect()
}

macro_rules! as_number {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.cursor.small() {
                Some(value) => visit_small(value, visitor),
                None => self.other_integer(visitor),
            }
        }
    )*};
}

macro_rules! as_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.cursor.str() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => self.other_text(visitor),
            }
        }
    )*};
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each method takes some kinds of terms and refuses all others"
)]
impl<'de> de::Deserializer<'de> for Part<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Undefined => visitor.visit_unit(),
            Meaning::Integer(value) => {
                visit_integer(value, visitor, |visitor| visitor.visit_string(value.to_string()))
            }
            Meaning::Float(_) => visitor.visit_f64(self.float(&"a float")?),
            Meaning::Atom(name) if name == "true" => visitor.visit_bool(true),
            Meaning::Atom(name) if name == "false" => visitor.visit_bool(false),
            Meaning::Atom(text) | Meaning::String(text) => visit_text(text, visitor),
            Meaning::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            Meaning::Tuple(items) if items.len() == 0 => visitor.visit_unit(),
            Meaning::Pairs(items) if access::are_entries(items.clone()) => {
                self.visit_entries(items, visitor)
            }
            Meaning::Tuple(items) => {
                if access::begin_with_a_name(items.clone()) {
                    self.cursor.whole().met_unknown_record.set(true);
                }
                self.visit_seq(items, visitor)
            }
            Meaning::List(items) | Meaning::Pairs(items) => self.visit_seq(items, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.cursor.atom() {
            Some("true") => return visitor.visit_bool(true),
            Some("false") => return visitor.visit_bool(false),
            Some(_) | None => {}
        }
        match self.meaning() {
            Meaning::Atom(name) if name == "true" => visitor.visit_bool(true),
            Meaning::Atom(name) if name == "false" => visitor.visit_bool(false),
            _ => Err(self.wrong(&visitor)),
        }
    }

    as_number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // Not by way of an f64: rounding twice can give a neighbour.
        match self.float::<f32>(&visitor)? {
            value if value.is_finite() => visitor.visit_f32(value),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(value) = self.cursor.float() {
            return visitor.visit_f64(value);
        }
        match self.float::<f64>(&visitor)? {
            value if value.is_finite() => visitor.visit_f64(value),
            _ => Err(self.wrong(&visitor)),
        }
    }

    as_text! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            Meaning::String(text) | Meaning::Atom(text) => visit_bytes(text, visitor),
            Meaning::List(items) => self.visit_seq(items, visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.cursor.is_undefined() {
            return visitor.visit_none();
        }
        visitor.visit_some(self.unwrap()?)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Undefined => visitor.visit_unit(),
            Meaning::Tuple(items) if items.len() == 0 => visitor.visit_unit(),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.meaning() {
            // JSON writes a unit struct so.
            Meaning::Undefined => {}
            // What describes itself.
            Meaning::Tuple(items) if items.len() == 0 => {}
            _ => {
                self.record(name, &visitor)?;
            }
        }
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == term::NAME {
            return visitor.visit_enum(PacketVariant(self.cursor.term()));
        }
        if name == GROWING {
            let growing = &self.cursor.whole().growing;
            let outside = growing.replace(true);
            let read = self.unwrap().and_then(|part| visitor.visit_newtype_struct(part));
            growing.set(outside);
            return read;
        }
        visitor.visit_newtype_struct(self.unwrap()?)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(items) = self.cursor.list() {
            return self.visit_seq(items, visitor);
        }
        match self.meaning() {
            Meaning::List(items) | Meaning::Pairs(items) => self.visit_seq(items, visitor),
            Meaning::Binary(bytes) => {
                visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied()))
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        if let Some(items) = self.cursor.tuple().filter(|items| items.len() == len) {
            return self.visit_seq(items, visitor);
        }
        match self.meaning() {
            Meaning::Tuple(items) | Meaning::List(items) if items.len() == len => {
                self.visit_seq(items, visitor)
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let elements = match self.meaning() {
            // JSON writes a tuple struct so.
            Meaning::List(items) if items.len() == len => items,
            // What describes itself: without the name.
            Meaning::Tuple(items)
                if items.len() == len && !access::begin_with(items.clone(), name) =>
            {
                items
            }
            _ => self.record(name, &visitor)?,
        };
        visitor.visit_seq(Sequence::of_exactly(len, self, self.enter()?, elements)?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Some(items) = self.cursor.list() {
            return self.visit_entries(items, visitor);
        }
        match self.meaning() {
            Meaning::Pairs(items) | Meaning::List(items) => self.visit_entries(items, visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (items, elements) = match (self.cursor.list(), self.cursor.tuple()) {
            (Some(items), _) => (Some(items), None),
            (None, Some(_)) => (None, Some(self.record(name, &visitor)?)),
            (None, None) => match self.meaning() {
                Meaning::Pairs(items) | Meaning::List(items) => (Some(items), None),
                _ => (None, Some(self.record(name, &visitor)?)),
            },
        };
        if let Some(items) = items {
            return visitor.visit_map(Entries::of_struct(self, self.enter()?, items));
        }
        let elements = elements.unwrap_or_else(|| self.cursor.no_items());
        Fields::check(self, &elements, fields)?;
        visitor.visit_map(Fields::new(self, self.enter()?, elements, fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.cursor.str().is_some() {
            return visitor.visit_enum(Named(self));
        }
        if let Some((name, elements)) = self.name_and_elements() {
            return visitor.visit_enum(Variant::new(
                self,
                self.enter()?,
                name,
                Content::Elements(elements),
            ));
        }
        match self.meaning() {
            // `[{'name', Content}]`: what describes itself.
            Meaning::Pairs(mut items) | Meaning::List(mut items) if items.len() == 1 => {
                match items.next().and_then(Cursor::entry) {
                    Some((name, content)) => visitor.visit_enum(Variant::new(
                        self,
                        self.enter()?,
                        name,
                        Content::Alone(content),
                    )),
                    None => Err(self.wrong(&visitor)),
                }
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
