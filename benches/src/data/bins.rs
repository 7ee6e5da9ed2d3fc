//! `bins`: sixteen binaries of 64 KiB.

use super::Value;
use super::random::Random;

pub(super) fn document() -> Value {
    let mut random = Random::new(16);
    let mut binary = || (0..(64 << 10) / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    Value::list((0..16).map(|_| Value::Bytes(binary())))
}
