//! TLS on the connections of a listener: at most so many handshakes at a time, in all and of one
//! address, and each within its time. A connection is admitted when it has shown who it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::timeout;
use ubf_net::tls::ServerTls;
use ubf_net::{Peer, Stream};
use ubf_proto::endpoint::Origin;

use crate::endpoint::SharedEndpoint;
use crate::log::debug;
use crate::origin::origin;

/// The handshakes that are under way on all listeners of a server.
#[derive(Debug)]
pub(crate) struct Handshakes {
    tls: ServerTls,
    under_way: Mutex<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    count: usize,
    /// Never 0, so there are no more of them than handshakes.
    by_origin: HashMap<Origin, usize>,
}

impl Handshakes {
    pub(crate) fn new(tls: ServerTls) -> Arc<Self> {
        Arc::new(Self { tls, under_way: Mutex::default() })
    }

    /// Speaks TLS on a connection, and hands it on.
    pub(crate) fn begin(
        self: &Arc<Self>,
        stream: Stream,
        peer: Peer,
        endpoint: &Arc<SharedEndpoint>,
        next: impl FnOnce(Stream, Peer, &Arc<SharedEndpoint>) + Send + 'static,
    ) {
        let limits = endpoint.limits;
        let (max, max_of_one) = (limits.max_handshakes, limits.max_handshakes_per_address);
        let Some(place) = Place::take(self, origin(&peer), max, max_of_one) else {
            endpoint.totals.handshakes_refused.add(1);
            debug!(%peer, max_handshakes = max, "too many handshakes");
            return;
        };
        let endpoint = Arc::clone(endpoint);
        tokio::spawn(async move {
            let accepted = timeout(limits.max_handshake_time, place.0.tls.accept(stream)).await;
            drop(place);
            match accepted {
                Ok(Ok((stream, identity))) => {
                    let peer = identity.map_or(peer.clone(), |who| peer.with_identity(who));
                    next(stream, peer, &endpoint);
                }
                Ok(Err(error)) => {
                    endpoint.totals.handshakes_failed.add(1);
                    debug!(%peer, %error, "no TLS");
                }
                Err(_elapsed) => {
                    endpoint.totals.handshakes_failed.add(1);
                    debug!(%peer, limit = "max_handshake_time", "no TLS in time");
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a handshake, given back when it is dropped.
#[derive(Debug)]
struct Place(Arc<Handshakes>, Origin);

impl Place {
    fn take(
        handshakes: &Arc<Handshakes>,
        origin: Origin,
        max: usize,
        max_of_one: usize,
    ) -> Option<Self> {
        let mut under_way = handshakes.lock();
        let of_one = under_way.by_origin.get(&origin).copied().unwrap_or_default();
        let has_room = under_way.count < max && (of_one < max_of_one || origin == Origin::Local);
        if has_room {
            under_way.count += 1;
            under_way.by_origin.insert(origin, of_one + 1);
        }
        has_room.then(|| Self(Arc::clone(handshakes), origin))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.0.lock();
        under_way.count -= 1;
        if let Some(count) = under_way.by_origin.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                under_way.by_origin.remove(&self.1);
            }
        }
    }
}
