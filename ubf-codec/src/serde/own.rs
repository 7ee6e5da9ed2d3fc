//! Terms of packets that this program wrote itself.

use bytes::Bytes;

use super::error::Error;
use crate::decode::Decoder;
use crate::limits::Limits;
use crate::term::Term;

/// The term of a packet that was written here: there is nothing to be protected from.
pub(super) fn read_own(packet: Bytes) -> Result<Term, Error> {
    let unlimited = Limits::new()
        .with_max_packet_bytes(u32::MAX)
        .with_max_depth(u32::MAX)
        .with_max_expanded_nodes(u64::MAX)
        .with_max_expanded_bytes(u64::MAX)
        .with_max_integer_digits(u32::MAX)
        .with_max_tag_bytes(u32::MAX);
    Ok(Decoder::new().with_limits(unlimited).decode_shared(packet)?.to_term())
}
