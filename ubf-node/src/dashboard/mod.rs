//! Several servers on one page, which this machine serves to itself.
//!
//! It reads what each server tells by HTTP (`--admin-http`), and shows it as the server's own page
//! does. It holds no right to act: who acts types the token of that server into the page, and it is
//! handed on.

mod address;
mod client;
mod site;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use ubf_net::tls::ClientTls;

pub use self::address::{BadNodeAddress, NodeAddress};
use self::client::Node;
use self::site::DashboardSite;
use self::watch::News;
use crate::admin_http::{Token, serving};

/// Servers at a time. Chosen: a page with more columns shows nothing any more.
pub const MAX_NODES: usize = 32;

/// A page about several servers.
///
/// ```no_run
/// use ubf_node::dashboard::Dashboard;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dashboard = Dashboard::new()
///     .node("127.0.0.1:9464".parse()?, None)
///     .node("127.0.0.1:9465".parse()?, None)
///     .listen("127.0.0.1:0").await?;
/// println!("http://{}/", dashboard.address());
/// dashboard.run().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Dashboard {
    nodes: Vec<(NodeAddress, Option<DashboardToken>)>,
    tls: Option<ClientTls>,
}

/// What a server wants to be shown by those who look.
#[derive(Clone, Debug)]
pub struct DashboardToken(Token);

impl DashboardToken {
    /// Reads it from the first line of a file, as the server does.
    ///
    /// # Errors
    /// If the file cannot be read, or its first line is no token: a text that says which.
    pub fn read(path: &std::path::Path) -> Result<Self, String> {
        Token::read(path).map(Self).map_err(crate::options::Wrong::into_text)
    }
}

impl Dashboard {
    /// A page about nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows one more server; those after the first [`MAX_NODES`] are left out.
    #[must_use]
    pub fn node(mut self, address: NodeAddress, token: Option<DashboardToken>) -> Self {
        if self.nodes.len() < MAX_NODES {
            self.nodes.push((address, token));
        }
        self
    }

    /// What makes TLS of connections to `https://` addresses.
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Listens. Everybody on this machine may look there, and so it has to be an address of this
    /// machine alone.
    ///
    /// # Errors
    /// If the address is one that others can reach, or cannot be listened on.
    pub async fn listen(self, address: &str) -> io::Result<RunningDashboard> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            let why = "others could look there: an address of this machine alone is wanted";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let tls = self.tls;
        let node = |(address, token)| Arc::new(Node::new(address, token, tls.clone()));
        let nodes: Vec<Arc<Node>> = self.nodes.into_iter().map(node).collect();
        Ok(RunningDashboard { listener, address, nodes })
    }
}

/// A page that is there for those who ask.
#[derive(Debug)]
pub struct RunningDashboard {
    listener: TcpListener,
    address: SocketAddr,
    nodes: Vec<Arc<Node>>,
}

impl RunningDashboard {
    /// Where.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves it until the future is dropped.
    pub async fn run(self) {
        let news = Arc::new(News::new(self.nodes.len()));
        let mut watching = JoinSet::new();
        for (index, node) in self.nodes.iter().enumerate() {
            watching.spawn(watch::watch(Arc::clone(node), index, Arc::clone(&news)));
        }
        let (_door, is_open) = tokio::sync::watch::channel(true);
        let site = Arc::new(DashboardSite::new(self.nodes, news));
        serving::accept(self.listener, None, is_open, site).await;
    }
}
