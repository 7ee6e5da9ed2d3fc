//! A server in memory.

use std::time::Duration;

use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use ubf_net::Peer;
use ubf_proto::Service;

use super::TestClient;
use crate::bind_error::BindError;
use crate::builder::ServerBuilder;
use crate::handle::{Report, ServerHandle};
use crate::handler::Handler;
use crate::server::Server;

/// Bytes on their way in each direction. Chosen: a test may send a megabyte before it reads.
const PIPE_BYTES: usize = 1 << 20;
/// How long calls in progress may take when the test is over. Chosen: as a call by default.
const HARD_STOP: Duration = Duration::from_secs(60);

/// A server that listens nowhere and runs in a task of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct TestServer {
    handle: ServerHandle,
    /// `None` once somebody waits for it.
    running: Option<JoinHandle<Report>>,
}

impl TestServer {
    /// A server of this service, which is the default one. All limits are the defaults.
    ///
    /// # Errors
    /// If something is wrong with the handler.
    pub async fn of(handler: impl Handler) -> Result<Self, BindError> {
        Self::start(Server::builder().service(Service::DEFAULT, handler)).await
    }

    /// A server as it is built here, with several services or other limits.
    ///
    /// # Errors
    /// As [`ServerBuilder::bind`].
    pub async fn start(builder: ServerBuilder) -> Result<Self, BindError> {
        let server = builder.listen_nowhere().bind().await?;
        let handle = server.handle();
        Ok(Self { handle, running: Some(tokio::spawn(server.run())) })
    }

    /// A hold on the server: to look at its counters, to drain it, to withdraw versions.
    #[must_use]
    pub const fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// A new connection: the client's end of it, for any client, or for bytes that a test writes
    /// itself.
    #[must_use]
    pub fn connect(&self) -> DuplexStream {
        let (client, server) = duplex(PIPE_BYTES);
        tokio::spawn(self.handle.serve_stream(server, Peer::Own));
        client
    }

    /// A new client, which speaks to the default service in this version, without negotiating
    /// first: [`TestClient::negotiate`] does.
    #[must_use]
    pub fn client(&self, version: u32) -> TestClient {
        let mut client = TestClient::new(self.connect());
        client.speak(version);
        client
    }

    /// Shuts the server down: calls in progress are answered, clients are told. Waits for its end.
    ///
    /// Its task is not lost if it panics: the report has a [`fault`](Report::fault) then.
    pub async fn stop(mut self) -> Report {
        self.handle.shut_down(HARD_STOP);
        let running = self.running.take();
        match running {
            Some(running) => match running.await {
                Ok(report) => report,
                // It contains its own panics, and nobody aborts it.
                Err(_) => Report::lost(self.handle.status().counts),
            },
            None => Report::lost(self.handle.status().counts),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.handle.stop();
        }
    }
}
