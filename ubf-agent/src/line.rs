//! Connections of controllers: by a Unix socket, and by TCP with mutual TLS.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use ubf_agent_core::{Dialogue, MAX_PACKET_BYTES, Reply, Request, Said};
use ubf_codec::{ClientHeader, Limits, VersionedDecoder};

/// Controllers at a time, by each of the two ways.
const MAX_CONNECTIONS: usize = 8;
/// How long a controller has for its first packet, with the handshake before it (N10).
const FIRST_TIME: Duration = Duration::from_secs(5);
/// How long it may be silent, or read nothing.
const SILENCE: Duration = Duration::from_secs(600);
const WRITE_TIME: Duration = Duration::from_secs(30);
/// Between two attempts to accept when the system has no descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Does what is asked for.
pub(crate) type Doer = Arc<dyn Fn(Request) -> Reply + Send + Sync>;

/// A stream whose waiting ends.
trait Timed: Read + Write + Send {
    fn wait(&self, reading: Duration) -> io::Result<()>;
}

impl Timed for std::os::unix::net::UnixStream {
    fn wait(&self, reading: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(reading))?;
        self.set_write_timeout(Some(WRITE_TIME))
    }
}

impl Timed for StreamOwned<ServerConnection, TcpStream> {
    fn wait(&self, reading: Duration) -> io::Result<()> {
        self.sock.set_read_timeout(Some(reading))?;
        self.sock.set_write_timeout(Some(WRITE_TIME))
    }
}

pub(crate) fn serve_unix(listener: UnixListener, agent: &'static str, doer: Doer) {
    let accept = move || listener.accept().map(|(stream, _)| Some(stream));
    thread::spawn(move || attend(accept, agent, &doer));
}

pub(crate) fn serve_tls(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    agent: &'static str,
    doer: Doer,
) {
    let accept = move || {
        let stream = listener.accept()?.0;
        stream.set_nodelay(true)?;
        let connection = ServerConnection::new(Arc::clone(&config));
        Ok(connection.ok().map(|connection| StreamOwned::new(connection, stream)))
    };
    thread::spawn(move || attend(accept, agent, &doer));
}

/// Whoever comes has to show a certificate of these authorities.
pub(crate) fn tls(
    certificate: &Path,
    key: &Path,
    authorities: &Path,
) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
    let read = |path| CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let mut roots = RootCertStore::empty();
    for authority in read(authorities)? {
        roots.add(authority)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(roots.build()?)
        .with_single_cert(read(certificate)?, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(Arc::new(config))
}

/// Each connection has a thread; one too many is closed.
fn attend<S: Timed + 'static>(
    accept: impl Fn() -> io::Result<Option<S>>,
    agent: &'static str,
    doer: &Doer,
) {
    // Each connection has a copy of it.
    let present = Arc::new(());
    loop {
        match accept() {
            Ok(Some(stream)) if Arc::strong_count(&present) <= MAX_CONNECTIONS => {
                let (place, doer) = (Arc::clone(&present), Arc::clone(doer));
                thread::spawn(move || {
                    // Whoever goes away, or is cut off, has nobody to be told of it.
                    let _has_ended = talk(stream, agent, &doer).is_ok();
                    drop(place);
                });
            }
            Ok(_) => {}
            Err(_) => thread::sleep(BREATH),
        }
    }
}

fn talk<S: Timed>(mut stream: S, agent: &str, doer: &Doer) -> io::Result<()> {
    let began = Instant::now();
    let limits = Limits::default().with_max_packet_bytes(MAX_PACKET_BYTES).with_max_depth(16);
    let mut decoder = VersionedDecoder::<ClientHeader>::new().with_limits(limits);
    let (mut dialogue, mut buffer, mut has_spoken) = (Dialogue::new(agent), BytesMut::new(), false);
    let (mut bytes, mut read) = (vec![0; 64 << 10], 0);
    loop {
        let said = match decoder.decode(&mut buffer) {
            Ok(Some(packet)) => {
                has_spoken = true;
                let unread = buffer.len() + packet.body.source().len();
                dialogue.hear(&packet, read - unread as u64, began.elapsed())
            }
            Ok(None) => {
                let left =
                    if has_spoken { SILENCE } else { FIRST_TIME.saturating_sub(began.elapsed()) };
                if left.is_zero() {
                    return Ok(());
                }
                stream.wait(left)?;
                let count = stream.read(&mut bytes)?;
                if count == 0 {
                    return Ok(());
                }
                read += count as u64;
                buffer.extend_from_slice(bytes.get(..count).unwrap_or_default());
                continue;
            }
            Err(error) => Said::Close(Dialogue::broken(&error)),
        };
        let is_over = matches!(said, Said::Close(_));
        let answer = match said {
            Said::Nothing => continue,
            Said::Answer(answer) | Said::Close(answer) => answer,
            Said::Request(request) => dialogue.reply(&doer(request)),
        };
        stream.write_all(&answer)?;
        stream.flush()?;
        if is_over {
            return Ok(());
        }
    }
}
