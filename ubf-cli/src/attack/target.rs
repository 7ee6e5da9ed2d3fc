//! Whom an attack is for, and how hard it is.

use std::net::SocketAddr;
use std::time::Duration;

use ubf_codec::{TermRef, View};

use super::wire::{Heard, Wire};

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

    /// Asks the server what it speaks.
    pub(crate) async fn ask_versions(&mut self) -> Result<(), String> {
        let mut wire = Wire::open(self)
            .await
            .map_err(|error| format!("cannot connect to {}: {error}", self.address))?;
        wire.send(&self.negotiate(UNSPOKEN)).await;
        let heard = wire.hear(self.max_wait).await;
        let Heard::Packet { body, .. } = &heard else {
            return Err(format!(
                "{} does not answer a negotiation: {}",
                self.address,
                heard.text()
            ));
        };
        self.versions = spoken(body.root());
        self.versions.sort_unstable();
        if self.versions.is_empty() {
            return Err(format!(
                "{} speaks no version of this service: {}",
                self.address,
                heard.text()
            ));
        }
        Ok(())
    }
}

/// The versions in a `no_common_version`.
fn spoken(answer: TermRef<'_>) -> Vec<u32> {
    let View::Tuple(answer) = answer.view() else { return Vec::new() };
    let Some(View::List(versions)) = answer.get(3).map(|versions| versions.view()) else {
        return Vec::new();
    };
    versions.iter().filter_map(|version| u32::try_from(version.as_i64()?).ok()).collect()
}
