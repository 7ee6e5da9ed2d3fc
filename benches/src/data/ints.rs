//! `ints`: a hundred thousand integers of mixed size.

use super::Value;
use super::random::Random;

const COUNT: u32 = 100_000;

pub(super) fn document() -> Value {
    let mut random = Random::new(64);
    Value::list((0..COUNT).map(|_| {
        // All lengths from 1 to 63 bits are as frequent, and a quarter is negative.
        let value = (random.next() >> (1 + random.below(63))).cast_signed();
        Value::Integer(if random.chance(25) { -value } else { value })
    }))
}
