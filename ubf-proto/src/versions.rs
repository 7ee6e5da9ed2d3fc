//! Sets of versions and the choice that both sides compute (N1, N2).

use alloc::string::String;
use alloc::vec::{self, Vec};
use core::fmt;
use core::iter::Copied;
use core::slice;
use core::str::FromStr;

use ubf_codec::Version;

/// Distinct versions, lowest first. A list on the wire holds at most [`Versions::MAX_LEN`] of them
/// (N2).
///
/// ```
/// use ubf_proto::Versions;
///
/// let client = Versions::of([1, 2, 3, 6, 8, 10, 11]);
/// let server = Versions::of([1, 2, 3, 4, 5, 9, 10, 14]);
/// assert_eq!(client.choose(&server).map(|version| version.get()), Some(10));
/// assert_eq!(client.to_string(), "1-3,6,8,10,11");
/// assert_eq!("1-3,6,8,10,11".parse(), Ok(client));
/// assert_eq!(Versions::from([3, 10]).into_iter().count(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Versions(
    /// Ascending, without repetition, at most `MAX_LEN`.
    Vec<Version>,
);

impl Versions {
    /// N2: the most versions in a list.
    pub const MAX_LEN: usize = 1024;

    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The set of these numbers. What is no version (0, and above 2,147,483,647) is left out.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        numbers.into_iter().filter_map(Version::new).collect()
    }

    /// Adds a version. `false` if it was there already, or the set is full.
    pub fn insert(&mut self, version: Version) -> bool {
        match self.0.binary_search(&version) {
            Err(place) if self.0.len() < Self::MAX_LEN => {
                self.0.insert(place, version);
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Removes a version. `false` if it was not there.
    pub fn remove(&mut self, version: Version) -> bool {
        self.0.binary_search(&version).map(|place| self.0.remove(place)).is_ok()
    }

    /// Whether the version is in the set.
    #[must_use]
    pub fn contains(&self, version: Version) -> bool {
        self.0.binary_search(&version).is_ok()
    }

    /// The versions, lowest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Version] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The versions, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Version> + '_ {
        self.0.iter().copied()
    }

    /// The highest version.
    #[must_use]
    pub fn highest(&self) -> Option<Version> {
        self.0.last().copied()
    }

    /// The highest version below `version`.
    #[must_use]
    pub fn below(&self, version: Version) -> Option<Version> {
        self.iter().rfind(|&candidate| candidate < version)
    }

    /// N1: the highest version in both sets.
    #[must_use]
    pub fn choose(&self, other: &Self) -> Option<Version> {
        self.iter().rfind(|&version| other.contains(version))
    }
}

impl<const N: usize> From<[u32; N]> for Versions {
    /// As [`Versions::of`].
    fn from(numbers: [u32; N]) -> Self {
        Self::of(numbers)
    }
}

impl IntoIterator for Versions {
    type Item = Version;
    type IntoIter = vec::IntoIter<Version>;

    /// The versions, lowest first.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Versions {
    type Item = Version;
    type IntoIter = Copied<slice::Iter<'a, Version>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().copied()
    }
}

/// A text is no list of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionsError {
    /// This part is neither a version nor a range of versions.
    NotAVersion {
        /// The part between two commas.
        part: String,
    },
    /// There are more than [`Versions::MAX_LEN`].
    TooMany,
}

impl fmt::Display for VersionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAVersion { part } => write!(
                f,
                "'{part}' is no version: expected numbers from 1 to 2147483647 and ranges, as in \
                 1-3,10"
            ),
            Self::TooMany => write!(f, "more than {} versions", Versions::MAX_LEN),
        }
    }
}

impl core::error::Error for VersionsError {}

impl FromStr for Versions {
    type Err = VersionsError;

    /// Reads what [`Display`](fmt::Display) writes: numbers and ranges with commas between them,
    /// in any order, white space around them. The empty text is the empty set.
    ///
    /// # Errors
    /// If a part is no version and no range, or if there are more than [`Versions::MAX_LEN`].
    fn from_str(text: &str) -> Result<Self, VersionsError> {
        let mut versions = Self::new();
        if text.trim().is_empty() {
            return Ok(versions);
        }
        for part in text.split(',') {
            let not_a_version = || VersionsError::NotAVersion { part: part.trim().into() };
            let number = |text: &str| {
                let text = text.trim();
                let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
                let number = if is_plain { text.parse().ok() } else { None };
                number.and_then(Version::new).map(Version::get).ok_or_else(not_a_version)
            };
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last {
                return Err(not_a_version());
            }
            // It ends early: the set takes no more than so many.
            for version in (first..=last).filter_map(Version::new) {
                if !versions.insert(version) && !versions.contains(version) {
                    return Err(VersionsError::TooMany);
                }
            }
        }
        Ok(versions)
    }
}

