//! A client that knows nothing but bytes, and a service that does what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use ubf_codec::{Term, View, ubf};
use ubf_server::{
    Call, Handler, Handlers, Reply, Report, ServerBuilder, ServerHandle, Service, Versions,
};

/// What no test should take: only a broken one does.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    task: JoinHandle<Report>,
}

impl Running {
    pub(crate) async fn report(self) -> Report {
        timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }

    /// Stops the server, and tells whether a call was cut.
    pub(crate) async fn stop(self) {
        self.handle.shut_down(Duration::from_secs(5));
        assert!(self.report().await.is_clean());
    }

    pub(crate) async fn connect(&self) -> Peer {
        Peer { stream: TcpStream::connect(self.address).await.unwrap() }
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

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

impl Peer {
    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Nothing more is sent.
    pub(crate) async fn end(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next bytes are these.
    pub(crate) async fn expect(&mut self, bytes: &str) {
        let mut seen = vec![0; bytes.len()];
        let mut count = 0;
        while count < seen.len() {
            match timeout(PATIENCE, self.stream.read(&mut seen[count..])).await.unwrap().unwrap() {
                0 => break,
                more => count += more,
            }
        }
        assert_eq!(String::from_utf8_lossy(&seen[..count]), bytes);
    }

    /// The next bytes are a packet, up to the first `$`.
    pub(crate) async fn packet(&mut self) -> String {
        let mut seen = Vec::new();
        while seen.last() != Some(&b'$') {
            seen.push(timeout(PATIENCE, self.stream.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(seen).unwrap()
    }

    pub(crate) async fn exchange(&mut self, request: &str, reply: &str) {
        self.send(request).await;
        self.expect(reply).await;
    }

    /// These bytes are the last ones.
    pub(crate) async fn expect_end(mut self, bytes: &str) {
        let mut seen = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut seen)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), bytes);
    }
}

/// Answers each request with itself, register by register.
pub(crate) fn echo<const N: usize>(versions: [u32; N]) -> Handlers<()> {
    Handlers::new().on(Versions::of(versions), |call: Call<()>| async move {
        Reply::encoded([b"{", call.source(), b"'start'}$"].concat())
    })
}
