//! Terms to Rust values.

mod access;
mod key;
mod part;
mod record;
mod variant;

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use bytes::Bytes;
use serde_core::Deserialize;
use serde_core::de::{self, DeserializeOwned, Visitor};

use super::cursor::{At, Whole};
use super::error::Error;
use crate::decode::decode;
use crate::dialect::Dialect;
use crate::document::Document;
use crate::node::Node;
use crate::term::{Arena, TermRef, TextRef, utf8_of_packet};

/// How deep types may recurse where nobody says otherwise. Chosen: the depth that `serde_json`
/// allows; a level of derived code takes some kilobytes of stack in an unoptimised build, and
/// threads have two megabytes.
const DEFAULT_MAX_DEPTH: u32 = 128;

/// Reads a value from the one packet that `input` holds, in the extended dialect and with the
/// default [`Limits`](crate::Limits).
///
/// What the value borrows, it borrows from `input`: a `&str` from a string without escapes, a
/// `&[u8]` from a binary.
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

/// Reads a value that borrows nothing from the one packet that `reader` holds up to its end.
///
/// For packets that come one after the other there is a [`StreamDecoder`](crate::StreamDecoder).
///
/// ```
/// let numbers: Vec<u32> = ubf_codec::serde::from_reader(&b"#2&1&$"[..])?;
/// assert_eq!(numbers, [1, 2]);
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// As [`from_slice`], and those of `reader`.
///
/// # Limits
/// No more is read than a packet may have by the default
/// [`Limits::max_packet_bytes`](crate::Limits::max_packet_bytes), and one byte.
#[cfg(feature = "std")]
pub fn from_reader<R: std::io::Read, T: DeserializeOwned>(reader: R) -> Result<T, Error> {
    use std::io::Read as _;

    let max = u64::from(crate::limits::Limits::new().max_packet_bytes) + 1;
    let mut packet = Vec::new();
    reader
        .take(max)
        .read_to_end(&mut packet)
        .map_err(|error| Error::new(super::error::ErrorKind::Io(error)))?;
    from_slice(&packet)
}

/// Reads a value from a term: from a [`Term`](crate::Term), a [`TermRef`] or a
/// [`Document`](crate::Document), by reference.
///
/// This is how packets that a [`Decoder`](crate::Decoder) with limits of its own, or a
/// [`StreamDecoder`](crate::StreamDecoder), has read become values. What the value borrows, it
/// borrows from the term.
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

/// A term, as serde reads it. Borrows bytes for `'de` and, of a packet that is decoded, nodes for
/// `'n`.
///
/// ```
/// use serde::Deserialize;
/// use ubf_codec::serde::Deserializer;
/// use ubf_codec::{Decoder, Dialect, Limits};
///
/// // What from_slice does, with other limits and in the other dialect.
/// let limits = Limits::default().with_max_packet_bytes(4096);
/// let mut decoder = Decoder::new().with_dialect(Dialect::Classic).with_limits(limits);
/// let document = decoder.decode(b"{\"Joe\",'undefined'}$")?;
/// let deserializer = Deserializer::from_document(&document).with_dialect(Dialect::Classic);
/// let (name, email): (&str, Option<&str>) = deserializer.read()?;
/// assert_eq!((name, email), ("Joe", None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Deserializer<'de, 'n> {
    at: At<'de>,
    source: &'de [u8],
    /// As much of `source` as was found to be UTF-8 before.
    text: &'de str,
    nodes: &'n [Node],
    /// Whether everything in `source` is going to be read, so that its texts are best checked all
    /// at once.
    is_packet: bool,
    dialect: Dialect,
    max_depth: u32,
    growing: bool,
}

impl fmt::Debug for Deserializer<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deserializer({})", self.whole().root(self.at).term())
    }
}

