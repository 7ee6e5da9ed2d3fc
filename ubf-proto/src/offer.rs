//! What a server speaks, shared by its sessions, and how repeated crashes withdraw a version (N6,
//! N7).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use ubf_codec::{Text, Version};

use crate::origin::Origin;
use crate::quarantine::{Quarantine, QuarantineTimes};
use crate::random::Random;
use crate::service::Service;
use crate::time::Time;
use crate::versions::Versions;

/// Peers whose withdrawals are kept, for each service. Chosen: with the default rule, crashes from
/// more peers at a time withdraw a version for all.
const MAX_PEERS: usize = 256;

/// When crashes of handlers withdraw a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashRule {
    /// So many crashes from one peer withdraw a version for that peer: chosen, since one crash may
    /// be the fault of one request.
    pub max_crashes: usize,
    /// Crashes from so many peers withdraw it for all: chosen, since what one peer sends says
    /// nothing about what others send.
    pub max_peers: usize,
    /// They are counted over this time.
    pub window: Duration,
    /// How long the version stays withdrawn.
    pub times: QuarantineTimes,
}

impl Default for CrashRule {
    /// Three crashes from one peer, or crashes from three peers, in a minute.
    fn default() -> Self {
        Self {
            max_crashes: 3,
            max_peers: 3,
            window: Duration::from_secs(60),
            times: QuarantineTimes::default(),
        }
    }
}

/// Crashes have withdrawn a version (N6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// For this peer; `None`: for all.
    pub peer: Option<Origin>,
    /// Until when.
    pub until: Time,
}

/// A version that crashes have withdrawn (N6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantined<'a> {
    /// Of this service.
    pub service: &'a Service,
    /// The version.
    pub version: Version,
    /// For this peer; `None`: for all.
    pub peer: Option<Origin>,
    /// Until when.
    pub until: Time,
}

/// The services of a server and the versions that it speaks of each.
///
/// The [`Endpoint`](crate::Endpoint) keeps one, and gives each session what it says to that
/// session's peer; after a change it gives another one with
/// [`Input::Offer`](crate::server::Input::Offer). Clients learn of it when a packet is refused
/// (N5).
///
/// ```
/// use ubf_codec::Version;
/// use ubf_proto::{Offer, Origin, Random, Service, Time, Versions};
///
/// let mut offer = Offer::new().with_service(Service::DEFAULT, Versions::of([3, 10]));
/// let mut random = Random::new(1);
/// let ten = Version::new(10).unwrap();
/// let stranger = Origin::of("192.0.2.7".parse()?);
/// for _ in 0..3 {
///     offer.handler_crashed(&Service::DEFAULT, ten, stranger, Time::ZERO, &mut random);
/// }
/// let spoken = |offer: &Offer, time| offer.spoken(&Service::DEFAULT, time).to_string();
/// assert_eq!(spoken(&offer, Time::ZERO), "3,10");
/// let told = offer.for_peer(stranger, Time::ZERO).expect("it has crashed");
/// assert_eq!(spoken(&told, Time::ZERO), "3");
/// assert_eq!(spoken(&told, Time::from_millis(36_000)), "3,10");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Offer {
    rule: CrashRule,
    services: BTreeMap<Service, Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    versions: Versions,
    /// T11: of a pinned service.
    first_state: Option<Text>,
    /// T3: its messages are taken when its owner says so.
    is_owned: bool,
    /// By an operator, until restored.
    withdrawn: Versions,
    /// For all.
    quarantine: Quarantine,
    /// For single peers: at most [`MAX_PEERS`].
    peers: BTreeMap<Origin, Quarantine>,
    crashes: BTreeMap<Version, Crashes>,
}

/// The last crashes of a version, by peer. The peers are fewer than [`CrashRule::max_peers`]: as
/// soon as there are so many, the version is withdrawn for all.
#[derive(Clone, Debug, Default)]
struct Crashes(Vec<PeerCrashes>);

#[derive(Clone, Debug)]
struct PeerCrashes {
    peer: Origin,
    last: Time,
    /// Since the version was withdrawn for this peer: at most [`CrashRule::max_crashes`].
    times: VecDeque<Time>,
}

