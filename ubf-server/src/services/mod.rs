//! The services of the reference server.

mod echo;
mod kv;

pub use self::echo::Echo;
pub use self::kv::Kv;
