//! The bytes of a client and its node, both ways at once, in bounded memory (F5.1, L1, L2).

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::time::{Instant, Sleep, sleep_until};
use ubf_net::{Stream, poll_write_pieces};

use crate::config::SwitchLimits;
use crate::passage::{Directory, Passage, closing};

/// What is read at once, at first and at most. Chosen: a small packet has room in the first, and
/// beyond the second no stream gets faster.
const LEAST_ROOM: usize = 4 * 1024;
const MOST_ROOM: usize = 64 * 1024;

/// Reads and writes of one connection before others have their turn.
const TURNS: usize = 16;

/// Why a passage is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All that was to be said is written: the client was told `closing`, or the node has ended the
    /// connection.
    Said,
    /// The client is gone.
    ClientGone,
    /// The client does not read.
    NotRead,
    /// Nothing has passed for too long, and no answer has come since that was said.
    Idle,
}

/// A client and its node.
#[derive(Debug)]
pub(crate) struct Pump {
    pub(crate) passage: Passage,
    client: Stream,
    node: Stream,
    up: Lane,
    down: Lane,
    limits: SwitchLimits,
    last_traffic: Instant,
    /// Since when a packet of the client is held back.
    held_since: Option<Instant>,
    /// Since when the client has not read.
    unread_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
}

/// One direction.
#[derive(Debug)]
pub(crate) struct Lane {
    /// What has come and has not passed.
    input: BytesMut,
    /// What has passed and is not written.
    pub(crate) out: VecDeque<Bytes>,
    /// The reader has ended.
    is_over: bool,
    /// The writer was told so.
    is_shut: bool,
    room: usize,
}

impl Lane {
    pub(crate) fn new(input: BytesMut) -> Self {
        Self { input, out: VecDeque::new(), is_over: false, is_shut: false, room: LEAST_ROOM }
    }

    /// Writes all that has passed. Tells how many bytes that were.
    fn poll_write(&mut self, writer: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let mut written = 0;
        while let Some(first) = self.out.front() {
            let count = if self.out.len() == 1 {
                Pin::new(&mut *writer).poll_write(cx, first)
            } else {
                poll_write_pieces(writer, self.out.iter().map(|piece| &piece[..]), cx)
            };
            let mut count = match count? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => count,
                Poll::Pending if written > 0 => return Poll::Ready(Ok(written)),
                Poll::Pending => return Poll::Pending,
            };
            written += count as u64;
            while let Some(piece) = self.out.front_mut() {
                let here = piece.len().min(count);
                piece.advance(here);
                count -= here;
                if !piece.is_empty() {
                    break;
                }
                self.out.pop_front();
            }
        }
        Poll::Ready(Ok(written))
    }

    /// Reads what has come. 0: the reader has ended.
    fn poll_read(&mut self, reader: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.is_empty() {
            // An idle connection has no buffer.
            if reader.poll_read_ready(cx)?.is_pending() {
                self.input = BytesMut::new();
                self.room = LEAST_ROOM;
                return Poll::Pending;
            }
        }
        if self.input.capacity() - self.input.len() < self.room / 2 {
            self.input.reserve(self.room);
        }
        let reading = pin!(reader.read_buf(&mut self.input));
        let count = ready!(reading.poll(cx))?;
        if count >= self.room / 2 {
            self.room = (self.room * 4).min(MOST_ROOM);
        }
        Poll::Ready(Ok(count))
    }

    /// Tells the writer that no more comes, once all is written.
    fn poll_shut(&mut self, writer: &mut Stream, cx: &mut Context<'_>) {
        if self.is_over && !self.is_shut && self.out.is_empty() {
            // Whether that is heard shows when it is read.
            self.is_shut = Pin::new(writer).poll_shutdown(cx).is_ready();
        }
    }
}

impl Pump {
    pub(crate) fn new(
        passage: Passage,
        (client, from_client): (Stream, BytesMut),
        (node, from_node): (Stream, BytesMut),
        limits: &SwitchLimits,
    ) -> Self {
        let now = Instant::now();
        Self {
            passage,
            client,
            node,
            up: Lane::new(from_client),
            down: Lane::new(from_node),
            limits: limits.clone(),
            last_traffic: now,
            held_since: None,
            unread_since: None,
            timer: Box::pin(sleep_until(now + limits.max_idle_time)),
            bytes_up: 0,
            bytes_down: 0,
        }
    }

    /// Takes in what has come with the two connections already.
    pub(crate) fn begin(&mut self, directory: &dyn Directory) {
        self.passage.hear_client(&mut self.up.input, &mut self.up.out, directory);
        self.passage.hear_node(&mut self.down.input, &mut self.down.out, directory);
    }

    /// See [`Passage::leave`].
    pub(crate) fn leave(&mut self, why: &'static str) {
        self.passage.leave(why, &mut self.up.out);
    }

    /// See [`Passage::drain`].
    pub(crate) fn drain(&mut self, next_ip: &ubf_codec::NextIp, grace_ms: u64) {
        self.passage.drain(next_ip, &mut self.down.out, grace_ms);
    }

    /// The client's stream, for its last words.
    pub(crate) fn into_client(self) -> Stream {
        self.client
    }

