//! One connection of the session, from the wish for it to its end.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};
use ubf_codec::Address;
use ubf_net::DialError;
use ubf_proto::client::{Cause, ConnectionId, Input};
use ubf_proto::{ClientSession, Outbound, Packet};

use crate::attempt::Connecting;
use crate::reply::Connection;
use crate::socket::Socket;

/// For the last bytes of a connection that is given up. Chosen: they are few, and nobody waits for
/// them.
const LEAVE_TIME: Duration = Duration::from_secs(1);

pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    /// What replies and events say of it.
    pub(crate) connection: Arc<Connection>,
    stage: Stage,
    /// Why it was not made, or what TLS has ended it with.
    pub(crate) failure: Option<DialError>,
}

enum Stage {
    Dialing { connecting: Connecting, is_tls: bool },
    Open { socket: Socket },
    Leaving { socket: Socket, until: Pin<Box<Sleep>> },
    Gone,
}

impl Link {
    /// `is_tls`: what is being made is TLS (R7).
    pub(crate) fn new(
        id: ConnectionId,
        address: Address,
        connecting: Connecting,
        is_tls: bool,
    ) -> Self {
        let connection = Arc::new(Connection { number: id.0, address });
        Self { id, connection, stage: Stage::Dialing { connecting, is_tls }, failure: None }
    }

    /// Whether the session has it.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    pub(crate) fn push(&mut self, packet: Packet) {
        if let Stage::Open { socket } = &mut self.stage {
            socket.push(packet);
        }
    }

    pub(crate) fn push_copy(&mut self, head: &[u8], body: &[u8]) {
        if let Stage::Open { socket } = &mut self.stage {
            socket.push_copy(head, body);
        }
    }

    /// What it writes from, if all of it is written.
    pub(crate) fn idle_unsent(&mut self) -> Option<&mut Outbound> {
        match &mut self.stage {
            Stage::Open { socket } => Some(socket.unsent()).filter(|unsent| unsent.is_empty()),
            Stage::Dialing { .. } | Stage::Leaving { .. } | Stage::Gone => None,
        }
    }

    /// Writes the rest, then closes.
    pub(crate) fn leave(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Open { socket } => Stage::Leaving { socket, until: Box::pin(sleep(LEAVE_TIME)) },
            leaving @ Stage::Leaving { .. } => leaving,
            Stage::Dialing { .. } | Stage::Gone => Stage::Gone,
        };
    }

    /// Whether there is nothing left to be done. The session has been told what it must know.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self.stage, Stage::Gone)
    }

    /// What came from the other end, for this session.
    pub(crate) fn poll_read(
        &mut self,
        session: &mut ClientSession,
        cx: &mut Context<'_>,
    ) -> Poll<Input> {
        let connection = self.id;
        match &mut self.stage {
            Stage::Dialing { connecting, is_tls } => match connecting.as_mut().poll(cx) {
                Poll::Ready(Ok((stream, peer))) => {
                    let tls = *is_tls;
                    self.stage = Stage::Open { socket: Socket::new(stream) };
                    let peer = peer.address().map(|address| address.ip());
                    Poll::Ready(Input::Connected { connection, peer, tls })
                }
                Poll::Ready(Err(error)) => {
                    self.stage = Stage::Gone;
                    let cause = Some(Cause::new(error.clone()));
                    self.failure = Some(error);
                    Poll::Ready(Input::ConnectFailed { connection, cause })
                }
                Poll::Pending => Poll::Pending,
            },
            Stage::Open { socket } => match socket.poll_read(|| session.room(connection), cx) {
                Poll::Ready(Some(bytes)) => Poll::Ready(Input::Received { connection, bytes }),
                Poll::Ready(None) => {
                    self.failure = socket.take_error().and_then(of_tls);
                    self.stage = Stage::Gone;
                    Poll::Ready(Input::Closed { connection })
                }
                Poll::Pending => Poll::Pending,
            },
            Stage::Leaving { socket, until } => {
                if socket.poll_leave(cx).is_ready() || until.as_mut().poll(cx).is_ready() {
                    self.stage = Stage::Gone;
                }
                Poll::Pending
            }
            Stage::Gone => Poll::Pending,
        }
    }

    /// Writes what is there.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        match &mut self.stage {
            Stage::Open { socket } => {
                let connection = self.id;
                socket.poll_write(cx).map(|count| Input::Written { connection, count })
            }
            Stage::Dialing { .. } | Stage::Leaving { .. } | Stage::Gone => Poll::Pending,
        }
    }
}

/// In TLS 1.3 a client hears only after its handshake that its certificate is none that the server
/// trusts, or is missing. What TLS says is an error of this kind, and nothing else of a stream is.
fn of_tls(error: io::Error) -> Option<DialError> {
    (error.kind() == io::ErrorKind::InvalidData).then(|| DialError::tls(error))
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Dialing { .. } => "dialing",
            Stage::Open { .. } => "open",
            Stage::Leaving { .. } => "leaving",
            Stage::Gone => "gone",
        };
        f.debug_struct("Link").field("id", &self.id).field("stage", &stage).finish()
    }
}
