//! `Serialize` and `Deserialize` of what stands in settings and messages: versions, addresses,
//! limits.

use core::fmt;

use serde_core::de::{self, IgnoredAny, MapAccess, Visitor};
use serde_core::ser::SerializeStruct as _;
use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::Limits;
use crate::packet::{Address, Version};

/// A version is written as its number.
impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.get())
    }
}

/// A number from 1 to 2,147,483,647.
impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(u32::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A string: `host:port`.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A string: `host:port`.
impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AddressVisitor;

        impl Visitor<'_> for AddressVisitor {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as b.example:4000")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(AddressVisitor)
    }
}

macro_rules! limits {
    ($($field:ident)*) => {
        /// A struct of all limits, by their names.
        impl Serialize for Limits {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut fields = serializer.serialize_struct("Limits", FIELDS.len())?;
                $(fields.serialize_field(stringify!($field), &self.$field)?;)*
                fields.end()
            }
        }

        /// A limit that is missing has its default; one of another name is an error.
        impl<'de> Deserialize<'de> for Limits {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_struct("Limits", FIELDS, LimitsVisitor)
            }
        }

        const FIELDS: &[&str] = &[$(stringify!($field)),*];

        impl<'de> Visitor<'de> for LimitsVisitor {
            type Value = Limits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("limits by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Limits, A::Error> {
                let mut limits = Limits::new();
                while let Some(Name(place)) = access.next_key()? {
                    match FIELDS.get(place).copied().unwrap_or_default() {
                        $(stringify!($field) => limits.$field = access.next_value()?,)*
                        _ => drop(access.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(limits)
            }
        }
    };
}

struct LimitsVisitor;

limits! {
    max_packet_bytes max_depth max_expanded_nodes max_expanded_bytes max_integer_digits
    max_tag_bytes max_next_ip_bytes max_next_ip_addresses
}

/// The place in [`FIELDS`] of the limit that a name is.
struct Name(usize);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a limit")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Name, E> {
                FIELDS
                    .iter()
                    .position(|field| *field == name)
                    .map(Name)
                    .ok_or_else(|| E::unknown_field(name, FIELDS))
            }
        }

        deserializer.deserialize_identifier(NameVisitor)
    }
}
