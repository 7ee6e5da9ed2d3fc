//! What outlives a connection: a session, in which every message has a number (S1 to S11).
//!
//! Both ends count messages, and nothing is added to ordinary packets for it. The server keeps its
//! answers until it knows that they were read. So when a connection is lost, a new one goes on
//! where the last one ended: no call is lost, and none is executed twice.
//!
//! The types here are what the two ends tell each other about it; [`control`](crate::control) says
//! how they are written.

mod copies;
mod id;
pub(crate) mod kept;
mod outgoing;
mod terms;
mod unseen;

pub(crate) use self::copies::Copies;
pub use self::id::SessionId;
pub(crate) use self::outgoing::Outgoing;
pub use self::terms::{Grant, Level, NoSession, Resume, Resumed, SessionOption, Wish};
pub(crate) use self::unseen::Unseen;
