//! Version numbers (P2, P3).

use core::fmt;
use core::num::NonZeroU32;

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
        assert_eq!(Mode::from_number(0), Some(Mode::Negotiation));
        assert_eq!(Mode::from_number(10).map(Mode::number), Some(10));
        assert_eq!(Mode::from_number(u32::MAX), None);
    }
}
