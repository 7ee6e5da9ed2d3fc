//! What TLS costs: calls at a depth of 64 beside plain ones, and handshakes beside those of rustls
//! alone. `cargo bench -p benches --no-default-features --features tls --bench tls` runs all.
//!
//! The goal of calls is 0.7 of the plain ones in a second; of handshakes, what rustls alone makes,
//! less a tenth. Both ends of a handshake are on one core.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};
use ubf_codec::Host;
use ubf_net::Stream;
use ubf_net::testing::Authority;
use ubf_net::tls::ServerTls;
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

type Trouble = Box<dyn std::error::Error>;

/// A call of about 100 bytes, and its reply.
const CALL: &[u8] = b"1 {'order' 471100 {'customer' \"Joe Armstrong\" 68} #{'item' \"pen\" 3}& 'paid' \"at the neighbour's\"}$";
const REPLY_BYTES: usize = CALL.len() + b"? {'start'}".len();
/// Calls on their way.
const DEPTH: usize = 64;
const LOCALHOST: Host = Host::V4(std::net::Ipv4Addr::LOCALHOST);

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A server in a thread of its own, which ends with the program.
fn serve(tls: Option<ServerTls>) -> Result<SocketAddr, Trouble> {
    let echo = Handlers::new().on(Versions::of([1]), |call: Call<()>| async move {
        Reply::encoded([b"{", call.source(), b"'start'}$"].concat())
    });
    let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, echo);
    let server = if let Some(tls) = tls { server.tls(tls) } else { server };
    let runtime = runtime()?;
    let server = runtime.block_on(server.bind())?;
    let address = *server.addresses().first().ok_or("no address")?;
    std::thread::spawn(move || runtime.block_on(server.run()));
    Ok(address)
}

/// So many calls, in bursts of the depth: how long they take.
async fn call(stream: &mut Stream, count: u64) -> io::Result<Duration> {
    let burst = CALL.repeat(DEPTH);
    let mut replies = vec![0; REPLY_BYTES * DEPTH];
    let begun = Instant::now();
    for _ in 0..count.div_ceil(DEPTH as u64) {
        stream.write_all(&burst).await?;
        stream.flush().await?;
        stream.read_exact(&mut replies).await?;
    }
    assert!(replies.ends_with(b"'start'}$"), "replies of another length");
    Ok(begun.elapsed())
}

fn calls(c: &mut Criterion) -> Result<(), Trouble> {
    let authority = Authority::new("bench-calls");
    authority.sign_host("server", "127.0.0.1");
    let tls = ServerTls::from_files(authority.server("server"))?;
    let runtime = runtime()?;
    let mut group = c.benchmark_group("calls at depth 64");
    group.throughput(Throughput::Elements(1));
    for (name, tls) in [("plain", None), ("tls", Some(tls))] {
        let is_tls = tls.is_some();
        let address = serve(tls)?;
        let mut stream = runtime.block_on(async {
            let stream = Stream::from(TcpStream::connect(address).await?);
            if !is_tls {
                return Ok::<_, Trouble>(stream);
            }
            Ok(authority.client().connect(&LOCALHOST, stream).await?)
        })?;
        let mut failed = None;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let took = runtime.block_on(call(&mut stream, count));
                took.unwrap_or_else(|error| {
                    failed = Some(error);
                    Duration::from_secs(1)
                })
            });
        });
        failed.map_or(Ok(()), Err)?;
    }
    group.finish();
    Ok(())
}

/// rustls without anything around it.
struct Alone {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Alone {
    fn new(authority: &Authority) -> Result<Self, Trouble> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority.file("ca.pem"))?)?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let certificate = CertificateDer::from_pem_file(authority.file("server.pem"))?;
        let key = PrivateKeyDer::from_pem_file(authority.file("server.key"))?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }

    fn shake(&self) -> Result<(), Trouble> {
        let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
        let mut client = ClientConnection::new(Arc::clone(&self.client), name)?;
        let mut server = ServerConnection::new(Arc::clone(&self.server))?;
        let mut bytes = Vec::with_capacity(4096);
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            bytes.clear();
            while client.wants_write() {
                client.write_tls(&mut bytes)?;
            }
            server.read_tls(&mut bytes.as_slice())?;
            server.process_new_packets()?;
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes)?;
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest)?;
                client.process_new_packets()?;
            }
        }
        Ok(())
    }
}

fn handshakes(c: &mut Criterion) -> Result<(), Trouble> {
    let authority = Authority::new("bench-handshakes");
    authority.sign_host("server", "127.0.0.1");
    let mut group = c.benchmark_group("handshakes, both ends");
    group.throughput(Throughput::Elements(1));
    let alone = Alone::new(&authority)?;
    alone.shake()?;
    group.bench_function("rustls alone", |bencher| bencher.iter(|| alone.shake().is_ok()));
    let tls = ServerTls::from_files(authority.server("server"))?;
    let client = authority.client();
    let runtime = runtime()?;
    let shake = async || {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (connected, accepted) = tokio::join!(
            client.connect(&LOCALHOST, Stream::own(near)),
            tls.accept(Stream::own(far))
        );
        (connected, accepted)
    };
    let (connected, accepted) = runtime.block_on(shake());
    drop((connected?, accepted?));
    group.bench_function("ubf-net", |bencher| {
        bencher.iter(|| runtime.block_on(shake()).0.is_ok());
    });
    group.finish();
    Ok(())
}

#[expect(clippy::panic, reason = "what is wrong must not be measured")]
fn all(c: &mut Criterion) {
    for part in [calls, handshakes] {
        part(c).unwrap_or_else(|error| panic!("{error}"));
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
