//! Terms to Rust values.

mod access;
mod record;
mod variant;

use alloc::borrow::Cow;
use alloc::string::ToString as _;
use core::fmt;

use bytes::Bytes;
use serde_core::Deserialize;
use serde_core::de::{self, DeserializeOwned, Expected, Visitor};

use self::access::{Entries, Sequence};
use self::record::Fields;
use self::variant::{PacketVariant, Variant};
use super::cursor::{Cursor, Items, Meaning};
use super::error::{Error, ErrorKind};
use super::term;
use crate::decode::decode;
use crate::dialect::Dialect;
use crate::document::Document;
use crate::term::{IntegerRef, TermRef, TextRef};

/// How deep types may recurse where nobody says otherwise. Chosen: the depth that `serde_json` allows; a level of derived code
/// takes some kilobytes of stack in an unoptimised build, and threads have two megabytes.
const DEFAULT_MAX_DEPTH: u32 = 128;

/// How many `Option`s and newtypes may stand around one term. They leave no trace in the packet, so that a type like
/// `struct Endless(Option<Box<Endless>>)` would recurse for ever.
const MAX_WRAPPERS: u8 = 64;

/// Reads a value from the one packet that `input` holds, in the extended dialect and with the default [`Limits`](crate::Limits).
///
/// What the value borrows, it borrows from `input`: a `&str` from a string without escapes, a `&[u8]` from a binary.
///
/// ```
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// #[serde(rename = "person")]
/// struct Person<'a> {
///     name: &'a str,
///     age: u8,
/// }
///
/// let joe: Person<'_> = ubf_codec::serde::from_slice(br#"{'person'"Joe"68}$"#)?;
/// assert_eq!((joe.name, joe.age), ("Joe", 68));
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// Bytes that are not one packet within the limits, or a term that is not what the type expects.
pub fn from_slice<'de, T: Deserialize<'de>>(input: &'de [u8]) -> Result<T, Error> {
    let document = decode(input)?;
    Deserializer::from_document(&document).read()
}

/// Reads a value that borrows nothing from the one packet that `input` holds.
///
/// ```
/// use bytes::Bytes;
///
/// let numbers: Vec<u32> = ubf_codec::serde::from_bytes(&Bytes::from_static(b"#2&1&$"))?;
/// assert_eq!(numbers, [1, 2]);
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// As [`from_slice`].
pub fn from_bytes<T: DeserializeOwned>(input: &Bytes) -> Result<T, Error> {
    from_slice(input)
}

/// Reads a value from a term: from a [`Term`](crate::Term), a [`TermRef`] or a [`Document`](crate::Document), by reference.
///
/// This is how packets that a [`Decoder`](crate::Decoder) with limits of its own, or a [`StreamDecoder`](crate::StreamDecoder), has
/// read become values. What the value borrows, it borrows from the term.
///
/// ```
/// use ubf_codec::serde::from_term;
/// use ubf_codec::ubf;
///
/// let term = ubf!({"Joe", 68, ?});
/// let (name, age, email): (&str, u8, Option<&str>) = from_term(&term)?;
/// assert_eq!((name, age, email), ("Joe", 68, None));
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// A term that is not what the type expects.
pub fn from_term<'de, T: Deserialize<'de>>(term: impl Into<TermRef<'de>>) -> Result<T, Error> {
    Deserializer::from_term(term).read()
}

/// A term, as serde reads it. Borrows bytes for `'de` and, of a packet that is decoded, nodes for `'n`.
///
/// ```
/// use serde::Deserialize;
/// use ubf_codec::serde::Deserializer;
/// use ubf_codec::{Decoder, Dialect, Limits};
///
/// // What from_slice does, with other limits and in the other dialect.
/// let mut decoder = Decoder::new().with_dialect(Dialect::Classic).with_limits(Limits::default().with_max_packet_bytes(4096));
/// let document = decoder.decode(b"{\"Joe\",'undefined'}$")?;
/// let deserializer = Deserializer::from_document(&document).with_dialect(Dialect::Classic);
/// let (name, email): (&str, Option<&str>) = deserializer.read()?;
/// assert_eq!((name, email), ("Joe", None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Deserializer<'de, 'n> {
    cursor: Cursor<'de, 'n>,
    dialect: Dialect,
    max_depth: u32,
    /// Levels that are left of `max_depth`.
    levels: u32,
    wrappers: u8,
}

