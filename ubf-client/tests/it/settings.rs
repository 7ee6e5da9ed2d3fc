//! What the builder sets, as a server sees it.

use std::time::Duration;

use ubf_client::{BackoffTimes, CallError, LossReason, Notice, State};
use ubf_codec::{Limits, Term, Version, ubf};

use crate::script::{Script, builder, within};

#[tokio::test]
async fn the_server_is_told_the_service_and_the_agent() {
    let script = Script::new().await;
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1\"kv\"#3&#{'max_packet'16777216}&{'agent'\"tests/1\"}&}$").await;
        peer.says("3 ? {'agreed'1\"kv\"#3&#}$").await;
        peer
    };
    let build = builder(&script.address()).service("kv").agent("tests/1").connect();
    let (client, _peer) = within(async { tokio::join!(build, server) }).await;
    assert_eq!(client.unwrap().status().borrow().state, State::Ready);
}

#[tokio::test]
async fn a_server_that_agrees_on_another_service_is_left() {
    let script = Script::new().await;
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1\"kv\"#3&#{'max_packet'16777216}&}$").await;
        peer.says("3 ? {'agreed'1\"irc\"#3&#}$").await;
        peer
    };
    let build = builder(&script.address()).service("kv").connect();
    let (client, _peer) = within(async { tokio::join!(build, server) }).await;
    assert!(client.unwrap_err().to_string().ends_with("the server agreed on another service"));
}

#[tokio::test]
async fn the_next_address_is_tried_when_the_first_is_dead() {
    let (dead, script) = (Script::new().await, Script::new().await);
    let nowhere = dead.address();
    drop(dead);
    let build = builder(&nowhere).address(script.address()).connect();
    let (client, _peer) = within(async { tokio::join!(build, script.agree()) }).await;
    let status = client.unwrap().status().borrow().clone();
    assert_eq!(status.address.unwrap().to_string(), script.address());
    let loss = status.last_loss.unwrap();
    assert_eq!(loss.address.to_string(), nowhere);
    assert!(matches!(loss.reason, LossReason::ConnectFailed { .. }));
}

#[tokio::test]
async fn n9_versions_below_the_floor_are_not_offered_and_not_fallen_back_to() {
    let script = Script::new().await;
    let build = crate::script::without_session()
        .address(script.address())
        .versions([1, 2, 3])
        .floor(Version::new(2).unwrap())
        .configure(|config| config.grease = false);
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#2&3&#{'max_packet'16777216}&}$").await;
        peer.says("3 ? {'agreed'1?#1&2&3&#}$").await;
        peer
    };
    let (client, mut peer) = within(async { tokio::join!(build.connect(), server) }).await;
    let client = client.unwrap();
    client.quarantine(Version::new(3).unwrap(), Duration::from_secs(3600));
    client.crashed(Version::new(2).unwrap());
    // Version 1 is spoken by both, and not gone to: of those in quarantine, the one that leaves it
    // first is the lesser evil (N7).
    peer.hears("0 {'negotiate'1?#2&#").await;
}

#[tokio::test]
async fn r4_a_server_that_comes_back_is_found_after_a_while() {
    let script = Script::new().await;
    let quick = BackoffTimes { first: Duration::from_millis(5), longest: Duration::from_millis(5) };
    let client = builder(&script.address()).backoff(quick).start().unwrap();
    let call = client.call(ubf!(x)).into_future();
    let server = async {
        // A round over all addresses each time.
        for _ in 0..3 {
            drop(script.accept().await);
        }
        let mut peer = script.agree().await;
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'ok''start'}$").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(call, server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
    // What never agreed was not lost.
    assert_eq!(client.status().borrow().statistics.losses, 0);
}

#[tokio::test]
async fn n12_a_call_and_an_event_beyond_what_the_server_accepts_fail_alone() {
    let script = Script::new().await;
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
        peer.says("3 ? {'agreed'1?#3&#{'max_packet'64}&}$").await;
        peer
    };
    let (client, mut peer) =
        within(async { tokio::join!(builder(&script.address()).connect(), server) }).await;
    let client = client.unwrap();
    let large = Term::binary(vec![b'x'; 100]);
    let error = within(client.call(large.clone()).into_future()).await.unwrap_err();
    assert_eq!(error, CallError::TooLarge { max_packet: 64 });
    assert_eq!(error.to_string(), "the server accepts packets of 64 bytes at most");
    assert!(!error.may_have_run());
    let error = within(client.cast(large).taken()).await.unwrap_err();
    assert_eq!(error, CallError::TooLarge { max_packet: 64 });
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    reply.unwrap();
}

#[tokio::test]
async fn l1_a_reply_beyond_the_limits_ends_its_connection_and_its_call_is_indeterminate() {
    let script = Script::new().await;
    let build = builder(&script.address()).limits(Limits::default().with_max_packet_bytes(64));
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#3&#{'max_packet'64}&}$").await;
        peer.says("3 ? {'agreed'1?#3&#}$").await;
        peer
    };
    let (client, mut peer) = within(async { tokio::join!(build.connect(), server) }).await;
    let client = client.unwrap();
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says(&format!("3 ? {{\"{}\"'start'}}$", "y".repeat(100))).await;
    };
    let (outcome, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    assert!(matches!(outcome.unwrap_err(), CallError::Indeterminate { .. }));
    let loss = client.status().borrow().last_loss.clone().unwrap();
    assert!(matches!(loss.reason, LossReason::BadSyntax(_)), "{}", loss.reason);
}

#[tokio::test]
async fn a_function_for_notices_that_crashes_harms_nobody() {
    let script = Script::new().await;
    let build = builder(&script.address()).on_notice(|_: &Notice| panic!("as the test wants it"));
    let (client, mut peer) = within(async { tokio::join!(build.connect(), script.agree()) }).await;
    let client = client.unwrap();
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    reply.unwrap();
}

#[tokio::test]
async fn n7_a_version_that_another_client_found_out_about_is_left_out() {
    let script = Script::new().await;
    let build = crate::script::without_session()
        .address(script.address())
        .versions([2, 3])
        .configure(|config| config.grease = false);
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#2&3&#{'max_packet'16777216}&}$").await;
        peer.says("3 ? {'agreed'1?#2&3&#}$").await;
        peer
    };
    let (client, mut peer) = within(async { tokio::join!(build.connect(), server) }).await;
    let client = client.unwrap();
    client.quarantine(Version::new(3).unwrap(), Duration::from_secs(60));
    let server = async {
        peer.hears("2 'x'$").await;
        peer.says("2 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().version().get(), 2);
    assert_eq!(client.status().borrow().quarantine.len(), 1);
}
