//! A server that says and hears literal bytes.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use ubf_client::{Builder, Client, SessionPlan, Stream};
use ubf_net::testing::ScriptedPeer;

pub(crate) use ubf_net::testing::within;

/// A listening server.
pub(crate) struct Script {
    listener: TcpListener,
}

impl Script {
    pub(crate) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    pub(crate) async fn accept(&self) -> Peer {
        Peer::of(within(self.listener.accept()).await.unwrap().0)
    }

    /// Accepts a connection and agrees on version 3, or whatever the client of [`builder`] has.
    pub(crate) async fn agree(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.agree().await;
        peer
    }

    /// A client of this server, and its connection.
    pub(crate) async fn client(&self) -> (Client, Peer) {
        let (client, peer) = tokio::join!(builder(&self.address()).connect(), self.agree());
        (client.unwrap(), peer)
    }
}

/// The settings of a client that wishes for no session, so that all its bytes are known.
pub(crate) fn without_session() -> Builder {
    Client::builder().session(SessionPlan::off())
}

/// The settings of a client whose bytes are exact: it has version 3 alone.
pub(crate) fn builder(address: &str) -> Builder {
    without_session().address(address).versions([3]).configure(|config| config.grease = false)
}

/// One connection.
pub(crate) struct Peer(ScriptedPeer<Stream>);

impl Peer {
    pub(crate) fn of(stream: impl Into<Stream>) -> Self {
        Self(ScriptedPeer { stream: stream.into() })
    }

    /// These bytes come, and no others before them.
    pub(crate) async fn hears(&mut self, expected: &str) {
        self.0.expect(expected).await;
    }

    pub(crate) async fn says(&mut self, bytes: &str) {
        self.0.send(bytes).await;
    }

    pub(crate) async fn agree(&mut self) {
        self.hears("0 {'negotiate'1?#3&#").await;
        // Whatever limits of its own the client tells (N12).
        self.0.packet().await;
        self.says("3 ? {'agreed'1?#3&#}$").await;
    }

    /// The connection is cut: what was said may be lost.
    pub(crate) fn cut(self) {
        drop(self);
    }

    /// A `negotiate` of version 3 that wishes for a session. Tells its name, which is a secret of
    /// the client's.
    pub(crate) async fn hears_a_wish(&mut self) -> Vec<u8> {
        let id = self.hears_id("session").await;
        self.hears("1024 4194304 60000}&{'max_packet'16777216}&}$").await;
        id
    }

    /// A `negotiate` of version 3 that asks for the session of this name.
    pub(crate) async fn hears_a_resume(&mut self, id: &[u8], counts: &str) {
        assert_eq!(self.hears_id("resume").await, id);
        self.hears(&format!("{counts}}}&{{'max_packet'16777216}}&}}$")).await;
    }

    async fn hears_id(&mut self, option: &str) -> Vec<u8> {
        self.hears(&format!("0 {{'negotiate'1?#3&#{{'{option}'16~")).await;
        let mut id = vec![0; 16];
        within(self.0.stream.read_exact(&mut id)).await.unwrap();
        self.hears("~").await;
        id
    }

    /// Says `agreed` with this option.
    pub(crate) async fn agrees(&mut self, option: &str) {
        self.says(&format!("3 ? {{'agreed'1?#3&#{option}&}}$")).await;
    }

    /// The client closes its side, and says nothing more before that.
    pub(crate) async fn hears_the_end(&mut self) {
        let mut rest = Vec::new();
        let end = within(self.0.stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok() && rest.is_empty(), "{end:?} {}", String::from_utf8_lossy(&rest));
    }

    /// Nothing has come that was not heard.
    pub(crate) fn has_heard_all(&mut self) -> bool {
        self.0.has_heard_all()
    }
}