impl fmt::Debug for Deserializer<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deserializer({})", self.cursor.term())
    }
}

impl<'de, 'n> Deserializer<'de, 'n> {
    /// Reads a packet that is decoded. What is borrowed lives as long as the input that was decoded, and not only as long as the
    /// document.
    #[must_use]
    pub fn from_document(document: &'n Document<&'de [u8]>) -> Self {
        Self::new(Cursor::of_document(document))
    }

    /// Reads a term, wherever it is.
    #[must_use]
    pub fn from_term(term: impl Into<TermRef<'de>>) -> Self {
        Self::new(Cursor::of_term(term.into()))
    }

    const fn new(cursor: Cursor<'de, 'n>) -> Self {
        let max_depth = DEFAULT_MAX_DEPTH;
        Self { cursor, dialect: Dialect::Extended, max_depth, levels: max_depth, wrappers: 0 }
    }

    /// In the classic dialect the atom `'undefined'` stands for the undefined value (W7): here it is `None`.
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// How deep a type may recurse into the term. Default 128.
    ///
    /// Derived code recurses, and its stack is finite. A deep term that is read into a [`Term`](crate::Term) does not recurse.
    ///
    /// ```
    /// use ubf_codec::serde::{Deserializer, ErrorKind};
    ///
    /// let document = ubf_codec::decode(b"##7&&$")?;
    /// let deserializer = Deserializer::from_document(&document);
    /// assert_eq!(deserializer.with_max_depth(2).read::<Vec<Vec<u8>>>()?, [[7]]);
    /// let error = deserializer.with_max_depth(1).read::<Vec<Vec<u8>>>().unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Depth(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn with_max_depth(mut self, max_depth: u32) -> Self {
        self.max_depth = max_depth;
        self.levels = max_depth;
        self
    }

    /// Reads the value.
    ///
    /// The same as `T::deserialize(self)`, but for the byte that an error names: serde does not tell the outermost value's.
    ///
    /// # Errors
    /// A term that is not what the type expects.
    pub fn read<T: Deserialize<'de>>(self) -> Result<T, Error> {
        T::deserialize(self).map_err(|error| error.at(self.cursor.offset()))
    }

    fn meaning(&self) -> Meaning<'de, 'n> {
        self.cursor.meaning(self.dialect)
    }

    /// A part of this term.
    fn part(&self, cursor: Cursor<'de, 'n>) -> Self {
        Self { cursor, wrappers: 0, ..*self }
    }

    /// This term, whose parts are about to be read.
    fn enter(mut self) -> Result<Self, Error> {
        self.levels = self.levels.checked_sub(1).ok_or_else(|| self.too_deep())?;
        Ok(self)
    }

    /// This term without the `Option` or the newtype around it.
    fn unwrap(mut self) -> Result<Self, Error> {
        self.wrappers += 1;
        if self.wrappers > MAX_WRAPPERS { Err(self.too_deep()) } else { Ok(self) }
    }

    #[cold]
    fn too_deep(&self) -> Error {
        Error::new(ErrorKind::Depth(self.max_depth)).at(self.cursor.offset())
    }

    #[cold]
    fn wrong(&self, expected: &dyn Expected) -> Error {
        Error::mismatch(format_args!("invalid type: {}, expected {expected}", self.cursor)).at(self.cursor.offset())
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

    fn visit_seq<V: Visitor<'de>>(self, items: Items<'de, 'n>, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Sequence::new(self.enter()?, items))
    }

    fn visit_entries<V: Visitor<'de>>(self, items: Items<'de, 'n>, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries::new(self.enter()?, items))
    }

    /// The elements of a record after its name. The atom alone is a record without elements.
    fn record(self, name: &'static str, expected: &dyn Expected) -> Result<Items<'de, 'n>, Error> {
        let Some((found, elements)) = self.name_and_elements() else { return Err(self.wrong(expected)) };
        if matches!(found.meaning(self.dialect), Meaning::Atom(text) if text == name) {
            return Ok(elements);
        }
        let message = format_args!("invalid name: {found}, expected atom '{name}' of {expected}");
        Err(Error::mismatch(message).at(self.cursor.offset()))
    }

    /// `{Name, Element, …}`, or the name alone.
    fn name_and_elements(&self) -> Option<(Cursor<'de, 'n>, Items<'de, 'n>)> {
        match self.meaning() {
            Meaning::Atom(_) | Meaning::String(_) => Some((self.cursor, Items::empty())),
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

/// Beyond 128 bits serde has no integers: then `beyond` says what to do.
fn visit_integer<'de, V: Visitor<'de>>(
    value: IntegerRef<'de>,
    visitor: V,
    beyond: impl FnOnce(V) -> Result<V::Value, Error>,
) -> Result<V::Value, Error> {
    if let Some(value) = value.to_i64() {
        return match u64::try_from(value) {
            Ok(value) => visitor.visit_u64(value),
            Err(_) => visitor.visit_i64(value),
        };
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

macro_rules! as_number {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.meaning() {
                Meaning::Integer(value) => visit_integer(value, visitor, |visitor| Err(self.wrong(&visitor))),
                _ => Err(self.wrong(&visitor)),
            }
        }
    )*};
}

macro_rules! as_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.meaning() {
                Meaning::String(text) | Meaning::Atom(text) => visit_text(text, visitor),
                _ => Err(self.wrong(&visitor)),
            }
        }
    )*};
}

