//! An answer on its way to its client.

use alloc::boxed::Box;

use bytes::Bytes;
use ubf_codec::{Mode, Term};

use super::output::PacketKind;
use crate::control::ServerControl;
use crate::mutant::{Mutant, is_on};
use crate::packet;
use crate::versions::Versions;

/// What an answer that is not written yet takes. Chosen: a reason, and some versions.
const UNWRITTEN_BYTES: usize = 64;

/// An answer that is ready.
#[derive(Debug)]
pub(super) struct Answer {
    /// The packet that it answers, counted over all connections of a session.
    pub(super) packet: u64,
    /// S2: the message that it answers. 0: it is not the answer to a message.
    pub(super) number: u64,
    pub(super) mode: Mode,
    pub(super) content: Content,
    pub(super) kind: PacketKind,
}

/// What an answer says.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A body that is written: of a reply, of `agreed` and the like.
    Body(Bytes),
    /// `refused` or `failed`. It is written when it leaves, since it tells the number of a packet
    /// of the connection that it leaves on (S2).
    NotDone(Box<NotDone>),
}

/// `refused` or `failed`.
#[derive(Clone, Debug)]
pub(super) struct NotDone {
    pub(super) is_refused: bool,
    pub(super) why: Term,
    pub(super) versions: Versions,
}

impl Content {
    pub(super) fn refused(why: Term, versions: Versions) -> Self {
        Self::NotDone(Box::new(NotDone { is_refused: true, why, versions }))
    }

    pub(super) fn failed(why: Term, versions: Versions) -> Self {
        Self::NotDone(Box::new(NotDone { is_refused: false, why, versions }))
    }

    /// About the bytes that it takes.
    pub(super) const fn bytes(&self) -> usize {
        match self {
            Self::Body(body) => body.len(),
            Self::NotDone(_) => UNWRITTEN_BYTES,
        }
    }

    /// The body: for this packet of the connection that it leaves on, and this message of the
    /// session, if it is in one.
    pub(super) fn into_body(self, packet: u64, number: Option<u64>) -> Bytes {
        match self {
            Self::Body(body) => body,
            Self::NotDone(not_done) => {
                let NotDone { is_refused, why, versions } = *not_done;
                let has_no_number = is_on(Mutant::KeptRefusalsWithoutK)
                    || is_on(Mutant::KeptRefusalsForTheFirstDue);
                let number = number.filter(|_| packet > 0 || !has_no_number);
                let control = if is_refused {
                    ServerControl::Refused { why, versions, packet, number }
                } else {
                    ServerControl::Failed { why, versions, packet, number }
                };
                packet::body(&control.to_term())
            }
        }
    }
}
