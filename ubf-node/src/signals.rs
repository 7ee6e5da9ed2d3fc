//! SIGTERM and SIGINT.

use tracing::{info, warn};
use ubf_codec::NextIp;
use ubf_server::{DrainPlan, ServerHandle};

use crate::options::Waits;

/// What the system tells this program, from the moment this is made.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn obey(mut self, handle: ServerHandle, waits: Waits) {
        tokio::select! {
            _ = self.terminate.recv() => {
                drain(&handle, waits);
                tokio::select! {
                    _ = self.terminate.recv() => {}
                    _ = self.interrupt.recv() => {}
                }
            }
            _ = self.interrupt.recv() => {}
        }
        info!("told to stop now");
        handle.stop();
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn install() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// There is one signal: it drains, and stops when it comes again.
    pub(crate) async fn obey(self, handle: ServerHandle, waits: Waits) {
        if tokio::signal::ctrl_c().await.is_ok() {
            drain(&handle, waits);
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            handle.stop();
        }
    }
}

fn drain(handle: &ServerHandle, waits: Waits) {
    // Those of the moment: an operator may have changed them.
    let next_ip = NextIp::new(handle.status().peers);
    let Waits { grace, hard_stop } = waits;
    if next_ip.is_none() {
        // Nobody takes the clients over: they need no time to move.
        return handle.shut_down(hard_stop);
    }
    if !handle.drain(DrainPlan { next_ip, grace, hard_stop }) {
        warn!("the server is closing already");
    }
}
