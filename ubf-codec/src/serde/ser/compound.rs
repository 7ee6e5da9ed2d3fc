//! Values with parts: tuples, records, lists, maps.

use alloc::string::ToString as _;
use core::any;

use serde_core::Serialize;
use serde_core::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::output::{ListTag, Mark, OpenList};
use super::serializer::{Serializer, Structs};
use crate::serde::error::{Error, Segment};

/// A value whose parts are being written.
#[derive(Debug)]
pub struct Compound<'s> {
    serializer: &'s mut Serializer,
    /// None for tuples.
    list: Option<OpenList>,
    /// Where a struct begins, as long as it has no field.
    start: Option<Mark>,
    /// The variant of an enum, for the paths of errors.
    variant: Option<&'static str>,
    /// The list around a variant that describes itself.
    around: Option<OpenList>,
    /// How structs are written outside, where that differs.
    outside: Option<Structs>,
    index: usize,
}

impl<'s> Compound<'s> {
    const fn new(serializer: &'s mut Serializer, list: Option<OpenList>) -> Self {
        Self { serializer, list, start: None, variant: None, around: None, outside: None, index: 0 }
    }

    /// A tuple whose `{` is written.
    pub(super) const fn tuple(serializer: &'s mut Serializer) -> Self {
        Self::new(serializer, None)
    }

    pub(super) fn list(serializer: &'s mut Serializer) -> Self {
        let list = serializer.output.open_list();
        Self::new(serializer, Some(list))
    }

    /// A struct that begins at `start`.
    pub(super) fn of_struct(self, start: Mark) -> Self {
        Self { start: Some(start), ..self }
    }

    pub(super) fn of_variant(self, variant: &'static str, around: Option<OpenList>) -> Self {
        Self { variant: Some(variant), around, ..self }
    }

    /// Serde is going to read what comes from here on before it knows the type.
    #[cold]
    fn describe_self(&mut self) {
        let outside = core::mem::replace(&mut self.serializer.structs, Structs::SelfDescribing);
        self.outside.get_or_insert(outside);
    }

    /// The first field of a struct may give an enum away whose variant it names: serde writes the
    /// name, and nothing else, as a `str`.
    #[inline]
    fn begin_struct<T: ?Sized>(&mut self) {
        let Some(start) = self.start.take() else { return };
        let first = any::type_name::<T>();
        if first == "str" {
            // `#[serde(tag = "…")]`: not a record, of which nobody could tell where the tag is.
            if self.list.is_none() {
                self.serializer.output.take_back(start);
                self.list = Some(self.serializer.output.open_list());
            }
            self.describe_self();
        } else if first.ends_with("::AdjacentlyTaggedEnumVariant") {
            // `#[serde(tag = "…", content = "…")]`: a record of two, whose second is read without
            // its type.
            self.describe_self();
        }
    }

    fn element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        if self.list.is_some() {
            self.serializer.output.begin_element();
        }
        let written = value.serialize(&mut *self.serializer);
        if self.list.is_some() {
            self.serializer.output.end_element();
        }
        let index = self.index;
        self.index += 1;
        written.map_err(|error| self.place(error, Segment::Index(index)))
    }

    fn field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.begin_struct::<T>();
        if self.list.is_some() {
            self.serializer.output.begin_field(key);
        }
        value
            .serialize(&mut *self.serializer)
            .map_err(|error| self.place(error, Segment::Name(key.to_string())))?;
        if self.list.is_some() {
            self.serializer.output.end_entry();
        }
        Ok(())
    }

    /// A record keeps the places of its fields, a property list their names.
    fn skip(&mut self) {
        self.start = None;
        if self.list.is_none() {
            self.serializer.leaf(crate::term::Leaf::Undefined);
        }
    }

    fn close(self, tag: Option<ListTag>) {
        let output = &mut self.serializer.output;
        match self.list {
            Some(list) => {
                output.close_list(list);
                if let Some(tag) = tag {
                    output.tag(tag);
                }
            }
            None => output.close_tuple(),
        }
        if let Some(list) = self.around {
            self.serializer.close_variant(list);
        }
        if let Some(outside) = self.outside {
            self.serializer.structs = outside;
        }
    }

    #[cold]
    fn place(&self, error: Error, segment: Segment) -> Error {
        let error = error.inside(segment);
        match self.variant {
            Some(variant) => inside_field(error, variant),
            None => error,
        }
    }
}

#[cold]
pub(super) fn inside_field(error: Error, name: &str) -> Error {
    error.inside(Segment::Name(name.to_string()))
}

macro_rules! elements {
    ($($trait:ident $method:ident)*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close(None);
                Ok(())
            }
        }
    )*};
}
elements! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl $trait for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(key, value)
            }

            fn skip_field(&mut self, _: &'static str) -> Result<(), Error> {
                self.skip();
                Ok(())
            }

            fn end(self) -> Result<(), Error> {
                self.close(Some(ListTag::PropertyList));
                Ok(())
            }
        }
    )*};
}
fields! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Error> {
        // The fields of a struct of which some are flattened; maps have their keys by reference, or
        // own them.
        if self.outside.is_none() && any::type_name::<T>() == "str" {
            self.describe_self();
        }
        self.serializer.output.begin_entry();
        key.serialize(&mut *self.serializer)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let index = self.index;
        self.index += 1;
        value
            .serialize(&mut *self.serializer)
            .map_err(|error| self.place(error, Segment::Index(index)))?;
        self.serializer.output.end_entry();
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        self.close(Some(ListTag::Map));
        Ok(())
    }
}
