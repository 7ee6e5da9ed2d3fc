//! TLS: with every server, whoever has named it, and with none that cannot show who it is.

use ubf_client::{ConnectError, DialErrorKind, Notice};
use ubf_codec::ubf;
use ubf_net::testing::Authority;
use ubf_net::tls::ServerTls;
use ubf_net::{Listener, TcpOptions};

use crate::script::{Peer, Script, builder, within};

/// A server over TLS.
struct Secret {
    listener: Listener,
    tls: ServerTls,
}

impl Secret {
    async fn new(authority: &Authority, certificate: &str) -> Self {
        let listener = Listener::tcp("127.0.0.1:0", TcpOptions::default()).await.unwrap();
        Self { listener, tls: ServerTls::from_files(authority.server(certificate)).unwrap() }
    }

    fn port(&self) -> u16 {
        self.listener.address().unwrap().unwrap().port()
    }

    /// The next connection. `None`: there was no TLS.
    async fn accept(&self) -> Option<Peer> {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        let accepted = within(self.tls.accept(stream)).await.ok()?;
        Some(Peer::of(accepted.0))
    }
}

/// An authority that has signed `server` for localhost, and `other` for somebody else.
fn authority(name: &str) -> Authority {
    let authority = Authority::new(name);
    authority.sign_host("server", "localhost");
    authority.sign_host("other", "127.0.0.1");
    authority
}

#[tokio::test]
async fn r7_a_move_leads_only_to_who_has_a_certificate_for_the_original_name() {
    let authority = authority("client-moves");
    for (certificate, is_followed) in [("server", true), ("other", false)] {
        let one = Secret::new(&authority, "server").await;
        let two = Secret::new(&authority, certificate).await;
        let (seen, mut notices) = tokio::sync::mpsc::unbounded_channel();
        let hook = move |notice: &Notice| drop(seen.send(notice.clone()));
        let client = builder(&format!("localhost:{}", one.port()))
            .tls(authority.client())
            .on_notice(hook)
            .connect();
        let server = async {
            let mut peer = one.accept().await.unwrap();
            peer.agree().await;
            peer
        };
        let (client, mut peer) = tokio::join!(client, server);
        let client = client.unwrap();
        let there = format!("127.0.0.1:{}", two.port());
        let server = async {
            peer.hears("3 'a'$").await;
            peer.says(&format!("3 \"{there}\" {{1'start'}}$")).await;
            match two.accept().await {
                Some(mut next) => {
                    next.agree().await;
                    next.hears("3 'b'$").await;
                    next.says("3 ? {2'start'}$").await;
                    Some(next)
                }
                None => {
                    // The client stays where it is.
                    peer.hears("3 'b'$").await;
                    peer.says("3 ? {2'start'}$").await;
                    None
                }
            }
        };
        let calls = async {
            let a = client.call(ubf!(a)).await.unwrap().response().to_string();
            if !is_followed {
                let is_failed = |notice: &Notice| matches!(notice, Notice::RedirectFailed { .. });
                while !is_failed(&within(notices.recv()).await.unwrap()) {}
            }
            let b = client.call(ubf!(b)).await.unwrap().response().to_string();
            [a, b]
        };
        let (replies, next) = within(async { tokio::join!(calls, server) }).await;
        assert_eq!((replies, next.is_some()), (["1", "2"].map(str::to_owned), is_followed));
    }
}

#[tokio::test]
async fn r7_without_tls_and_without_a_trusted_certificate_nobody_is_spoken_to() {
    let authority = authority("client-trust");
    let why = |error| match error {
        ConnectError::Unreachable { losses } => losses[0].cause.as_ref().unwrap().kind(),
        other => panic!("{other}"),
    };
    // A server that knows nothing of TLS hears no packet.
    let plain = Script::new().await;
    let address = plain.address();
    let server = async {
        let mut peer = plain.accept().await;
        peer.says("0 ? {'closing''shutdown'0}$").await;
        peer
    };
    let (refused, _peer) =
        tokio::join!(builder(&address).tls(authority.client()).connect(), server);
    assert_eq!(why(refused.unwrap_err()), DialErrorKind::Tls);
    // Neither does one of another authority, nor one of another name.
    for (trusted, certificate) in
        [(Authority::new("client-strangers"), "server"), (authority, "other")]
    {
        let signer = self::authority("client-signer");
        let signer = if certificate == "other" { &trusted } else { &signer };
        let server = Secret::new(signer, certificate).await;
        let client = builder(&format!("localhost:{}", server.port())).tls(trusted.client());
        let (refused, accepted) = tokio::join!(client.connect(), server.accept());
        assert_eq!(why(refused.unwrap_err()), DialErrorKind::Tls);
        assert!(accepted.is_none());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn r7_a_unix_socket_is_no_place_for_tls() {
    let authority = authority("client-unix");
    let refused = builder("unix:/nonexistent/s").tls(authority.client()).connect().await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("TLS is spoken over the network, and this is a Unix socket"), "{text}");
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_told_from_one_that_closes() {
    let authority = authority("client-shows-none");
    let listener = Listener::tcp("127.0.0.1:0", TcpOptions::default()).await.unwrap();
    let port = listener.address().unwrap().unwrap().port();
    let tls = ServerTls::from_files(authority.mutual("server")).unwrap();
    let client = builder(&format!("localhost:{port}")).tls(authority.client());
    let server = async {
        let (stream, _) = within(listener.accept()).await.unwrap();
        assert!(within(tls.accept(stream)).await.is_err());
    };
    let (refused, ()) = tokio::join!(client.connect(), server);
    let refused = refused.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("TLS was not agreed on: received fatal alert: Cert"), "{text}");
    let ConnectError::Unreachable { losses } = refused else { panic!("{text}") };
    assert_eq!(losses[0].cause.as_ref().unwrap().kind(), DialErrorKind::Tls);
}
