//! The bytes of a fuzz input as the steps of a script.

/// Bytes that are read one after the other. At their end the script is over.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number below `bound`; 0 at the end.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.next().map_or(0, |byte| usize::from(byte) % bound.max(1))
    }

    pub(super) fn choose<T: Copy>(&mut self, items: &[T]) -> T {
        items.get(self.below(items.len())).copied().unwrap()
    }

    /// As many bytes as the next one says, at most 31.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let count = self.below(32).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }
}

/// How much time passes in a step, in milliseconds: what the limits of a session are about.
pub(super) const WAITS: [u64; 12] =
    [0, 1, 50, 400, 999, 1_000, 1_700, 4_999, 5_000, 15_000, 30_000, 61_000];