impl<'de, 'n> Deserializer<'de, 'n> {
    /// Reads a packet that is decoded. What is borrowed lives as long as the input that was
    /// decoded, and not only as long as the document.
    #[must_use]
    pub fn from_document(document: &'n Document<&'de [u8]>) -> Self {
        let (source, nodes, root) = document.parts();
        Self { at: At::Node(root), source, nodes, is_packet: true, ..Self::NOTHING }
    }

    /// Reads a term, wherever it is.
    #[must_use]
    pub fn from_term(term: impl Into<TermRef<'de>>) -> Self
    where
        'de: 'n,
    {
        let (at, Arena { source, nodes }) = At::of_term(term.into());
        // Perhaps a small part of a packet, and one of many that are read.
        let (source, text) = (source.bytes(), source.utf8());
        Self { at, source, text, nodes, ..Self::NOTHING }
    }

    const NOTHING: Self = Self {
        at: At::Node(Node::UNDEFINED),
        source: &[],
        text: "",
        nodes: &[],
        is_packet: false,
        dialect: Dialect::Extended,
        max_depth: DEFAULT_MAX_DEPTH,
        growing: false,
    };

    /// In the classic dialect the atom `'undefined'` stands for the undefined value (W7): here it
    /// is `None`.
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// How deep a type may recurse into the term. Default 128.
    ///
    /// Derived code recurses, and its stack is finite. A deep term that is read into a
    /// [`Term`](crate::Term) does not recurse.
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
        self
    }

    /// Whether records may have more or fewer elements than their types have fields: off by
    /// default.
    ///
    /// [`Growing`](super::Growing) does the same for one value, and says when it is safe.
    #[must_use]
    pub const fn with_growing_records(mut self, growing: bool) -> Self {
        self.growing = growing;
        self
    }

    /// Reads the value.
    ///
    /// The same as `T::deserialize(self)`, but for two things. An error names its byte even if it
    /// is about the outermost value, which serde does not tell. And a field that is undefined may
    /// be of a type that takes nothing else, as `()` does.
    ///
    /// # Errors
    /// A term that is not what the type expects.
    pub fn read<T: Deserialize<'de>>(self) -> Result<T, Error> {
        let whole = self.whole();
        let root = whole.root(self.at);
        loop {
            let error = match T::deserialize(root) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // An undefined field counts as missing, so that it gets its default. Which fields have
            // none, and may still take the undefined value, serde tells only by this error. A type
            // has a finite number of fields, and each is added once.
            if let Some(field) = error.missing()
                && !whole.reads_undefined(TextRef::plain(field.as_bytes()))
                && whole.skipped_undefined.get()
            {
                whole.read_undefined.borrow_mut().push(field);
                whole.begin(self.growing);
                continue;
            }
            let error = error.at(root.offset());
            let is_unknown = whole.met_unknown_record.get();
            return Err(if is_unknown { error.advise(RECORD_ADVICE) } else { error });
        }
    }

    fn whole(&self) -> Whole<'de, 'n> {
        let Self { source, nodes, dialect, max_depth, .. } = *self;
        let text = if self.is_packet { utf8_of_packet(source, nodes.len()) } else { self.text };
        Whole {
            source,
            text,
            nodes,
            dialect,
            max_depth,
            levels: Cell::new(max_depth),
            wrappers: Cell::new(0),
            met_unknown_record: Cell::new(false),
            growing: Cell::new(self.growing),
            skipped_undefined: Cell::new(false),
            read_undefined: RefCell::new(Vec::new()),
        }
    }
}

/// What to do about an error in something that serde has to read before it knows the type.
const RECORD_ADVICE: &str = "a record or variant stands where serde reads before it knows the \
                             type: see ubf_codec::serde::SelfDescribing";

macro_rules! of_the_root {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, Error> {
            self.whole().root(self.at).$method($($argument,)* visitor)
        }
    )*};
}

/// Reads as the root of the term does.
impl<'de> de::Deserializer<'de> for Deserializer<'de, '_> {
    type Error = Error;

    of_the_root! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64()
        deserialize_char() deserialize_str() deserialize_string() deserialize_identifier()
        deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_ignored_any()
    }
}
