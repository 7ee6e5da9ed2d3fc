//! One end of a connection: bytes out, packets in, and no wait without an end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ubf_codec::{Document, Header, VersionedDecoder};

use super::{Fault, Seen};

/// A connection to the end that is examined, whose packets have headers of the type `H`.
pub(super) struct Wire<H> {
    stream: TcpStream,
    buffer: BytesMut,
    decoder: VersionedDecoder<H>,
    timeout: Duration,
}

/// What comes next.
pub(super) enum Next<P> {
    Packet(P),
    /// The other end has closed.
    End,
    /// Nothing, for the whole time.
    Silence,
}

type Packet<H> = <H as Header>::Packet<Document<Bytes>>;

impl<H: Header> Wire<H> {
    pub(super) fn connect(address: SocketAddr, timeout: Duration) -> Seen<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)
            .map_err(|error| Fault::Gone(format!("{address} cannot be reached: {error}")))?;
        Ok(Self::over(stream, timeout))
    }

    pub(super) fn over(stream: TcpStream, timeout: Duration) -> Self {
        // Packets are small and each is waited for; without it they only take longer.
        drop(stream.set_nodelay(true));
        Self { stream, buffer: BytesMut::new(), decoder: VersionedDecoder::new(), timeout }
    }

    /// Sends bytes. That the other end has closed is seen by reading.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.set_write_timeout(Some(self.timeout)));
        drop(self.stream.write_all(bytes));
    }

    /// The next packet, the end, or silence for as long as the time limit.
    pub(super) fn next(&mut self) -> Seen<Next<Packet<H>>> {
        self.next_within(self.timeout)
    }

    pub(super) fn next_within(&mut self, timeout: Duration) -> Seen<Next<Packet<H>>> {
        let until = Instant::now() + timeout;
        loop {
            let decoded = self.decoder.decode(&mut self.buffer);
            if let Some(packet) =
                decoded.map_err(|error| Fault::Wrong(format!("what it sends is wrong: {error}")))?
            {
                return Ok(Next::Packet(packet));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Next::Silence);
            }
            drop(self.stream.set_read_timeout(Some(left)));
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(Next::End),
                Ok(count) => self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if is_timeout(error.kind()) => return Ok(Next::Silence),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What it had not read when it closed makes its end a reset.
                Err(_) => return Ok(Next::End),
            }
        }
    }

    pub(super) fn packet(&mut self) -> Seen<Packet<H>> {
        match self.next()? {
            Next::Packet(packet) => Ok(packet),
            Next::End => Err(Fault::Wrong("it closes, and does not answer".to_owned())),
            Next::Silence => Err(self.silent()),
        }
    }

    /// Nothing comes but the end.
    pub(super) fn end(&mut self) -> Seen {
        match self.next()? {
            Next::End => Ok(()),
            Next::Packet(_) => Err(Fault::Wrong("a packet came, and no end".to_owned())),
            Next::Silence => Err(Fault::Hung("it does not close".to_owned())),
        }
    }

    pub(super) fn silent(&self) -> Fault {
        Fault::Hung(format!("nothing came within {} s", self.timeout.as_secs_f64()))
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
