//! Messages that have a form in each version of a contract.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use crate::encode::Encoder;
use crate::packet::Version;
use crate::term::{Term, TermRef};

/// A message of a contract: how it is written and read in each version is said in one place, here.
///
/// A program works with one type. What goes over the wire depends on the version that both sides
/// have agreed on: an older version may name things otherwise, say less, or not know the message at
/// all.
///
/// Mostly it is derived (feature `derive`). Each version has a type of its own, which is what serde
/// writes and reads, and the conversions between it and the program's type are ordinary Rust:
///
/// - `impl TryFrom<&Message> for v1::Message` is how it is written. Its error says why a value has
///   no words in that version. A `From<&Message>` is fine where there are always some.
/// - `impl TryFrom<v1::Message> for Message`, or `From`, is how it is read.
/// - `Self` is the type itself: mostly that of the newest version.
///
#[cfg_attr(feature = "derive", doc = "```")]
#[cfg_attr(not(feature = "derive"), doc = "```text")]
/// use serde::{Deserialize, Serialize};
/// use ubf_codec::{Version, Versioned, ubf};
///
/// /// A price, as the program knows it.
/// #[derive(Versioned, Serialize, Deserialize, Debug, PartialEq)]
/// #[version(1, v1::Price)]
/// #[version(2..=3, Self)]
/// #[serde(rename = "price")]
/// struct Price {
///     cents: u64,
///     currency: String,
/// }
///
/// mod v1 {
///     /// Euros alone, and whole ones.
///     #[derive(serde::Serialize, serde::Deserialize)]
///     #[serde(rename = "euros")]
///     pub struct Price {
///         pub whole: u64,
///     }
/// }
///
/// impl TryFrom<&Price> for v1::Price {
///     type Error = &'static str;
///
///     fn try_from(price: &Price) -> Result<Self, Self::Error> {
///         if price.currency != "EUR" || price.cents % 100 != 0 {
///             return Err("only whole euros");
///         }
///         Ok(Self { whole: price.cents / 100 })
///     }
/// }
///
/// impl From<v1::Price> for Price {
///     fn from(v1::Price { whole }: v1::Price) -> Self {
///         Self { cents: whole * 100, currency: "EUR".into() }
///     }
/// }
///
/// let [v1, v2, v3] = [1, 2, 3].map(|number| Version::new(number).unwrap());
/// assert_eq!(Price::VERSIONS, [v1, v2, v3]);
///
/// let price = Price { cents: 500, currency: "EUR".into() };
/// assert_eq!(price.to_term(v1)?, ubf!({euros, 5}));
/// assert_eq!(price.to_term(v3)?, ubf!({price, 500, "EUR"}));
/// assert_eq!(Price::from_term(v1, ubf!({euros, 5}).as_ref())?, price);
///
/// let error = Price { cents: 501, ..price }.to_term(v1).unwrap_err();
/// assert_eq!(error.to_string(), "has no form in version 1: only whole euros");
/// # Ok::<(), ubf_codec::VersionedError>(())
/// ```
pub trait Versioned: Sized {
    /// The versions that have a form of it, lowest first.
    const VERSIONS: &'static [Version];

    /// The message in a version.
    ///
    /// # Errors
    /// If this version has no words for it.
    fn to_term(&self, version: Version) -> Result<Term, VersionedError>;

    /// The message from a version.
    ///
    /// # Errors
    /// If the term is not one in this version.
    fn from_term(version: Version, term: TermRef<'_>) -> Result<Self, VersionedError>;

    /// The body of a packet with the message in a version, up to and with its `$`.
    ///
    /// # Errors
    /// As for [`to_term`](Self::to_term).
    fn to_vec(&self, version: Version) -> Result<Vec<u8>, VersionedError> {
        Ok(Encoder::new().encode(&self.to_term(version)?))
    }
}

/// A message cannot be written or read in a version. Its [`source`](Error::source) says why, if
/// that is known.
#[derive(Debug)]
pub struct VersionedError {
    kind: Kind,
    version: Version,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NoForm,
    Unreadable,
}

impl VersionedError {
    /// The message has no form in this version.
    #[must_use]
    pub const fn no_form(version: Version) -> Self {
        Self { kind: Kind::NoForm, version, cause: None }
    }

    /// The message has no form in this version, and this is why.
    pub fn no_form_since(version: Version, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::NoForm, version, cause: Some(cause.into()) }
    }

    /// A term is not the message in this version, and this is why.
    pub fn unreadable(version: Version, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Unreadable, version, cause: Some(cause.into()) }
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether a term could not be read. Otherwise the message has no form in the version.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.kind == Kind::Unreadable
    }
}

impl fmt::Display for VersionedError {
    /// With the cause, which is mostly what a reader needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version;
        match self.kind {
            Kind::NoForm => write!(f, "has no form in version {version}")?,
            Kind::Unreadable => write!(f, "cannot be read in version {version}")?,
        }
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl Error for VersionedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // `Display` shows the cause itself.
        self.cause.as_deref().and_then(Error::source)
    }
}

/// What the derived code calls.
#[cfg(feature = "serde")]
pub(crate) mod derived {
    pub use serde_core::Serialize;
    pub use serde_core::de::DeserializeOwned;

    use super::{Box, Error, Term, TermRef, Version, VersionedError};
    use crate::serde::{from_term, to_term};

    type Cause = Box<dyn Error + Send + Sync>;

    /// The macro has checked the number.
    #[must_use]
    pub const fn version(number: u32) -> Version {
        match Version::new(number) {
            Some(version) => version,
            None => Version::MAX,
        }
    }

    /// Writes a message as it is.
    pub fn write<T: Serialize>(version: Version, message: &T) -> Result<Term, VersionedError> {
        to_term(message).map_err(|error| VersionedError::no_form_since(version, error))
    }

    /// Writes a message as a version's type.
    pub fn write_as<'a, T, V>(version: Version, message: &'a T) -> Result<Term, VersionedError>
    where
        V: TryFrom<&'a T, Error: Into<Cause>> + Serialize,
    {
        let form = V::try_from(message);
        write(version, &form.map_err(|cause| VersionedError::no_form_since(version, cause))?)
    }

    /// Reads a message as it is.
    pub fn read<T: DeserializeOwned>(
        version: Version,
        term: TermRef<'_>,
    ) -> Result<T, VersionedError> {
        from_term(term).map_err(|error| VersionedError::unreadable(version, error))
    }

    /// Reads a message from a version's type.
    pub fn read_as<T, V>(version: Version, term: TermRef<'_>) -> Result<T, VersionedError>
    where
        T: TryFrom<V, Error: Into<Cause>>,
        V: DeserializeOwned,
    {
        let form: V = read(version, term)?;
        T::try_from(form).map_err(|cause| VersionedError::unreadable(version, cause))
    }
}
