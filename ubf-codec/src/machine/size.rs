//! How large a term is when every register read is written out (W10).

use crate::limits::{Limit, Limits};
use crate::node::Node;

/// The expanded size of terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) nodes: u64,
    pub(super) bytes: u64,
}

impl Size {
    /// A term without parts.
    pub(super) const fn of_leaf(node: Node) -> Self {
        Self { nodes: 1, bytes: node.leaf_bytes() }
    }

    /// Whether `more` may be added to this (L1).
    pub(super) const fn check(self, more: Self, limits: &Limits) -> Result<(), Limit> {
        let room = self.room(limits);
        if more.nodes > room.nodes {
            return Err(Limit::ExpandedNodes(limits.max_expanded_nodes));
        }
        if more.bytes > room.bytes {
            return Err(Limit::ExpandedBytes(limits.max_expanded_bytes));
        }
        Ok(())
    }

    /// How much may be added to this (L1).
    pub(super) const fn room(self, limits: &Limits) -> Self {
        Self {
            nodes: limits.max_expanded_nodes.saturating_sub(self.nodes),
            bytes: limits.max_expanded_bytes.saturating_sub(self.bytes),
        }
    }

    pub(super) const fn plus(self, more: Self) -> Self {
        Self { nodes: self.nodes + more.nodes, bytes: self.bytes + more.bytes }
    }

    /// `part` is a part of this.
    pub(super) const fn minus(self, part: Self) -> Self {
        Self { nodes: self.nodes - part.nodes, bytes: self.bytes - part.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_exactly_what_there_is_room_for() {
        let limits = Limits::default().with_max_expanded_nodes(2).with_max_expanded_bytes(5);
        let text = Size { nodes: 1, bytes: 5 };
        let spent = Size::default();
        assert_eq!(spent.check(text, &limits), Ok(()));
        let spent = spent.plus(text);
        assert_eq!(spent.check(text, &limits), Err(Limit::ExpandedBytes(5)));
        assert_eq!(spent.check(Size { nodes: 1, bytes: 0 }, &limits), Ok(()));
        assert_eq!(spent.check(Size { nodes: 2, bytes: 9 }, &limits), Err(Limit::ExpandedNodes(2)));
        assert_eq!(spent.minus(text).check(text, &limits), Ok(()));
    }
}
