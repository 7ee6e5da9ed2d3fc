//! Connections that break: at any byte, so that one end sees it, or the other, or both, or none.

use std::future::{Future as _, pending};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use ubf_client::{Attempt, DialError, Peer, Stream};
use ubf_testing::random::Random;

use super::sabotage::Sabotage;
use super::sight::Sight;
use super::world::{Presence, Stage, World};

/// Most connections break before this. Chosen: a few times in the life of a client.
const LONGEST_LIFE_MS: usize = 3_000;
/// One in [`HASTY`] breaks before this: while it negotiates, or goes on with a session.
const HASTY_LIFE_MS: usize = 20;
const HASTY: usize = 6;
/// A connection whose time is over goes on for so long until there are bytes to break in.
const QUIET: Duration = Duration::from_millis(100);
/// For so long the server's end outlives the client's at most.
const LATE_MS: usize = 1_500;
/// The last bytes go quickly, or not at all.
const LATE_WRITE_TIME: Duration = Duration::from_millis(500);

/// Makes the connections of one client, and breaks them.
pub(crate) struct Scissors {
    world: Arc<World>,
    sight: Arc<Sight>,
    random: Mutex<Random>,
}

impl Scissors {
    pub(crate) fn new(world: Arc<World>, sight: Arc<Sight>, random: Random) -> Arc<Self> {
        Arc::new(Self { world, sight, random: Mutex::new(random) })
    }

    /// A connection that will break.
    pub(crate) async fn connect(
        self: Arc<Self>,
        attempt: Attempt,
    ) -> Result<(Stream, Peer), DialError> {
        if self.world.sabotage == Some(Sabotage::Stranded) && self.sight.has_session() {
            // Whoever has lost its connection gets no other one.
            return pending().await;
        }
        let (stream, peer) = attempt.dial().await?;
        let seed = self.random.lock().unwrap_or_else(PoisonError::into_inner).below(1 << 40);
        let (world, sight) = (Arc::clone(&self.world), Arc::clone(&self.sight));
        let fragile = Fragile::new(stream, world, sight, Random::new(seed as u64));
        Ok((Stream::own(fragile), peer))
    }
}

/// Who sees that a connection is broken.
#[derive(Clone, Copy, Debug)]
enum Witness {
    Both,
    /// What the client has written last arrives later, or never.
    Client,
    /// The client writes into the void, and hears nothing.
    Server,
    Nobody,
}

const WITNESSES: [(Witness, &str); 4] = [
    (Witness::Both, "cuts: both ends see it"),
    (Witness::Client, "cuts: the client sees it"),
    (Witness::Server, "cuts: the server sees it"),
    (Witness::Nobody, "cuts: nobody sees it"),
];

enum Life {
    Whole {
        stream: Stream,
        until: Pin<Box<Sleep>>,
    },
    /// The next bytes are cut in their midst; if none come until then, it breaks without.
    Condemned {
        stream: Stream,
        until: Pin<Box<Sleep>>,
    },
    /// The client is told so.
    Broken,
    /// The client is not told. The server's end is open as long as the stream is there.
    Void {
        _stream: Option<Stream>,
    },
}

/// A connection that breaks.
struct Fragile {
    life: Life,
    world: Arc<World>,
    sight: Arc<Sight>,
    random: Random,
    /// [`Sabotage::Stray`]: whether the stray packet was heard.
    is_strayed: bool,
}

impl Fragile {
    fn new(stream: Stream, world: Arc<World>, sight: Arc<Sight>, mut random: Random) -> Self {
        let longest = if random.once_in(HASTY) { HASTY_LIFE_MS } else { LONGEST_LIFE_MS };
        let life = Duration::from_millis(random.below(longest) as u64);
        let is_strayed = world.sabotage != Some(Sabotage::Stray);
        let until = Box::pin(sleep_until(Instant::now() + life));
        Self { life: Life::Whole { stream, until }, world, sight, random, is_strayed }
    }

