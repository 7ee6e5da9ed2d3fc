//! Versions that a server spoke and then refused, and when they are asked for again (N7).

use ubf_codec::Version;

use crate::quarantine::{Quarantine, QuarantineTimes};
use crate::random::Random;
use crate::time::Time;
use crate::versions::Versions;

/// Versions of ours that servers have withdrawn. An operator may restore one, or its quarantine
/// there ends, and no server says so by itself: so the client asks.
#[derive(Debug)]
pub(super) struct Withdrawn {
    /// Versions that a server has offered: to ask again for one that nobody ever spoke is in vain.
    offered: Versions,
    /// Those of them that were refused and not agreed on since.
    missing: Versions,
    /// When each is asked for again.
    times: Quarantine,
}

impl Withdrawn {
    pub(super) fn new(times: QuarantineTimes, remembered: Option<Version>) -> Self {
        Self {
            offered: remembered.into_iter().collect(),
            missing: Versions::new(),
            times: Quarantine::new(times),
        }
    }

    /// A server has offered a version, as somebody else has found out.
    pub(super) fn was_offered(&mut self, version: Version) {
        self.offered.insert(version);
    }

    /// A server has agreed, and speaks these versions. Tells when the first of those that are
    /// missing is asked for again.
    pub(super) fn agreed(
        &mut self,
        spoken: &Versions,
        own: &Versions,
        now: Time,
        random: &mut Random,
    ) -> Option<Time> {
        for version in own.iter().filter(|&version| spoken.contains(version)) {
            self.offered.insert(version);
            self.missing.remove(version);
        }
        // Those whose time was over have been asked for, and in vain.
        for version in self.missing.iter() {
            self.times.close(version, now, random);
        }
        self.next(now)
    }

    /// A server has refused a version. Tells when it is asked for again, if it is.
    pub(super) fn refused(
        &mut self,
        version: Version,
        now: Time,
        random: &mut Random,
    ) -> Option<Time> {
        if !self.offered.contains(version) {
            return None;
        }
        self.missing.insert(version);
        Some(self.times.close(version, now, random))
    }

    /// The versions whose time has come.
    pub(super) fn due(&self, now: Time) -> impl Iterator<Item = Version> + '_ {
        self.missing.iter().filter(move |&version| !self.times.holds(version, now))
    }

    /// When the next one's time comes.
    pub(super) fn next(&self, now: Time) -> Option<Time> {
        self.missing.iter().filter_map(|version| self.times.until(version, now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Version {
        Version::new(10).unwrap()
    }

    #[test]
    fn n7_a_withdrawn_version_is_asked_for_after_30_seconds_and_then_twice_as_long() {
        let times = QuarantineTimes { jitter_percent: 0, ..QuarantineTimes::default() };
        let (mut withdrawn, mut random) = (Withdrawn::new(times, None), Random::new(1));
        let (own, low, both) = (Versions::of([3, 10]), Versions::of([3]), Versions::of([3, 10]));
        let mut now = Time::ZERO;
        // Nobody spoke it.
        assert_eq!(withdrawn.refused(ten(), now, &mut random), None);
        withdrawn.agreed(&both, &own, now, &mut random);
        withdrawn.refused(ten(), now, &mut random);
        for seconds in [30, 60, 120] {
            let at = withdrawn.agreed(&low, &own, now, &mut random).unwrap();
            assert_eq!(at.since(now).as_secs(), seconds);
            assert_eq!((withdrawn.due(now).count(), withdrawn.due(at).count()), (0, 1));
            now = at;
        }
        assert_eq!(withdrawn.agreed(&both, &own, now, &mut random), None);
        assert_eq!(withdrawn.due(now).count(), 0);
    }
}
