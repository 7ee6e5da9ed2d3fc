//! Calls: versions, deadlines, cancellation, order, bounds.

use std::time::Duration;

use tokio::sync::oneshot;
use ubf_client::{CallError, Client, Unsupported};
use ubf_codec::{Term, Version, ubf};

use crate::script::{Script, builder, within};

#[tokio::test]
async fn n8_a_version_without_words_for_a_call_is_that_calls_error_only() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let inexpressible = |_: Version| -> Result<Term, Unsupported> { Err(Unsupported) };
    let error = within(client.call(inexpressible).into_future()).await.unwrap_err();
    assert_eq!(error, CallError::Inexpressible { version: Version::new(3).unwrap() });
    assert!(!error.may_have_run());
    let server = async {
        peer.hears("3 'next'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) = tokio::join!(client.call(ubf!(next)).into_future(), server);
    assert_eq!(reply.unwrap().response().to_string(), "ok");
}

#[tokio::test]
async fn n6_a_call_that_crashes_the_last_version_ends_and_the_session_goes_on() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let crashing = |_: Version| -> Result<Term, Unsupported> { panic!("as the test wants it") };
    let server = async {
        // Nothing is left: the client says so, and tries the one version that it has although it is
        // in quarantine.
        peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
        peer.says("3 ? {'agreed'1?#3&#}$").await;
        peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
        peer.says("3 ? {'agreed'1?#3&#}$").await;
        peer.hears("3 'good'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let calls = async {
        let error = client.call(crashing).await.unwrap_err();
        assert_eq!(error, CallError::Crashed { version: Version::new(3).unwrap() });
        client.call(ubf!(good)).await.unwrap();
    };
    within(async { tokio::join!(calls, server) }).await;
}

#[tokio::test]
async fn n6_the_servers_crash_may_have_run() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says("0 ? {'failed''crash'#3&2}$").await;
    };
    let (outcome, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.to_string(), "the server's handler for version 3 crashed: crash");
    assert!(error.may_have_run());
}

#[tokio::test]
async fn n11_a_crash_on_a_reply_is_an_error_and_puts_the_version_into_quarantine() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let server = async {
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'strange''start'}$").await;
        peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
    };
    let call = async {
        let reply = client.call(ubf!(x)).await.unwrap();
        assert_eq!(client.read(&reply, |reply| reply.response().to_string()).unwrap(), "strange");
        let crashed =
            client.read(&reply, |_| -> () { panic!("as the test wants it") }).unwrap_err();
        assert_eq!(
            crashed.to_string(),
            "the code for version 3 crashed on a reply; the call has run"
        );
    };
    within(async { tokio::join!(call, server) }).await;
    let mut status = client.status();
    let status =
        within(status.wait_for(|status| !status.quarantine.is_empty())).await.unwrap().clone();
    assert_eq!(status.quarantine[0].0.get(), 3);
}

