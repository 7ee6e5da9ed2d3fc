//! How large a term is when every register read is written out (W10), and how much of that is left to spend.

use crate::limits::{Limit, Limits};
use crate::node::Node;

/// The expanded size of a term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) nodes: u64,
    pub(crate) bytes: u64,
    /// 0 for a leaf, else one more than the deepest part.
    pub(crate) depth: u32,
}

impl Size {
    /// A tuple or list without elements.
    pub(super) const EMPTY: Self = Self { nodes: 1, bytes: 0, depth: 1 };

    pub(super) const fn of_leaf(node: Node) -> Self {
        Self { nodes: 1, bytes: node.leaf_bytes(), depth: 0 }
    }

    /// Takes in a part that stands one level deeper.
    #[inline(always)]
    pub(super) fn absorb(&mut self, part: Self) {
        self.nodes = self.nodes.saturating_add(part.nodes);
        self.bytes = self.bytes.saturating_add(part.bytes);
        self.depth = self.depth.max(part.depth.saturating_add(1));
    }
}

/// What may still come onto the recognition stack (L1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    nodes_left: u64,
    bytes_left: u64,
}

impl Budget {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self { nodes_left: limits.max_expanded_nodes, bytes_left: limits.max_expanded_bytes }
    }

    /// Whether so much fits.
    #[inline(always)]
    pub(super) const fn check(&self, size: Size, limits: &Limits) -> Result<(), Limit> {
        if size.nodes > self.nodes_left {
            return Err(Limit::ExpandedNodes(limits.max_expanded_nodes));
        }
        if size.bytes > self.bytes_left {
            return Err(Limit::ExpandedBytes(limits.max_expanded_bytes));
        }
        Ok(())
    }

    /// Spends so much, or nothing if it does not fit.
    #[inline(always)]
    pub(super) fn charge(&mut self, size: Size, limits: &Limits) -> Result<(), Limit> {
        self.check(size, limits)?;
        self.nodes_left -= size.nodes;
        self.bytes_left -= size.bytes;
        Ok(())
    }

    /// Gives back what was charged for a term that leaves the stack.
    #[inline(always)]
    pub(super) const fn refund(&mut self, size: Size) {
        self.nodes_left += size.nodes;
        self.bytes_left += size.bytes;
    }

    /// What was spent since `earlier`, on a term of this depth.
    #[inline(always)]
    pub(super) const fn spent_since(&self, earlier: &Self, depth: u32) -> Size {
        Size { nodes: earlier.nodes_left - self.nodes_left, bytes: earlier.bytes_left - self.bytes_left, depth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spends_exactly_what_there_is() {
        let limits = Limits::default().with_max_expanded_nodes(2).with_max_expanded_bytes(5);
        let full = Budget::new(&limits);
        let mut budget = full;
        let text = Size { nodes: 1, bytes: 5, depth: 0 };
        assert_eq!(budget.charge(text, &limits), Ok(()));
        assert_eq!(budget.charge(text, &limits), Err(Limit::ExpandedBytes(5)));
        assert_eq!(budget.charge(Size::EMPTY, &limits), Ok(()));
        assert_eq!(budget.charge(Size::EMPTY, &limits), Err(Limit::ExpandedNodes(2)));
        budget.refund(text);
        assert_eq!(budget.spent_since(&full, 7), Size { nodes: 1, bytes: 0, depth: 7 });
    }
}
