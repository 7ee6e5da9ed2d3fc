//! What the tests have in common: nodes that say who they are, and a switch in front of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ubf_client::{Client, SessionPlan};
use ubf_codec::{Term, ubf};
use ubf_net::testing::within;
use ubf_server::{Call, Handlers, Reply, Server, ServerHandle, Service, Versions};
use ubf_switch::{Health, Switch, SwitchBuilder, SwitchHandle, SwitchLimits};

/// A node of one service. It answers each request with its name, the version, the request, and how
/// many requests it has executed.
pub(crate) struct Node {
    pub(crate) address: String,
    pub(crate) handle: ServerHandle,
    pub(crate) executed: Arc<AtomicU64>,
}

impl Node {
    pub(crate) async fn start(name: &'static str, versions: &[u32]) -> Self {
        Self::start_at("127.0.0.1:0", name, versions).await
    }

    pub(crate) async fn start_at(address: &str, name: &'static str, versions: &[u32]) -> Self {
        let executed = Arc::new(AtomicU64::new(0));
        let versions = Versions::of(versions.iter().copied());
        let service = || {
            let executed = Arc::clone(&executed);
            Handlers::new().on(versions.clone(), move |call: Call<()>| {
                let count = executed.fetch_add(1, Ordering::Relaxed) + 1;
                async move {
                    let said = call.term().to_term();
                    let version = u64::from(call.version().get());
                    let reply = Term::tuple([
                        Term::atom(name),
                        Term::from(version),
                        said,
                        Term::from(count),
                    ]);
                    Reply::new(reply, "start")
                }
            })
        };
        let server = Server::builder()
            .listen(address)
            .service(Service::DEFAULT, service())
            .service(name, service())
            .bind()
            .await
            .unwrap();
        let (address, handle) = (server.addresses()[0].to_string(), server.handle());
        drop(tokio::spawn(server.run()));
        Self { address, handle, executed }
    }

    pub(crate) fn executed(&self) -> u64 {
        self.executed.load(Ordering::Relaxed)
    }
}

/// A switch in front of these nodes.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) handle: SwitchHandle,
}

impl Running {
    pub(crate) async fn start(nodes: &[&Node]) -> Self {
        let addresses: Vec<&str> = nodes.iter().map(|node| &*node.address).collect();
        Self::of(builder(&addresses)).await
    }

    pub(crate) async fn of(builder: SwitchBuilder) -> Self {
        let switch = builder.bind().await.unwrap();
        let (address, handle) = (switch.addresses()[0].to_string(), switch.handle());
        drop(tokio::spawn(switch.run()));
        Self { address, handle }
    }

    /// Waits until the switch has seen that the node is so.
    pub(crate) async fn sees(&self, node: usize, is: impl Fn(Health) -> bool) {
        until(|| is(self.handle.nodes()[node].health)).await;
    }
}

pub(crate) fn builder(nodes: &[&str]) -> SwitchBuilder {
    let mut limits = SwitchLimits::default();
    limits.probe_every = Duration::from_millis(20);
    let builder = Switch::builder().listen("127.0.0.1:0").limits(limits);
    nodes.iter().fold(builder, |builder, node| builder.node(node.parse().unwrap()))
}

/// Waits for something that the program does not tell of.
pub(crate) async fn until(mut is: impl FnMut() -> bool) {
    within(async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(crate) async fn client(address: &str, versions: &[u32]) -> Client {
    let builder = Client::builder().address(address).versions(versions.iter().copied());
    within(builder.connect()).await.unwrap()
}

/// A client without a session.
pub(crate) async fn plain(address: &str, versions: &[u32]) -> Client {
    let builder = Client::builder().address(address).versions(versions.iter().copied());
    within(builder.session(SessionPlan::off()).connect()).await.unwrap()
}

/// The name of the node that answers, and the version.
pub(crate) async fn asked(client: &Client, what: u64) -> (String, u64) {
    let reply = within(client.call(ubf!((what)))).await.unwrap();
    let response = reply.response();
    assert_eq!(response.get(2).unwrap().as_u64(), Some(what));
    let name = response.get(0).unwrap().as_atom().unwrap().to_latin1();
    (name, response.get(1).unwrap().as_u64().unwrap())
}
