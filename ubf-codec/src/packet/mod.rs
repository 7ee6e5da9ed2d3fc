//! Versioned packets: a header, then a UBF(A) packet (P1, P2).
//!
//! ```text
//! client to server    10 {'get',"colour"}$
//! server to client    10 ? {'ok',"blue"}$
//!                     10 "192.0.2.7:4000" {'ok',"blue"}$
//! ```
//! A header is lexically fixed and ends with one space: a switch can route on the first bytes, and
//! a peer with an ordinary UBF(A) codec cuts the header off and reads the rest. Header and body
//! share nothing, registers included.
//!
//! What a version or a NextIP *means* is not known here.

mod address;
mod header;
mod next_ip;
mod packets;
mod stream;
mod version;

pub use self::address::{Address, AddressError, Host, HostName};
pub use self::header::{Header, peek_version};
pub(crate) use self::header::{has_more, read_within};
pub use self::next_ip::NextIp;
pub use self::packets::{ClientHeader, ClientPacket, ServerHeader, ServerPacket};
pub use self::stream::VersionedDecoder;
pub use self::version::{Mode, Version, VersionError};
