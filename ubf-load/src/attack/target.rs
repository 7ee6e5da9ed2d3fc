//! Whom an attack is for, and how hard it is.

use std::net::SocketAddr;
use std::time::Duration;

/// What a well-behaved client asks for. A server answers every request, if only to say that it does
/// not know it.
pub(super) const REQUEST: &str = "'ubf_attack'";
/// A version that no server speaks.
pub(super) const UNSPOKEN: u32 = 2_147_483_646;

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
        format!("{} {REQUEST}$", self.version())
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
