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
