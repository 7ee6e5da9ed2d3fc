//! A server: its listeners, and the task that takes it through its phases.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep_until, timeout};
use ubf_net::{Listener, Peer};
use ubf_proto::Phase;
use ubf_proto::endpoint::Input;

use crate::acceptors::Acceptors;
#[cfg(feature = "classic")]
use crate::acceptors::BoundClassic;
use crate::contain::discard;
use crate::counters::Counts;
use crate::endpoint::SharedEndpoint;
use crate::front::Front;
use crate::handle::{Fault, Report, ServerHandle};
use crate::log::{error, info, warn};

/// How long connections may take to end when they are told to end at once: only a handler that
/// blocks its thread takes any time.
const ABORT_TIME: Duration = Duration::from_secs(1);
/// How long calls in progress may take when a fault ends the server. Chosen: clients wait meanwhile
/// for a server that serves nobody.
const FAULT_HARD_STOP: Duration = Duration::from_secs(10);

/// A server that listens. [`run`](Self::run) serves.
#[derive(Debug)]
pub struct Server {
    pub(crate) endpoint: Arc<SharedEndpoint>,
    /// Each with the name that it was given.
    pub(crate) listeners: Vec<(String, Listener)>,
    pub(crate) addresses: Vec<SocketAddr>,
    #[cfg(feature = "classic")]
    pub(crate) classic: Option<BoundClassic>,
    pub(crate) spare_descriptors: usize,
    pub(crate) front: Front,
}

impl Server {
    /// The network addresses that it listens on, in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The network addresses on which it listens for stock peers, in the order in which they were
    /// given.
    #[cfg(feature = "classic")]
    #[must_use]
    pub fn classic_addresses(&self) -> Vec<SocketAddr> {
        let listeners = self.classic.iter().flat_map(|classic| &classic.listeners);
        listeners.filter_map(|(_, listener)| listener.address().ok().flatten()).collect()
    }

    /// A hold on the server, to look at it and to stop it.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(Arc::clone(&self.endpoint))
    }

    /// Serves a connection that the program has made: see
    /// [`ServerHandle::serve_stream`](crate::ServerHandle::serve_stream).
    pub fn serve_stream<S>(&self, stream: S, peer: Peer) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.handle().serve_stream(stream, peer)
    }

    /// Serves until the server is drained, shut down or stopped by its handle. A server that is
    /// dropped before stops at once.
    ///
    /// It ends by itself when a task that it cannot be without ends unexpectedly: then it shuts
    /// down, and the report names the [`Fault`].
    pub async fn run(self) -> Report {
        let Self { endpoint, listeners, addresses, spare_descriptors, front, .. } = self;
        #[cfg(feature = "classic")]
        let acceptors = match self.classic {
            Some(classic) => classic.start(listeners, &endpoint, spare_descriptors, front),
            None => Acceptors::start(listeners, &endpoint, spare_descriptors, front),
        };
        #[cfg(not(feature = "classic"))]
        let acceptors = Acceptors::start(listeners, &endpoint, spare_descriptors, front);
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        info!(addresses = %addresses.join(","), "serving");
        run(endpoint, acceptors).await
    }

    /// [Runs](Self::run) until `signal` comes, whatever it says, and then
    /// [shuts down](ServerHandle::shut_down): calls in progress have until the hard stop. To send
    /// clients elsewhere first, [drain](ServerHandle::drain) with a handle instead.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ubf_server::{Call, Handlers, Reply, Server, Service};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let handlers = Handlers::new().on(1, |_: Call<()>| async { Reply::ok(1) });
    /// let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, handlers);
    /// // In a program: tokio::signal::ctrl_c().
    /// let signal = async {};
    /// let report = server.bind().await?.run_until(signal, Duration::from_secs(10)).await;
    /// assert!(report.is_clean());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_until<T>(
        self,
        signal: impl Future<Output = T>,
        hard_stop: Duration,
    ) -> Report {
        let handle = self.handle();
        let mut running = pin!(self.run());
        tokio::select! {
            report = &mut running => return report,
            _ = signal => handle.shut_down(hard_stop),
        }
        running.await
    }
}

