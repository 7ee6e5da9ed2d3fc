//! Version numbers (P2, P3).

use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;

/// The version of a contract between a client and a server: 1 to 2,147,483,647.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU32);

impl Version {
    /// The lowest version.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The highest version: 2³¹ − 1.
    pub const MAX: Self = match NonZeroU32::new(i32::MAX.unsigned_abs()) {
        Some(number) => Self(number),
        None => Self::MIN,
    };

    /// The version of this number; `None` for 0 and for numbers above [`Version::MAX`].
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) if number.get() <= Self::MAX.get() => Some(Self(number)),
            Some(_) | None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number or a text that is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionError(());

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a version: expected a number from 1 to 2147483647")
    }
}

impl core::error::Error for VersionError {}

impl TryFrom<u32> for Version {
    type Error = VersionError;

    fn try_from(number: u32) -> Result<Self, VersionError> {
        Self::new(number).ok_or(VersionError(()))
    }
}

impl From<Version> for u32 {
    fn from(version: Version) -> Self {
        version.get()
    }
}

/// Reads the digits that a header has, without a sign or zeros before them (P2).
///
/// ```
/// use ubf_codec::Version;
///
/// assert_eq!("10".parse(), Version::try_from(10));
/// assert!("0".parse::<Version>().is_err() && "+1".parse::<Version>().is_err());
/// ```
impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        match text.as_bytes() {
            [b'1'..=b'9', ..] => text.parse().ok().and_then(Self::new).ok_or(VersionError(())),
            _ => Err(VersionError(())),
        }
    }
}

/// Whom a packet speaks to: the number at the beginning of its header (P3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// `0`: a packet between the two protocol engines.
    Negotiation,
    /// A packet of the application, in this version.
    Version(Version),
}

impl Mode {
    /// The mode that this number stands for; `None` above [`Version::MAX`].
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match (number, Version::new(number)) {
            (0, _) => Some(Self::Negotiation),
            (_, Some(version)) => Some(Self::Version(version)),
            (_, None) => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Negotiation => 0,
            Self::Version(version) => version.get(),
        }
    }
}

impl From<Version> for Mode {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_from_one_to_two_to_the_31_less_one() {
        assert_eq!(Version::new(0), None);
        assert_eq!(Version::new(1), Some(Version::MIN));
        assert_eq!(Version::new(2_147_483_647), Some(Version::MAX));
        assert_eq!(Version::new(2_147_483_648), None);
        for text in ["", "0", "01", "+1", "-1", "1 ", "2147483648", "99999999999"] {
            assert_eq!(text.parse::<Version>(), Err(VersionError(())), "{text}");
        }
        assert_eq!("2147483647".parse(), Ok(Version::MAX));
        assert_eq!(u32::from(Version::MAX), 2_147_483_647);
        assert_eq!(Version::try_from(0), Err(VersionError(())));
        assert_eq!(Mode::from_number(0), Some(Mode::Negotiation));
        assert_eq!(Mode::from_number(10).map(Mode::number), Some(10));
        assert_eq!(Mode::from_number(u32::MAX), None);
    }
}
