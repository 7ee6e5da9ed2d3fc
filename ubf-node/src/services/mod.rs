//! The services of the reference server.

mod echo;
mod irc;
mod kv;
mod kv_rows;
mod ledger;

pub use self::echo::Echo;
pub use self::irc::{Irc, IrcRows, Person};
pub use self::kv::Kv;
pub use self::kv_rows::KvRows;
pub use self::ledger::Ledger;

/// What they are called, and what they do.
pub(crate) const ABOUT: [(&str, &str); 4] = [
    ("echo", "Answers each request with itself, in any version"),
    ("kv", "Keeps values by key, in versions 1, 2 and 3"),
    ("irc", "Groups of people who write to each other, in versions 1 and 2"),
    (
        "ledger",
        "Keeps accounts, and moves money between them, in versions 1, 2 and 3; it wants --data or \
         --store",
    ),
];
