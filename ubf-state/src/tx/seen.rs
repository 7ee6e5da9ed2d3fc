//! What a transaction has read last, below its own writes.

use alloc::vec::Vec;

use bytes::Bytes;

/// How many values are remembered. Chosen: most calls read fewer rows before they write them, and
/// so many keys are compared faster than one is looked up.
const MAX_SEEN: usize = 4;

/// The last values that were read under a transaction, which does not change while it runs: a call
/// that reads a row and writes it looks it up once, and not again to replace it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    values: Vec<(Vec<u8>, Option<Bytes>)>,
    /// The place of the oldest one, when there are `MAX_SEEN`.
    oldest: usize,
}

impl Seen {
    /// What was read at a key. `None`: that is not known.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.values.iter().find(|(seen, _)| seen == key).map(|(_, value)| value)
    }

    pub(super) fn add(&mut self, key: &[u8], value: Option<Bytes>) {
        if self.values.len() < MAX_SEEN {
            self.values.push((key.to_vec(), value));
            return;
        }
        if let Some((seen, of)) = self.values.get_mut(self.oldest) {
            seen.clear();
            seen.extend_from_slice(key);
            *of = value;
        }
        self.oldest = (self.oldest + 1) % MAX_SEEN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_values_are_remembered() {
        let mut seen = Seen::default();
        let value = |number: u8| (number != 3).then(|| Bytes::copy_from_slice(&[number]));
        for number in 0..6 {
            assert_eq!(seen.get(&[number]), None);
            seen.add(&[number], value(number));
        }
        for number in 0..6 {
            let known = value(number);
            assert_eq!(seen.get(&[number]), (number >= 2).then_some(&known), "{number}");
        }
    }
}