impl FromIterator<Version> for Versions {
    /// Of more than [`Versions::MAX_LEN`] versions, the highest are kept.
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut list: Vec<Version> = versions.into_iter().collect();
        list.sort_unstable();
        list.dedup();
        let surplus = list.len().saturating_sub(Self::MAX_LEN);
        list.drain(..surplus);
        Self(list)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut separator = "";
        while let [first, ..] = *rest {
            // Three or more in a row are written as a range.
            let run = rest
                .iter()
                .zip(first.get()..)
                .take_while(|(version, number)| version.get() == *number)
                .count();
            let len = if run >= 3 { run } else { 1 };
            match rest.get(len - 1) {
                Some(last) if len > 1 => write!(f, "{separator}{first}-{last}")?,
                Some(_) | None => write!(f, "{separator}{first}")?,
            }
            separator = ",";
            rest = rest.get(len..).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn n1_the_choice_is_the_highest_in_both() {
        let number = |one: &[u32], two: &[u32]| {
            let (one, two) = (Versions::of(one.iter().copied()), Versions::of(two.iter().copied()));
            assert_eq!(one.choose(&two), two.choose(&one));
            one.choose(&two).map(Version::get)
        };
        assert_eq!(number(&[1, 2, 3, 6, 8, 10, 11], &[1, 2, 3, 4, 5, 9, 10, 14]), Some(10));
        assert_eq!(number(&[1, 2, 3, 6, 8, 11], &[1, 2, 3, 4, 5, 9, 10, 14]), Some(3));
        assert_eq!(number(&[1], &[2]), None);
        assert_eq!(number(&[], &[2]), None);
    }

    #[test]
    fn n2_at_most_1024_are_kept() {
        let full = Versions::of(1..=1024);
        assert_eq!(full.len(), 1024);
        let mut over = Versions::of(0..=1025);
        assert_eq!((over.len(), over.as_slice()[0].get()), (1024, 2));
        assert!(!over.insert(Version::MAX));
    }

    #[test]
    fn n6_a_version_is_not_below_itself() {
        let versions = Versions::of([3, 10]);
        assert_eq!(versions.below(Version::new(10).unwrap()), Version::new(3));
        assert_eq!(versions.below(Version::new(11).unwrap()), Version::new(10));
        assert_eq!(versions.below(Version::new(3).unwrap()), None);
    }

    #[test]
    fn a_text_is_read_as_it_is_written_and_in_any_order() {
        for numbers in [&[][..], &[1], &[1, 2, 3, 4, 6, 7, 9], &[2_147_483_647]] {
            let versions = Versions::of(numbers.iter().copied());
            assert_eq!(versions.to_string().parse(), Ok(versions));
        }
        assert_eq!(" 9, 1 - 3 ,2".parse(), Ok(Versions::from([1, 2, 3, 9])));
        assert_eq!("1-1024".parse(), Ok(Versions::of(1..=1024)));
    }

    #[test]
    fn a_text_that_is_no_list_is_an_error_that_names_the_part() {
        for (text, part) in [
            ("0", "0"),
            ("1,,2", ""),
            ("1,x", "x"),
            ("3-1", "3-1"),
            ("1-", "1-"),
            ("-1", "-1"),
            ("+1", "+1"),
            ("1-2-3", "1-2-3"),
            ("2147483648", "2147483648"),
        ] {
            let expected = VersionsError::NotAVersion { part: part.into() };
            assert_eq!(text.parse::<Versions>(), Err(expected), "{text}");
        }
        for text in ["1-1025", "1-2147483647", "1-1024,5000"] {
            assert_eq!(text.parse::<Versions>(), Err(VersionsError::TooMany), "{text}");
        }
    }

    #[test]
    fn prints_ranges() {
        assert_eq!(Versions::of([1, 2, 3, 4, 6, 7, 9]).to_string(), "1-4,6,7,9");
        assert_eq!(Versions::new().to_string(), "");
    }
}
