//! What a server speaks, shared by its sessions, and how repeated crashes withdraw a version (N6,
//! N7).

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use ubf_codec::Version;

use crate::quarantine::{Quarantine, QuarantineTimes};
use crate::random::Random;
use crate::service::Service;
use crate::time::Time;
use crate::versions::Versions;

/// When crashes of handlers withdraw a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashRule {
    /// So many crashes withdraw a version: chosen, since one crash may be the fault of one
    /// request.
    pub max_crashes: usize,
    /// They are counted over this time.
    pub window: Duration,
    /// How long the version stays withdrawn.
    pub times: QuarantineTimes,
}

impl Default for CrashRule {
    /// Three crashes in a minute.
    fn default() -> Self {
        Self { max_crashes: 3, window: Duration::from_secs(60), times: QuarantineTimes::default() }
    }
}

/// The services of a server and the versions that it speaks of each.
///
/// The shell keeps one, and gives each session a copy in an `Arc`; after a change it gives them
/// another one with [`ServerInput::Offer`](crate::server::Input::Offer). Clients learn of it when a
/// packet is refused (N5).
///
/// ```
/// use ubf_codec::Version;
/// use ubf_proto::{Offer, Random, Service, Time, Versions};
///
/// let mut offer = Offer::new().with_service(Service::DEFAULT, Versions::of([3, 10]));
/// let mut random = Random::new(1);
/// let ten = Version::new(10).unwrap();
/// for _ in 0..3 {
///     offer.handler_crashed(&Service::DEFAULT, ten, Time::ZERO, &mut random);
/// }
/// assert_eq!(offer.spoken(&Service::DEFAULT, Time::ZERO).to_string(), "3");
/// assert_eq!(offer.spoken(&Service::DEFAULT, Time::from_millis(36_000)).to_string(), "3,10");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Offer {
    rule: CrashRule,
    services: BTreeMap<Service, Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    versions: Versions,
    /// By an operator, until restored.
    withdrawn: Versions,
    quarantine: Quarantine,
    /// Times of the last crashes of each version: at most `max_crashes`.
    crashes: BTreeMap<Version, VecDeque<Time>>,
}

impl Entry {
    fn kept(&self) -> Versions {
        self.versions.iter().filter(|&version| !self.withdrawn.contains(version)).collect()
    }

    fn speaks(&self, version: Version, now: Time) -> bool {
        let is_kept = self.versions.contains(version) && !self.withdrawn.contains(version);
        is_kept && (!self.quarantine.holds(version, now) || self.forced(now) == Some(version))
    }

    /// N7: when all versions are in quarantine, the one whose time ends first is tried.
    fn forced(&self, now: Time) -> Option<Version> {
        let kept = self.kept();
        let none_left = self.quarantine.allowed(&kept, now).is_empty();
        none_left.then(|| self.quarantine.first_to_end(&kept, now)).flatten()
    }
}

impl Offer {
    /// No service.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This offer with another rule for crashes.
    #[must_use]
    pub const fn with_crash_rule(mut self, rule: CrashRule) -> Self {
        self.rule = rule;
        self
    }

    /// This offer with one more service.
    #[must_use]
    pub fn with_service(mut self, service: impl Into<Service>, versions: Versions) -> Self {
        let quarantine = Quarantine::new(self.rule.times);
        self.services.insert(service.into(), Entry { versions, quarantine, ..Entry::default() });
        self
    }

    /// All versions of a service that clients may use now: none if the service is not known.
    #[must_use]
    pub fn spoken(&self, service: &Service, now: Time) -> Versions {
        let Some(entry) = self.services.get(service) else { return Versions::new() };
        entry.versions.iter().filter(|&version| entry.speaks(version, now)).collect()
    }

    /// Whether clients may use this version now.
    #[must_use]
    pub fn speaks(&self, service: &Service, version: Version, now: Time) -> bool {
        self.services.get(service).is_some_and(|entry| entry.speaks(version, now))
    }

