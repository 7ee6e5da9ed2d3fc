//! Random numbers out of a seed: jitter, grease, moments. Nothing here is secret.

use core::time::Duration;

use crate::time::millis;

/// A generator of random numbers (`SplitMix64`). The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that begins at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub const fn below(&mut self, bound: u64) -> u64 {
        match self.next_u64().checked_rem(bound) {
            Some(number) => number,
            None => 0,
        }
    }

    /// Puts items into an order of which each is as likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            let place = usize::try_from(self.below(end as u64 + 1)).unwrap_or_default();
            items.swap(end, place);
        }
    }

    /// A duration from zero to `longest`.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(millis(longest).saturating_add(1)))
    }

    /// `duration`, varied by up to `percent` of itself to both sides.
    pub fn around(&mut self, duration: Duration, percent: u64) -> Duration {
        let center = millis(duration);
        let reach = center.saturating_mul(percent) / 100;
        let offset = self.below(reach.saturating_mul(2).saturating_add(1));
        Duration::from_millis(center.saturating_sub(reach).saturating_add(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_twenty_percent() {
        let mut random = Random::new(1);
        for _ in 0..1000 {
            let varied = random.around(Duration::from_secs(30), 20).as_millis();
            assert!((24_000..=36_000).contains(&varied), "{varied}");
        }
    }

    #[test]
    fn zero_is_no_trap() {
        let mut random = Random::new(1);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.up_to(Duration::ZERO), Duration::ZERO);
        assert_eq!(random.around(Duration::ZERO, 20), Duration::ZERO);
    }

    #[test]
    fn each_order_is_as_likely() {
        let mut counts = alloc::collections::BTreeMap::<[u8; 3], u32>::new();
        let mut random = Random::new(1);
        for _ in 0..6_000 {
            let mut items = [1, 2, 3];
            random.shuffle(&mut items);
            *counts.entry(items).or_default() += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (900..1_100).contains(count)), "{counts:?}");
        random.shuffle::<u8>(&mut []);
    }

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random::new(0);
        let numbers = [(); 3].map(|()| random.next_u64());
        assert_eq!(numbers, [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]);
    }
}
