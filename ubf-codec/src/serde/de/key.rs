//! The keys of maps. In JSON all of them are strings, so that what came from there has numbers and
//! booleans in quotes.

use serde_core::de::{self, Visitor};

use super::part::Part;
use crate::serde::cursor::Meaning;
use crate::serde::error::Error;

/// A key: the same as any other part, but that a text may spell a number or a boolean.
pub(super) struct Key<'de, 'n>(pub(super) Part<'de, 'n>);

macro_rules! spelled {
    ($($method:ident $type:ty, $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.spelled::<$type>() {
                Some(value) => visitor.$visit(value),
                None => self.0.$method(visitor),
            }
        }
    )*};
}

macro_rules! as_any_part {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, Error> {
            self.0.$method($($argument,)* visitor)
        }
    )*};
}

impl Key<'_, '_> {
    /// The value that a string spells, as JSON would: no `+` before it.
    fn spelled<T: core::str::FromStr>(&self) -> Option<T> {
        let Meaning::String(text) = self.0.meaning() else { return None };
        text.to_str().filter(|text| !text.starts_with('+'))?.parse().ok()
    }
}

impl<'de> de::Deserializer<'de> for Key<'de, '_> {
    type Error = Error;

    spelled! {
        deserialize_bool bool, visit_bool
        deserialize_i8 i8, visit_i8
        deserialize_i16 i16, visit_i16
        deserialize_i32 i32, visit_i32
        deserialize_i64 i64, visit_i64
        deserialize_i128 i128, visit_i128
        deserialize_u8 u8, visit_u8
        deserialize_u16 u16, visit_u16
        deserialize_u32 u32, visit_u32
        deserialize_u64 u64, visit_u64
        deserialize_u128 u128, visit_u128
    }

    as_any_part! {
        deserialize_any() deserialize_f32() deserialize_f64()
        deserialize_char() deserialize_str() deserialize_string() deserialize_identifier()
        deserialize_bytes() deserialize_byte_buf()
        deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_ignored_any()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_undefined() {
            return visitor.visit_none();
        }
        visitor.visit_some(Self(self.0.unwrap()?))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Those of this crate have a meaning of their own.
        if name.starts_with("$ubf_codec::") {
            return self.0.deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(Self(self.0.unwrap()?))
    }
}
