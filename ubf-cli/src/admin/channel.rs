//! Packets to and fro between an operator's program and a server.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use ubf_client::tls::ClientTls;
use ubf_codec::{Address, Document, Encoder, Mode, ServerHeader, Term, VersionedDecoder};
use ubf_net::{Stream, dial};

use super::AdminError;

/// A connection, on which one waits for each answer. It has a runtime of its own: those who use it
/// are threads.
#[derive(Debug)]
pub(crate) struct Channel {
    runtime: Runtime,
    stream: Stream,
    decoder: VersionedDecoder<ServerHeader>,
    buffer: BytesMut,
    /// How long the server may be silent.
    pub(crate) within: Duration,
}

impl Channel {
    pub(crate) fn to_socket(socket: &Path, within: Duration) -> Result<Self, AdminError> {
        let runtime = runtime()?;
        let connecting = async { timeout(within, UnixStream::connect(socket)).await };
        let stream = runtime.block_on(connecting).unwrap_or_else(|_| Err(timed_out()));
        Ok(Self::new(runtime, stream.map_err(AdminError::Connect)?.into(), within))
    }

    pub(crate) fn to_address(
        tls: &ClientTls,
        address: &Address,
        within: Duration,
    ) -> Result<Self, AdminError> {
        let runtime = runtime()?;
        let connecting = async {
            let (stream, _) = dial(&address.clone().into(), |_| true, within).await?;
            tls.connect(&address.host, stream).await
        };
        let stream = runtime.block_on(async { timeout(within, connecting).await });
        match stream {
            Ok(Ok(stream)) => Ok(Self::new(runtime, stream, within)),
            Ok(Err(error)) => Err(AdminError::Dial(error)),
            Err(_elapsed) => Err(AdminError::Lost(timed_out())),
        }
    }

    fn new(runtime: Runtime, stream: Stream, within: Duration) -> Self {
        Self { runtime, stream, decoder: VersionedDecoder::new(), buffer: BytesMut::new(), within }
    }

    pub(crate) fn exchange(
        &mut self,
        mode: Mode,
        request: &Term,
    ) -> Result<(Mode, Document<Bytes>), AdminError> {
        let mut packet = format!("{} ", mode.number()).into_bytes();
        packet.extend_from_slice(&Encoder::new().encode(request));
        let Self { runtime, stream, within, .. } = self;
        let writing = async {
            stream.write_all(&packet).await?;
            stream.flush().await
        };
        let written = runtime.block_on(async { timeout(*within, writing).await });
        written.unwrap_or_else(|_| Err(timed_out())).map_err(AdminError::Lost)?;
        loop {
            if let Some(packet) = self.decoder.decode(&mut self.buffer)? {
                return Ok((packet.header.mode, packet.body));
            }
            let reading = self.stream.read_buf(&mut self.buffer);
            let read = self.runtime.block_on(async { timeout(self.within, reading).await });
            if read.unwrap_or_else(|_| Err(timed_out())).map_err(AdminError::Lost)? == 0 {
                return Err(AdminError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

fn runtime() -> Result<Runtime, AdminError> {
    Builder::new_current_thread().enable_all().build().map_err(AdminError::Connect)
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}
