//! Servers that break: what becomes of the calls.

use std::time::Duration;

use ubf_client::{
    BackoffTimes, CallError, Client, ConnectError, DialErrorKind, LossReason, Notice, State,
};
use ubf_codec::ubf;

use crate::script::{Script, builder, within};

/// A client of two servers, connected to the first.
async fn client_of_two(one: &Script, two: &Script) -> (Client, crate::script::Peer) {
    let (client, peer) =
        tokio::join!(builder(&one.address()).address(two.address()).connect(), one.agree());
    (client.unwrap(), peer)
}

#[tokio::test]
async fn r4_a_call_on_a_server_that_dies_is_indeterminate_and_the_next_goes_to_another() {
    let (one, two) = (Script::new().await, Script::new().await);
    let (client, mut peer) = client_of_two(&one, &two).await;
    let server = async {
        peer.hears("3 'x'$").await;
        drop(peer);
        drop(one);
    };
    let (outcome, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, CallError::Indeterminate { .. }));
    assert!(error.may_have_run());
    let server = async {
        let mut peer = two.accept().await;
        peer.agree().await;
        peer.hears("3 'next'$").await;
        peer.says("3 ? {'ok''start'}$").await;
        peer
    };
    let (reply, _peer) =
        within(async { tokio::join!(client.call(ubf!(next)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
    let status = client.status().borrow().clone();
    assert_eq!(
        (status.statistics.losses, status.statistics.indeterminate, status.statistics.done),
        (1, 1, 1)
    );
    assert_eq!(status.address.unwrap().to_string(), two.address());
}

#[tokio::test]
async fn r4_an_idempotent_call_is_sent_again() {
    let (one, two) = (Script::new().await, Script::new().await);
    let (client, mut peer) = client_of_two(&one, &two).await;
    let server = async {
        peer.hears("3 'x'$").await;
        drop(peer);
        drop(one);
        let mut peer = two.accept().await;
        peer.agree().await;
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let call = client.call(ubf!(x)).idempotent().into_future();
    let (reply, ()) = within(async { tokio::join!(call, server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
}

#[tokio::test]
async fn l3_broken_bytes_are_reported_to_the_server_and_it_is_left() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says("3 ? {x}$").await;
        // 21 bytes of `agreed`, and the sixth of this.
        peer.hears("0 {'error''unset-register'26}$").await;
        peer.hears_the_end().await;
        script.agree().await
    };
    let (outcome, _peer) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    assert!(matches!(outcome.unwrap_err(), CallError::Indeterminate { .. }));
    let loss = client.status().borrow().last_loss.clone().unwrap();
    assert!(matches!(loss.reason, LossReason::BadSyntax(_)), "{}", loss.reason);
}

#[tokio::test]
async fn what_a_server_said_before_it_closed_is_read() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'ok''start'}$0 ? {'closing''shutdown'2}$").await;
        drop(peer);
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    reply.unwrap();
    let mut status = client.status();
    let status =
        within(status.wait_for(|status| status.last_loss.is_some())).await.unwrap().clone();
    assert_eq!((status.statistics.closings, status.statistics.losses), (1, 0));
}

#[tokio::test]
async fn w12_it_does_not_matter_where_the_stream_is_cut() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let server = async {
        peer.hears("3 'x'$").await;
        for byte in "3 ? {{'ok'3~abc~}'start'}$3 ? {'event_out''e'}$".chars() {
            peer.says(&byte.to_string()).await;
            tokio::task::yield_now().await;
        }
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().body().source(), b"{{'ok'3~abc~}'start'}$");
    assert_eq!(
        within(client.events().unwrap().next_event()).await.unwrap().event().to_string(),
        "e"
    );
}

#[tokio::test]
async fn l2_a_server_that_does_not_read_is_left_and_what_was_not_sent_has_not_run() {
    let script = Script::new().await;
    let (seen, mut notices) = tokio::sync::mpsc::unbounded_channel();
    let build = builder(&script.address())
        .configure(|config| config.max_silence = Duration::from_millis(100))
        .on_notice(move |notice| drop(seen.send(notice.clone())));
    let (client, _peer) = within(async { tokio::join!(build.connect(), script.agree()) }).await;
    let client = client.unwrap();
    drop(script);
    let large = ubf_codec::Term::binary(vec![0; 8 << 20]);
    let calls = (0..4).map(|_| {
        let (client, large) = (client.clone(), large.clone());
        tokio::spawn(
            async move { client.call(large).within(Duration::from_secs(1)).await.map(|_| ()) },
        )
    });
    let calls = calls.collect::<Vec<_>>();
    let is_left = |notice| {
        matches!(notice, Notice::Lost { reason: LossReason::Silence { .. }, was_in_use: true, .. })
    };
    while !is_left(within(notices.recv()).await.unwrap()) {}
    let mut indeterminate = 0;
    for call in calls {
        match within(call).await.unwrap() {
            Err(CallError::Indeterminate { .. }) => indeterminate += 1,
            Err(error) => assert!(!error.may_have_run(), "{error}"),
            Ok(()) => panic!("nobody answers"),
        }
    }
    // L1: beyond 1 MiB unsent nothing was handed to this connection.
    assert_eq!(indeterminate, 1);
}

#[tokio::test]
async fn n1_no_common_version_says_what_the_server_speaks() {
    let script = Script::new().await;
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
        peer.says("0 ? {'no_common_version'1?#4&5&}$").await;
        peer.hears_the_end().await;
    };
    let (client, ()) =
        within(async { tokio::join!(builder(&script.address()).connect(), server) }).await;
    let error = client.unwrap_err();
    let expected = format!(
        "no server can be used: {}: no common version: the server speaks 4,5",
        script.address()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn l2_a_server_that_does_not_agree_is_given_up() {
    let script = Script::new().await;
    let build = builder(&script.address())
        .configure(|config| config.max_negotiation_time = Duration::from_millis(30))
        .connect();
    let (client, mut peer) = within(async { tokio::join!(build, script.accept()) }).await;
    let ConnectError::Unreachable { losses } = client.unwrap_err() else {
        panic!("expected a loss")
    };
    assert_eq!(losses[0].reason, LossReason::NegotiationTime { max: Duration::from_millis(30) });
    peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
    peer.hears_the_end().await;
}

#[tokio::test]
async fn a_client_that_was_started_waits_for_its_server() {
    let script = Script::new().await;
    let address = script.address();
    drop(script);
    assert!(matches!(
        builder(&address).connect().await.unwrap_err(),
        ConnectError::Unreachable { .. }
    ));
    let quick = BackoffTimes { first: Duration::from_millis(5), longest: Duration::from_millis(5) };
    let client = builder(&address).backoff(quick).start().unwrap();
    let mut status = client.status();
    within(status.wait_for(|status| status.state == State::BackingOff)).await.unwrap();
    // A call that cannot be sent ends at its deadline, and did not run.
    let error = within(client.call(ubf!(x)).within(Duration::from_millis(30)).into_future())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Deadline { may_have_run: false, .. }));
}

#[test]
fn settings_of_no_use_are_named() {
    let build = |address: &str, versions: &[u32]| {
        crate::script::without_session()
            .address(address)
            .versions(versions.iter().copied())
            .start()
            .unwrap_err()
            .to_string()
    };
    assert!(build("b.example", &[1]).starts_with("'b.example': not an address"));
    assert_eq!(build("b.example:1", &[0]), "no version that may be used");
    assert_eq!(crate::script::without_session().start().unwrap_err(), ConnectError::NoAddress);
}

#[tokio::test]
async fn a_loss_says_why_no_connection_was_made() {
    let closed = Script::new().await.address();
    let error = builder(&closed).connect().await.unwrap_err();
    let ConnectError::Unreachable { losses } = &error else { panic!("{error}") };
    assert_eq!(losses.len(), 1);
    assert!(matches!(losses[0].reason, LossReason::ConnectFailed { .. }));
    let cause = losses[0].cause.as_ref().expect("it is known");
    assert_eq!(cause.kind(), DialErrorKind::Refused);
    // From the loss to what the system said.
    let system = std::error::Error::source(cause).expect("the system's words are kept").to_string();
    assert!(error.to_string().ends_with(&format!(": {cause}: {system}")), "{error}");
    let unknown = builder("no-such-name.invalid:4000").connect().await.unwrap_err();
    assert!(unknown.to_string().contains("the name cannot be looked up: "), "{unknown}");
}
