//! A value as it was written, in a file, in a variable or on the command line, and how it is read.
//!
//! The same text means the same in all three places.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use ubf_codec::Address;
use ubf_proto::units;

use super::problem::{Wrong, did_you_mean};
use crate::control::is_a_goal;

/// A value before it is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    /// A text; of a file also a number, as its digits.
    Text(String),
    /// A text that is no UTF-8: only a path may be one.
    Bytes(OsString),
    /// `true` or `false` of a file.
    Flag(bool),
    /// Several, of a file or by a flag that is there several times.
    List(Vec<Self>),
    /// Names and values of a file.
    Table(Vec<(String, Self)>),
    /// A date of a file.
    Date,
}

impl From<OsString> for Raw {
    fn from(text: OsString) -> Self {
        text.into_string().map_or_else(Self::Bytes, Self::Text)
    }
}

impl Raw {
    /// What it is, in an error about something else that is wanted.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Bytes(_) => "a text that is no UTF-8",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Date => "a date",
        }
    }

    pub(super) fn text(&self) -> Result<&str, Wrong> {
        match self {
            Self::Text(text) => Ok(text.trim()),
            Self::Bytes(_) | Self::Flag(_) | Self::List(_) | Self::Table(_) | Self::Date => {
                Err(Wrong::new(format!("{} is here, one value is wanted", self.kind())))
            }
        }
    }

    /// A list of texts, or one alone. Commas are parts of them.
    pub(crate) fn parts(&self) -> Result<Vec<&str>, Wrong> {
        if let Self::List(parts) = self {
            parts.iter().map(Self::text).collect()
        } else {
            Ok(vec![self.text()?])
        }
    }

    /// Several texts: a list of them, each of which may be several with commas.
    pub(super) fn texts(&self) -> Result<Vec<&str>, Wrong> {
        let parts = self.parts()?.into_iter().flat_map(|part| part.split(','));
        Ok(parts.map(str::trim).filter(|text| !text.is_empty()).collect())
    }
}

pub(super) fn time(raw: &Raw) -> Result<Duration, Wrong> {
    let text = raw.text()?;
    units::parse_time(text).map_err(|error| Wrong::new(format!("{text}: {error}")))
}

pub(super) fn size(raw: &Raw) -> Result<u64, Wrong> {
    let text = raw.text()?;
    units::parse_size(text).map_err(|error| Wrong::new(format!("{text}: {error}")))
}

pub(super) fn count(raw: &Raw) -> Result<u64, Wrong> {
    let text = raw.text()?;
    text.parse().map_err(|_| Wrong::new(format!("{text}: a whole number is wanted")))
}

/// A number of things, which may be none.
pub(super) fn any(raw: &Raw) -> Result<usize, Wrong> {
    let number = count(raw)?;
    usize::try_from(number).map_err(|_| Wrong::new(format!("{number} is too much")))
}

/// A server with room for nothing would never read.
pub(super) fn some<T>(
    read: impl Fn(&Raw) -> Result<u64, Wrong>,
) -> impl Fn(&Raw) -> Result<T, Wrong>
where
    T: TryFrom<u64>,
{
    move |raw| match read(raw)? {
        0 => Err(Wrong::new("0: nothing would ever be read")),
        number => T::try_from(number).map_err(|_| Wrong::new(format!("{number} is too much"))),
    }
}

pub(super) fn flag(raw: &Raw) -> Result<bool, Wrong> {
    if let Raw::Flag(flag) = raw {
        return Ok(*flag);
    }
    let text = raw.text()?;
    text.parse().map_err(|_| Wrong::one_of(text, &["true", "false"]))
}

pub(super) fn path(raw: &Raw) -> Result<PathBuf, Wrong> {
    match raw {
        Raw::Bytes(path) => Ok(path.into()),
        Raw::Text(_) | Raw::Flag(_) | Raw::List(_) | Raw::Table(_) | Raw::Date => {
            raw.text().map(PathBuf::from)
        }
    }
}

/// One of the words of a type.
pub(crate) fn word<T: ValueEnum>(text: &str) -> Result<T, Wrong> {
    T::from_str(text, false).map_err(|_| {
        let known = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let known: Vec<_> = known.map(|value| value.get_name().to_owned()).collect();
        Wrong::one_of(text, &known)
    })
}

pub(super) fn address(text: &str) -> Result<Address, Wrong> {
    let address: Address = text.parse().map_err(|error| Wrong::new(format!("{text}: {error}")))?;
    if !is_a_goal(&address) {
        return Err(Wrong::new(format!("{text}: not an address that a client can go to"))
            .hint("it stands for all addresses of a machine: name one of them"));
    }
    Ok(address)
}

impl Wrong {
    /// It is none of the words that are known.
    pub(crate) fn one_of<T: AsRef<str>>(text: &str, known: &[T]) -> Self {
        let words: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
        let meant = did_you_mean(text, words.iter().copied());
        let meant = meant.map(|word| format!("; did you mean {word}?")).unwrap_or_default();
        Self::new(format!("{text}: not one of {}{meant}", words.join(", ")))
    }
}
