//! Where operators come: a socket of this machine, and an address with mutual TLS.

use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::Instrument as _;
use ubf_server::{
    BindError, Config, Peer, Report, Server, ServerBuilder, ServerHandle, ServerLimits, Service,
};

use crate::certificates::Certificates;
use crate::control::Control;
use crate::handoff::{self, HandoffService, Handoffs};
use crate::takeover::Descriptor;

/// Operators at a time.
const MAX_OPERATORS: usize = 16;
/// Handshakes of one address at a time. Chosen: a strange address leaves places to others.
const MAX_HANDSHAKES_OF_ONE: usize = 4;
/// Descriptors for operators when clients have taken all others. Chosen: one operator at work, and
/// some that a client's connection may take first.
const SPARE_DESCRIPTORS: usize = 4;
/// Bytes of a packet: the rows that another node hands off come in pieces of a mebibyte, with a row
/// of that size at their end.
const MAX_PACKET_BYTES: u32 = 4 << 20;
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

/// Listens on a Unix socket, for the user of this program.
#[cfg(unix)]
pub(crate) async fn serve(
    path: &Path,
    control: Control,
    nodes: Option<HandoffService>,
    inherited: Option<Descriptor>,
) -> Result<Operator, BindError> {
    let builder = match inherited {
        Some(listener) => Server::builder().inherit(format!("unix:{}", path.display()), listener),
        None => Server::builder().listen_unix(path),
    };
    let builder = match nodes {
        Some(nodes) => builder.service(handoff::NAME, nodes),
        None => builder,
    };
    let operator = Operator::start(builder, control).await?;
    tracing::info!(path = %path.display(), "control socket");
    Ok(operator)
}

#[cfg(not(unix))]
pub(crate) async fn serve(
    path: &Path,
    _: Control,
    _: Option<HandoffService>,
    _: Option<Descriptor>,
) -> Result<Operator, BindError> {
    let error =
        std::io::Error::new(std::io::ErrorKind::Unsupported, "this system has no Unix sockets");
    Err(BindError::Listen { address: path.display().to_string(), error })
}

/// U1: the name of the listener for operators who come by a network.
pub(crate) fn listener_name(address: &str) -> String {
    format!("control:{address}")
}

/// Listens on an address, for those who have a certificate of operators and may see at least, and
/// for other nodes. It is a server of its own: whoever fills it leaves the socket free.
pub(crate) async fn serve_network(
    address: &str,
    certificates: &Certificates,
    control: Control,
    handoffs: &Handoffs,
    inherited: Option<Descriptor>,
) -> Result<Operator, BindError> {
    let mut builder = Server::builder();
    #[cfg(unix)]
    if let Some(listener) = inherited {
        builder = builder.listener(listener.into());
    } else {
        builder = builder.listen(address);
    }
    #[cfg(not(unix))]
    {
        drop(inherited);
        builder = builder.listen(address);
    }
    if handoffs.are_any() {
        builder = builder.service(handoff::NAME, HandoffService::new(handoffs));
    }
    let (roles, nodes) = (control.clone(), handoffs.clone());
    let of_nodes = Service::from(handoff::NAME);
    builder =
        builder.tls(certificates.tls()).admission(move |peer: &Peer, service: Option<&Service>| {
            match service {
                Some(service) if *service == of_nodes => nodes.is_node(peer),
                Some(_) => roles.role(peer).is_some(),
                None => roles.role(peer).is_some() || nodes.is_node(peer),
            }
        });
    let operator = Operator::start(builder, control).await?;
    handoffs.listen_with(operator.handle.clone());
    for address in operator.handle.status().addresses {
        tracing::info!(%address, "operators");
    }
    Ok(operator)
}

impl Operator {
    async fn start(builder: ServerBuilder, control: Control) -> Result<Self, BindError> {
        let mut config = Config::default();
        config.limits.max_packet_bytes = MAX_PACKET_BYTES;
        config.max_negotiation_time = MAX_SILENCE;
        config.max_packet_time = MAX_SILENCE;
        config.max_idle_time = MAX_SILENCE;
        config.agent = control.agent();
        let mut limits = ServerLimits::default();
        limits.max_connections = MAX_OPERATORS;
        limits.max_handshakes = MAX_OPERATORS;
        limits.max_handshakes_per_address = MAX_HANDSHAKES_OF_ONE;
        limits.max_call_time = MAX_ORDER_TIME;
        let control = std::sync::Arc::new(control);
        let server = builder
            .config(config)
            .limits(limits)
            .spare_descriptors(SPARE_DESCRIPTORS)
            // By hand, one does not negotiate.
            .shared_service(Service::DEFAULT, std::sync::Arc::clone(&control))
            .shared_service(Control::NAME, control)
            .bind()
            .await?;
        Ok(Self {
            handle: server.handle(),
            running: tokio::spawn(server.run().instrument(tracing::info_span!("control"))),
        })
    }

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
