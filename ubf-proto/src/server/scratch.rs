//! Memory that a session needs only while it is at work.

use alloc::boxed::Box;

use ubf_codec::{ClientHeader, VersionedDecoder};

use super::output::Message;
use super::pending::PendingPlace;

/// Memory that a session needs while packets come in, and not while it is idle: its decoder, its
/// queue of answers, the place of a message.
///
/// A shell with many sessions keeps one for each thread:
/// [`attach`](super::ServerSession::attach) gives it to the session that is at work, and
/// [`release`](super::ServerSession::release) takes it back.
#[derive(Debug)]
pub struct Scratch {
    pub(super) decoder: Box<VersionedDecoder<ClientHeader>>,
    pub(super) pending: PendingPlace,
    /// It holds on to the block that it was read into: one for each thread.
    pub(super) spare: Option<Box<Message>>,
}
