//! The same servers over TLS: `benches server --tls`, with the feature `tls`.

use std::env;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use benches::Error;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig,
};
use ubf_client::tls::ClientTls;
use ubf_client::{Builder, SessionPlan};
use ubf_net::testing::Authority;
use ubf_net::tls::{ServerFiles, ServerTls};

use super::figures::{ACTIVE, DEPTH, Figures, Scenario};
use super::load::Load;
use super::peer::{Kind, Peer, Target};
use super::tonic::{EchoServer, Tonic};
use super::ubf::{self, Caller, Ubf};
use crate::markdown::ratio;

/// Where the server's process finds its certificate.
pub(crate) const FOLDER: &str = "UBF_BENCH_CERTIFICATES";

/// What both ends trust: it is made once, by the process of the client.
static AUTHORITY: OnceLock<Authority> = OnceLock::new();

fn authority() -> &'static Authority {
    AUTHORITY.get_or_init(|| {
        let authority = Authority::new("bench-servers");
        authority.sign_host("server", "127.0.0.1");
        authority
    })
}

/// The folder with the server's certificate, for its process.
pub(crate) fn folder() -> PathBuf {
    let ca = authority().file("ca.pem");
    ca.parent().map(Path::to_owned).unwrap_or_default()
}

/// A file of that folder, in the server's process.
fn file(name: &str) -> Result<PathBuf, Error> {
    let folder = env::var_os(FOLDER).ok_or("nobody says where the certificates are")?;
    Ok(Path::new(&folder).join(name))
}

/// This project over TLS.
pub(crate) struct UbfTls;

impl UbfTls {
    fn builder(address: SocketAddr) -> Result<Builder, Error> {
        let tls = ClientTls::trusting(authority().file("ca.pem"))?;
        Ok(ubf::builder(address).session(SessionPlan::off()).tls(tls))
    }
}

impl Peer for UbfTls {
    type Client = Caller;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        let files = ServerFiles::new(file("server.pem")?, file("server.key")?);
        let tls = ServerTls::from_files(files)?;
        ubf::serve_as(listener, ubf::echo(), None, |server| server.tls(tls)).await
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        Ok(Caller::new(Self::builder(target.address)?.connect().await?))
    }

    async fn connect_and_call(target: Target) -> Result<Self::Client, Error> {
        ubf::connect_and_call(Self::builder(target.address)?).await
    }

    async fn call(caller: &mut Self::Client) -> Result<(), Error> {
        Ubf::call(caller).await
    }

    async fn pipeline(client: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        Ubf::pipeline(client, depth, load).await
    }
}

/// tonic over TLS, by rustls and ring as we are.
pub(crate) struct TonicTls;

impl Peer for TonicTls {
    type Client = Channel;

    async fn serve(listener: TcpListener) -> Result<(), Error> {
        let read = |name| Ok::<_, Error>(std::fs::read(file(name)?)?);
        let identity = Identity::from_pem(read("server.pem")?, read("server.key")?);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity))?;
        Ok(server.serve_with_incoming(EchoServer, incoming).await?)
    }

    async fn connect(target: Target) -> Result<Self::Client, Error> {
        let ca = Certificate::from_pem(std::fs::read(authority().file("ca.pem"))?);
        let endpoint = Endpoint::from_shared(format!("https://{}", target.address))?;
        let endpoint = endpoint.tcp_nodelay(true);
        Ok(endpoint.tls_config(ClientTlsConfig::new().ca_certificate(ca))?.connect().await?)
    }

    async fn call(channel: &mut Self::Client) -> Result<(), Error> {
        Tonic::call(channel).await
    }

    async fn pipeline(channel: Self::Client, depth: usize, load: &Load) -> Result<(), Error> {
        Tonic::pipeline(channel, depth, load).await
    }
}

/// Writes what TLS costs each of both, and how they stand beside each other.
pub(crate) fn write(figures: &Figures, out: &mut String) -> std::fmt::Result {
    let kinds = [Kind::Ubf, Kind::UbfTls, Kind::Tonic, Kind::TonicTls];
    for scenario in [Scenario::InFlight(DEPTH), Scenario::Connections(ACTIVE)] {
        writeln!(out, "{scenario}")?;
        for kind in kinds {
            let Some(figure) = figures.get(kind, scenario) else { continue };
            writeln!(
                out,
                "  {:<20} {:>9.0} calls/s, {:>6} µs of server CPU a call, p99 {} µs",
                kind.as_str(),
                figure.calls_a_second,
                ratio(figure.server_cpu_us),
                ratio(figure.p99_us)
            )?;
        }
        for (kind, beside) in [
            (Kind::UbfTls, Kind::Ubf),
            (Kind::TonicTls, Kind::Tonic),
            (Kind::Ubf, Kind::Tonic),
            (Kind::UbfTls, Kind::TonicTls),
        ] {
            let Some(speed) = figures.speed(kind, scenario, beside) else { continue };
            writeln!(out, "  {} / {}: {}", kind.as_str(), beside.as_str(), ratio(speed))?;
        }
    }
    writeln!(out, "an idle connection, of {}; connecting and a first call", figures.idle)?;
    for kind in kinds {
        let Some(found) = figures.connections(kind) else { continue };
        let first = figures.first_call(kind).map(ratio).unwrap_or_default();
        let bytes = found.bytes_idle.map_or_else(|| "?".to_owned(), |bytes| format!("{bytes:.0}"));
        writeln!(out, "  {:<20} {bytes:>9} bytes; {first} µs", kind.as_str())?;
    }
    Ok(())
}
