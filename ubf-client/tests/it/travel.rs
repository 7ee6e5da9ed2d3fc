//! From one server to another, because the first says so.

use ubf_client::{LossReason, Notice, State};
use ubf_codec::ubf;

use crate::script::{Script, builder, within};

#[tokio::test]
async fn r2_makes_before_it_breaks_and_loses_no_call() {
    let (one, two) = (Script::new().await, Script::new().await);
    let (client, mut old) = one.client().await;
    let there = two.address();
    let server = async {
        old.hears("3 'a'$3 'b'$3 'c'$").await;
        // The answers that are due come after the redirection, and the old connection is open until
        // then.
        old.says(&format!("3 \"{there}\" {{1'start'}}$")).await;
        let mut next = two.accept().await;
        next.agree().await;
        assert!(old.has_heard_all());
        old.says(&format!("3 \"{there}\" {{2'start'}}$3 \"{there}\" {{3'start'}}$")).await;
        old.hears_the_end().await;
        next.hears("3 'd'$").await;
        next.says("3 ? {4'start'}$").await;
        next
    };
    let calls = async {
        let (a, b, c) = tokio::join!(
            client.call(ubf!(a)).into_future(),
            client.call(ubf!(b)).into_future(),
            client.call(ubf!(c)).into_future(),
        );
        let d = client.call(ubf!(d)).await;
        [a, b, c, d].map(|reply| reply.unwrap().response().to_string())
    };
    let (replies, mut next) = within(async { tokio::join!(calls, server) }).await;
    assert_eq!(replies, ["1", "2", "3", "4"]);
    let status = client.status().borrow().clone();
    assert_eq!((status.statistics.moves, status.statistics.losses, status.hops), (1, 0, 0));
    assert_eq!((status.state, status.address.unwrap().to_string()), (State::Ready, there));
    drop(client);
    next.hears_the_end().await;
}

#[tokio::test]
async fn r6_a_next_ip_at_which_nobody_answers_changes_nothing() {
    let (one, dead) = (Script::new().await, Script::new().await);
    let nowhere = dead.address();
    drop(dead);
    let (seen, mut notices) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |notice: &Notice| drop(seen.send(notice.clone()));
    let (client, mut peer) =
        tokio::join!(builder(&one.address()).on_notice(hook).connect(), one.agree());
    let client = client.unwrap();
    let server = async {
        peer.hears("3 'a'$").await;
        peer.says(&format!("3 \"{nowhere}\" {{1'start'}}$")).await;
        peer
    };
    let (reply, mut peer) =
        within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
    reply.unwrap();
    let mut has_failed = false;
    while !has_failed {
        match within(notices.recv()).await.unwrap() {
            Notice::RedirectFailed { .. } => has_failed = true,
            Notice::Lost { reason, was_in_use, .. } => {
                assert!(matches!(reason, LossReason::ConnectFailed { .. }) && !was_in_use);
            }
            _ => {}
        }
    }
    let server = async {
        peer.hears("3 'b'$").await;
        peer.says("3 ? {2'start'}$").await;
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(b)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "2");
    assert_eq!(client.status().borrow().address.as_ref().unwrap().to_string(), one.address());
}

#[tokio::test]
async fn r7_a_refused_redirection_is_a_notice_and_the_client_stays() {
    let script = Script::new().await;
    let (seen, mut notices) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |notice: &Notice| drop(seen.send(notice.clone()));
    let (client, mut peer) =
        tokio::join!(builder(&script.address()).on_notice(hook).connect(), script.agree());
    let client = client.unwrap();
    for reply in ["3 \"127.0.0.1:22\" {1'start'}$", "3 ? {2'start'}$"] {
        let server = async {
            peer.hears("3 'a'$").await;
            peer.says(reply).await;
        };
        let (reply, ()) =
            within(async { tokio::join!(client.call(ubf!(a)).into_future(), server) }).await;
        reply.unwrap();
    }
    while !matches!(within(notices.recv()).await.unwrap(), Notice::RedirectRefused { .. }) {}
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let script = Script::new().await;
    let by_name = script.address().replace("127.0.0.1", "localhost");
    let (client, _peer) =
        within(async { tokio::join!(builder(&by_name).connect(), script.agree()) }).await;
    assert_eq!(client.unwrap().status().borrow().address.as_ref().unwrap().to_string(), by_name);
}