impl Crashes {
    /// Counts one more, and tells how many there are from that peer, and from how many peers.
    fn count(&mut self, peer: Origin, now: Time, rule: &CrashRule) -> (usize, usize) {
        self.0.retain(|known| known.peer == peer || now.since(known.last) <= rule.window);
        let place = self.0.iter().position(|known| known.peer == peer).unwrap_or_else(|| {
            self.0.push(PeerCrashes { peer, last: now, times: VecDeque::new() });
            self.0.len() - 1
        });
        let from_there = self.0.get_mut(place).map_or(0, |known| {
            known.last = now;
            known.times.push_back(now);
            let is_old = |time: &Time| now.since(*time) > rule.window;
            while known.times.front().is_some_and(is_old) || known.times.len() > rule.max_crashes {
                known.times.pop_front();
            }
            known.times.len()
        });
        (from_there, self.0.len())
    }

    /// The version was withdrawn for a peer.
    fn restart(&mut self, peer: Origin) {
        for known in self.0.iter_mut().filter(|known| known.peer == peer) {
            known.times.clear();
        }
    }
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

    /// What sessions are to know: no counts, and the withdrawals for one peer.
    fn shared(&self, peer: Option<Origin>, now: Time) -> Self {
        let mut quarantine = self.quarantine.clone();
        let own = peer.and_then(|peer| self.peers.get(&peer));
        for (version, until) in own.into_iter().flat_map(|own| own.iter(now)) {
            quarantine.close_until(version, until);
        }
        Self {
            versions: self.versions.clone(),
            first_state: self.first_state.clone(),
            is_owned: self.is_owned,
            withdrawn: self.withdrawn.clone(),
            quarantine,
            peers: BTreeMap::new(),
            crashes: BTreeMap::new(),
        }
    }

