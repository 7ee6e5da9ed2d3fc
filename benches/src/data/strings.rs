//! `strings`: ten thousand sentences of one to thirty words, without escapes.

use super::Value;
use super::random::Random;
use super::text::sentence;

const COUNT: u32 = 10_000;

pub(super) fn document() -> Value {
    let mut random = Random::new(26);
    Value::list((0..COUNT).map(|_| {
        let words = 1 + random.below(30);
        Value::from(sentence(&mut random, words, 3, 0))
    }))
}
