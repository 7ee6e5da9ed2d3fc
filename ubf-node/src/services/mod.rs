//! The services of the reference server.

mod echo;
mod irc;
mod kv;

pub use self::echo::Echo;
pub use self::irc::{Irc, Person};
pub use self::kv::Kv;
