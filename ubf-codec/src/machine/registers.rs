//! The registers of one packet (W6).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::size::Size;
use crate::node::{Node, Span};

/// A stored term, and the size that each read of it adds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) node: Node,
    pub(super) size: Size,
}

/// What the present packet has stored.
///
/// A mask says which registers are set, so that a new packet costs 32 bytes to clear and not a slot
/// for each register. Most packets store nothing, and machines that read no other have no
/// registers.
#[derive(Clone, Debug)]
pub(super) struct Registers(Option<Box<Table>>);

#[derive(Clone, Debug)]
struct Table {
    set: [u64; 4],
    /// For each register that is set, its place in `slots`. There are fewer than 256 registers.
    places: [u8; 256],
    slots: Vec<Stored>,
}

impl Registers {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    pub(super) fn clear(&mut self) {
        if let Self(Some(table)) = self {
            table.set = [0; 4];
            table.slots.clear();
        }
    }

    /// How many different registers are set.
    pub(super) fn count(&self) -> u32 {
        self.0.as_ref().map_or(0, |table| Span::of(0, table.slots.len()).len)
    }

    pub(super) fn read(&self, register: u8) -> Option<Stored> {
        let table = self.0.as_ref()?;
        table.slots.get(table.place(register)?).copied()
    }

    pub(super) fn store(&mut self, register: u8, stored: Stored) {
        let table = self.0.get_or_insert_with(|| {
            Box::new(Table { set: [0; 4], places: [0; 256], slots: Vec::new() })
        });
        table.store(register, stored);
    }

    /// The registers that are set, lowest byte first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, Node)> {
        (0..=u8::MAX).filter_map(|register| Some((register, self.read(register)?.node)))
    }
}

impl Table {
    fn store(&mut self, register: u8, stored: Stored) {
        if let Some(slot) = self.place(register).and_then(|place| self.slots.get_mut(place)) {
            *slot = stored;
            return;
        }
        let (word, bit) = position(register);
        if let (Some(word), Some(place)) =
            (self.set.get_mut(word), self.places.get_mut(usize::from(register)))
        {
            *word |= bit;
            *place = u8::try_from(self.slots.len()).unwrap_or(u8::MAX);
            self.slots.push(stored);
        }
    }

    fn place(&self, register: u8) -> Option<usize> {
        let (word, bit) = position(register);
        let is_set = self.set.get(word).is_some_and(|word| word & bit != 0);
        if is_set {
            self.places.get(usize::from(register)).map(|&place| usize::from(place))
        } else {
            None
        }
    }
}

const fn position(register: u8) -> (usize, u64) {
    ((register >> 6) as usize, 1 << (register & 63))
}
