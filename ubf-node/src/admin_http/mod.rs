//! What people and monitors look at by HTTP: metrics, health, status, events. Read only.
//!
//! It is apart from the server: it takes no place of a client, and whoever reads slowly, or asks
//! without end, holds up nobody but other readers.

mod answer;
mod body;
mod events;
mod exposition;
mod metrics;
mod process;
mod token;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::answer::Answers;
pub(crate) use self::token::Token;
use crate::control::Control;
use crate::log::Feed;
use crate::takeover::Descriptor;

/// Connections at a time. Chosen: some monitors, and those who look. Others wait to be accepted.
const MAX_CONNECTIONS: usize = 32;
/// For the head of a request to come whole.
const MAX_HEAD_TIME: Duration = Duration::from_secs(5);
/// For a request and its answer, since a connection has one of them.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(10);
/// For a reader of events, who then comes again by himself.
const MAX_EVENTS_TIME: Duration = Duration::from_secs(3600);
/// Bytes of the head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// After a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Where to look, and what is wanted for it.
#[derive(Clone, Debug)]
pub(crate) struct AdminHttpPlan {
    pub(crate) address: String,
    /// Without one, only this machine may look.
    pub(crate) token: Option<Token>,
}

/// It listens, and answers until it is dropped.
#[derive(Debug)]
pub(crate) struct AdminHttp {
    _serving: JoinSet<()>,
    /// U1: the same listener, for another process. It is closed with this.
    #[cfg(unix)]
    pub(crate) listener: Descriptor,
}

impl AdminHttp {
    pub(crate) async fn start(
        plan: AdminHttpPlan,
        control: Control,
        feed: Option<Feed>,
        inherited: Option<Descriptor>,
    ) -> io::Result<Self> {
        let listener = match inherited {
            #[cfg(unix)]
            Some(inherited) => {
                let listener = std::net::TcpListener::from(inherited);
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)?
            }
            _ => TcpListener::bind(&plan.address).await?,
        };
        #[cfg(unix)]
        let copy = std::os::fd::AsFd::as_fd(&listener).try_clone_to_owned()?;
        let address = listener.local_addr()?;
        if plan.token.is_none() && !address.ip().is_loopback() {
            return Err(io::Error::other("whoever can reach this address could look"));
        }
        info!(%address, "metrics and health");
        let answers = Arc::new(Answers::new(control, plan.token, feed));
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, answers));
        Ok(Self {
            _serving: serving,
            #[cfg(unix)]
            listener: copy,
        })
    }
}

async fn accept(listener: TcpListener, answers: Arc<Answers>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(serve(stream, peer, Arc::clone(&answers), place));
            }
            Err(error) => {
                warn!(%error, "a reader of metrics cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers one request.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    answers: Arc<Answers>,
    place: OwnedSemaphorePermit,
) {
    let began = Instant::now();
    let reads_events = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        let (answers, reads_events) = (Arc::clone(&answers), Arc::clone(&reads_events));
        async move {
            let response = answers.answer(request).await;
            let has_events = matches!(response.body(), body::Body::Events(_));
            reads_events.store(has_events, Ordering::Relaxed);
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
        if reads_events.load(Ordering::Relaxed) {
            sleep_until(began + MAX_EVENTS_TIME).await;
        }
    };
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            debug!(%peer, %error, "a reader of metrics is gone");
        },
        () = too_late => debug!(%peer, "a reader of metrics takes too long"),
    }
    drop(place);
}
