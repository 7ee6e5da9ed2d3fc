//! Rust values to terms.

mod compound;
mod output;

use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use bytes::{BufMut, Bytes};
use serde_core::Serialize;
use serde_core::ser;

use self::compound::Compound;
use self::output::{OpenList, Output};
use super::error::Error;
use super::term;
use super::wrappers::{PROPERTY_LIST, SELF_DESCRIBING};
use crate::decode::Decoder;
use crate::dialect::Dialect;
use crate::limits::Limits;
use crate::term::{IntegerRef, Leaf, Term, TextRef};

/// Writes a value as a packet, up to and with its `$`: extended dialect, structs as records.
///
/// ```
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// #[serde(rename = "person")]
/// struct Person {
///     name: &'static str,
///     email: Option<&'static str>,
///     scores: Vec<u8>,
/// }
///
/// let joe = Person { name: "Joe", email: None, scores: vec![1, 2] };
/// assert_eq!(ubf_codec::serde::to_vec(&joe)?, br#"{'person'"Joe"?#2&1&}$"#);
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// A value that has no form in UBF: a float that is infinite or no number. An error of the value's
/// own `Serialize`.
pub fn to_vec<T: ?Sized + Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    Serializer::new().encode(value)
}

/// Writes a value as a packet to `writer`.
///
/// ```
/// let mut packets = Vec::new();
/// ubf_codec::serde::to_writer(&mut packets, &("Joe", 68))?;
/// assert_eq!(packets, br#"{"Joe"68}$"#);
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// As [`to_vec`], and those of `writer`. To a value that has no form, nothing is written.
#[cfg(feature = "std")]
pub fn to_writer<W: std::io::Write, T: ?Sized + Serialize>(
    mut writer: W,
    value: &T,
) -> Result<(), Error> {
    let packet = to_vec(value)?;
    writer.write_all(&packet).map_err(|error| Error::new(super::ErrorKind::Io(error)))
}

/// Writes a value as a term.
///
/// The texts of the term share one buffer, which lives as long as the last of them.
///
/// ```
/// use ubf_codec::ubf;
///
/// assert_eq!(ubf_codec::serde::to_term(&("Joe", [true, false], Some(1)))?, ubf!({"Joe", {true, false}, 1}));
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// As [`to_vec`].
pub fn to_term<T: ?Sized + Serialize>(value: &T) -> Result<Term, Error> {
    read_own(Bytes::from(to_vec(value)?))
}

/// The term of a packet that was written here: there is nothing to be protected from.
pub(super) fn read_own(packet: Bytes) -> Result<Term, Error> {
    let unlimited = Limits::new()
        .with_max_packet_bytes(u32::MAX)
        .with_max_depth(u32::MAX)
        .with_max_expanded_nodes(u64::MAX)
        .with_max_expanded_bytes(u64::MAX)
        .with_max_integer_digits(u32::MAX)
        .with_max_tag_bytes(u32::MAX);
    Ok(Decoder::new().with_limits(unlimited).decode_shared(packet)?.to_term())
}

/// Writes values as packets. Keeps its working memory from one packet to the next.
///
/// The bytes are those of the plain [style](crate::Style). To have registers, write a term
/// ([`to_term`]) with an [`Encoder`](crate::Encoder) of the cached style.
///
/// ```
/// use serde::Serialize;
/// use ubf_codec::Dialect;
/// use ubf_codec::serde::Serializer;
///
/// #[derive(Serialize)]
/// #[serde(rename = "person")]
/// struct Person {
///     name: &'static str,
///     email: Option<&'static str>,
/// }
/// let joe = Person { name: "Joe", email: None };
///
/// let mut serializer = Serializer::new().with_dialect(Dialect::Classic);
/// assert_eq!(serializer.encode(&joe)?, br#"{'person'"Joe"'undefined'}$"#);
///
/// let mut serializer = Serializer::new().with_property_lists(true);
/// assert_eq!(serializer.encode(&joe)?, br#"#{'email'?}&{'name'"Joe"}&`plist`$"#);
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
#[derive(Default)]
pub struct Serializer {
    output: Output,
    dialect: Dialect,
    /// What was asked for.
    chosen: Structs,
    /// What is written at this place.
    structs: Structs,
    whole_term: Cell<WholeTerm>,
}

/// How structs and the variants of enums are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Structs {
    #[default]
    Records,
    /// Structs as property lists, variants as records.
    PropertyLists,
    /// All in forms that tell what they are: see [`SelfDescribing`].
    SelfDescribing,
}

