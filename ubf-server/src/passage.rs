//! What a connection of the network passes before it is greeted: the word of a balancer, and TLS.
//! At most so many at a time, in all and of one address, and each within its time.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::timeout;
use ubf_net::{Network, Peer, ProxyHeader, Stream};
use ubf_proto::endpoint::Origin;

use crate::endpoint::SharedEndpoint;
use crate::log::{debug, info};
use crate::origin::origin;

/// The connections that are on their way in, on all listeners of a server.
#[derive(Debug)]
pub(crate) struct Passage {
    /// The balancers.
    proxies: Vec<Network>,
    #[cfg(feature = "tls")]
    tls: Option<ubf_net::tls::ServerTls>,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    count: usize,
    /// Never 0, so there are no more of them than connections.
    by_origin: HashMap<Origin, usize>,
}

/// Why a connection gets no further.
enum InTheWay {
    /// It breaks the rules of TLS, or of the PROXY protocol, or is gone.
    Broken(io::Error),
    /// There are too many of its address.
    Crowd,
    /// L1: it may not connect.
    NotAllowed,
}

impl Passage {
    /// `None`: there is nothing to pass.
    #[cfg(feature = "tls")]
    pub(crate) fn new(
        proxies: Vec<Network>,
        tls: Option<ubf_net::tls::ServerTls>,
    ) -> Option<Arc<Self>> {
        let is_open = proxies.is_empty() && tls.is_none();
        (!is_open).then(|| Arc::new(Self { proxies, tls, under_way: Mutex::default() }))
    }

    /// `None`: there is nothing to pass.
    #[cfg(not(feature = "tls"))]
    pub(crate) fn new(proxies: Vec<Network>) -> Option<Arc<Self>> {
        let is_open = proxies.is_empty();
        (!is_open).then(|| Arc::new(Self { proxies, under_way: Mutex::default() }))
    }

    /// Lets a connection pass, and hands it on.
    pub(crate) fn begin(
        self: &Arc<Self>,
        stream: Stream,
        peer: Peer,
        endpoint: &Arc<SharedEndpoint>,
        next: impl FnOnce(Stream, Peer, &Arc<SharedEndpoint>) + Send + 'static,
    ) {
        let is_proxy = peer.address().is_some_and(|address| self.is_proxy(address.ip()));
        // A balancer brings the connections of many.
        let origin = if is_proxy { Origin::Local } else { origin(&peer) };
        let Some(mut place) = Place::take(self, origin, endpoint) else {
            endpoint.totals.handshakes_refused.add(1);
            debug!(%peer, "too many handshakes");
            return;
        };
        let endpoint = Arc::clone(endpoint);
        tokio::spawn(async move {
            let mut peer = peer;
            let passed = place.pass(stream, &mut peer, is_proxy, &endpoint);
            let passed = timeout(endpoint.limits.max_handshake_time, passed).await;
            drop(place);
            match passed {
                Ok(Ok(stream)) => next(stream, peer, &endpoint),
                Ok(Err(InTheWay::Broken(error))) => {
                    endpoint.totals.handshakes_failed.add(1);
                    if error.kind() == io::ErrorKind::InvalidData {
                        // Whoever runs the client wants to know what is wrong with it.
                        info!(%peer, %error, "no handshake");
                    } else {
                        // A probe of a balancer connects and goes.
                        debug!(%peer, %error, "no handshake");
                    }
                }
                Ok(Err(InTheWay::Crowd)) => {
                    endpoint.totals.handshakes_refused.add(1);
                    debug!(%peer, "too many handshakes");
                }
                Ok(Err(InTheWay::NotAllowed)) => {
                    endpoint.totals.connections_not_allowed.add(1);
                    info!(%peer, "not allowed to connect");
                }
                Err(_elapsed) => {
                    endpoint.totals.handshakes_failed.add(1);
                    debug!(%peer, limit = "max_handshake_time", "no handshake in time");
                }
            }
        });
    }

    fn is_proxy(&self, address: std::net::IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection that is on its way in, given back when it is dropped.
#[derive(Debug)]
struct Place {
    passage: Arc<Passage>,
    origin: Origin,
}

impl Place {
    fn take(passage: &Arc<Passage>, origin: Origin, endpoint: &SharedEndpoint) -> Option<Self> {
        let limits = endpoint.limits;
        let has_room =
            passage.lock().take(origin, limits.max_handshakes, limits.max_handshakes_per_address);
        has_room.then(|| Self { passage: Arc::clone(passage), origin })
    }

    /// Takes a connection through what is in its way. `peer` is from there on who it is found to be.
    async fn pass(
        &mut self,
        mut stream: Stream,
        peer: &mut Peer,
        is_proxy: bool,
        endpoint: &SharedEndpoint,
    ) -> Result<Stream, InTheWay> {
        if is_proxy {
            let header = ProxyHeader::read(&mut stream).await.map_err(InTheWay::Broken)?;
            if let ProxyHeader::Client(client) = header {
                *peer = Peer::Tcp(client);
            }
            self.give_to(origin(peer), endpoint)?;
        }
        if !endpoint.rule.admits_address(peer.address()) {
            return Err(InTheWay::NotAllowed);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.passage.tls {
            let (stream, identity) = tls.accept(stream).await.map_err(InTheWay::Broken)?;
            if let Some(identity) = identity {
                *peer = peer.with_identity(identity);
            }
            return Ok(stream);
        }
        Ok(stream)
    }

    /// The connection is one of this origin.
    fn give_to(&mut self, origin: Origin, endpoint: &SharedEndpoint) -> Result<(), InTheWay> {
        let own = Self::take(&self.passage, origin, endpoint).ok_or(InTheWay::Crowd)?;
        *self = own;
        Ok(())
    }
}

impl UnderWay {
    fn take(&mut self, origin: Origin, max: usize, max_of_one: usize) -> bool {
        let of_one = self.by_origin.get(&origin).copied().unwrap_or_default();
        let has_room = self.count < max && (of_one < max_of_one || origin == Origin::Local);
        if has_room {
            self.count += 1;
            self.by_origin.insert(origin, of_one + 1);
        }
        has_room
    }

    fn give_back(&mut self, origin: Origin) {
        self.count -= 1;
        if let Some(count) = self.by_origin.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                self.by_origin.remove(&origin);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.passage.lock().give_back(self.origin);
    }
}
