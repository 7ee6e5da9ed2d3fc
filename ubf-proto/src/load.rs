//! When a server sends its clients elsewhere because of its load (R9).

/// A high-water mark and a low-water mark. Between the two, what was decided last holds: no
/// flapping.
///
/// ```
/// use ubf_proto::LoadMarks;
///
/// let mut marks = LoadMarks::new(80, 100);
/// let decisions = [90, 100, 101, 90, 80, 79, 90].map(|load| marks.observe(load));
/// assert_eq!(decisions, [false, false, true, true, true, false, false]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadMarks {
    low: u64,
    high: u64,
    is_over: bool,
}

impl LoadMarks {
    /// Marks for a load in any unit: calls in progress, sessions.
    #[must_use]
    pub const fn new(low: u64, high: u64) -> Self {
        Self { low, high, is_over: false }
    }

    /// Whether replies name another server at this load: from above the high mark until below the
    /// low one.
    pub const fn observe(&mut self, load: u64) -> bool {
        self.is_over = if self.is_over { load >= self.low } else { load > self.high };
        self.is_over
    }

    /// What was decided last.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r9_from_above_the_high_mark_until_below_the_low_one() {
        let mut marks = LoadMarks::new(80, 100);
        let loads = [
            (79, false),
            (100, false),
            (101, true),
            (90, true),
            (80, true),
            (79, false),
            (90, false),
        ];
        for (load, is_over) in loads {
            assert_eq!(marks.observe(load), is_over, "{load}");
            assert_eq!(marks.is_over(), is_over, "{load}");
        }
    }
}
