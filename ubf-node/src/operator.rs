//! The socket for the operator.

use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::Instrument as _;
use ubf_server::{BindError, Config, Report, Server, ServerHandle, ServerLimits, Service};

use crate::control::Control;
use crate::takeover::Descriptor;

/// Operators at a time.
const MAX_OPERATORS: usize = 16;
/// Descriptors for operators when clients have taken all others. Chosen: one operator at work, and
/// some that a client's connection may take first.
const SPARE_DESCRIPTORS: usize = 4;
/// Bytes of a packet: a request is a list of addresses at most.
const MAX_PACKET_BYTES: u32 = 64 << 10;
/// For a backup of many rows. Chosen: 100 GB at the speed of a slow disk.
const MAX_ORDER_TIME: Duration = Duration::from_secs(3_600);
/// Who types by hand needs time.
const MAX_SILENCE: Duration = Duration::from_secs(600);
/// For operators to ask how it went, and for the last answers, when the server has stopped.
const FAREWELL: Duration = Duration::from_secs(1);
/// Between two looks at whether operators are there.
const LOOK: Duration = Duration::from_millis(20);

/// A server of its own, beside the one that it controls.
pub(crate) struct Operator {
    pub(crate) handle: ServerHandle,
    running: JoinHandle<Report>,
}

#[cfg(unix)]
pub(crate) async fn serve(
    path: &Path,
    control: Control,
    inherited: Option<Descriptor>,
) -> Result<Operator, BindError> {
    let mut config = Config::default();
    config.limits.max_packet_bytes = MAX_PACKET_BYTES;
    config.max_negotiation_time = MAX_SILENCE;
    config.max_packet_time = MAX_SILENCE;
    config.max_idle_time = MAX_SILENCE;
    config.agent = control.agent();
    let mut limits = ServerLimits::default();
    limits.max_connections = MAX_OPERATORS;
    limits.max_call_time = MAX_ORDER_TIME;
    let control = std::sync::Arc::new(control);
    let builder = match inherited {
        Some(listener) => Server::builder().inherit(format!("unix:{}", path.display()), listener),
        None => Server::builder().listen_unix(path),
    };
    let server = builder
        .config(config)
        .limits(limits)
        .spare_descriptors(SPARE_DESCRIPTORS)
        // By hand, one does not negotiate.
        .shared_service(Service::DEFAULT, std::sync::Arc::clone(&control))
        .shared_service(Control::NAME, control)
        .bind()
        .await?;
    tracing::info!(path = %path.display(), "control socket");
    Ok(Operator {
        handle: server.handle(),
        running: tokio::spawn(server.run().instrument(tracing::info_span!("control"))),
    })
}

#[cfg(not(unix))]
pub(crate) async fn serve(
    path: &Path,
    _: Control,
    _: Option<Descriptor>,
) -> Result<Operator, BindError> {
    let error =
        std::io::Error::new(std::io::ErrorKind::Unsupported, "this system has no Unix sockets");
    Err(BindError::Listen { address: path.display().to_string(), error })
}

impl Operator {
    /// An operator that waits for the end sees the phase `stopped`, and what was counted, before
    /// the socket is closed.
    pub(crate) async fn end(self) {
        let gone = async {
            while self.handle.status().connections > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        // Who stays connected does not keep the program.
        let _are_gone = tokio::time::timeout(FAREWELL, gone).await.is_ok();
        self.handle.shut_down(FAREWELL);
        // How it went is of no interest: the server that matters has stopped.
        let _has_ended = self.running.await.is_ok();
    }
}
