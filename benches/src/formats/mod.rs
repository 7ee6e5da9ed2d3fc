//! Documents in each format, and visits of what the formats' readers make of them.

#[cfg(feature = "peers")]
pub mod etf;
#[cfg(feature = "peers")]
pub mod fast_json;
pub mod json;
#[cfg(feature = "peers")]
pub mod msgpack;
#[cfg(feature = "peers")]
pub mod resp;
pub mod ubf;

mod visit;

pub use self::visit::{Digest, Sum, Visitor, digest};
