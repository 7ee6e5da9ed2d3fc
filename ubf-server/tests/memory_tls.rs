//! What an idle connection over TLS costs a server in memory. One test, because it counts for the
//! whole process: clients give up all that they have for TLS, and keep the connection.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::net::SocketAddr;
use std::sync::Arc;

use peak_alloc::PeakAlloc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use ubf_net::testing::{Authority, within};
use ubf_net::tls::ServerTls;
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Chosen: more than the sessions of TLS that a server remembers, and few descriptors.
const COUNT: usize = 300;
/// Required: 12 KiB.
const MAX_CONNECTION: usize = 12 << 10;

fn connector(authority: &Authority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into()
}

/// A connection that has negotiated, has called once, and has nothing more to say.
fn idle(runtime: &Runtime, connector: &TlsConnector, address: SocketAddr) -> std::net::TcpStream {
    const END: &[u8] = b"1 ? {'hello''start'}$";
    runtime.block_on(within(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(b"0 {'negotiate'1 ?#1&#}$1 'hello'$").await.unwrap();
        stream.flush().await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(END) {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        }
        let (stream, session) = stream.into_inner();
        drop(session);
        stream.into_std().unwrap()
    }))
}

#[test]
fn an_idle_connection_over_tls_costs_at_most_twelve_kilobytes() {
    let authority = Authority::new("memory");
    authority.sign_host("server", "127.0.0.1");
    let tls = ServerTls::from_files(authority.server("server")).unwrap();
    let echo = Handlers::new().on(Versions::of([1]), |call: Call<()>| async move {
        Reply::encoded([b"{", call.source(), b"'start'}$"].concat())
    });
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let server = Server::builder().listen("127.0.0.1:0").tls(tls).service(Service::DEFAULT, echo);
    let server = runtime.block_on(server.bind()).unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let serving = std::thread::spawn(move || runtime.block_on(server.run()));

    let clients = Builder::new_current_thread().enable_all().build().unwrap();
    let connector = connector(&authority);
    let mut made = Vec::with_capacity(2 * COUNT);
    made.extend((0..COUNT).map(|_| idle(&clients, &connector, address)));
    let before = MEMORY.current_usage();
    made.extend((0..COUNT).map(|_| idle(&clients, &connector, address)));
    let connection = MEMORY.current_usage().saturating_sub(before) / COUNT;
    println!("{connection} bytes a connection over TLS");

    handle.stop();
    assert!(serving.join().unwrap().is_clean());
    assert!(connection <= MAX_CONNECTION, "{connection} bytes");
}
