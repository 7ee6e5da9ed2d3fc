//! The task of a connection. It is written by hand, since a future that the compiler makes holds
//! what it moves in each place that it is in, and most tasks of a server wait.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Connection, Last};

/// Runs a connection, or a session without one, until it is over.
pub(crate) enum Run {
    Serves(Box<Connection>),
    /// It does the last thing.
    Ends(Last),
    Over,
}

impl Future for Run {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let turn = match &mut *self {
                Self::Serves(connection) => ready!(connection.poll(cx)),
                Self::Ends(last) => {
                    ready!(last.as_mut().poll(cx));
                    *self = Self::Over;
                    return Poll::Ready(());
                }
                Self::Over => return Poll::Ready(()),
            };
            if let Self::Serves(connection) = std::mem::replace(&mut *self, Self::Over) {
                *self = match connection.take_turn(*turn) {
                    ControlFlow::Continue(connection) => Self::Serves(connection),
                    ControlFlow::Break(last) => Self::Ends(last),
                };
            }
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serves(_) => "Serves",
            Self::Ends(_) => "Ends",
            Self::Over => "Over",
        })
    }
}