    /// Lets bytes pass until there is something to tell: the passage is over (`Some`), or its
    /// effects want to be seen to.
    pub(crate) fn poll_pass(
        &mut self,
        directory: &dyn Directory,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Ending>> {
        for _turn in 0..TURNS {
            let went_up = match self.poll_up(directory, cx) {
                Poll::Ready(Err(ending)) => return Poll::Ready(Some(ending)),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            let went_down = match self.poll_down(directory, cx) {
                Poll::Ready(Err(ending)) => return Poll::Ready(Some(ending)),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if went_up || went_down {
                self.last_traffic = Instant::now();
            }
            if self.passage.has_effects() {
                return Poll::Ready(None);
            }
            if !went_up && !went_down {
                return self.poll_times(cx).map(Some);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One step from the client to the node.
    fn poll_up(
        &mut self,
        directory: &dyn Directory,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ending>> {
        if !self.up.out.is_empty() {
            return match ready!(self.up.poll_write(&mut self.node, cx)) {
                Ok(count) => {
                    self.bytes_up += count;
                    Poll::Ready(Ok(()))
                }
                // What it has said before is still read.
                Err(_) => {
                    self.up.out.clear();
                    self.up.is_over = true;
                    self.up.is_shut = true;
                    Poll::Ready(Ok(()))
                }
            };
        }
        self.up.poll_shut(&mut self.node, cx);
        if self.up.is_over || !self.passage.takes_from_client() {
            return Poll::Pending;
        }
        match ready!(self.up.poll_read(&mut self.client, cx)) {
            Ok(0) => self.up.is_over = true,
            Ok(_) => {
                self.passage.hear_client(&mut self.up.input, &mut self.up.out, directory);
                let is_held = self.passage.holds_a_packet();
                self.held_since = is_held.then(|| self.held_since.unwrap_or_else(Instant::now));
            }
            Err(_) => return Poll::Ready(Err(Ending::ClientGone)),
        }
        Poll::Ready(Ok(()))
    }

    /// One step from the node to the client.
    fn poll_down(
        &mut self,
        directory: &dyn Directory,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ending>> {
        if !self.down.out.is_empty() {
            return match self.down.poll_write(&mut self.client, cx) {
                Poll::Ready(Ok(count)) => {
                    self.unread_since = None;
                    self.bytes_down += count;
                    Poll::Ready(Ok(()))
                }
                Poll::Ready(Err(_)) => Poll::Ready(Err(Ending::ClientGone)),
                Poll::Pending => {
                    self.unread_since.get_or_insert_with(Instant::now);
                    Poll::Pending
                }
            };
        }
        if self.down.is_over || self.passage.has_ended() {
            return Poll::Ready(Err(Ending::Said));
        }
        match ready!(self.down.poll_read(&mut self.node, cx)) {
            Ok(0) | Err(_) => self.down.is_over = true,
            Ok(_) => self.passage.hear_node(&mut self.down.input, &mut self.down.out, directory),
        }
        Poll::Ready(Ok(()))
    }

    /// L2: nothing passes. Looks whether that has lasted too long.
    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            let after = |since: Option<Instant>, time: Duration| since.map(|since| since + time);
            let idle = self.last_traffic + self.limits.max_idle_time;
            let held = after(self.held_since, self.limits.max_packet_time);
            let unread = after(self.unread_since, self.limits.max_write_time);
            let due = [Some(idle), held, unread].into_iter().flatten().min().unwrap_or(idle);
            let now = Instant::now();
            if due > now {
                // Later than it is set: it is looked at again when it rings.
                if due < self.timer.deadline() || self.timer.is_elapsed() {
                    self.timer.as_mut().reset(due);
                }
                ready!(self.timer.as_mut().poll(cx));
                continue;
            }
            if unread.is_some_and(|at| at <= now) {
                return Poll::Ready(Ending::NotRead);
            }
            if held.is_some_and(|at| at <= now) {
                self.held_since = None;
                self.leave("packet_time");
            } else if self.passage.takes_from_client() {
                self.last_traffic = now;
                self.leave("idle_time");
                if self.passage.takes_from_client() {
                    return Poll::Ready(Ending::Idle);
                }
            } else {
                return Poll::Ready(Ending::Idle);
            }
            // What was asked of the node is written.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }
}

/// The last words to a client that is turned away, or that no node was found for. The rest of what
/// it sends is read for a moment: otherwise the system would not deliver them.
pub(crate) async fn say_last(mut stream: Stream, words: Bytes) {
    use tokio::io::AsyncWriteExt as _;

    /// Chosen: a round trip around the world, and some.
    const LINGER: Duration = Duration::from_millis(500);
    /// L1: more is not read.
    const MOST: usize = 256 * 1024;

    let saying = async {
        if !words.is_empty() {
            stream.write_all(&words).await?;
        }
        stream.shutdown().await?;
        let mut buffer = [0; 1024];
        let mut read = 0;
        while read < MOST {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => read += count,
            }
        }
        io::Result::Ok(())
    };
    let _said = tokio::time::timeout(LINGER, saying).await;
}

/// What a client is told for whom there is no node: it comes again.
pub(crate) fn no_node(pings: u64) -> Bytes {
    closing("no_node", None, pings)
}
