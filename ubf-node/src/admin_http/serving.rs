//! A listener for HTTP, apart from what is answered: how many may ask, and for how long.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::{debug, warn};
use ubf_net::tls::ServerTls;
use ubf_net::{Peer, Stream};

use super::body::Body;

/// Connections at a time. Chosen: some monitors, and those who look. Others wait to be accepted.
const MAX_CONNECTIONS: usize = 32;
/// For TLS to be agreed on.
const MAX_HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// For the head of a request to come whole.
const MAX_HEAD_TIME: Duration = Duration::from_secs(5);
/// For a request and its answer, since a connection has one of them.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(10);
/// For a reader of events, who then comes again by himself.
const MAX_EVENTS_TIME: Duration = Duration::from_secs(3600);
/// A reader of events who takes none for so long gives its place to another. Chosen: there is one
/// every second.
const MAX_EVENTS_SILENCE: Duration = Duration::from_secs(15);
/// Bytes of the head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// After a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What answers requests.
pub(crate) trait Site: Send + Sync + 'static {
    /// `peer` is who asks.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Whether requests are taken; and readers of events go when they are not.
pub(crate) type Door = watch::Receiver<bool>;

/// Answers until it is dropped; by HTTPS, if there is what makes TLS.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    mut door: Door,
    site: Arc<impl Site>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        // The error is that nobody opens it again.
        if door.wait_for(|is_open| *is_open).await.is_err() {
            return;
        }
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = door.changed() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (tls, site) = (tls.clone(), Arc::clone(&site));
                connections.spawn(async move {
                    match greeted(stream, Peer::Tcp(peer), tls).await {
                        Some((stream, peer)) => serve(stream, peer, site).await,
                        None => debug!(%peer, "a reader of metrics has made no TLS"),
                    }
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "a reader of metrics cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The stream that requests come by, and who is at its other end. `None`: not as it should be, or
/// not in time.
async fn greeted(stream: TcpStream, peer: Peer, tls: Option<ServerTls>) -> Option<(Stream, Peer)> {
    let Some(tls) = tls else { return Some((stream.into(), peer)) };
    let accepted = timeout(MAX_HANDSHAKE_TIME, tls.accept(stream.into())).await;
    let (stream, identity) = accepted.ok()?.ok()?;
    Some((stream, identity.map_or(peer.clone(), |identity| peer.with_identity(identity))))
}

/// Answers one request.
async fn serve(stream: Stream, peer: Peer, site: Arc<impl Site>) {
    let began = Instant::now();
    let reading: Arc<OnceLock<Arc<AtomicBool>>> = Arc::default();
    let service = service_fn(|request| {
        let (site, reading, peer) = (Arc::clone(&site), Arc::clone(&reading), peer.clone());
        async move {
            let response = site.answer(request, peer).await;
            if let Body::Events { was_taken, .. } = response.body() {
                reading.get_or_init(|| Arc::clone(was_taken));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let too_late = async {
        sleep_until(began + MAX_ANSWER_TIME).await;
        if let Some(was_taken) = reading.get() {
            let silence = async {
                while was_taken.swap(false, Ordering::Relaxed) {
                    sleep(MAX_EVENTS_SILENCE).await;
                }
            };
            let _is_silent = timeout_at(began + MAX_EVENTS_TIME, silence).await.is_ok();
        }
    };
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            debug!(%peer, %error, "a reader of metrics is gone");
        },
        () = too_late => debug!(%peer, "a reader of metrics takes too long"),
    }
}
