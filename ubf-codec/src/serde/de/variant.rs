//! Enums: `'name'` or `{'name', Element, …}`.

use serde_core::de::value::{BorrowedStrDeserializer, BytesDeserializer};
use serde_core::de::{self, DeserializeSeed, EnumAccess, VariantAccess, Visitor};

use super::access::{Entries, Sequence, key_error};
use super::part::{Level, Part};
use super::record::Fields;
use crate::encode::Encoder;
use crate::serde::cursor::{Cursor, Items, Meaning};
use crate::serde::error::Error;
use crate::serde::term;
use crate::term::TermRef;

/// A variant of an enum. Elements that are missing count as undefined, those in excess are not
/// looked at.
pub(super) struct Variant<'de, 'n> {
    whole: Part<'de, 'n>,
    /// Held while the parts are read.
    level: Level<'n>,
    name: Cursor<'de, 'n>,
    content: Content<'de, 'n>,
}

/// What a variant holds.
pub(super) enum Content<'de, 'n> {
    /// `{'name' 1 2}`: what comes after the name.
    Elements(Items<'de, 'n>),
    /// `[{'name',{1,2}}]`: one term, whatever the variant has.
    Alone(Cursor<'de, 'n>),
}

impl<'de, 'n> Variant<'de, 'n> {
    pub(super) const fn new(
        whole: Part<'de, 'n>,
        level: Level<'n>,
        name: Cursor<'de, 'n>,
        content: Content<'de, 'n>,
    ) -> Self {
        Self { whole, level, name, content }
    }

    fn place(&self) -> impl FnOnce(Error) -> Error + use<'de, 'n> {
        let name = self.name;
        move |error| error.inside(super::access::segment(name))
    }
}

impl<'de> EnumAccess<'de> for Variant<'de, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        match seed.deserialize(self.whole.part(self.name)) {
            Ok(name) => Ok((name, self)),
            Err(error) => Err(key_error(error, self.name)),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "each kind of variant takes some terms and refuses all others"
)]
impl<'de> VariantAccess<'de> for Variant<'de, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        let place = self.place();
        let element = match self.content {
            Content::Elements(mut elements) => {
                elements.next().unwrap_or_else(|| self.name.undefined())
            }
            Content::Alone(element) => element,
        };
        seed.deserialize(self.whole.part(element)).map_err(|error| place(key_error(error, element)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let place = self.place();
        match self.content {
            Content::Elements(elements) => {
                Sequence::of_exactly(len, self.whole, self.level, elements)
                    .and_then(|sequence| visitor.visit_seq(sequence))
            }
            Content::Alone(element) => {
                let part = self.whole.part(element);
                match element.meaning() {
                    Meaning::Tuple(elements) | Meaning::List(elements) => part
                        .enter()
                        .and_then(|level| Sequence::of_exactly(len, part, level, elements))
                        .and_then(|sequence| visitor.visit_seq(sequence)),
                    _ => Err(part.wrong(&visitor)),
                }
            }
        }
        .map_err(place)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let place = self.place();
        match self.content {
            Content::Elements(elements) => {
                Fields::check(self.whole, &elements, fields).and_then(|()| {
                    visitor.visit_map(Fields::new(self.whole, self.level, elements, fields))
                })
            }
            Content::Alone(element) => {
                let part = self.whole.part(element);
                match element.meaning() {
                    Meaning::Pairs(items) | Meaning::List(items) => {
                        part.enter().and_then(|level| {
                            visitor.visit_map(Entries::of_struct(part, level, items))
                        })
                    }
                    _ => Err(part.wrong(&visitor)),
                }
            }
        }
        .map_err(place)
    }
}

/// A variant that is its name and nothing else, as most are: smaller than a [`Variant`].
pub(super) struct Named<'de, 'n>(pub(super) Part<'de, 'n>);

impl<'de, 'n> Named<'de, 'n> {
    /// The same, for types that expect something in the variant.
    fn variant(self) -> Result<Variant<'de, 'n>, Error> {
        let Self(part) = self;
        let name = part.cursor();
        let elements = Content::Elements(name.no_items());
        Ok(Variant::new(part, part.enter()?, name, elements))
    }
}

impl<'de> EnumAccess<'de> for Named<'de, '_> {
    type Error = Error;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        match seed.deserialize(self.0.part(self.0.cursor())) {
            Ok(name) => Ok((name, self)),
            Err(error) => Err(key_error(error, self.0.cursor())),
        }
    }
}

impl<'de> VariantAccess<'de> for Named<'de, '_> {
    type Error = Error;

    #[inline]
    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.variant()?.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.variant()?.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.variant()?.struct_variant(fields, visitor)
    }
}

/// A whole term, for a [`Term`](crate::Term): the bytes of a packet, in an enum that no other
/// format has.
pub(super) struct PacketVariant<'n>(pub(super) TermRef<'n>);

impl<'de> EnumAccess<'de> for PacketVariant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = BorrowedStrDeserializer::<Error>::new(term::NAME);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for PacketVariant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        let packet = Encoder::new().encode(self.0);
        seed.deserialize(BytesDeserializer::<Error>::new(&packet))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::invalid_type(de::Unexpected::NewtypeVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Err(de::Error::invalid_type(de::Unexpected::NewtypeVariant, &visitor))
    }
}
