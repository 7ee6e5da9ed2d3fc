//! A small source of random choices: the same seed gives the same choices on every machine.

/// Marsaglia's xorshift of 64 bits.
#[derive(Clone, Debug)]
pub(super) struct Random {
    /// Never zero.
    state: u64,
}

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        // Neighbouring seeds are spread apart; the constant is that of splitmix64.
        let mut random =
            Self { state: seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 };
        let mut warm = 0;
        while warm < 8 {
            random.bits();
            warm += 1;
        }
        random
    }

    pub(super) const fn bits(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.bits() >> 16) % bound).unwrap_or_default()
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(super) fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}
