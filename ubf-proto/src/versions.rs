//! Sets of versions and the choice that both sides compute (N1, N2).

use alloc::vec::Vec;
use core::fmt;

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
    fn prints_ranges() {
        assert_eq!(Versions::of([1, 2, 3, 4, 6, 7, 9]).to_string(), "1-4,6,7,9");
        assert_eq!(Versions::new().to_string(), "");
    }
}
