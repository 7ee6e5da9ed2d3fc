//! Sets of integers and of floats.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use ubf_codec::Integer;

/// A set of integers: ranges in order, none of which touches another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IntegerSet(Vec<Range>);

/// From `min` to `max`, both included; `None` is no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    min: Option<Integer>,
    max: Option<Integer>,
}

fn moved(value: &Integer, by: i64) -> Integer {
    match value.to_i64().and_then(|small| small.checked_add(by)) {
        Some(sum) => Integer::from(sum),
        None => Integer::from(value.to_big_int() + by),
    }
}

/// Whether a range that ends at `max` ends before one that begins at `min`, with or without a gap.
fn ends_before(max: Option<&Integer>, min: Option<&Integer>) -> bool {
    matches!((max, min), (Some(max), Some(min)) if max < min)
}

impl Range {
    fn and(&self, other: &Self) -> Option<Self> {
        let min = match (&self.min, &other.min) {
            (Some(own), Some(others)) => Some(own.max(others)),
            (own, others) => own.as_ref().or(others.as_ref()),
        };
        let max = match (&self.max, &other.max) {
            (Some(own), Some(others)) => Some(own.min(others)),
            (own, others) => own.as_ref().or(others.as_ref()),
        };
        (!ends_before(max, min)).then(|| Self { min: min.cloned(), max: max.cloned() })
    }

    /// What of this one is below `other`, and what is above.
    fn minus(&self, other: &Self) -> [Option<Self>; 2] {
        let below = other.min.as_ref().map(|min| Self { min: None, max: Some(moved(min, -1)) });
        let above = other.max.as_ref().map(|max| Self { min: Some(moved(max, 1)), max: None });
        [below, above].map(|side| self.and(&side?))
    }
}

impl IntegerSet {
    pub(super) fn range(min: Option<Integer>, max: Option<Integer>) -> Self {
        if ends_before(max.as_ref(), min.as_ref()) {
            Self::default()
        } else {
            Self(vec![Range { min, max }])
        }
    }

    pub(super) fn all() -> Self {
        Self::range(None, None)
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|own| other.0.iter().map(move |others| own.and(others)));
        Self(pairs.flatten().collect())
    }

    pub(super) fn or(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        // `None` stands before every number as the lower bound.
        self.0.sort_by(|one, two| one.min.cmp(&two.min));
        let mut joined: Vec<Range> = Vec::new();
        for range in self.0 {
            match joined.last_mut() {
                Some(last)
                    if !ends_before(
                        last.max.as_ref().map(|max| moved(max, 1)).as_ref(),
                        range.min.as_ref(),
                    ) =>
                {
                    last.max = last.max.take().zip(range.max).map(|(one, two)| one.max(two));
                }
                _ => joined.push(range),
            }
        }
        Self(joined)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let mut left = self.0.clone();
        for excluded in &other.0 {
            left = left.iter().flat_map(|range| range.minus(excluded)).flatten().collect();
        }
        Self(left)
    }

    pub(super) fn has(&self, value: &Integer) -> bool {
        let one = Range { min: Some(value.clone()), max: Some(value.clone()) };
        self.0.iter().any(|range| range.and(&one).is_some())
    }

    /// One of them.
    pub(super) fn any(&self) -> Option<Integer> {
        let Range { min, max } = self.0.first()?;
        Some(min.clone().or_else(|| max.clone()).unwrap_or_else(|| Integer::from(0)))
    }
}

/// A set of floats: some, or all but some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FloatSet {
    is_complement: bool,
    /// Their bits; 0.0 and -0.0 are the same float here.
    named: BTreeSet<u64>,
}

impl FloatSet {
    pub(super) fn all() -> Self {
        Self { is_complement: true, named: BTreeSet::new() }
    }

    pub(super) fn only(value: f64) -> Self {
        let value = if value == 0.0 { 0.0 } else { value };
        Self { is_complement: false, named: BTreeSet::from([value.to_bits()]) }
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        let named = match (self.is_complement, other.is_complement) {
            (true, true) => &self.named | &other.named,
            (true, false) => &other.named - &self.named,
            (false, true) => &self.named - &other.named,
            (false, false) => &self.named & &other.named,
        };
        Self { is_complement: self.is_complement && other.is_complement, named }
    }

    fn complement(&self) -> Self {
        Self { is_complement: !self.is_complement, named: self.named.clone() }
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        self.complement().and(&other.complement()).complement()
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.and(&other.complement())
    }

    /// One of them.
    pub(super) fn any(&self) -> Option<f64> {
        if !self.is_complement {
            return self.named.first().map(|bits| f64::from_bits(*bits));
        }
        // One more than the named ones, and halves, which print well.
        let count = u32::try_from(self.named.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut floats = (0..count).map(|number| f64::from(number) + 0.5);
        floats.find(|float| !self.named.contains(&float.to_bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: i64, max: i64) -> IntegerSet {
        IntegerSet::range(Some(Integer::from(min)), Some(Integer::from(max)))
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(range(1, 3).or(&range(4, 6)), range(1, 6));
        assert_eq!(range(4, 6).or(&range(1, 9)), range(1, 9));
        assert_ne!(range(1, 3).or(&range(5, 6)), range(1, 6));
        assert_eq!(IntegerSet::all().or(&range(1, 2)), IntegerSet::all());
    }

    #[test]
    fn ranges_meet_and_exclude() {
        assert_eq!(range(1, 6).and(&range(4, 9)), range(4, 6));
        assert_eq!(range(1, 6).minus(&range(2, 5)), range(1, 1).or(&range(6, 6)));
        assert_eq!(range(1, 6).minus(&IntegerSet::all()).any(), None);
        let below =
            IntegerSet::all().minus(&IntegerSet::range(Some(Integer::from(i64::MIN)), None));
        assert_eq!(below.any(), "-9223372036854775809".parse().ok());
        assert_eq!(range(5, 1).any(), None);
    }

    #[test]
    fn floats_are_some_or_all_but_some() {
        let (all, one) = (FloatSet::all(), FloatSet::only(0.5));
        assert_eq!(all.minus(&one).any(), Some(1.5));
        assert_eq!(one.minus(&all).any(), None);
        assert_eq!(all.minus(&one).or(&one), all);
        assert_eq!(FloatSet::only(-0.0).and(&FloatSet::only(0.0)).any(), Some(0.0));
    }
}
