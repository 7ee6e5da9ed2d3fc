//! Rust values to terms.

mod compound;
mod output;
mod serializer;

use alloc::vec::Vec;

use bytes::Bytes;
use serde_core::Serialize;
use serde_core::ser;

use self::compound::Compound;
use self::output::LONG;
pub use self::serializer::Serializer;
use self::serializer::{Structs, WholeTerm};
use super::error::Error;
use super::own::read_own;
use super::term;
use super::wrappers::{PROPERTY_LIST, SELF_DESCRIBING};
use crate::dialect::Dialect;
use crate::term::{Leaf, Term};

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
    writer.write_all(&packet).map_err(|error| Error::new(super::error::ErrorKind::Io(error)))
}

/// Writes a value as a term.
///
/// The texts of the term share one buffer, which lives as long as the last of them.
///
/// ```
/// use ubf_codec::ubf;
///
/// let term = ubf_codec::serde::to_term(&("Joe", [true, false], Some(1)))?;
/// assert_eq!(term, ubf!({"Joe", {true, false}, 1}));
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
///
/// # Errors
/// As [`to_vec`].
pub fn to_term<T: ?Sized + Serialize>(value: &T) -> Result<Term, Error> {
    read_own(Bytes::from(to_vec(value)?))
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

    as_i64! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.output.integer(value);
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        match i64::try_from(value) {
            Ok(value) => self.serialize_i64(value),
            Err(_) => self.serialize_u128(value.into()),
        }
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
        } else if value.len() >= LONG {
            self.output.long_binary(value);
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
