//! Whom an attack is for, and how hard it is.

use std::net::SocketAddr;
use std::time::Duration;

/// What a well-behaved client asks for. A server answers every request, if only to say that it does
/// not know it.
pub(crate) const REQUEST: &str = "'ubf_attack'";
/// A version that no server speaks.
pub(crate) const UNSPOKEN: u32 = 2_147_483_646;

/// A server, and the size of the attacks.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The service as a term of UBF(A): `?` or a string.
    pub(crate) service: String,
    /// What it speaks, lowest first.
    pub(crate) versions: Vec<u32>,
    /// How long the server may take to make up its mind.
    pub(crate) max_wait: Duration,
    /// Connections that crowds have.
    pub(crate) connections: usize,
    /// Bytes that an endless packet has at most.
    pub(crate) max_bytes: usize,
    /// Packets that a pipeline has.
    pub(crate) packets: usize,
}

impl Target {
    /// The best version.
    pub(crate) fn version(&self) -> u32 {
        self.versions.last().copied().unwrap_or(1)
    }

    pub(crate) fn negotiate(&self, version: u32) -> String {
        format!("0 {{'negotiate'1{}#{version}&#}}$", self.service)
    }

    pub(crate) fn call(&self) -> String {
        format!("{} {REQUEST}$", self.version())
    }

    /// Between two bytes of those who send slowly: often enough that a server that restarts its
    /// clock with each byte never ends.
    pub(crate) fn drip(&self) -> Duration {
        (self.max_wait / 200).clamp(Duration::from_millis(5), Duration::from_millis(200))
    }
}
