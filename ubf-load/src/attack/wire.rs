//! A connection that says whatever bytes it likes, and understands what it is told.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use ubf_client::classic::HelloMode;
use ubf_codec::{Dialect, Document, ServerHeader, StreamDecoder, VersionedDecoder};
use ubf_net::Stream;
use ubf_net::tls::ClientTls;

use super::target::{STOCK_VERSION, Target};

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
    stream: Stream,
    /// The connection below TLS, or the same one: a second descriptor of it.
    below: std::net::TcpStream,
    /// The server takes nothing more; half of a packet is under way.
    is_stuck: bool,
    inbox: Inbox,
}

#[derive(Debug)]
struct Inbox {
    decoder: Decoder,
    buffer: BytesMut,
}

#[derive(Debug)]
enum Decoder {
    Versioned(VersionedDecoder<ServerHeader>),
    Stock(StreamDecoder),
}

impl Decoder {
    fn of(target: &Target) -> Self {
        if target.stock.is_none() {
            return Self::Versioned(VersionedDecoder::new());
        }
        Self::Stock(StreamDecoder::new().with_dialect(Dialect::Classic).with_any_escape(true))
    }

    /// Packets of stock servers have no version: they are taken for those of the only one.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Heard>, String> {
        match self {
            Self::Versioned(decoder) => {
                let packet = decoder.decode(buffer).map_err(|error| error.to_string())?;
                Ok(packet.map(|packet| Heard::Packet {
                    version: packet.header.mode.number(),
                    body: packet.body,
                }))
            }
            Self::Stock(decoder) => {
                let body = decoder.decode(buffer).map_err(|error| error.to_string())?;
                Ok(body.map(|body| Heard::Packet { version: STOCK_VERSION, body }))
            }
        }
    }
}

impl Inbox {
    /// Safe to cancel: what was read is in the buffer.
    async fn next(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> Heard {
        loop {
            match self.decoder.decode(&mut self.buffer) {
                Ok(Some(heard)) => return heard,
                Ok(None) => {}
                Err(error) => return Heard::Garbage(error),
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
    /// A connection, with TLS where the server is spoken to so.
    pub(super) async fn open(target: &Target) -> io::Result<Self> {
        Self::open_as(target, target.tls.as_ref().map(|tls| &tls.client)).await
    }

    /// The same with a certificate of another client.
    pub(super) async fn open_as(target: &Target, client: Option<&ClientTls>) -> io::Result<Self> {
        let opened: Result<io::Result<_>, _> = timeout(target.max_wait, async {
            // The error is that nobody closes it.
            let _place = match &target.tls {
                Some(tls) => tls.places.acquire().await.ok(),
                None => None,
            };
            let (stream, below) = connect(target).await?;
            let stream = match (client, &target.tls) {
                (Some(client), Some(tls)) => {
                    let stream = client.connect(&tls.name, stream).await;
                    stream.map_err(|error| io::Error::other(innermost(&error)))?
                }
                (_, _) => stream,
            };
            Ok((stream, below))
        })
        .await;
        let (stream, below) = opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        let inbox = Inbox { decoder: Decoder::of(target), buffer: BytesMut::new() };
        Ok(Self { stream, below, is_stuck: false, inbox })
    }

    /// A connection that has agreed on a version; with a stock server, one in the session that
    /// requests are for.
    pub(super) async fn greet(target: &Target) -> Result<Self, String> {
        let wire = Self::open(target).await.map_err(|error| error.to_string())?;
        wire.agree(target).await
    }

    /// The same on a connection that is there.
    pub(super) async fn agree(mut self, target: &Target) -> Result<Self, String> {
        let Some(stock) = &target.stock else {
            self.send(&target.negotiate(target.version())).await;
            let heard = self.hear(target.max_wait).await;
            let is_agreed = heard.version() == Some(target.version());
            return if is_agreed { Ok(self) } else { Err(heard.text()) };
        };
        if !matches!(stock.hello, HelloMode::None) {
            match self.hear(target.max_wait).await {
                Heard::Packet { .. } => {}
                heard @ (Heard::End | Heard::Reset | Heard::Garbage(_) | Heard::Silence) => {
                    return Err(format!("{}, and no hello", heard.text()));
                }
            }
        }
        if let Some(start) = target.start() {
            self.send(&start).await;
            let heard = self.hear(target.max_wait).await;
            if !heard.text().contains("{ok,") {
                return Err(format!("no session is begun: {}", heard.text()));
            }
        }
        Ok(self)
    }

    /// Sends what the system takes in a while; a server that does not want it says so, or ends the
    /// connection.
    pub(super) async fn send(&mut self, bytes: &str) {
        if !self.is_stuck {
            let sent = timeout(Duration::from_secs(1), self.stream.write_all(bytes.as_bytes()));
            self.is_stuck = sent.await.is_err();
        }
    }

    pub(super) async fn hear(&mut self, wait: Duration) -> Heard {
        let heard = timeout(wait, self.inbox.next(&mut self.stream));
        heard.await.unwrap_or(Heard::Silence)
    }

    /// What is heard, but for the hello of a stock server, which may come at any time.
    pub(super) async fn end(&mut self, wait: Duration) -> String {
        let heard = self.hear(wait).await;
        let is_hello = heard.text().contains("{'ubf1.0',");
        if is_hello { self.hear(wait).await.text() } else { heard.text() }
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
        let (mut reader, mut writer) = split(&mut self.stream);
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
        let (mut reader, mut writer) = split(&mut self.stream);
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
        SockRef::from(&self.below).set_linger(Some(Duration::ZERO)).ok();
    }

    /// Sends bytes below TLS, as somebody on the path could.
    pub(super) fn inject(&self, bytes: &[u8]) {
        use std::io::Write as _;
        // They are few: what the system does not take, a server that is gone would not read.
        (&self.below).write_all(bytes).ok();
    }

    /// Ends our side below TLS, without a word of it.
    pub(super) fn cut(&self) {
        self.below.shutdown(std::net::Shutdown::Write).ok();
    }
}

/// A connection, and another descriptor of it.
pub(super) async fn connect(target: &Target) -> io::Result<(Stream, std::net::TcpStream)> {
    let stream = TcpStream::connect(target.address).await?.into_std()?;
    let below = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?.into(), below))
}

/// What was first in the way.
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
