//! Documents in each format, and visits of what the formats' readers make of them.

pub mod etf;
pub mod json;
pub mod msgpack;
pub mod resp;
pub mod ubf;

mod visit;

pub use self::visit::{Digest, Sum, Visitor, digest};