#[expect(clippy::wildcard_enum_match_arm, reason = "each method takes some kinds of terms and refuses all others")]
impl<'de> de::Deserializer<'de> for Deserializer<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Undefined => visitor.visit_unit(),
            Meaning::Integer(value) => visit_integer(value, visitor, |visitor| visitor.visit_string(value.to_string())),
            Meaning::Float(_) => visitor.visit_f64(self.float(&"a float")?),
            Meaning::Atom(name) if name == "true" => visitor.visit_bool(true),
            Meaning::Atom(name) if name == "false" => visitor.visit_bool(false),
            Meaning::Atom(text) | Meaning::String(text) => visit_text(text, visitor),
            Meaning::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            Meaning::Tuple(items) if items.len() == 0 => visitor.visit_unit(),
            Meaning::Pairs(items) if access::are_entries(items.clone()) => self.visit_entries(items, visitor),
            Meaning::Tuple(items) | Meaning::List(items) | Meaning::Pairs(items) => self.visit_seq(items, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
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

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.cursor.is_undefined(self.dialect) {
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

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.record(name, &visitor)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == term::NAME {
            return visitor.visit_enum(PacketVariant(self.cursor.term()));
        }
        visitor.visit_newtype_struct(self.unwrap()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::List(items) | Meaning::Pairs(items) => self.visit_seq(items, visitor),
            Meaning::Binary(bytes) => visitor.visit_seq(de::value::SeqDeserializer::new(bytes.iter().copied())),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Tuple(items) | Meaning::List(items) if items.len() == len => self.visit_seq(items, visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let elements = self.record(name, &visitor)?;
        visitor.visit_seq(Sequence::of_exactly(len, self.enter()?, elements))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Pairs(items) | Meaning::List(items) => self.visit_entries(items, visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.meaning() {
            Meaning::Pairs(items) | Meaning::List(items) => visitor.visit_map(Entries::of_struct(self.enter()?, items)),
            _ => {
                let elements = self.record(name, &visitor)?;
                visitor.visit_map(Fields::new(self.enter()?, elements, fields))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.name_and_elements() {
            Some((name, elements)) => visitor.visit_enum(Variant::new(self.enter()?, name, elements)),
            None => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