/// Runs a server to its end, whether it is told to end or a fault ends it.
async fn run(endpoint: Arc<SharedEndpoint>, mut acceptors: Acceptors) -> Report {
    let stop_when_dropped = StopWhenDropped(Arc::clone(&endpoint));
    let mut fault = None;
    while let Err(found) = watched(serve(&endpoint, &mut acceptors)).await {
        error!(fault = %found, "the server shuts down");
        if fault.is_some() {
            // What was to end the server in good order is broken itself.
            endpoint.stop();
            break;
        }
        fault = Some(found);
        endpoint.shut_down(FAULT_HARD_STOP);
    }
    let left = watched(async { Ok(leave(&endpoint, &mut acceptors).await) }).await;
    let counts = left.unwrap_or_else(|found| {
        fault.get_or_insert(found);
        endpoint.counts()
    });
    drop(stop_when_dropped);
    Report { counts, fault }
}

/// A part of the server's own task: if it panics, that is a fault like others.
async fn watched<T>(part: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    AssertUnwindSafe(part).catch_unwind().await.unwrap_or_else(|payload| {
        discard(payload);
        Err(Fault::Run)
    })
}

/// Takes the server through its phases until it has stopped.
async fn serve(endpoint: &SharedEndpoint, acceptors: &mut Acceptors) -> Result<(), Fault> {
    loop {
        let (phase, _) = endpoint.advance();
        if endpoint.must_stop_listening() {
            acceptors.close().await;
            endpoint.handle(Input::StoppedListening);
        }
        if phase == Phase::Stopped {
            return Ok(());
        }
        let deadline = endpoint.deadline().map(|deadline| endpoint.clock.instant(deadline));
        tokio::select! {
            () = endpoint.wake.notified() => {}
            () = async { sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)).await }, if deadline.is_some() => {}
            () = acceptors.end_unexpectedly() => return Err(Fault::Acceptor),
        }
    }
}

/// Waits for the connections of a server that has stopped.
async fn leave(endpoint: &SharedEndpoint, acceptors: &mut Acceptors) -> Counts {
    acceptors.close().await;
    let left = async {
        while endpoint.advance().1 > 0 {
            endpoint.wake.notified().await;
        }
    };
    if timeout(ABORT_TIME, left).await.is_ok() {
        return endpoint.counts();
    }
    let calls_left = endpoint.calls_left();
    warn!(calls_left, "handlers that block their threads are left behind");
    let mut counts = endpoint.counts();
    counts.calls_cut += calls_left;
    counts
}

struct StopWhenDropped(Arc<SharedEndpoint>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests {
    use ubf_proto::Service;

    use super::*;
    use crate::handlers::Handlers;
    use crate::reply::Reply;

    async fn idle_server() -> (Arc<SharedEndpoint>, Acceptors) {
        let handlers = Handlers::new().on(1, |_| async { Reply::ok(1) });
        let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, handlers);
        let Server { endpoint, listeners, .. } = server.bind().await.unwrap();
        let acceptors = Acceptors::start(listeners, &endpoint, 0, Front::default());
        (endpoint, acceptors)
    }

    #[tokio::test]
    async fn an_acceptor_that_ends_shuts_the_server_down_and_the_report_names_it() {
        for is_panic in [false, true] {
            let (endpoint, mut acceptors) = idle_server().await;
            acceptors.tasks.spawn(async move { assert!(!is_panic, "as a test wants it") });
            let report = run(Arc::clone(&endpoint), acceptors).await;
            assert_eq!(report.fault, Some(Fault::Acceptor));
            assert!(!report.is_clean());
            assert_eq!(endpoint.advance().0, Phase::Stopped);
        }
    }

    #[tokio::test]
    async fn acceptors_that_are_told_to_end_are_no_fault() {
        let (endpoint, acceptors) = idle_server().await;
        endpoint.shut_down(Duration::ZERO);
        assert!(run(endpoint, acceptors).await.is_clean());
    }

    #[tokio::test]
    async fn a_panic_of_the_servers_own_task_is_a_fault_and_no_panic_of_the_program() {
        let panics = async { panic!("as a test wants it") };
        assert_eq!(watched::<()>(panics).await, Err(Fault::Run));
        assert_eq!(watched(async { Ok(1) }).await, Ok(1));
    }
}