    /// N6: counts a crash of a handler. If that withdraws the version, tells until when.
    ///
    /// Crashes of a version that is withdrawn already are those of handlers that were running: they
    /// count for nothing. After that the version is on trial (N7): for as long as it was
    /// withdrawn, one crash withdraws it again.
    pub fn handler_crashed(
        &mut self,
        service: &Service,
        version: Version,
        now: Time,
        random: &mut Random,
    ) -> Option<Time> {
        let entry =
            self.services.get_mut(service).filter(|entry| entry.versions.contains(version))?;
        if entry.quarantine.holds(version, now) {
            // It is withdrawn, or spoken since no other is left (N7).
            return None;
        }
        if entry.quarantine.is_on_trial(version, now) {
            entry.crashes.remove(&version);
            return Some(entry.quarantine.close(version, now, random));
        }
        let crashes = entry.crashes.entry(version).or_default();
        while crashes.front().is_some_and(|&oldest| now.since(oldest) > self.rule.window) {
            crashes.pop_front();
        }
        crashes.push_back(now);
        if crashes.len() < self.rule.max_crashes {
            return None;
        }
        crashes.clear();
        Some(entry.quarantine.close(version, now, random))
    }

    /// Withdraws a version until it is restored. `false` if the service does not have it.
    pub fn withdraw(&mut self, service: &Service, version: Version) -> bool {
        let Some(entry) =
            self.services.get_mut(service).filter(|entry| entry.versions.contains(version))
        else {
            return false;
        };
        entry.withdrawn.insert(version);
        true
    }

    /// Offers a version again, whoever withdrew it. `false` if the service does not have it.
    pub fn restore(&mut self, service: &Service, version: Version) -> bool {
        let Some(entry) =
            self.services.get_mut(service).filter(|entry| entry.versions.contains(version))
        else {
            return false;
        };
        entry.withdrawn.remove(version);
        entry.quarantine.open(version);
        entry.crashes.remove(&version);
        true
    }
}

impl From<Versions> for Offer {
    /// The default service in these versions.
    fn from(versions: Versions) -> Self {
        Self::new().with_service(Service::DEFAULT, versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    #[test]
    fn n6_three_crashes_in_a_minute_withdraw_and_two_do_not() {
        let mut offer = Offer::from(Versions::of([3, 10]));
        let mut random = Random::new(1);
        let mut crash = |millis| {
            let now = Time::from_millis(millis);
            offer.handler_crashed(&Service::DEFAULT, version(10), now, &mut random).is_some()
        };
        assert_eq!([crash(0), crash(1), crash(60_001), crash(60_001)], [false, false, false, true]);
    }

    #[test]
    fn n7_a_server_never_speaks_nothing_because_of_crashes() {
        let mut offer = Offer::from(Versions::of([3, 10]));
        let mut random = Random::new(1);
        for number in [3, 10] {
            for _ in 0..3 {
                offer.handler_crashed(
                    &Service::DEFAULT,
                    version(number),
                    Time::from_millis(number.into()),
                    &mut random,
                );
            }
        }
        assert_eq!(offer.spoken(&Service::DEFAULT, Time::from_millis(10)).len(), 1);
    }

    #[test]
    fn n7_on_trial_one_crash_withdraws_again_for_twice_the_time() {
        let times = QuarantineTimes { jitter_percent: 0, ..QuarantineTimes::default() };
        let rule = CrashRule { times, ..CrashRule::default() };
        for (after, is_on_trial) in [(0, true), (29_999, true), (30_000, false)] {
            let mut offer = Offer::new()
                .with_crash_rule(rule)
                .with_service(Service::DEFAULT, Versions::of([3, 10]));
            let mut random = Random::new(1);
            let mut crash = |millis| {
                offer.handler_crashed(
                    &Service::DEFAULT,
                    version(10),
                    Time::from_millis(millis),
                    &mut random,
                )
            };
            assert_eq!(
                [crash(0), crash(0), crash(0)],
                [None, None, Some(Time::from_millis(30_000))]
            );
            // Handlers that were running then count neither for the trial nor against the time.
            assert_eq!([crash(1), crash(1)], [None, None]);
            let found = crash(30_000 + after);
            assert_eq!(
                found,
                is_on_trial.then_some(Time::from_millis(30_000 + after + 60_000)),
                "{after}"
            );
        }
    }

    #[test]
    fn an_operator_withdraws_and_restores() {
        let mut offer = Offer::from(Versions::of([3, 10]));
        assert!(offer.withdraw(&Service::DEFAULT, version(10)));
        assert!(
            offer.withdraw(&Service::DEFAULT, version(10)),
            "it has the version, and it stays withdrawn"
        );
        assert!(!offer.speaks(&Service::DEFAULT, version(10), Time::ZERO));
        assert!(offer.restore(&Service::DEFAULT, version(10)));
        assert!(offer.speaks(&Service::DEFAULT, version(10), Time::ZERO));
        assert!(!offer.withdraw(&Service::DEFAULT, version(11)));
        assert!(!offer.withdraw(&"files".into(), version(10)));
    }
}
