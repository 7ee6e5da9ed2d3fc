//! Whom an attack is for, and how hard it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use ubf_client::classic::Flavour;
use ubf_codec::{Dialect, Encoder, Host, Style, Term};
use ubf_net::tls::ClientTls;

use crate::load::StockPlan;

/// What a well-behaved client asks for. A server answers every request, if only to say that it does
/// not know it.
pub(super) const REQUEST: &str = "'ubf_attack'";
/// A version that no server speaks.
pub(super) const UNSPOKEN: u32 = 2_147_483_646;
/// What stands for the version of a server that has none.
pub(super) const STOCK_VERSION: u32 = 1;

/// How a server is spoken to with TLS.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetTls {
    /// What makes TLS of connections, with the certificate that the server takes.
    pub client: ClientTls,
    /// Whom the server's certificate is for.
    pub name: Host,
    /// Clients whose certificates the server must refuse.
    pub wrong: Vec<ClientTls>,
    /// Places for handshakes that are no attack: a server takes few of one address at a time.
    pub(super) places: Arc<Semaphore>,
}

/// Handshakes at a time. Chosen: fewer than any server takes of one address.
const HANDSHAKES: usize = 16;

impl TargetTls {
    /// A server of this name. Beside the certificates that are made for an attack none is wrong.
    #[must_use]
    pub fn new(client: ClientTls, name: Host) -> Self {
        Self { client, name, wrong: Vec::new(), places: Arc::new(Semaphore::new(HANDSHAKES)) }
    }
}

/// A server, and the size of the attacks on it.
///
/// [`Target::new`] has the sizes of `ubf attack`; set the fields that are to be otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The name of the service. `None`: the default service.
    pub service: Option<String>,
    /// `None`: bytes go as they are.
    pub tls: Option<TargetTls>,
    /// How a server of the time before versions is spoken to. `None`: it knows versions.
    pub stock: Option<StockPlan>,
    /// How long the server may take to make up its mind.
    pub max_wait: Duration,
    /// Connections that crowds have.
    pub connections: usize,
    /// Bytes that an endless packet has at most.
    pub max_bytes: usize,
    /// Packets that a pipeline has.
    pub packets: usize,
    /// What the server speaks, lowest first: it is asked before the first attack.
    pub(super) versions: Vec<u32>,
}

impl Target {
    /// The default service of a server: 40 s to answer, 200 connections, 64 MiB, 20,000 packets.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            service: None,
            tls: None,
            stock: None,
            max_wait: Duration::from_secs(40),
            connections: 200,
            max_bytes: 64 << 20,
            packets: 20_000,
            versions: Vec::new(),
        }
    }

    /// The best version.
    pub(super) fn version(&self) -> u32 {
        self.versions.last().copied().unwrap_or(1)
    }

    /// The service as a term of UBF(A): `?` or a string.
    pub(super) fn service_term(&self) -> String {
        self.service.as_ref().map_or_else(
            || "?".to_owned(),
            |name| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
        )
    }

    pub(super) fn negotiate(&self, version: u32) -> String {
        format!("0 {{'negotiate'1{}#{version}&#}}$", self.service_term())
    }

    pub(super) fn call(&self) -> String {
        self.packet(&format!("{REQUEST}$"))
    }

    /// A packet, or its beginning, with the header that this server wants.
    pub(super) fn packet(&self, body: &str) -> String {
        match self.stock {
            Some(_) => body.to_owned(),
            None => format!("{} {body}", self.version()),
        }
    }

    /// What a server says before it ends a connection; stock peers are told nothing (Q11).
    pub(super) const fn or_ends<'e>(&self, expected: &'e [&'e str]) -> &'e [&'e str] {
        if self.stock.is_some() { &["end of stream", "reset"] } else { expected }
    }

    /// What begins the session that requests are for, if there is such a word.
    pub(super) fn start(&self) -> Option<String> {
        let StockPlan { flavour, start, .. } = self.stock.as_ref()?;
        let (service, argument) = start.as_ref()?;
        let word = match flavour {
            Flavour::Erl2 | Flavour::Erl116 => "startSession",
            Flavour::Joe => "startService",
        };
        let start =
            Term::tuple([Term::atom(word), Term::string(service.clone()), argument.clone()]);
        let mut encoder = Encoder::new().with_dialect(Dialect::Classic).with_style(Style::Plain);
        String::from_utf8(encoder.encode(&start)).ok()
    }

    /// Between two bytes of those who send slowly: often enough that a server that restarts its
    /// clock with each byte never ends.
    pub(super) fn drip(&self) -> Duration {
        (self.max_wait / 200).clamp(Duration::from_millis(5), Duration::from_millis(200))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_a_term_of_ubf_a() {
        let mut target = Target::new(([127, 0, 0, 1], 1).into());
        assert_eq!(target.negotiate(3), "0 {'negotiate'1?#3&#}$");
        target.service = Some(r#"a"b\c"#.to_owned());
        assert_eq!(target.service_term(), r#""a\"b\\c""#);
    }
}
