//! Words and sentences.

use super::random::Random;

const WORDS: [&str; 32] = [
    "the",
    "recognition",
    "stack",
    "of",
    "a",
    "packet",
    "holds",
    "one",
    "term",
    "when",
    "it",
    "ends",
    "and",
    "every",
    "register",
    "lives",
    "for",
    "that",
    "long",
    "so",
    "we",
    "agree",
    "on",
    "version",
    "ten",
    "before",
    "three",
    "because",
    "nobody",
    "wants",
    "to",
    "wait",
];

const BEYOND_ASCII: [&str; 8] =
    ["naïve", "møøse", "語", "世界", "こんにちは", "Ærø", "😀", "наука"];

/// So many words with a space between them. Of a hundred, `beyond` are not ASCII and `quoted` stand
/// in quotes or end in a backslash.
pub(crate) fn sentence(random: &mut Random, words: u32, beyond: u32, quoted: u32) -> String {
    let mut text = String::new();
    for place in 0..words {
        if place > 0 {
            text.push(' ');
        }
        let choices: &[&str] = if random.chance(beyond) { &BEYOND_ASCII } else { &WORDS };
        let word = random.pick(choices).unwrap_or_default();
        match random.below(100) {
            chance if chance * 2 < quoted => text.extend(["\"", word, "\""]),
            chance if chance < quoted => text.extend([word, "\\"]),
            _ => text.push_str(word),
        }
    }
    text
}
