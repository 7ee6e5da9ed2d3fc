//! Documents to measure with: deterministic, and the same in every format.

#![forbid(unsafe_code)]

use ubf_codec::{Term, ubf};

/// A request of about 70 bytes.
#[must_use]
pub fn rpc() -> Term {
    ubf!({call, 4711, "files", [{name, "report.txt"}, {offset, 65536}, {count, 1024}]})
}

/// Ten thousand five-tuples with atoms that come again and again.
#[must_use]
pub fn records() -> Term {
    let roles = ["admin", "editor", "reader", "guest"];
    Term::list((0_u32..10_000).zip(roles.into_iter().cycle()).map(|(number, role)| {
        ubf!({user, (number), (format!("user-{}", number % 500)), (Term::atom(role)), {created, (1_577_000_000 + number * 61)}})
    }))
}

/// A thousand messages: much text, some nesting, some characters beyond ASCII, some escapes.
#[must_use]
pub fn messages() -> Term {
    const WORDS: [&str; 12] = [
        "the",
        "recognition",
        "stack",
        "naïve",
        "møøse",
        "\"quoted\"",
        "back\\slash",
        "register",
        "of",
        "a",
        "packet",
        "語",
    ];
    let text = |seed: usize, words: usize| {
        let word =
            |place: usize| WORDS.get((seed * 7 + place * 5 + place * place) % WORDS.len()).copied().unwrap_or("");
        (0..words).map(word).collect::<Vec<_>>().join(" ")
    };
    Term::list((0..1000).map(|number| {
        ubf!({message,
            {id, (505_874_900_000_000_000_u64 + number as u64)},
            {text, (text(number, 20))},
            {user, {id, (number * 31 % 997)}, {name, (text(number + 3, 2))}, {followers, (number * 13)}, {verified, (number % 7 == 0)}},
            {entities, [(text(number, 1)), (text(number + 1, 1))], []},
            {in_reply_to, ?}
        })
    }))
}
