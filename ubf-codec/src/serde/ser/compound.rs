//! Values with parts: tuples, records, lists, maps.

use alloc::string::ToString as _;

use serde_core::Serialize;
use serde_core::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant,
};

use super::Serializer;
use super::output::OpenList;
use crate::serde::error::{Error, Segment};

/// A value whose parts are being written.
#[derive(Debug)]
pub struct Compound<'s> {
    serializer: &'s mut Serializer,
    /// None for tuples.
    list: Option<OpenList>,
    /// The variant of an enum, for the paths of errors.
    variant: Option<&'static str>,
    index: usize,
}

impl<'s> Compound<'s> {
    /// A tuple whose `{` is written.
    pub(super) const fn tuple(serializer: &'s mut Serializer) -> Self {
        Self { serializer, list: None, variant: None, index: 0 }
    }

    /// A tuple whose `{'name'` is written.
    pub(super) const fn variant(serializer: &'s mut Serializer, variant: &'static str) -> Self {
        Self { serializer, list: None, variant: Some(variant), index: 0 }
    }

    pub(super) fn list(serializer: &'s mut Serializer) -> Self {
        let list = Some(serializer.output.open_list());
        Self { serializer, list, variant: None, index: 0 }
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
        if self.list.is_some() {
            self.open_entry();
            self.serializer.atom(key);
        }
        value.serialize(&mut *self.serializer).map_err(|error| self.place(error, Segment::Name(key.to_string())))?;
        if self.list.is_some() {
            self.close_entry();
        }
        Ok(())
    }

    /// A record keeps the places of its fields, a property list their names.
    fn skip(&mut self) {
        if self.list.is_none() {
            self.serializer.leaf(crate::term::Leaf::Undefined);
        }
    }

    fn open_entry(&mut self) {
        self.serializer.output.begin_element();
        self.serializer.output.open_tuple();
    }

    fn close_entry(&mut self) {
        self.serializer.output.close_tuple();
        self.serializer.output.end_element();
    }

    fn close(self, tag: Option<&str>) {
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

            fn serialize_field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.field(key, value)
            }

            fn skip_field(&mut self, _: &'static str) -> Result<(), Error> {
                self.skip();
                Ok(())
            }

            fn end(self) -> Result<(), Error> {
                self.close(Some("plist"));
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
        self.open_entry();
        key.serialize(&mut *self.serializer)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let index = self.index;
        self.index += 1;
        value.serialize(&mut *self.serializer).map_err(|error| self.place(error, Segment::Index(index)))?;
        self.close_entry();
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        self.close(Some("map"));
        Ok(())
    }
}
