//! A shard moves from node to node, between stores of their own (U5).
//!
//! ```text
//!  A (Giver)                              B (Taker)
//!  Serving
//!    │ give: suspend the shard
//!  Suspending
//!    │ send the rows ───── copy ────────▶ Empty
//!  Offered                                  │ make them durable as `prepared`
//!    │                ◀─── prepared ────  Prepared: clients hear 'not_now'; B asks A
//!    │ make `moved` durable: THE COMMIT POINT
//!  Moved              ──── activate ────▶   │ make the rows its own
//!    │                ◀─── active ──────  Active
//!    ▼ name B to clients
//! ```
//! Until `moved` is durable, A may go on at any time: it then answers a question of B's with
//! `aborted`. Afterwards it never serves the shard again. Each attempt has a name of its own, and
//! both ends compare it, and the hash of the rows: an answer that comes late belongs to nothing.

mod give;
mod standing;
mod take;

pub use self::give::{Giver, GiverInput, GiverOutput, GiverStage};
pub use self::standing::{HandoffRecord, Standing};
pub use self::take::{Taker, TakerInput, TakerOutput, TakerStage};
use crate::batch::Epoch;

/// The name of an attempt to hand a shard off. A later one of the same giver is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The epoch under which the giver owns the shard: it grows when the giver is started again.
    pub epoch: Epoch,
    /// Counts the attempts under this epoch.
    pub number: u64,
    /// A random number, so that attempts of two givers are never the same.
    pub name: u64,
}

/// What the rows of a hand-off are recognised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyHash(pub u64);

impl CopyHash {
    /// The hash of no rows.
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// The hash with the next row, in the order of the keys (FNV-1a over lengths and bytes: it
    /// finds what went wrong by accident).
    #[must_use]
    pub fn with(self, key: &[u8], value: &[u8]) -> Self {
        let mix =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let length = |bytes: &[u8]| (bytes.len() as u64).to_be_bytes();
        let parts = [&length(key)[..], key, &length(value)[..], value];
        Self(parts.into_iter().flatten().fold(self.0, mix))
    }
}

/// What the two nodes say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A to B: all rows, which go along. The last epoch that A had committed under is `attempt`'s.
    Copy {
        /// Which attempt.
        attempt: Attempt,
        /// The hash of the rows.
        hash: CopyHash,
    },
    /// B to A: the rows are durable here.
    Prepared {
        /// Which attempt.
        attempt: Attempt,
        /// The hash of the rows that are durable.
        hash: CopyHash,
    },
    /// A to B: the shard is yours.
    Activate {
        /// Which attempt.
        attempt: Attempt,
    },
    /// B to A: the shard is served here.
    Active {
        /// Which attempt.
        attempt: Attempt,
    },
    /// B to A: what became of this attempt?
    Ask {
        /// Which attempt.
        attempt: Attempt,
    },
    /// A to B: nothing came of this attempt.
    Aborted {
        /// Which attempt.
        attempt: Attempt,
    },
}

/// What A or B makes durable about a hand-off, in a row of the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HandoffRow {
    /// Which attempt.
    pub attempt: Attempt,
    /// The hash of the rows.
    pub hash: CopyHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u5_the_hash_sees_where_a_key_ends() {
        assert_eq!(CopyHash::EMPTY.with(b"", b"").0, 0x88201fb960ff6465);
        assert_ne!(CopyHash::EMPTY.with(b"ab", b"c"), CopyHash::EMPTY.with(b"a", b"bc"));
        assert_ne!(CopyHash::EMPTY, CopyHash::EMPTY.with(b"", b""));
    }
}