#[tokio::test]
async fn a_cancelled_call_does_no_harm() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    // It is dropped when the server has it.
    tokio::select! {
        biased;
        outcome = client.call(ubf!(forgotten)).into_future() => panic!("{outcome:?}"),
        () = peer.hears("3 'forgotten'$") => {}
    }
    let server = async {
        peer.hears("3 'next'$").await;
        peer.says("3 ? {'late''start'}$3 ? {'good''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(next)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "good");
    assert_eq!(client.status().borrow().statistics.errors, 1);
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_it_is_sent_never_is() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let task = tokio::spawn({
        let client = client.clone();
        async move { client.call(ubf!(first)).await }
    });
    peer.hears("3 'first'$").await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // The server has not agreed anew: calls wait.
    client.crashed(Version::new(3).unwrap());
    peer.says("3 ? {'late''start'}$").await;
    peer.hears("0 {'negotiate'1?#3&#{'max_packet'16777216}&}$").await;
    let task = tokio::spawn({
        let client = client.clone();
        async move { client.call(ubf!(second)).await }
    });
    let mut status = client.status();
    while status.borrow_and_update().statistics.calls < 2 {
        tokio::task::yield_now().await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let server = async {
        peer.says("3 ? {'agreed'1?#3&#}$").await;
        peer.hears("3 'third'$").await;
        peer.says("3 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(third)).into_future(), server) }).await;
    reply.unwrap();
}

#[tokio::test]
async fn l2_a_call_ends_at_its_deadline_and_a_slow_server_harms_only_that() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let call = client.call(ubf!(slow)).within(Duration::from_millis(30));
    let error = within(call.into_future()).await.unwrap_err();
    assert!(matches!(error, CallError::Deadline { may_have_run: true, .. }));
    let server = async {
        peer.hears("3 'slow'$3 'next'$").await;
        peer.says("3 ? {'late''start'}$3 ? {'ok''start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(next)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
}

#[tokio::test]
async fn l2_the_wait_for_a_place_counts() {
    let script = Script::new().await;
    let build = builder(&script.address()).max_pending(1).connect();
    let (client, mut peer) = tokio::join!(build, script.agree());
    let client = client.unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.call(ubf!(first)).await }
    });
    peer.hears("3 'first'$").await;
    let second = client.call(ubf!(second)).within(Duration::from_millis(30));
    assert!(matches!(
        within(second.into_future()).await.unwrap_err(),
        CallError::Deadline { may_have_run: false, .. }
    ));
    peer.says("3 ? {'ok''start'}$").await;
    within(first).await.unwrap().unwrap();
    assert!(peer.has_heard_all());
}

#[tokio::test]
async fn l1_no_more_than_the_pipelines_depth_is_sent() {
    let script = Script::new().await;
    let build = builder(&script.address()).max_in_flight(2).connect();
    let (client, mut peer) = tokio::join!(build, script.agree());
    let client = client.unwrap();
    let calls =
        (0..6).map(|number| tokio::spawn(call_number(client.clone(), number))).collect::<Vec<_>>();
    for pair in [0, 2, 4] {
        peer.hears(&format!("3 {pair}$3 {}$", pair + 1)).await;
        // The replies show below that nobody went on before these.
        assert!(peer.has_heard_all());
        peer.says(&format!("3 ? {{{pair}'start'}}$3 ? {{{}'start'}}$", pair + 1)).await;
    }
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.unwrap().unwrap(), number.to_string());
    }
}

async fn call_number(client: Client, number: i64) -> Result<String, CallError> {
    client.call(Term::from(number)).await.map(|reply| reply.response().to_string())
}

#[tokio::test]
async fn dropping_the_waiter_of_a_place_gives_it_to_the_next() {
    let script = Script::new().await;
    let build = builder(&script.address()).max_pending(1).connect();
    let (client, mut peer) = tokio::join!(build, script.agree());
    let client = client.unwrap();
    let (sent, is_sent) = oneshot::channel();
    let first = tokio::spawn({
        let client = client.clone();
        async move {
            tokio::select! {
                outcome = client.call(ubf!(first)).into_future() => panic!("{outcome:?}"),
                _ = is_sent => {}
            }
        }
    });
    peer.hears("3 'first'$").await;
    sent.send(()).unwrap();
    within(first).await.unwrap();
    // The place is free though the reply has not come.
    let second = tokio::spawn(call_number(client.clone(), 2));
    peer.hears("3 2$").await;
    peer.says("3 ? {1's'}$3 ? {2's'}$").await;
    assert_eq!(within(second).await.unwrap().unwrap(), "2");
}

#[tokio::test]
async fn calls_can_be_spawned_and_joined_and_keep_their_client_alive() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let spawned = tokio::spawn(client.call(ubf!(a)));
    peer.hears("3 'a'$").await;
    let calls = async { tokio::join!(client.call(ubf!(b)), client.call(ubf!(c))) };
    let server = async {
        peer.hears("3 'b'$3 'c'$").await;
        peer.says("3 ? {1's'}$3 ? {2's'}$3 ? {3's'}$").await;
    };
    let ((b, c), ()) = within(async { tokio::join!(calls, server) }).await;
    let replies = [within(spawned).await.unwrap(), b, c];
    let replies = replies.map(|reply| reply.unwrap().response().to_string());
    assert_eq!(replies, ["1", "2", "3"]);
    let last = tokio::spawn(client.call(ubf!(last)));
    drop(client);
    peer.hears("3 'last'$").await;
    // The call holds a handle: nothing is said of an end.
    peer.says("3 ? {4's'}$").await;
    assert_eq!(within(last).await.unwrap().unwrap().response().to_string(), "4");
    peer.hears_the_end().await;
}
