//! Values that say how they are to be written, or read.

use core::fmt;
use core::marker::PhantomData;

use serde_core::de::Visitor;
use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of the newtype that is a [`PropertyList`].
pub(super) const PROPERTY_LIST: &str = "$ubf_codec::serde::PropertyList";

/// Writes the structs in `T` as property lists, whatever the serializer does with others. Reading,
/// it is as if it were not there: a struct reads records and property lists.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ubf_codec::serde::{PropertyList, from_slice, to_vec};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// struct Options {
///     depth: u8,
///     quick: bool,
/// }
///
/// let options = Options { depth: 3, quick: true };
/// let packet = to_vec(&("find", PropertyList(&options)))?;
/// assert_eq!(packet, b"{\"find\"#{'quick''true'}&{'depth'3}&`plist`}$");
/// assert_eq!(from_slice::<(&str, Options)>(&packet)?, ("find", options));
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyList<T>(pub T);

impl<T: Serialize> Serialize for PropertyList<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(PROPERTY_LIST, &self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PropertyList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// The name of the newtype that is a [`SelfDescribing`].
pub(super) const SELF_DESCRIBING: &str = "$ubf_codec::serde::SelfDescribing";

/// Writes `T` so that it can be read where serde does not know the type: inside of untagged enums
/// above all.
///
/// A record does not name its fields, and `{'move' 1}` may be a variant or a tuple. Here structs
/// are property lists, a variant with content is a property list of one entry, a tuple struct is a
/// tuple and a unit struct is `{}`. Reading, it is as if the wrapper were not there: every type
/// reads these forms and the others.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ubf_codec::serde::{SelfDescribing, from_slice, to_vec};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// #[serde(untagged)]
/// enum Place {
///     Id(u64),
///     Point { x: i32, y: i32 },
///     Way(Way),
/// }
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// #[serde(rename_all = "snake_case")]
/// enum Way {
///     Here,
///     Steps(u32, u32),
/// }
///
/// let places = vec![Place::Id(7), Place::Point { x: 1, y: 2 }, Place::Way(Way::Steps(3, 4))];
/// let packet = to_vec(&SelfDescribing(&places))?;
/// assert_eq!(packet, b"##{'steps'{3 4}}&`plist`&#{'y'2}&{'x'1}&`plist`&7&$");
/// assert_eq!(from_slice::<Vec<Place>>(&packet)?, places);
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelfDescribing<T>(pub T);

impl<T: Serialize> Serialize for SelfDescribing<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(SELF_DESCRIBING, &self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for SelfDescribing<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// The name of the newtype that is a [`Growing`].
pub(super) const GROWING: &str = "$ubf_codec::serde::Growing";

/// Reads `T` even if its records have more or fewer elements than their types have fields. Writing,
/// it is as if it were not there.
///
/// A record says nothing of its fields but their order. One that has another number of elements
/// than the type has fields may be of another edition, with a field added *at its end*; or a field
/// has `skip_serializing` or `skip_deserializing` alone, so that all after it are in other places.
/// The two cannot be told apart, and so both are refused. This wrapper says that the types in `T`
/// skip no field on one side only, and may grow.
///
/// Elements in excess are ignored. Fields that are missing are undefined: they should be `Option`s,
/// or in a struct and a struct variant have a `#[serde(default)]`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ubf_codec::serde::{Growing, from_slice};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// #[serde(rename = "order")]
/// struct Order {
///     id: u32,
///     note: Option<String>,
/// }
///
/// let Growing(order) = from_slice::<Growing<Order>>(b"{'order' 7}$")?;
/// assert_eq!(order, Order { id: 7, note: None });
/// let Growing(order) = from_slice::<Growing<Order>>(b"{'order' 7\"now\" 480}$")?;
/// assert_eq!(order, Order { id: 7, note: Some("now".into()) });
///
/// let error = from_slice::<Order>(b"{'order' 7\"now\" 480}$").unwrap_err();
/// let expected = "record of 3 where the type has another number of fields";
/// assert!(error.to_string().starts_with(expected));
/// # Ok::<(), ubf_codec::serde::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Growing<T>(pub T);

impl<T: Serialize> Serialize for Growing<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Growing<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(GROWING, GrowingVisitor(PhantomData))
    }
}

struct GrowingVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for GrowingVisitor<T> {
    type Value = Growing<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value whose records may grow")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Growing<T>, D::Error> {
        T::deserialize(deserializer).map(Growing)
    }
}
