//! Connections that break: at a moment that nobody knows, in the midst of a packet if there is one.

use std::future::Future as _;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use ubf_client::{Attempt, DialError, Peer, Stream};

/// How long a connection that is to break goes on until there is something to break: a write of so
/// many bytes at least.
const MIN_CUT: usize = 2;
/// Beyond its time, a connection that says nothing breaks all the same.
const QUIET: Duration = Duration::from_millis(100);

/// What breaks the connections of a load, and counts them.
#[derive(Debug)]
pub(super) struct Scissors {
    /// About so long a connection lives. `None`: it is not broken by itself.
    mean: Option<Duration>,
    /// How often all connections were to be broken.
    all: watch::Sender<u64>,
    cuts: AtomicU64,
    draws: AtomicU64,
    seed: RandomState,
}

impl Scissors {
    pub(super) fn new(mean: Option<Duration>) -> Arc<Self> {
        Arc::new(Self {
            mean,
            all: watch::Sender::new(0),
            cuts: AtomicU64::new(0),
            draws: AtomicU64::new(0),
            seed: RandomState::new(),
        })
    }

    /// Breaks every connection that there is.
    pub(super) fn cut_all(&self) {
        self.all.send_modify(|times| *times += 1);
    }

    /// Connections that were broken.
    pub(super) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// Makes the connection that a client wants, and breaks it in time.
    pub(super) async fn connect(
        self: Arc<Self>,
        attempt: Attempt,
    ) -> Result<(Stream, Peer), DialError> {
        let (stream, peer) = attempt.dial().await?;
        Ok((Stream::own(Severed::new(stream, self)), peer))
    }

    fn draw(&self) -> u64 {
        self.seed.hash_one(self.draws.fetch_add(1, Ordering::Relaxed))
    }

    /// When a connection breaks that is made now: between a quarter of the mean and seven,
    /// so that it is there before it breaks.
    fn moment(&self) -> Option<Instant> {
        let mean = self.mean?;
        // A thousandth is as fine as anybody can tell.
        let thousandths = 250 + u32::try_from(self.draw() % 1_500).unwrap_or_default();
        Some(Instant::now() + mean * thousandths / 1_000)
    }
}

/// A connection that breaks.
struct Severed {
    stream: Stream,
    scissors: Arc<Scissors>,
    all: Pin<Box<dyn Future<Output = ()> + Send>>,
    moment: Option<Pin<Box<Sleep>>>,
    life: Life,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Whole,
    /// Its time is over: the next packet is cut in the midst.
    Condemned,
    Broken,
}

impl Severed {
    fn new(stream: Stream, scissors: Arc<Scissors>) -> Self {
        let mut all = scissors.all.subscribe();
        all.mark_unchanged();
        let all = Box::pin(async move {
            // The sender lives as long as the load's clients do.
            if all.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let moment = scissors.moment().map(|moment| Box::pin(sleep_until(moment)));
        Self { stream, scissors, all, moment, life: Life::Whole }
    }

    /// Whether it is broken by now.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.life == Life::Whole && self.all.as_mut().poll(cx).is_ready() {
            self.condemn();
        }
        while let Some(moment) = &mut self.moment
            && moment.as_mut().poll(cx).is_ready()
        {
            match self.life {
                Life::Whole => self.condemn(),
                Life::Condemned | Life::Broken => self.sever(),
            }
        }
        if self.life == Life::Broken { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn condemn(&mut self) {
        self.life = Life::Condemned;
        self.moment = Some(Box::pin(sleep_until(Instant::now() + QUIET)));
    }

    fn sever(&mut self) {
        self.moment = None;
        if self.life != Life::Broken {
            self.life = Life::Broken;
            self.scissors.cuts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a part of what there is, and then nothing more.
    fn poll_cut(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let length = bytes.len().max(MIN_CUT) as u64;
        let kept = usize::try_from(1 + self.scissors.draw() % (length - 1)).unwrap_or(1);
        let part = bytes.get(..kept).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, part));
        self.sever();
        Poll::Ready(written.and_then(|_| Err(io::ErrorKind::ConnectionReset.into())))
    }
}

impl AsyncRead for Severed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.look(cx)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let length = buffer.filled().len() - before;
        if self.life == Life::Condemned && length > 1 {
            // The server believes that all of it has come.
            let kept = usize::try_from(self.scissors.draw() % length as u64).unwrap_or(0);
            buffer.set_filled(before + kept);
            self.sever();
            if kept == 0 {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Severed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.look(cx)?;
        if self.life == Life::Condemned {
            return self.poll_cut(cx, bytes);
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
