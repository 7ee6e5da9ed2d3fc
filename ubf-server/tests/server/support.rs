//! A client that knows nothing but bytes, and a service that does what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use ubf_codec::{Term, View, ubf};
use ubf_net::testing::within;
use ubf_server::{
    Call, Handler, Handlers, Reply, Report, ServerBuilder, ServerHandle, Service, Versions,
};

pub(crate) use ubf_net::testing::ScriptedPeer as Peer;

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    task: JoinHandle<Report>,
}

impl Running {
    pub(crate) async fn report(self) -> Report {
        within(self.task).await.unwrap()
    }

    /// Stops the server, and tells whether a call was cut.
    pub(crate) async fn stop(self) {
        self.handle.shut_down(Duration::from_secs(5));
        assert!(self.report().await.is_clean());
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer::connect(self.address).await
    }
}

pub(crate) async fn start(builder: ServerBuilder) -> Running {
    start_with(builder, actor()).await
}

pub(crate) async fn start_with(builder: ServerBuilder, handler: impl Handler) -> Running {
    let builder = builder.listen("127.0.0.1:0").service(Service::DEFAULT, handler);
    let server = builder.bind().await.unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    Running { address, handle, task: tokio::spawn(server.run()) }
}

/// Does what it is asked for, and answers with the request: `crash`, `open` opens a gate at which
/// `wait` waits, `never` never ends, `tell` sends an event. An event is sent back.
pub(crate) fn actor() -> Handlers<Arc<Notify>> {
    let versions = Versions::of([1, 2, 3, 4, 5, 9, 10, 14]);
    Handlers::with_state(|_| Arc::new(Notify::new()))
        .on(&versions, |call: Call<Arc<Notify>>| async move {
            let request = call.term().to_term();
            let View::Atom(word) = call.term().view() else { return Reply::new(request, "start") };
            match &*word.to_latin1() {
                "crash" => panic!("asked to"),
                "wait" => call.state().notified().await,
                "open" => call.state().notify_one(),
                "never" => std::future::pending().await,
                "tell" => call.events().send(call.version(), ubf!(told)).await.unwrap(),
                _ => {}
            }
            Reply::new(request, "start")
        })
        .on_event(&versions, |event: Call<Arc<Notify>>| async move {
            let back: Term = event.term().to_term();
            event.events().send(event.version(), back).await.unwrap();
        })
}

/// Answers each request with itself, register by register.
pub(crate) fn echo<const N: usize>(versions: [u32; N]) -> Handlers<()> {
    Handlers::new().on(Versions::of(versions), |call: Call<()>| async move {
        Reply::encoded([b"{", call.source(), b"'start'}$"].concat())
    })
}
