//! A table of calls by their numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ubf_proto::client::CallId;

/// Something for each call.
pub(crate) type Calls<T> = HashMap<CallId, T, BuildHasherDefault<CallIdHasher>>;

/// Spreads the numbers that the handles count: nobody else chooses them, so that nothing has to be defended against.
#[derive(Debug, Default)]
pub(crate) struct CallIdHasher(u64);

/// 2^64 divided by the golden ratio: neighbours come to lie far apart, in the high bits too, which the table looks at.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for CallIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(SPREAD);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
