//! How large a term is when every register read is written out (W10).

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
    pub(crate) const fn of_leaf(node: Node) -> Self {
        Self { nodes: 1, bytes: node.leaf_bytes(), depth: 0 }
    }

    /// Takes in a part that stands one level deeper.
    pub(crate) fn absorb(&mut self, part: Self) {
        self.nodes = self.nodes.saturating_add(part.nodes);
        self.bytes = self.bytes.saturating_add(part.bytes);
        self.depth = self.depth.max(part.depth.saturating_add(1));
    }
}
