//! Who may connect, and who may use which service: the program's own rule.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use ubf_net::Peer;
use ubf_proto::Service;

/// A program's rule about who may use its server: see
/// [`ServerBuilder::admission`](crate::ServerBuilder::admission).
///
/// A closure is one, too: it is asked with `None` whether a peer may connect, and then with each
/// service whether the peer may use that.
///
/// ```
/// use ubf_server::{Call, Handlers, Peer, Reply, Server, Service};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let till = Service::named("till");
/// let is_till = |peer: &Peer| peer.identity().is_some_and(|who| who.name().starts_with("till-"));
/// let rule = move |peer: &Peer, service: Option<&Service>| service != Some(&till) || is_till(peer);
/// let handlers = || Handlers::new().on(1, |_: Call<()>| async { Reply::ok(1) });
/// let server = Server::builder()
///     .listen("127.0.0.1:0")
///     .service(Service::DEFAULT, handlers())
///     .service("till", handlers())
///     .admission(rule)
///     .bind()
///     .await?;
/// # drop(server);
/// # Ok(())
/// # }
/// ```
///
/// # What a peer is told
/// A peer that may not connect is told `closing 'not_allowed'`. A service that a peer may not use
/// refuses its `negotiate`, and its messages, with `'not_allowed'` (N14).
pub trait AdmissionRule: Send + Sync + 'static {
    /// Whether anybody may connect from this address: asked before a handshake, which costs more
    /// than the question. Nobody is told anything then.
    fn admits_address(&self, address: SocketAddr) -> bool {
        let _anybody = address;
        true
    }

    /// Whether a peer may connect, which has shown who it is if it can.
    fn admits(&self, peer: &Peer) -> bool;

    /// Whether a peer that is connected may use a service.
    fn allows(&self, peer: &Peer, service: &Service) -> bool;
}

impl<F> AdmissionRule for F
where
    F: Fn(&Peer, Option<&Service>) -> bool + Send + Sync + 'static,
{
    fn admits(&self, peer: &Peer) -> bool {
        self(peer, None)
    }

    fn allows(&self, peer: &Peer, service: &Service) -> bool {
        self(peer, Some(service))
    }
}

/// What a peer that may not connect, or not use a service, is told.
pub(crate) const NOT_ALLOWED: &str = "not_allowed";

/// The rule of a server. `None`: everybody may do everything.
#[derive(Default)]
pub(crate) struct Rule(pub(crate) Option<Box<dyn AdmissionRule>>);

impl Rule {
    pub(crate) fn admits_address(&self, address: Option<SocketAddr>) -> bool {
        match (&self.0, address) {
            (Some(rule), Some(address)) => rule.admits_address(address),
            (_, _) => true,
        }
    }

    pub(crate) fn admits(&self, peer: &Peer) -> bool {
        self.0.as_ref().is_none_or(|rule| {
            peer.address().is_none_or(|address| rule.admits_address(address)) && rule.admits(peer)
        })
    }

    /// Those of some services that a peer may not use.
    pub(crate) fn barred<'s>(
        &self,
        peer: &Peer,
        services: impl Iterator<Item = &'s Service>,
    ) -> BTreeSet<Service> {
        let Some(rule) = &self.0 else { return BTreeSet::new() };
        services.filter(|service| !rule.allows(peer, service)).cloned().collect()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Rule" } else { "NoRule" })
    }
}
