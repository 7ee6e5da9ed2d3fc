//! How connections come about: over the program's own streams, Unix sockets, and in how much time.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;
use ubf_client::{ConnectError, LossReason, Peer, Stream};
use ubf_codec::ubf;

use crate::script::{Peer as Script, Script as Server, builder, within};

#[tokio::test]
async fn a_connector_gives_the_streams() {
    let (ours, theirs) = tokio::io::duplex(64);
    let ours = Mutex::new(Some(ours));
    let build = builder("in.memory:1").connector(move |to| {
        assert_eq!(to.target().to_string(), "in.memory:1");
        let stream = ours.lock().unwrap().take();
        async move {
            let stream = stream.ok_or_else(|| std::io::Error::other("there is only one"))?;
            Ok((Stream::own(stream), Peer::Own))
        }
    });
    let mut peer = Script::of(Stream::own(theirs));
    let (client, ()) = within(async { tokio::join!(build.connect(), peer.agree()) }).await;
    let client = client.unwrap();
    let server = async {
        peer.hears("3 {'get'\"colour\"}$").await;
        peer.says("3 ? {\"red\"'start'}$").await;
    };
    let call = client.call(ubf!({get, "colour"})).into_future();
    let (reply, ()) = within(async { tokio::join!(call, server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "\"red\"");
}

#[tokio::test]
async fn a_connector_that_fails_or_crashes_is_a_loss_with_a_cause() {
    let failing = builder("a.example:1")
        .connector(|_to| async { Err(std::io::Error::other("the tunnel is down").into()) });
    let error = failing.connect().await.unwrap_err().to_string();
    assert!(
        error.ends_with("a.example:1: cannot connect: cannot connect: the tunnel is down"),
        "{error}"
    );
    let crashing = builder("a.example:1").connector(|_to| async { panic!("as the test wants it") });
    let error = crashing.connect().await.unwrap_err().to_string();
    assert!(error.ends_with(": the program's connector crashed"), "{error}");
}

#[tokio::test]
async fn r4_a_server_that_does_not_own_the_rows_and_names_who_does_is_followed_at_once() {
    let (standby, owner) = (Server::new().await, Server::new().await);
    let serve = async {
        let mut peer = standby.accept().await;
        peer.hears("0 {'negotiate'1?#3&#").await;
        peer.says(&format!("0 \"{}\" {{'closing''moved'0}}$", owner.address())).await;
        owner.agree().await
    };
    let connect = builder(&standby.address()).connect();
    let (client, _peer) = within(async { tokio::join!(connect, serve) }).await;
    let at = client.unwrap().status().borrow().address.clone();
    assert_eq!(at.map(|at| at.to_string()), Some(owner.address()));
}

#[tokio::test]
async fn r7_tls_is_the_connectors_promise_and_nobody_elses() {
    // With the feature `system-roots` it would be the library's, and trust what the system does.
    if cfg!(not(feature = "system-roots")) {
        let without = builder("a.example:4000").configure(|config| config.tls = true);
        assert_eq!(without.connect().await.unwrap_err(), ConnectError::TlsUnavailable);
    }
    let (ours, theirs) = tokio::io::duplex(64);
    let ours = Mutex::new(Some(ours));
    let with =
        builder("a.example:4000").configure(|config| config.tls = true).connector(move |to| {
            assert_eq!(to.tls_name().unwrap().to_string(), "a.example");
            let stream = ours.lock().unwrap().take().unwrap();
            async move { Ok((Stream::own(stream), Peer::Own)) }
        });
    let mut peer = Script::of(Stream::own(theirs));
    let (client, ()) = within(async { tokio::join!(with.connect(), peer.agree()) }).await;
    client.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_an_address_among_others() {
    let path = std::env::temp_dir().join(format!("ubf-client-{}.sock", std::process::id()));
    let missing = builder(&format!("unix:{}", path.display()));
    let error = missing.connect().await.unwrap_err().to_string();
    assert!(error.contains(": there is no socket of this name: "), "{error}");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let build = builder(&format!("unix:{}", path.display()));
    let server = async {
        let mut peer = Script::of(listener.accept().await.unwrap().0);
        peer.agree().await;
        peer
    };
    let (client, _peer) = within(async { tokio::join!(build.connect(), server) }).await;
    let address = client.unwrap().status().borrow().address.clone().unwrap().to_string();
    assert!(address.starts_with("unix-") && address.ends_with("-sock-0.invalid:1"), "{address}");
    std::fs::remove_file(&path).unwrap();
}

/// Three addresses that never answer: connecting to each would take all the time that it may.
fn black_holes() -> ubf_client::Builder {
    let builder = crate::script::without_session().versions([1]).connector(|_to| pending());
    builder.address("192.0.2.1:1").address("192.0.2.2:1").address("192.0.2.3:1")
}

#[tokio::test(start_paused = true)]
async fn l2_the_time_to_connect_is_for_all_addresses_together() {
    let start = Instant::now();
    let three = Duration::from_secs(3);
    let build = black_holes().connect_time(Duration::from_secs(2)).connect_within(three);
    let error = build.connect().await.unwrap_err();
    assert_eq!(start.elapsed(), three);
    let ConnectError::Timeout { within, last_loss: Some(loss) } = &error else { panic!("{error}") };
    assert_eq!((*within, loss.address.to_string()), (three, "192.0.2.1:1".into()));
    assert!(matches!(loss.reason, LossReason::ConnectTime { .. }));
    assert!(
        error
            .to_string()
            .starts_with("no agreement in 3 s (connect_within); lost last: 192.0.2.1:1: "),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn l2_a_call_of_a_client_that_was_started_ends_in_its_time_whoever_does_not_answer() {
    let client = black_holes().start().unwrap();
    let start = Instant::now();
    let error = client.call(ubf!(x)).within(Duration::from_secs(3)).await.unwrap_err();
    assert!(!error.may_have_run());
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}
