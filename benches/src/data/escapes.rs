//! `escapes`: two thousand strings in which every twentieth byte is a quote or a backslash.

use super::Value;
use super::random::Random;

const COUNT: u32 = 2_000;
/// 38 characters: with the two that are escaped, one of twenty is.
const PLAIN: &str = "abcdefghijklmnopqrstuvwxyz 0123456789.";

pub(super) fn document() -> Value {
    let mut random = Random::new(92);
    Value::list((0..COUNT).map(|_| {
        let bytes = 20 + random.below(200);
        let character = |_| match random.below(40) {
            0 => '"',
            1 => '\\',
            other => PLAIN.chars().nth(other as usize - 2).unwrap_or(' '),
        };
        Value::from((0..bytes).map(character).collect::<String>())
    }))
}