    /// Looks at the time. The stream, if it is not broken, and whether the next bytes are to be
    /// cut.
    fn look(&mut self, cx: &mut Context<'_>) -> Option<(&mut Stream, bool)> {
        if let Life::Whole { until, .. } = &mut self.life
            && until.as_mut().poll(cx).is_ready()
            && let Life::Whole { stream, .. } = std::mem::replace(&mut self.life, Life::Broken)
        {
            let until = Box::pin(sleep_until(Instant::now() + QUIET));
            self.life = Life::Condemned { stream, until };
        }
        if let Life::Condemned { until, .. } = &mut self.life
            && until.as_mut().poll(cx).is_ready()
        {
            self.sever(&[]);
        }
        match &mut self.life {
            Life::Whole { stream, .. } => Some((stream, false)),
            Life::Condemned { stream, .. } => Some((stream, true)),
            Life::Broken | Life::Void { .. } => None,
        }
    }

    /// Breaks it. The last bytes were handed out by the client and not written.
    fn sever(&mut self, last: &[u8]) {
        let (Life::Whole { stream, .. } | Life::Condemned { stream, .. }) =
            std::mem::replace(&mut self.life, Life::Broken)
        else {
            return;
        };
        let (witness, word) =
            *self.random.choose(&WITNESSES).unwrap_or(&(Witness::Both, "cuts: both ends see it"));
        self.world.count(word, 1);
        self.sight.cut();
        match witness {
            Witness::Both => {}
            Witness::Client => {
                let late = last.get(..self.random.below(last.len() + 1)).unwrap_or_default();
                let time = Duration::from_millis(self.random.below(LATE_MS) as u64);
                let presence = Presence::new(&self.world, "ends of connections");
                let ghost = haunt(presence, Arc::clone(&self.world), stream, late.to_vec(), time);
                // It ends by itself, before the servers do.
                drop(tokio::spawn(ghost));
            }
            Witness::Server => self.life = Life::Void { _stream: None },
            Witness::Nobody => self.life = Life::Void { _stream: Some(stream) },
        }
    }

    /// What the client gets of a connection that is broken.
    fn poll_broken<T>(&self, void: Poll<T>) -> Poll<io::Result<T>> {
        match &self.life {
            // The client looks at its own timers.
            Life::Void { .. } => void.map(Ok),
            Life::Broken | Life::Whole { .. } | Life::Condemned { .. } => {
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    /// A packet that no server sends, between two that one sends.
    fn stray(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        const STRAY: &[u8] = b"0 ? 'pong'$";
        let is_between = buffer.filled().len() > before && buffer.filled().ends_with(b"$");
        if !self.is_strayed && is_between && buffer.remaining() >= STRAY.len() {
            self.is_strayed = true;
            buffer.put_slice(STRAY);
        }
    }
}

/// The server's end of a connection that its client has left: what was under way arrives late.
async fn haunt(
    _presence: Presence,
    world: Arc<World>,
    mut stream: Stream,
    late: Vec<u8>,
    time: Duration,
) {
    world.rest(time, Stage::Closing).await;
    drop(timeout(LATE_WRITE_TIME, stream.write_all(&late)).await);
    world.rest(time, Stage::Closing).await;
}

impl AsyncRead for Fragile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Some((stream, is_condemned)) = self.look(cx) else {
            return self.poll_broken(Poll::Pending);
        };
        ready!(Pin::new(stream).poll_read(cx, buffer))?;
        let length = buffer.filled().len() - before;
        if is_condemned && length > 0 {
            let kept = self.random.below(length);
            buffer.set_filled(before + kept);
            self.sever(&[]);
            if kept == 0 {
                // No bytes would mean that the server has closed, as it should.
                return self.poll_broken(Poll::Pending);
            }
        }
        self.stray(buffer, before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fragile {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let cut = self.random.below(bytes.len());
        let Some((stream, is_condemned)) = self.look(cx) else {
            return self.poll_broken(Poll::Ready(bytes.len()));
        };
        if !is_condemned {
            return Pin::new(stream).poll_write(cx, bytes);
        }
        let written = match bytes.get(..cut) {
            None | Some([]) => 0,
            Some(part) => ready!(Pin::new(stream).poll_write(cx, part))?,
        };
        self.sever(bytes.get(written..).unwrap_or_default());
        self.poll_broken(Poll::Ready(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.life {
            Life::Whole { stream, .. } | Life::Condemned { stream, .. } => {
                Pin::new(stream).poll_flush(cx)
            }
            Life::Broken | Life::Void { .. } => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.life {
            Life::Whole { stream, .. } | Life::Condemned { stream, .. } => {
                Pin::new(stream).poll_shutdown(cx)
            }
            Life::Broken | Life::Void { .. } => Poll::Ready(Ok(())),
        }
    }
}
