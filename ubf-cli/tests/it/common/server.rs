//! A server to talk to, in a thread of the test.

use std::sync::mpsc;
use std::thread;

use ubf_contract::Reader;
use ubf_node::services::{Echo, Irc};
use ubf_server::{
    Call, Classic, ClassicService, Contracts, Enforcement, Handlers, Reply, ServerHandle, Service,
    Versions,
};

/// A server with four services. It stops when it is dropped.
///
/// The default one answers each request with itself. `crash` panics at every request. `chat` sends
/// each event and each request to its client as an event. `irc` tells its contract.
pub(crate) struct Server {
    pub(crate) address: String,
    /// Where stock clients are served: `echo`, `chat` and `irc`.
    pub(crate) classic: String,
    pub(crate) handle: ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Starts it with these versions of the default service, and waits until it listens.
    pub(crate) fn start(versions: &[u32]) -> Self {
        let first = versions.first().copied().unwrap();
        let versions = Versions::of(versions.iter().copied());
        let (started, server) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let server = ubf_server::Server::builder()
                    .listen("127.0.0.1:0")
                    .service(Service::DEFAULT, Echo::new(versions))
                    .service("crash", crash())
                    .service("chat", chat())
                    .service("irc", irc())
                    .classic(classic(first))
                    .bind()
                    .await
                    .unwrap();
                let addresses = [server.addresses()[0], server.classic_addresses()[0]];
                started.send((addresses.map(|at| at.to_string()), server.handle())).unwrap();
                // Whether a call was cut is not the matter here.
                let _report = server.run().await;
            });
        });
        let ([address, classic], handle) = server.recv().unwrap();
        Self { address, classic, handle, thread: Some(thread) }
    }

    /// The server of the example of 2003.
    pub(crate) fn of_2003() -> Self {
        Self::start(&[1, 2, 3, 4, 5, 9, 10, 14])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shut_down(std::time::Duration::ZERO);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn classic(version_of_echo: u32) -> Classic {
    let mut config = ubf_server::classic::Config::default();
    config.events = ubf_server::classic::EventTiming::AtOnce;
    let contract = ubf_node::contract_text("irc", 2).unwrap();
    Classic::new()
        .config(config)
        .listen("127.0.0.1:0")
        .service(ClassicService::of("echo", Service::DEFAULT, version_of_echo))
        .service(ClassicService::new("chat", 3))
        .service(ClassicService::new("crash", 1))
        .service(ClassicService::new("irc", 2).with_contract(Reader::new().read(contract).unwrap()))
}

fn crash() -> Handlers<()> {
    async fn panic(_: Call<()>) -> Reply {
        // Nobody has to read about it.
        std::panic::resume_unwind(Box::new("asked to"))
    }
    Handlers::new().on(1, panic)
}

fn irc() -> Contracts<Irc> {
    let contract = ubf_node::contract_text("irc", 2).unwrap();
    Contracts::new(Irc::new(&Versions::of([2])))
        .version(2, Reader::new().read(contract).unwrap())
        .with_enforcement(Enforcement::Off)
}

fn chat() -> Handlers<()> {
    Handlers::new()
        .on(Versions::of([1, 2, 3]), |call: Call<()>| async move {
            let said = call.term().to_term();
            call.events().send(call.version(), said.clone()).await.unwrap();
            Reply::new(said, "active")
        })
        .on_event(Versions::of([1, 2, 3]), |event: Call<()>| async move {
            let said = event.term().to_term();
            event.events().send(event.version(), said).await.unwrap();
        })
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
