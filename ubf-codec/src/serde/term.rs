//! `Serialize` and `Deserialize` of terms themselves.
//!
//! With the serializer and the deserializer of this crate a term comes through exactly as it is,
//! and nothing recurses: it travels as the bytes of its packet. Another format gets, and gives,
//! what it has words for.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde_core::de::{self, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_core::ser::{self, SerializeMap as _, SerializeTuple as _};
use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dialect::Dialect;
use crate::encode::Encoder;
use crate::term::{IntegerRef, Term, TermRef, TextRef, View};

/// The name of the newtype by which a term knows the serializer and the deserializer of this crate,
/// and they know it.
pub(super) const NAME: &str = "$ubf_codec::Term";

/// How deep a term may be that is written in another format: that recurses. This is the depth that
/// the decoder allows by default.
const MAX_FOREIGN_DEPTH: u32 = 512;

/// In another format atoms and strings become strings, tuples and lists become sequences, a list of
/// pairs tagged `map` or `plist` a map, a float a float; other tags are left out.
impl Serialize for Term {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().serialize(serializer)
    }
}

/// As [`Term`].
impl Serialize for TermRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NAME, &Whole(*self))
    }
}

/// A term of which the serializer knows that it is one.
struct Whole<'a>(TermRef<'a>);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Only one serializer answers differently the second time: see `WholeTerm` there.
        let first = serializer.is_human_readable();
        let dialect = match (first, serializer.is_human_readable()) {
            (false, true) => Dialect::Extended,
            (true, false) => Dialect::Classic,
            (true, true) | (false, false) => return Foreign(self.0, 0).serialize(serializer),
        };
        let packet = Encoder::new().with_dialect(dialect).encode(self.0);
        serializer.serialize_bytes(packet.strip_suffix(b"$").unwrap_or_default())
    }
}

/// A term in another format, so many levels deep.
struct Foreign<'a>(TermRef<'a>, u32);

impl Serialize for Foreign<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(term, depth) = *self;
        if depth > MAX_FOREIGN_DEPTH {
            return Err(ser::Error::custom(format_args!(
                "term nested deeper than {MAX_FOREIGN_DEPTH}"
            )));
        }
        let part = |term| Foreign(term, depth + 1);
        match term.view() {
            View::Undefined => serializer.serialize_none(),
            View::Integer(value) => serialize_integer(value, serializer),
            View::Atom(name) if name == "true" => serializer.serialize_bool(true),
            View::Atom(name) if name == "false" => serializer.serialize_bool(false),
            View::Atom(text) | View::String(text) => serialize_text(text, serializer),
            View::Binary(bytes) => serializer.serialize_bytes(bytes),
            View::Tuple(tuple) => {
                let mut elements = serializer.serialize_tuple(tuple.len())?;
                for element in tuple {
                    elements.serialize_element(&part(element))?;
                }
                elements.end()
            }
            View::List(list) => serializer.collect_seq(list.iter().map(part)),
            View::Tagged(tag, inner) => {
                if let Some(value) = term.as_f64() {
                    return serializer.serialize_f64(value);
                }
                let Some(pairs) =
                    (if tag == "map" || tag == "plist" { pairs(inner) } else { None })
                else {
                    return part(inner).serialize(serializer);
                };
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for [key, value] in pairs {
                    map.serialize_entry(&part(key), &part(value))?;
                }
                map.end()
            }
        }
    }
}

fn serialize_integer<S: Serializer>(
    value: IntegerRef<'_>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match (value.to_i64(), value.to_u64(), value.to_i128()) {
        (Some(value), ..) => serializer.serialize_i64(value),
        (None, Some(value), _) => serializer.serialize_u64(value),
        (None, None, Some(value)) => serializer.serialize_i128(value),
        (None, None, None) => serializer.collect_str(&value),
    }
}

fn serialize_text<S: Serializer>(text: TextRef<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    match text.to_str() {
        Some(utf8) => serializer.serialize_str(&utf8),
        None => serializer.serialize_bytes(&text.to_bytes()),
    }
}

/// The entries of a list of pairs.
fn pairs(list: TermRef<'_>) -> Option<Vec<[TermRef<'_>; 2]>> {
    let View::List(list) = list.view() else { return None };
    list.iter()
        .map(|pair| if let View::Tuple(pair) = pair.view() { pair.to_array() } else { None })
        .collect()
}

/// From another format: strings become strings, sequences lists, maps lists of pairs tagged `map`,
/// floats strings tagged `f`, and null undefined.
impl<'de> Deserialize<'de> for Term {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An option, so that a field of a struct may be missing.
        deserializer.deserialize_option(TermVisitor)
    }
}

struct TermVisitor;

impl<'de> Visitor<'de> for TermVisitor {
    type Value = Term;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a term")
    }

    /// The deserializer of this crate: the bytes of a packet.
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Term, A::Error> {
        let (name, variant) = access.variant::<String>()?;
        if name != NAME {
            return Err(de::Error::invalid_type(de::Unexpected::Enum, &self));
        }
        variant.newtype_variant::<Packet>().map(|Packet(term)| term)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Term, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Term, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, self)
    }

    fn visit_none<E: de::Error>(self) -> Result<Term, E> {
        Ok(Term::Undefined)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Term, E> {
        Ok(Term::Undefined)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Term, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Term, E> {
        Ok(value.into())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Term, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Term, E> {
        Ok(value.into())
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Term, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Term, E> {
        Term::float(value)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Float(value), &"a finite float"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Term, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Term, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Term, E> {
        Ok(Term::binary(Bytes::copy_from_slice(bytes)))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Term, E> {
        Ok(Term::binary(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Term, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element::<Term>()? {
            elements.push(element);
        }
        Ok(Term::list(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Term, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = access.next_entry::<Term, Term>()? {
            pairs.push(Term::tuple([key, value]));
        }
        Ok(Term::list(pairs).tagged("map"))
    }
}

/// A term out of the bytes of its packet.
struct Packet(Term);

impl<'de> Deserialize<'de> for Packet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(PacketVisitor).map(Self)
    }
}

struct PacketVisitor;

impl Visitor<'_> for PacketVisitor {
    type Value = Term;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a packet")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Term, E> {
        super::own::read_own(Bytes::copy_from_slice(bytes))
            .map_err(|error| E::custom(error.to_string()))
    }
}
