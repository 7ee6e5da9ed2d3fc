//! What a connection passes between its acceptance and its welcome.

use std::sync::Arc;

use ubf_net::{Listener, Network, Peer, Stream};

use crate::endpoint::SharedEndpoint;
use crate::passage::Passage;

/// What becomes of a connection that was accepted.
pub(crate) type Greet = Box<Greeting>;

/// What greets a connection.
type Greeting = dyn Fn(Stream, Peer, &Arc<SharedEndpoint>) + Send + Sync;

/// What a connection of the network passes before it is greeted.
#[derive(Debug, Default)]
pub(crate) struct Front {
    passage: Option<Arc<Passage>>,
}

impl Front {
    #[cfg(feature = "tls")]
    pub(crate) fn new(proxies: Vec<Network>, tls: Option<ubf_net::tls::ServerTls>) -> Self {
        Self { passage: Passage::new(proxies, tls) }
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn new(proxies: Vec<Network>) -> Self {
        Self { passage: Passage::new(proxies) }
    }

    pub(crate) fn before(&self, greet: Greet, listener: &Listener) -> Greet {
        let is_of_network = matches!(listener.address(), Ok(Some(_)));
        let Some(passage) = self.passage.clone().filter(|_| is_of_network) else {
            return greet;
        };
        let greet: Arc<Greeting> = greet.into();
        Box::new(move |stream, peer, endpoint| {
            let greet = Arc::clone(&greet);
            passage.begin(stream, peer, endpoint, move |stream, peer, endpoint| {
                greet(stream, peer, endpoint);
            });
        })
    }
}