/// How far a [`Term`] and the serializer have agreed that the term comes as a packet.
///
/// Serde lets them exchange one kind of word: the value may ask
/// [`is_human_readable`](ser::Serializer::is_human_readable). A serializer always gives the same
/// answer, and this one does too, except to a term: it asks twice and hears both.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum WholeTerm {
    #[default]
    No,
    Expected,
    Asked,
}

impl fmt::Debug for Serializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serializer")
            .field("dialect", &self.dialect)
            .field("structs", &self.chosen)
            .finish_non_exhaustive()
    }
}

impl Serializer {
    /// A serializer of the extended dialect that writes structs as records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This serializer for another dialect: in the classic one, `None` is the atom `'undefined'`
    /// (W7).
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Whether structs are written as property lists, with the names of their fields: off by
    /// default.
    ///
    /// They take more bytes, and may change in any way that keeps the names.
    /// [`PropertyList`](super::PropertyList) does the same for one value. The variants of enums are
    /// not concerned.
    #[must_use]
    pub const fn with_property_lists(self, property_lists: bool) -> Self {
        self.with_structs(if property_lists { Structs::PropertyLists } else { Structs::Records })
    }

    /// Whether structs and variants are written so that they can be read where serde does not know
    /// the type: off by default.
    ///
    /// [`SelfDescribing`](super::SelfDescribing) does the same for one value, and says what is
    /// written.
    #[must_use]
    pub const fn with_self_description(self, self_describing: bool) -> Self {
        self.with_structs(if self_describing { Structs::SelfDescribing } else { Structs::Records })
    }

    const fn with_structs(mut self, structs: Structs) -> Self {
        self.chosen = structs;
        self.structs = structs;
        self
    }

    /// The packet that holds `value`, up to and with its `$`.
    ///
    /// # Errors
    /// As [`to_vec`].
    pub fn encode<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<Vec<u8>, Error> {
        let mut packet = Vec::new();
        self.encode_to(value, &mut packet)?;
        Ok(packet)
    }

    /// Appends the packet that holds `value` to `buffer`; nothing, if that fails.
    ///
    /// # Errors
    /// As [`to_vec`].
    ///
    /// # Panics
    /// Only if `buffer` cannot grow and is too small: see [`BufMut`]. `Vec<u8>` and `BytesMut`
    /// grow.
    pub fn encode_to<T: ?Sized + Serialize>(
        &mut self,
        value: &T,
        buffer: &mut impl BufMut,
    ) -> Result<(), Error> {
        self.output.clear();
        // An error may have left these as they were where it happened.
        self.structs = self.chosen;
        self.whole_term.set(WholeTerm::No);
        value.serialize(&mut *self)?;
        self.finish_to(buffer);
        Ok(())
    }

    /// Appends to `buffer` the packet with the value that was written by `value.serialize(&mut
    /// serializer)`, and is ready for the next.
    ///
    /// [`encode_to`](Self::encode_to) does both.
    ///
    /// ```
    /// use serde::Serializer as _;
    /// use ubf_codec::serde::Serializer;
    ///
    /// let mut serializer = Serializer::new();
    /// serializer.collect_seq(1..4)?;
    /// let mut packet = Vec::new();
    /// serializer.finish_to(&mut packet);
    /// assert_eq!(packet, b"#3&2&1&$");
    /// # Ok::<(), ubf_codec::serde::Error>(())
    /// ```
    pub fn finish_to(&mut self, buffer: &mut impl BufMut) {
        self.output.finish(buffer);
        buffer.put_u8(b'$');
    }

    fn leaf(&mut self, leaf: Leaf<'_>) {
        self.output.leaf(leaf, self.dialect);
    }

    fn text(&mut self, text: &str) {
        self.leaf(Leaf::String(TextRef::plain(text.as_bytes())));
    }

    fn atom(&mut self, name: &str) {
        self.leaf(Leaf::Atom(TextRef::plain(name.as_bytes())));
    }

    /// `{'name'`, to which the elements come.
    fn open_record(&mut self, name: &str) {
        self.output.open_tuple();
        self.atom(name);
    }

    /// W8: the digits of a float as a string tagged `f`.
    fn float(&mut self, value: f64) -> Result<(), Error> {
        let Some(digits) = crate::float::write(value) else {
            let what = if value.is_nan() { "NaN" } else { "an infinite float" };
            return Err(Error::unwritable(format_args!("{what} has no form in UBF")));
        };
        self.text(&digits);
        self.output.tag("f");
        Ok(())
    }
}

macro_rules! as_i64 {
    ($($method:ident $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            self.serialize_i64(i64::from(value))
        }
    )*};
}

