//! What an idle client's handle holds, counted in a program of its own: counting slows the allocator
//! down.

use std::process::Stdio;

use benches::Error;
use serde::Serialize;

use super::child::{Child, Place};
use super::peer::Kind;
use crate::toolchain;

/// Bytes of the heap that a client holds which has called once and has nothing more to say.
#[derive(Debug, Serialize)]
pub(crate) struct Handles {
    pub(crate) count: usize,
    pub(crate) ours: f64,
    /// With a session.
    pub(crate) in_session: f64,
    /// Of the bare server's client with a handle.
    pub(crate) bare: f64,
}

pub(super) fn measure(count: usize) -> Result<Handles, Error> {
    let bytes = |kind, client: &str| {
        let server = Child::start(kind, &Place::default())?;
        let output = toolchain::cargo()
            .args(["run", "--quiet", "--release", "-p", "benches", "--bin", "allocations"])
            .args(["--", "idle", client, &server.address.to_string(), &count.to_string()])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(Error::from(format!("what {client} holds cannot be counted")));
        }
        Ok(serde_json::from_slice::<f64>(&output.stdout)?)
    };
    Ok(Handles {
        count,
        ours: bytes(Kind::Ubf, "ubf")?,
        in_session: bytes(Kind::InSession, "in-session")?,
        bare: bytes(Kind::Handle, "bare")?,
    })
}
