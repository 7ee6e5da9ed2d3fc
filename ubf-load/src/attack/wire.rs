//! A connection that says whatever bytes it likes, and understands what it is told.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use ubf_codec::{Document, ServerHeader, VersionedDecoder};

use super::target::Target;

/// Characters of an answer that are shown.
const SHOWN: usize = 72;
/// A conversation takes so many times the longest silence at most.
const MAX_WAITS: u32 = 3;
/// Room for a read.
const READ: usize = 64 << 10;

/// What came from the server.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// A packet: its version and its body.
    Packet { version: u32, body: Document<Bytes> },
    /// The end of its stream.
    End,
    /// The connection broke.
    Reset,
    /// What is no UBF.
    Garbage(String),
    /// Nothing in time.
    Silence,
}

impl Heard {
    /// In words: a packet as its version and its body in Erlang's notation, cut short.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Packet { version, body } => {
                let text = format!("{version} {body}");
                match text.char_indices().nth(SHOWN) {
                    Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
                    None => text,
                }
            }
            Self::End => "end of stream".into(),
            Self::Reset => "reset".into(),
            Self::Garbage(error) => format!("what is no UBF: {error}"),
            Self::Silence => "silence".into(),
        }
    }

    /// The version of a packet.
    pub(super) const fn version(&self) -> Option<u32> {
        if let Self::Packet { version, .. } = self { Some(*version) } else { None }
    }

    /// Whether nothing can come after it.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::End | Self::Reset | Self::Garbage(_))
    }
}

/// One connection to the server.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    inbox: Inbox,
}

#[derive(Debug)]
struct Inbox {
    decoder: VersionedDecoder<ServerHeader>,
    buffer: BytesMut,
}

impl Inbox {
    /// Safe to cancel: what was read is in the buffer.
    async fn next(&mut self, reader: &mut ReadHalf<'_>) -> Heard {
        loop {
            match self.decoder.decode(&mut self.buffer) {
                Ok(Some(packet)) => {
                    return Heard::Packet {
                        version: packet.header.mode.number(),
                        body: packet.body,
                    };
                }
                Ok(None) => {}
                Err(error) => return Heard::Garbage(error.to_string()),
            }
            self.buffer.reserve(READ);
            match reader.read_buf(&mut self.buffer).await {
                Ok(0) => return Heard::End,
                Ok(_) => {}
                Err(_) => return Heard::Reset,
            }
        }
    }
}

impl Wire {
    pub(super) async fn open(target: &Target) -> io::Result<Self> {
        let stream = timeout(target.max_wait, TcpStream::connect(target.address))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            inbox: Inbox { decoder: VersionedDecoder::new(), buffer: BytesMut::new() },
        })
    }

    /// A connection that has agreed on a version.
    pub(super) async fn greet(target: &Target) -> Result<Self, String> {
        let mut wire = Self::open(target).await.map_err(|error| error.to_string())?;
        wire.send(&target.negotiate(target.version())).await;
        let heard = wire.hear(target.max_wait).await;
        if heard.version() == Some(target.version()) { Ok(wire) } else { Err(heard.text()) }
    }

    /// Sends what the system takes in a while; a server that does not want it says so, or ends the
    /// connection.
    pub(super) async fn send(&mut self, bytes: &str) {
        timeout(Duration::from_secs(1), self.stream.write_all(bytes.as_bytes())).await.ok();
    }

    pub(super) async fn hear(&mut self, wait: Duration) -> Heard {
        let (mut reader, _) = self.stream.split();
        timeout(wait, self.inbox.next(&mut reader)).await.unwrap_or(Heard::Silence)
    }

    /// Sends chunks and listens at the same time, until a word that is enough, the end, or silence
    /// for so long. After all is sent it goes on listening. Says how many bytes went out, and
    /// the last thing heard.
    pub(super) async fn talk(
        &mut self,
        chunks: impl IntoIterator<Item = Bytes>,
        wait: Duration,
        mut is_enough: impl FnMut(&Heard) -> bool,
    ) -> (u64, Heard) {
        let (mut reader, mut writer) = self.stream.split();
        let mut chunks = chunks.into_iter();
        let mut chunk = chunks.next();
        let (mut sent, mut deadline) = (0, Instant::now() + wait);
        let last_deadline = Instant::now() + wait * MAX_WAITS;
        loop {
            let can_write = chunk.is_some();
            tokio::select! {
                biased;
                heard = self.inbox.next(&mut reader) => {
                    deadline = Instant::now() + wait;
                    if is_enough(&heard) || heard.is_end() {
                        return (sent, heard);
                    }
                }
                written = async { writer.write(chunk.as_deref().unwrap_or_default()).await }, if can_write => match written {
                    Ok(count) => {
                        sent += count as u64;
                        deadline = Instant::now() + wait;
                        if let Some(rest) = &mut chunk {
                            rest.advance(count);
                        }
                        if chunk.as_ref().is_some_and(Bytes::is_empty) {
                            chunk = chunks.next();
                        }
                    }
                    // What was said before may still be there to read.
                    Err(_) => chunk = None,
                },
                () = sleep_until(deadline.min(last_deadline)) => return (sent, Heard::Silence),
            }
        }
    }

    /// Sends one byte at a time with a pause after each, for so long, and gives the first thing
    /// heard.
    pub(super) async fn drip(&mut self, byte: u8, pause: Duration, wait: Duration) -> Heard {
        let (mut reader, mut writer) = self.stream.split();
        let deadline = Instant::now() + wait;
        loop {
            tokio::select! {
                heard = self.inbox.next(&mut reader) => return heard,
                () = sleep(pause) => drop(writer.write_all(&[byte]).await),
                () = sleep_until(deadline) => return Heard::Silence,
            }
        }
    }

    /// Sends and never listens, until the connection breaks. Says how many bytes went out, and
    /// whether it broke in time.
    pub(super) async fn send_only(&mut self, chunk: &[u8], wait: Duration) -> (u64, bool) {
        let mut sent = 0;
        let is_cut = timeout(wait, async {
            while let Ok(count) = self.stream.write(chunk).await {
                sent += count as u64;
            }
        });
        let is_cut = is_cut.await.is_ok();
        (sent, is_cut)
    }

    /// Sends no more, and goes on listening.
    pub(super) async fn close_half(&mut self) {
        // A connection that is gone already is closed enough.
        self.stream.shutdown().await.ok();
    }

    /// Breaks the connection at once.
    pub(super) fn reset(self) {
        // Without it the connection is only closed.
        self.stream.set_zero_linger().ok();
    }
}