    /// The quarantine of a peer, for whose sake that of another one may be forgotten.
    fn peer(&mut self, peer: Origin, now: Time, times: QuarantineTimes) -> &mut Quarantine {
        if self.peers.len() >= MAX_PEERS && !self.peers.contains_key(&peer) {
            let until =
                |quarantine: &Quarantine| quarantine.iter(now).map(|(_, until)| until).max();
            let first = self.peers.iter().min_by_key(|(_, quarantine)| until(quarantine));
            if let Some(first) = first.map(|(&peer, _)| peer) {
                self.peers.remove(&first);
            }
        }
        self.peers.entry(peer).or_insert_with(|| Quarantine::new(times))
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

    /// T11: this offer with a service pinned: its clients are told of no NextIP while the state
    /// that replies name is not this one, since what they have here would be lost.
    #[must_use]
    pub fn with_pinned(mut self, service: &Service, first_state: impl Into<Text>) -> Self {
        if let Some(entry) = self.services.get_mut(service) {
            entry.first_state = Some(first_state.into());
        }
        self
    }

    /// T3: this offer with a service that has an owner, which keeps its sessions in a store: events
    /// count as taken when the owner says so.
    #[must_use]
    pub fn with_owner(mut self, service: &Service) -> Self {
        if let Some(entry) = self.services.get_mut(service) {
            entry.is_owned = true;
        }
        self
    }

    pub(crate) fn is_owned(&self, service: &Service) -> bool {
        self.services.get(service).is_some_and(|entry| entry.is_owned)
    }

    /// T3: whether any service has an owner.
    pub(crate) fn has_owners(&self) -> bool {
        self.services.values().any(|entry| entry.is_owned)
    }

    /// T11: the state in which clients of a pinned service may go.
    pub(crate) fn first_state(&self, service: &Service) -> Option<&Text> {
        self.services.get(service)?.first_state.as_ref()
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

    /// The versions that crashes have withdrawn, for all or for one peer, and until when (N6).
    pub fn quarantines(&self, now: Time) -> impl Iterator<Item = Quarantined<'_>> {
        self.services.iter().flat_map(move |(service, entry)| {
            let for_all = entry.quarantine.iter(now).map(|(version, until)| (version, None, until));
            let for_peers = entry.peers.iter().flat_map(move |(&peer, own)| {
                own.iter(now).map(move |(version, until)| (version, Some(peer), until))
            });
            for_all.chain(for_peers).map(move |(version, peer, until)| Quarantined {
                service,
                version,
                peer,
                until,
            })
        })
    }

    /// What is offered to the peers that have no withdrawals of their own.
    #[must_use]
    pub fn for_all(&self, now: Time) -> Self {
        self.shared(None, now)
    }

    /// What is offered to this peer, if that is less than what is offered to others.
    #[must_use]
    pub fn for_peer(&self, peer: Origin, now: Time) -> Option<Self> {
        let has_own = self
            .services
            .values()
            .any(|entry| entry.peers.get(&peer).is_some_and(|own| own.iter(now).next().is_some()));
        has_own.then(|| self.shared(Some(peer), now))
    }

    fn shared(&self, peer: Option<Origin>, now: Time) -> Self {
        let shared =
            self.services.iter().map(|(service, entry)| (service.clone(), entry.shared(peer, now)));
        Self { rule: self.rule, services: shared.collect() }
    }

    /// N6: counts the crash of a handler on a connection from this peer. Tells if that withdraws
    /// the version.
    ///
    /// Crashes of a version that is withdrawn already are those of handlers that were running: they
    /// count for nothing. After that the version is on trial (N7): for as long as it was
    /// withdrawn, one crash withdraws it again for that crash's peer.
    pub fn handler_crashed(
        &mut self,
        service: &Service,
        version: Version,
        peer: Origin,
        now: Time,
        random: &mut Random,
    ) -> Option<Withdrawal> {
        let rule = self.rule;
        let entry =
            self.services.get_mut(service).filter(|entry| entry.versions.contains(version))?;
        let own = entry.peers.get(&peer);
        if entry.quarantine.holds(version, now) || own.is_some_and(|own| own.holds(version, now)) {
            // It is withdrawn, or spoken since no other is left (N7).
            return None;
        }
        let is_on_trial = entry.quarantine.is_on_trial(version, now)
            || own.is_some_and(|own| own.is_on_trial(version, now));
        let crashes = entry.crashes.entry(version).or_default();
        let (from_there, peers) = crashes.count(peer, now, &rule);
        if peers >= rule.max_peers {
            entry.crashes.remove(&version);
            let until = entry.quarantine.close(version, now, random);
            return Some(Withdrawal { peer: None, until });
        }
        if from_there < rule.max_crashes && !is_on_trial {
            return None;
        }
        crashes.restart(peer);
        let until = entry.peer(peer, now, rule.times).close(version, now, random);
        Some(Withdrawal { peer: Some(peer), until })
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
        for own in entry.peers.values_mut() {
            own.open(version);
        }
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

    fn peer(last: u8) -> Origin {
        Origin::of([192, 0, 2, last].into())
    }

    /// A world in which version 10 crashes.
    struct Crashing {
        offer: Offer,
        random: Random,
    }

    impl Crashing {
        fn new() -> Self {
            let times = QuarantineTimes { jitter_percent: 0, ..QuarantineTimes::default() };
            let rule = CrashRule { times, ..CrashRule::default() };
            let offer = Offer::new().with_crash_rule(rule);
            let offer = offer.with_service(Service::DEFAULT, Versions::of([3, 10]));
            Self { offer, random: Random::new(1) }
        }

        fn crash_in(&mut self, number: u32, peer: Origin, millis: u64) -> Option<Withdrawal> {
            let (now, random) = (Time::from_millis(millis), &mut self.random);
            self.offer.handler_crashed(&Service::DEFAULT, version(number), peer, now, random)
        }

        fn crash(&mut self, last: u8, millis: u64) -> Option<Withdrawal> {
            self.crash_in(10, peer(last), millis)
        }

        fn spoken_to(&self, last: u8, millis: u64) -> alloc::string::String {
            let now = Time::from_millis(millis);
            let own = self.offer.for_peer(peer(last), now);
            let offer = own.unwrap_or_else(|| self.offer.for_all(now));
            alloc::format!("{}", offer.spoken(&Service::DEFAULT, now))
        }
    }

    #[test]
    fn n6_three_crashes_in_a_minute_from_one_peer_withdraw_for_that_peer() {
        let mut world = Crashing::new();
        assert_eq!([world.crash(1, 0), world.crash(1, 1), world.crash(1, 60_001)], [None; 3]);
        let until = Time::from_millis(90_001);
        assert_eq!(world.crash(1, 60_001), Some(Withdrawal { peer: Some(peer(1)), until }));
        assert_eq!(
            (world.spoken_to(1, 60_002), world.spoken_to(2, 60_002)),
            ("3".into(), "3,10".into())
        );
        assert_eq!(world.spoken_to(1, 90_001), "3,10");
        // Handlers that were running count for nothing.
        assert_eq!(world.crash(1, 60_003), None);
    }

    #[test]
    fn n6_crashes_from_three_peers_in_a_minute_withdraw_for_all() {
        let mut world = Crashing::new();
        assert_eq!([world.crash(1, 0), world.crash(2, 1), world.crash(3, 60_001)], [None; 3]);
        // The first one is too old; the second one is a minute old.
        let until = Time::from_millis(90_001);
        assert_eq!(world.crash(1, 60_001), Some(Withdrawal { peer: None, until }));
        assert_eq!(world.spoken_to(9, 60_002), "3");
    }

    #[test]
    fn n6_one_peer_with_any_number_of_addresses_in_its_64_takes_nothing_from_others() {
        let mut world = Crashing::new();
        for last in 0..100 {
            let ip = core::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last);
            world.crash_in(10, Origin::of(ip.into()), 0);
        }
        assert_eq!(world.spoken_to(1, 0), "3,10");
    }

    #[test]
    fn n7_a_server_never_speaks_nothing_because_of_crashes() {
        let mut world = Crashing::new();
        for number in [3, 10] {
            for last in 1..=3 {
                world.crash_in(number, peer(last), number.into());
            }
        }
        assert_eq!(world.spoken_to(9, 10), "3");
        // Nor to one peer.
        let mut world = Crashing::new();
        for number in [10, 3] {
            for _ in 0..3 {
                world.crash_in(number, peer(1), number.into());
            }
        }
        assert_eq!(world.spoken_to(1, 10), "3");
    }

    #[test]
    fn n7_on_trial_one_crash_withdraws_again_for_twice_the_time() {
        for (after, is_on_trial) in [(0, true), (29_999, true), (30_000, false)] {
            let mut world = Crashing::new();
            let until = Time::from_millis(30_000);
            let own = |until| Some(Withdrawal { peer: Some(peer(1)), until });
            assert_eq!(
                [world.crash(1, 0), world.crash(1, 0), world.crash(1, 0)],
                [None, None, own(until)]
            );
            // Handlers that were running then count neither for the trial nor against the time.
            assert_eq!([world.crash(1, 1), world.crash(1, 1)], [None, None]);
            // The crashes that withdrew it are not counted once more.
            let found = world.crash(1, 30_000 + after);
            let until = Time::from_millis(30_000 + after + 60_000);
            let expected = if is_on_trial { own(until) } else { None };
            assert_eq!(found, expected, "{after}");
        }
    }

    #[test]
    fn an_operator_withdraws_and_restores_whoever_withdrew() {
        let mut world = Crashing::new();
        for _ in 0..3 {
            world.crash(1, 0);
        }
        let offer = &mut world.offer;
        assert!(offer.withdraw(&Service::DEFAULT, version(10)));
        assert!(
            offer.withdraw(&Service::DEFAULT, version(10)),
            "it has the version, and it stays withdrawn"
        );
        assert!(!offer.speaks(&Service::DEFAULT, version(10), Time::ZERO));
        assert!(offer.restore(&Service::DEFAULT, version(10)));
        assert!(offer.for_peer(peer(1), Time::ZERO).is_none());
        assert!(offer.speaks(&Service::DEFAULT, version(10), Time::ZERO));
        assert!(!offer.withdraw(&Service::DEFAULT, version(11)));
        assert!(!offer.withdraw(&"files".into(), version(10)));
    }

    #[test]
    fn l1_withdrawals_of_so_many_peers_are_kept() {
        let mut world = Crashing::new();
        for number in 0..1_000_u16 {
            let peer = Origin::V6([0x2001, 0xdb8, 0, number]);
            // Too far apart to be counted together.
            for _ in 0..3 {
                world.crash_in(10, peer, u64::from(number) * 60_001);
            }
        }
        let entry = &world.offer.services[&Service::DEFAULT];
        assert_eq!(entry.peers.len(), MAX_PEERS);
        assert_eq!(entry.crashes[&version(10)].0.len(), 1);
    }

    #[test]
    fn quarantines_are_told_with_their_peers_and_their_ends() {
        let mut world = Crashing::new();
        for millis in [0, 1, 2] {
            world.crash_in(10, peer(1), millis);
        }
        let told = |world: &Crashing, millis| -> Vec<(Version, Option<Origin>, Time)> {
            let told = world.offer.quarantines(Time::from_millis(millis));
            told.map(|one| (one.version, one.peer, one.until)).collect()
        };
        let end = Time::from_millis(30_002);
        assert_eq!(told(&world, 3), [(version(10), Some(peer(1)), end)]);
        assert_eq!(told(&world, 30_002), []);
        for number in [2, 3] {
            world.crash_in(3, peer(number), 4);
        }
        world.crash_in(3, peer(4), 5);
        let of_all = told(&world, 6).into_iter().find(|(_, peer, _)| peer.is_none());
        assert_eq!(of_all, Some((version(3), None, Time::from_millis(30_005))));
    }
}
