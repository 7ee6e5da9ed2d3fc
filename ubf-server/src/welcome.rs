//! What becomes of a connection that was made: it is served, or told why it is not.

use std::sync::Arc;

use ubf_net::{Peer, Stream};
use ubf_proto::endpoint::Start;

use crate::connection;
use crate::endpoint::{SharedEndpoint, Welcome};
use crate::log::debug;
use crate::settings::ServerLimits;

/// Serves a connection in a task of its own. It is admitted at once.
#[allow(clippy::needless_pass_by_value, reason = "all that greet have one form")]
pub(crate) fn welcome(stream: Stream, peer: Peer, endpoint: &Arc<SharedEndpoint>) {
    match endpoint.admit(&peer) {
        Welcome::Served { guard, start } => {
            tokio::spawn(connection::serve(stream, guard, start));
        }
        Welcome::TurnedAway { why, start } => {
            if let Some(farewell) = farewell(stream, &peer, endpoint, why, start) {
                tokio::spawn(farewell);
            }
        }
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(stream: Stream, peer: Peer, endpoint: Arc<SharedEndpoint>) {
    match endpoint.admit(&peer) {
        Welcome::Served { guard, start } => connection::serve(stream, guard, start).await,
        Welcome::TurnedAway { why, start } => {
            if let Some(farewell) = farewell(stream, &peer, &endpoint, why, start) {
                farewell.await;
            }
        }
    }
}

/// Tells a client why it is not served. Under a flood, some are closed without a word.
fn farewell(
    stream: Stream,
    peer: &Peer,
    endpoint: &Arc<SharedEndpoint>,
    why: &'static str,
    start: Start,
) -> Option<impl Future<Output = ()> + Send + use<>> {
    let ServerLimits { max_connections, max_connections_per_address, .. } = endpoint.limits;
    debug!(%peer, why, max_connections, max_connections_per_address, "turned away");
    let permit = Arc::clone(&endpoint.farewells).try_acquire_owned().ok()?;
    let endpoint = Arc::clone(endpoint);
    Some(async move {
        connection::turn_away(stream, endpoint, start, why).await;
        drop(permit);
    })
}
