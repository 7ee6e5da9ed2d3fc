//! What a keeper is told, and what of it is to be done.

use std::sync::Arc;

use ubf_server::{OwnerInput, OwnerLink};
use ubf_store::Told;

use super::orders::Order;
use super::prepare::{Asked, Todo};

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Event<R> {
    Input(Arc<OwnerLink>, Work<R>),
    /// A message is prepared that waited for something else.
    Prepared {
        /// The place of its link.
        at: usize,
        ticket: u64,
        asked: Asked<R>,
    },
    /// People want something.
    Order(Order),
    Told(Told),
    /// All that was taken is to be committed, and the store closed.
    Close,
}

/// What a connection wants.
#[derive(Debug)]
pub(super) enum Work<R> {
    Message(Todo<R>),
    /// Something else than a message.
    Other(OwnerInput),
}

impl<R> Work<R> {
    /// Whether it waits for something else than the store.
    pub(super) const fn is_waiting(&self) -> bool {
        match self {
            Self::Message(todo) => todo.request.is_waiting(),
            Self::Other(_) => false,
        }
    }
}
