//! What registers cost, in bytes.

/// `>r r`: what a register costs at its definition.
pub(super) const DEFINITION_BYTES: usize = 3;
/// `r`: what each use costs.
pub(super) const USE_BYTES: usize = 1;
/// From this length on a register saves bytes with the second copy.
pub(super) const SHORTEST: usize = DEFINITION_BYTES + USE_BYTES + 1;
