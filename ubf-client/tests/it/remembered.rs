//! The first call of a client whose server another one of the process has talked to (N3).

use ubf_client::{Builder, SessionPlan};
use ubf_codec::{Version, ubf};

use crate::script::{Peer, Script, builder, within};

/// Lets a client agree there, and end well.
async fn known() -> Script {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    drop(client);
    peer.hears_the_end().await;
    script
}

/// Hears a `negotiate` without a session, up to its end.
async fn hears_negotiate(peer: &mut Peer) {
    peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
}

#[tokio::test]
async fn n3_the_first_call_of_a_later_client_follows_negotiate_at_once() {
    let script = known().await;
    let client = builder(&script.address()).start().unwrap();
    let server = async {
        let mut peer = script.accept().await;
        hears_negotiate(&mut peer).await;
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'agreed'1?#3&#}$3 ? {'done''start'}$").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(client.call(ubf!(x)), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "done");
}

#[tokio::test]
async fn n3_a_server_that_has_changed_refuses_it_and_has_it_in_the_other_version() {
    let script = known().await;
    let client = builder(&script.address()).versions([2, 3]).start().unwrap();
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#2&3&#{'max_packet'16777216}&}$3 'x'$").await;
        peer.says("2 ? {'agreed'1?#2&#}$0 ? {'refused'{'version'3}#2&2}$").await;
        peer.hears("2 'x'$").await;
        peer.says("2 ? {'done''start'}$").await;
        peer
    };
    let (reply, peer) = within(async { tokio::join!(client.call(ubf!(x)), server) }).await;
    assert_eq!(reply.unwrap().version(), Version::new(2).unwrap());
    drop((client, peer));
    // That was the last agreement.
    let client = builder(&script.address()).versions([2, 3]).start().unwrap();
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#2&3&#{'max_packet'16777216}&}$2 'x'$").await;
        peer.says("2 ? {'agreed'1?#2&#}$2 ? {'done''start'}$").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(client.call(ubf!(x)), server) }).await;
    assert!(reply.is_ok(), "{reply:?}");
}

/// A call of this client waits for the agreement.
async fn waits(script: &Script, builder: Builder) {
    let client = builder.start().unwrap();
    let server = async {
        let mut peer = script.accept().await;
        hears_negotiate(&mut peer).await;
        // What follows at once is written together with it.
        assert!(peer.has_heard_all());
        peer.says("3 ? {'agreed'1?#3&#}$").await;
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'done''start'}$").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(client.call(ubf!(x)), server) }).await;
    assert!(reply.is_ok(), "{reply:?}");
}

#[tokio::test]
async fn n3_after_a_loss_a_server_is_not_known_any_longer() {
    let script = Script::new().await;
    let (client, peer) = script.client().await;
    let mut status = client.status();
    peer.cut();
    within(status.wait_for(|status| status.last_loss.is_some())).await.unwrap();
    drop(status);
    drop(client);
    waits(&script, builder(&script.address())).await;
}

#[tokio::test]
async fn n3_a_program_can_do_without_and_its_own_streams_are_nobody_elses() {
    let script = known().await;
    let address = script.address();
    let without = builder(&address).configure(|config| config.optimistic_start = false);
    waits(&script, without).await;
    let own = builder(&address).connector(|to| async move { to.dial().await });
    waits(&script, own).await;
}

#[tokio::test]
async fn s1_with_a_wish_for_a_session_idempotent_calls_follow_at_once_and_others_wait() {
    let script = known().await;
    let client = builder(&script.address()).session(SessionPlan::wanted()).start().unwrap();
    let server = async {
        let mut peer = script.accept().await;
        peer.hears_a_wish().await;
        peer.hears("3 'x'$").await;
        assert!(peer.has_heard_all());
        peer.agrees("{'session'1024 4194304 16777216 60000'memory'}").await;
        peer.says("3 ? {'one''start'}$").await;
        peer.hears("3 'y'$").await;
        peer.says("3 ? {'two''start'}$").await;
        peer
    };
    let calls = async { tokio::join!(client.call(ubf!(x)).idempotent(), client.call(ubf!(y))) };
    let ((one, two), _peer) = within(async { tokio::join!(calls, server) }).await;
    assert_eq!(one.unwrap().response().to_string(), "one");
    assert_eq!(two.unwrap().response().to_string(), "two");
}
