//! How an author names versions, and what can be wrong with that.

use std::fmt;
use std::ops::RangeInclusive;

use ubf_codec::Version;
use ubf_proto::Versions;

/// What can be said where versions are asked for: `1`, `[1, 2]`, `1..=3`, a [`Version`],
/// [`Versions`].
///
/// Nothing is left out silently: what is no version is an error when the server is
/// [bound](crate::ServerBuilder::bind).
pub trait IntoVersions {
    /// The versions.
    ///
    /// # Errors
    /// If a number is none, there is none at all, or there are too many.
    fn into_versions(self) -> Result<Versions, HandlerError>;
}

impl IntoVersions for Versions {
    fn into_versions(self) -> Result<Versions, HandlerError> {
        if self.is_empty() { Err(HandlerError::NoVersion) } else { Ok(self) }
    }
}

impl IntoVersions for &Versions {
    fn into_versions(self) -> Result<Versions, HandlerError> {
        self.clone().into_versions()
    }
}

impl IntoVersions for Version {
    fn into_versions(self) -> Result<Versions, HandlerError> {
        Ok([self].into_iter().collect())
    }
}

impl IntoVersions for u32 {
    fn into_versions(self) -> Result<Versions, HandlerError> {
        from_numbers([self])
    }
}

impl<const N: usize> IntoVersions for [u32; N] {
    fn into_versions(self) -> Result<Versions, HandlerError> {
        from_numbers(self)
    }
}

impl IntoVersions for &[u32] {
    fn into_versions(self) -> Result<Versions, HandlerError> {
        from_numbers(self.iter().copied())
    }
}

impl IntoVersions for RangeInclusive<u32> {
    fn into_versions(self) -> Result<Versions, HandlerError> {
        from_numbers(self)
    }
}

fn from_numbers(numbers: impl IntoIterator<Item = u32>) -> Result<Versions, HandlerError> {
    let mut versions = Versions::new();
    for number in numbers {
        let version = Version::new(number).ok_or(HandlerError::NotAVersion(number))?;
        // A version that is named twice in one list is there.
        if !versions.insert(version) && !versions.contains(version) {
            return Err(HandlerError::TooManyVersions);
        }
    }
    versions.into_versions()
}

/// What is wrong with a service, whoever its clients are. [`ServerBuilder::bind`] says so.
///
/// [`ServerBuilder::bind`]: crate::ServerBuilder::bind
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerError {
    /// A version was asked for, and none was named.
    NoVersion,
    /// This number is no version: 0, which belongs to the protocol, or above 2,147,483,647.
    NotAVersion(u32),
    /// There are more versions than a list may have (N2): [`Versions::MAX_LEN`].
    TooManyVersions,
    /// Two handlers want to answer the requests of this version.
    VersionTwice(Version),
    /// Two handlers want to take the events of this version.
    EventsTwice(Version),
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVersion => f.write_str("no version is named"),
            Self::NotAVersion(number) => {
                write!(f, "{number} is not a version: they are 1 to {}", Version::MAX)
            }
            Self::TooManyVersions => write!(f, "more than {} versions", Versions::MAX_LEN),
            Self::VersionTwice(version) => {
                write!(f, "version {version} has two handlers of requests")
            }
            Self::EventsTwice(version) => write!(f, "version {version} has two handlers of events"),
        }
    }
}

impl std::error::Error for HandlerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_in_many_ways() {
        for versions in [
            [1, 2, 3].into_versions(),
            (1..=3).into_versions(),
            [3, 1, 2, 1].as_slice().into_versions(),
            Versions::of(1..=3).into_versions(),
        ] {
            assert_eq!(versions.unwrap().to_string(), "1-3");
        }
        assert_eq!(7.into_versions(), Version::MIN.into_versions().map(|_| Versions::of([7])));
    }

    #[test]
    fn what_is_no_version_is_not_left_out_silently() {
        assert_eq!([1, 0].into_versions(), Err(HandlerError::NotAVersion(0)));
        assert_eq!((1 << 31).into_versions(), Err(HandlerError::NotAVersion(1 << 31)));
        assert_eq!([].into_versions(), Err(HandlerError::NoVersion));
        assert_eq!(Versions::of([0]).into_versions(), Err(HandlerError::NoVersion));
        assert_eq!((1..=1024).into_versions().unwrap().len(), 1024);
        assert_eq!((1..=u32::MAX).into_versions(), Err(HandlerError::TooManyVersions));
    }
}
