//! Versions that are not used for a while because their code crashed (N7).

use alloc::collections::BTreeMap;
use core::time::Duration;

use ubf_codec::Version;

use crate::random::Random;
use crate::time::Time;
use crate::versions::Versions;

/// How long versions stay in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineTimes {
    /// The first time.
    pub first: Duration,
    /// The time is doubled at each crash that comes soon after the last quarantine, up to this
    /// one.
    pub longest: Duration,
    /// Variation at random, in per cent to both sides, so that not all try again at the same
    /// moment.
    pub jitter_percent: u64,
}

impl Default for QuarantineTimes {
    /// N7: 30 s, doubling to one hour, varied by 20 %.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(30),
            longest: Duration::from_secs(3600),
            jitter_percent: 20,
        }
    }
}

/// The quarantined versions of one service. A quarantine ends by itself, and none is skipped.
///
/// ```
/// use core::time::Duration;
/// use ubf_codec::Version;
/// use ubf_proto::{Quarantine, QuarantineTimes, Random, Time};
///
/// let times = QuarantineTimes { jitter_percent: 0, ..QuarantineTimes::default() };
/// let mut quarantine = Quarantine::new(times);
/// let mut random = Random::new(1);
/// let ten = Version::new(10).unwrap();
/// let until = quarantine.close(ten, Time::ZERO, &mut random);
/// assert_eq!(until.as_millis(), 30_000);
/// assert!(quarantine.holds(ten, Time::from_millis(29_999)));
/// assert!(!quarantine.holds(ten, until));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    times: QuarantineTimes,
    /// One for each version that has crashed, which is one of ours: at most [`Versions::MAX_LEN`].
    entries: BTreeMap<Version, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Time,
    /// Before jitter.
    length: Duration,
}

impl Quarantine {
    /// An empty quarantine.
    #[must_use]
    pub const fn new(times: QuarantineTimes) -> Self {
        Self { times, entries: BTreeMap::new() }
    }

    /// Puts a version into quarantine, and tells until when.
    ///
    /// The time is twice the last one if the version crashed before it had been in use again for as
    /// long as it had been out of use. A second report during a quarantine changes nothing:
    /// many calls may find out about the same crash.
    pub fn close(&mut self, version: Version, now: Time, random: &mut Random) -> Time {
        let length = match self.entries.get(&version) {
            Some(entry) if now < entry.until => return entry.until,
            Some(entry) if self.is_on_trial(version, now) => {
                (entry.length * 2).min(self.times.longest)
            }
            Some(_) | None => self.times.first,
        };
        let until = now + random.around(length, self.times.jitter_percent);
        if self.entries.len() < Versions::MAX_LEN || self.entries.contains_key(&version) {
            self.entries.insert(version, Entry { until, length });
        }
        until
    }

    /// Whether the version has been allowed again for a shorter time than it was out of use: one
    /// crash more, and it is closed for twice as long.
    #[must_use]
    pub fn is_on_trial(&self, version: Version, now: Time) -> bool {
        self.entries
            .get(&version)
            .is_some_and(|entry| now >= entry.until && now.since(entry.until) < entry.length)
    }

    /// Closes a version again that was tried although it was in quarantine (N7): the time begins
    /// anew, and doubles.
    pub fn extend(&mut self, version: Version, now: Time, random: &mut Random) -> Time {
        if let Some(entry) = self.entries.get_mut(&version) {
            entry.until = entry.until.min(now);
        }
        self.close(version, now, random)
    }

    /// Takes over a quarantine that another session opened.
    pub fn close_until(&mut self, version: Version, until: Time) {
        let length = self.times.first;
        let entry = self.entries.entry(version).or_insert(Entry { until, length });
        entry.until = entry.until.max(until);
    }

    /// Ends a quarantine.
    pub fn open(&mut self, version: Version) {
        self.entries.remove(&version);
    }

    /// Whether the version may not be used.
    #[must_use]
    pub fn holds(&self, version: Version, now: Time) -> bool {
        self.until(version, now).is_some()
    }

    /// Until when the version may not be used.
    #[must_use]
    pub fn until(&self, version: Version, now: Time) -> Option<Time> {
        self.entries.get(&version).map(|entry| entry.until).filter(|&until| now < until)
    }

    /// Those of `versions` that may be used.
    #[must_use]
    pub fn allowed(&self, versions: &Versions, now: Time) -> Versions {
        versions.iter().filter(|&version| !self.holds(version, now)).collect()
    }

