//! The names of the registers that are given out, and their order.

use crate::dialect::Dialect;

/// The ASCII bytes that name registers in what we write, best known first. Every known decoder
/// accepts them.
const ASCII: &[u8; 70] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!()*+./:;<=@[\\]^_|";
/// The other bytes that do, from here to 0xFF. Peers that treat packets as text may not know them.
const FIRST_HIGH: u8 = 0x7F;

/// The register that is given out after `count` others; there are so many and no more.
pub(super) fn after(count: usize, dialect: Dialect) -> Option<u8> {
    if let Some(&register) = ASCII.get(count) {
        return Some(register);
    }
    match dialect {
        Dialect::Classic => None,
        Dialect::Extended => {
            u8::try_from(count - ASCII.len()).ok().and_then(|high| FIRST_HIGH.checked_add(high))
        }
    }
}
