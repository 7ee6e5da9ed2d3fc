//! The socket of a connection, and what is to be written to it.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::sync::oneshot;
use tokio_util::io::poll_read_buf;
use ubf_net::Stream;
use ubf_proto::ServerSession;
use ubf_proto::server::CloseReason;

use super::outbox::Outbox;
use super::{End, farewell};
use crate::endpoint::ConnectionGuard;

/// Room for a read on the stack, from where a copy is made that takes no more memory than came.
/// Chosen: a copy costs little beside a read.
const STACK_READ: usize = 16 << 10;
/// Room for a read when more than that came. It is not copied. Chosen: more makes nothing faster.
const LARGE_READ: usize = 64 << 10;
/// The most that is read at once into the place of a large packet. Chosen: takes some tens of
/// microseconds, for which others wait (L1).
const LARGEST_READ: usize = 256 << 10;

/// A connection to a client. A session has one at a time, and may have one after the other.
pub(crate) struct Link {
    pub(super) stream: Stream,
    pub(super) outbox: Outbox,
    /// The last read left something in the socket.
    is_flooded: bool,
    /// The server stops now.
    pub(super) is_aborted: bool,
    /// Who accepted the connection waits for its end here, if a session has taken it over.
    ended: Option<oneshot::Sender<()>>,
    /// Last: given back when all else is gone.
    pub(super) guard: ConnectionGuard,
}

impl Link {
    pub(super) fn new(stream: Stream, guard: ConnectionGuard) -> Self {
        Self {
            stream,
            outbox: Outbox::default(),
            is_flooded: false,
            is_aborted: false,
            ended: None,
            guard,
        }
    }

    /// A way to wait for its end.
    pub(super) fn end(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.ended = Some(sender);
        receiver
    }

    /// Reads what is there; what goes on with a large packet, into its place in the session.
    /// Nothing is the end of the stream.
    pub(super) fn poll_read(
        &mut self,
        session: &mut ServerSession,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<BytesMut>> {
        if self.is_flooded {
            return self.poll_large_read(session, cx);
        }
        let mut bytes = [const { MaybeUninit::uninit() }; STACK_READ];
        let mut room = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
        self.is_flooded = room.remaining() == 0;
        Poll::Ready(Ok(BytesMut::from(room.filled())))
    }

    fn poll_large_read(
        &mut self,
        session: &mut ServerSession,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<BytesMut>> {
        // No room is made for what is not there.
        ready!(self.stream.poll_read_ready(cx))?;
        let mut room = session.room().unwrap_or_else(|| BytesMut::with_capacity(LARGE_READ));
        let mut part = (&mut room).limit(LARGEST_READ);
        let count = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut part))?;
        self.is_flooded = count >= STACK_READ;
        Poll::Ready(Ok(room))
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.outbox.poll_write(&mut self.stream, cx)
    }

    /// Closes it so that its client can read the last words.
    pub(super) async fn close(self, end: End) {
        let Self { guard, mut stream, mut outbox, is_aborted, ended, .. } = self;
        let endpoint = &guard.endpoint;
        let is_gone = matches!(end.reason, CloseReason::Lost | CloseReason::SlowReader);
        let (max_write, max_linger) =
            (endpoint.config.max_write_time, endpoint.limits.max_linger_time);
        let is_cut = if is_gone {
            is_aborted
        } else {
            let say_farewell = async {
                let is_flushed = farewell::flush(&mut stream, &mut outbox, max_write).await;
                if is_flushed && end.reason != CloseReason::ByClient {
                    farewell::linger(&mut stream, max_linger).await;
                }
            };
            // What can be written at once is written, even when the server stops now.
            tokio::select! {
                biased;
                () = say_farewell => false,
                () = guard.entry.cut() => true,
            }
        };
        let is_ours = is_aborted || end.reason == CloseReason::Shutdown;
        if is_cut && is_ours && !end.is_session_kept {
            // Replies that the client cannot have read whole, since the server did not wait for it.
            // A client that is gone, or that does not read in time, loses its replies by itself.
            endpoint.totals.calls_cut.add(outbox.replies() as u64);
        }
        drop((stream, guard, ended));
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("peer", &self.guard.entry.peer).finish_non_exhaustive()
    }
}