impl<'s> ser::Serializer for &'s mut Serializer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'s>;
    type SerializeTuple = Compound<'s>;
    type SerializeTupleStruct = Compound<'s>;
    type SerializeTupleVariant = Compound<'s>;
    type SerializeMap = Compound<'s>;
    type SerializeStruct = Compound<'s>;
    type SerializeStructVariant = Compound<'s>;

    fn is_human_readable(&self) -> bool {
        match self.whole_term.get() {
            WholeTerm::No => true,
            // The first answer also says the dialect.
            WholeTerm::Expected => {
                self.whole_term.set(WholeTerm::Asked);
                self.dialect == Dialect::Classic
            }
            WholeTerm::Asked => self.dialect == Dialect::Extended,
        }
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.atom(if value { "true" } else { "false" });
        Ok(())
    }

    as_i64! { serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32 }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.leaf(Leaf::Integer(IntegerRef::small(value)));
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.serialize_u128(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.leaf(Leaf::Integer((&crate::Integer::from(value)).into()));
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.leaf(Leaf::Integer((&crate::Integer::from(value)).into()));
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        // The nearest f64 of the shortest digits has these digits for its own shortest; that of the
        // f32 itself has more.
        let shortest =
            zmij::Buffer::new().format(value).parse().unwrap_or_else(|_| f64::from(value));
        self.float(shortest)
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.float(value)
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        if self.whole_term.take() == WholeTerm::Asked {
            self.output.splice(value);
        } else {
            self.leaf(Leaf::Binary(value));
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.leaf(Leaf::Undefined);
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.leaf(Leaf::Undefined);
        Ok(())
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Error> {
        if self.structs == Structs::SelfDescribing {
            self.output.open_tuple();
            self.output.close_tuple();
            return Ok(());
        }
        self.atom(name);
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.atom(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        match name {
            term::NAME => {
                self.whole_term.set(WholeTerm::Expected);
                let written = value.serialize(&mut *self);
                self.whole_term.set(WholeTerm::No);
                written
            }
            PROPERTY_LIST => self.as_structs(Structs::PropertyLists, value),
            SELF_DESCRIBING => self.as_structs(Structs::SelfDescribing, value),
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let entry = self.open_variant(variant);
        if entry.is_none() {
            self.open_record(variant);
        }
        value.serialize(&mut *self).map_err(|error| compound::inside_field(error, variant))?;
        match entry {
            Some(list) => self.close_variant(list),
            None => self.output.close_tuple(),
        }
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'s>, Error> {
        Ok(Compound::list(self))
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'s>, Error> {
        self.output.open_tuple();
        Ok(Compound::tuple(self))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Compound<'s>, Error> {
        if self.structs == Structs::SelfDescribing {
            self.output.open_tuple();
        } else {
            self.open_record(name);
        }
        Ok(Compound::tuple(self))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'s>, Error> {
        let entry = self.open_variant(variant);
        if entry.is_some() {
            self.output.open_tuple();
        } else {
            self.open_record(variant);
        }
        Ok(Compound::tuple(self).of_variant(variant, entry))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'s>, Error> {
        Ok(Compound::list(self))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'s>, Error> {
        let start = self.output.mark();
        if self.structs != Structs::Records {
            return Ok(Compound::list(self).of_struct(start));
        }
        self.open_record(name);
        Ok(Compound::tuple(self).of_struct(start))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'s>, Error> {
        let entry = self.open_variant(variant);
        if entry.is_some() {
            return Ok(Compound::list(self).of_variant(variant, entry));
        }
        self.open_record(variant);
        Ok(Compound::tuple(self).of_variant(variant, None))
    }
}

impl Serializer {
    fn as_structs<T: ?Sized + Serialize>(
        &mut self,
        structs: Structs,
        value: &T,
    ) -> Result<(), Error> {
        let outside = core::mem::replace(&mut self.structs, structs);
        let written = value.serialize(&mut *self);
        self.structs = outside;
        written
    }

    /// `#{'variant'`, to which the content comes, if variants describe themselves.
    fn open_variant(&mut self, variant: &str) -> Option<OpenList> {
        if self.structs != Structs::SelfDescribing {
            return None;
        }
        let list = self.output.open_list();
        self.output.begin_element();
        self.output.open_tuple();
        self.atom(variant);
        Some(list)
    }

    fn close_variant(&mut self, list: OpenList) {
        self.output.close_tuple();
        self.output.end_element();
        self.output.close_list(list);
        self.output.tag("plist");
    }
}