    /// Of `versions`, the one whose quarantine ends first; the higher of two (N7).
    #[must_use]
    pub fn first_to_end(&self, versions: &Versions, now: Time) -> Option<Version> {
        let ends =
            versions.iter().rev().filter_map(|version| Some((self.until(version, now)?, version)));
        ends.min_by_key(|&(until, _)| until).map(|(_, version)| version)
    }

    /// The versions in quarantine, and until when.
    pub fn iter(&self, now: Time) -> impl Iterator<Item = (Version, Time)> + '_ {
        self.entries
            .iter()
            .map(|(&version, entry)| (version, entry.until))
            .filter(move |&(_, until)| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Version {
        Version::new(10).unwrap()
    }

    fn exact() -> Quarantine {
        Quarantine::new(QuarantineTimes { jitter_percent: 0, ..QuarantineTimes::default() })
    }

    #[test]
    fn n7_doubles_from_30_seconds_to_an_hour_and_stays_there() {
        let mut quarantine = exact();
        let mut random = Random::new(1);
        let mut now = Time::ZERO;
        let mut lengths = alloc::vec::Vec::new();
        for _ in 0..9 {
            let until = quarantine.close(ten(), now, &mut random);
            lengths.push(until.since(now).as_secs());
            now = until;
        }
        assert_eq!(lengths, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn n7_the_time_varies_by_a_fifth_so_that_clients_do_not_come_back_together() {
        let lengths = (0..100).map(|seed| {
            let until = Quarantine::default().close(ten(), Time::ZERO, &mut Random::new(seed));
            until.as_millis()
        });
        let lengths: alloc::collections::BTreeSet<u64> = lengths.collect();
        assert!(lengths.iter().all(|length| (24_000..=36_000).contains(length)), "{lengths:?}");
        assert!(lengths.len() > 90, "{lengths:?}");
        assert!(lengths.first() < Some(&26_000) && lengths.last() > Some(&34_000), "{lengths:?}");
    }

    #[test]
    fn n7_begins_at_30_seconds_again_after_good_conduct() {
        let mut quarantine = exact();
        let mut random = Random::new(1);
        let until = quarantine.close(ten(), Time::ZERO, &mut random);
        let again = until + Duration::from_secs(30);
        assert_eq!(quarantine.close(ten(), again, &mut random).since(again).as_secs(), 30);
    }

    #[test]
    fn n7_many_reports_of_one_crash_are_one() {
        let mut quarantine = exact();
        let mut random = Random::new(1);
        let until = quarantine.close(ten(), Time::ZERO, &mut random);
        assert_eq!(quarantine.close(ten(), Time::from_millis(1), &mut random), until);
        assert!(quarantine.extend(ten(), Time::from_millis(1), &mut random) > until);
    }

    #[test]
    fn n7_the_first_to_end_is_found() {
        let mut quarantine = exact();
        let mut random = Random::new(1);
        let versions = Versions::of([3, 10]);
        quarantine.close(ten(), Time::ZERO, &mut random);
        quarantine.close(Version::new(3).unwrap(), Time::from_millis(5), &mut random);
        assert!(quarantine.allowed(&versions, Time::from_millis(5)).is_empty());
        assert_eq!(quarantine.first_to_end(&versions, Time::from_millis(5)), Some(ten()));
    }

    #[test]
    fn n7_the_quarantine_of_another_session_counts_and_the_later_end_is_kept() {
        let mut quarantine = exact();
        quarantine.close_until(ten(), Time::from_millis(9_000));
        quarantine.close_until(ten(), Time::from_millis(5_000));
        assert!(quarantine.holds(ten(), Time::from_millis(8_999)));
        assert!(!quarantine.holds(ten(), Time::from_millis(9_000)));
    }

    #[test]
    fn n7_a_quarantine_can_be_ended_and_is_forgotten() {
        let mut quarantine = exact();
        let mut random = Random::new(1);
        quarantine.close(ten(), Time::ZERO, &mut random);
        quarantine.open(ten());
        assert!(!quarantine.holds(ten(), Time::ZERO));
        assert_eq!(quarantine.close(ten(), Time::ZERO, &mut random).as_millis(), 30_000);
    }

    #[test]
    fn l1_no_more_versions_are_kept_than_a_list_may_have() {
        let mut quarantine = exact();
        let mut random = Random::new(1);
        for number in 1..=1025 {
            quarantine.close(Version::new(number).unwrap(), Time::ZERO, &mut random);
        }
        assert_eq!(quarantine.iter(Time::ZERO).count(), 1024);
    }
}
