//! Values of flags that are one of some words. The words are for help and shells: what is wrong is
//! said together with what is wrong elsewhere.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, ValueEnum};

/// Takes any text, and tells help and shells which words there are.
#[derive(Clone, Debug)]
pub(super) struct Words<T>(PhantomData<fn() -> T>);

impl<T> Words<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ValueEnum + Clone + 'static> TypedValueParser for Words<T> {
    type Value = OsString;

    fn parse_ref(
        &self,
        _: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(T::value_variants().iter().filter_map(ValueEnum::to_possible_value)))
    }
}

/// Takes any text, and tells help and shells which services there are.
#[derive(Clone, Debug)]
pub(super) struct Named(Vec<PossibleValue>);

impl Named {
    pub(super) fn new(about: &[(&'static str, &'static str)]) -> Self {
        let value = |&(name, about)| match about {
            "" => PossibleValue::new(name),
            about => PossibleValue::new(name).help(about),
        };
        Self(about.iter().map(value).collect())
    }
}

impl TypedValueParser for Named {
    type Value = OsString;

    fn parse_ref(
        &self,
        _: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OsString, clap::Error> {
        Ok(value.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().cloned()))
    }
}
