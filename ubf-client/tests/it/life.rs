//! The end of a client: graceful, bounded, without a trace.

use std::time::Duration;

use ubf_client::{CallError, State};
use ubf_codec::ubf;

use crate::script::{Script, within};

#[tokio::test]
async fn close_waits_for_the_replies_that_are_due() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let server = async {
        peer.hears("3 'x'$").await;
        client.status().wait_for(|status| status.statistics.calls == 1).await.unwrap();
        let end = async {
            peer.says("3 ? {'ok''start'}$").await;
            peer.hears_the_end().await;
            drop(peer);
        };
        tokio::join!(client.close(Duration::from_secs(10)), end);
    };
    let (reply, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
    assert_eq!(client.status().borrow().state, State::Closed);
    assert_eq!(within(client.call(ubf!(y)).into_future()).await.unwrap_err(), CallError::Closed);
    // Once more does no harm.
    within(client.close(Duration::ZERO)).await;
}

#[tokio::test]
async fn l2_close_gives_up_after_its_time() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let end = async {
        peer.hears("3 'x'$").await;
        tokio::join!(client.close(Duration::from_millis(30)), async {
            peer.hears_the_end().await;
            drop(peer);
        });
    };
    let (outcome, ()) =
        within(async { tokio::join!(client.call(ubf!(x)).into_future(), end) }).await;
    assert_eq!(outcome.unwrap_err(), CallError::Cancelled { may_have_run: true });
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle() {
    let script = Script::new().await;
    let (client, mut peer) = script.client().await;
    let clone = client.clone();
    let mut status = client.status();
    drop(client);
    assert_eq!(status.borrow_and_update().state, State::Ready);
    drop(clone);
    peer.hears_the_end().await;
    drop(peer);
    // The sender lives in the task.
    within(async { while status.changed().await.is_ok() {} }).await;
    assert_eq!(status.borrow().state, State::Closed);
}

#[tokio::test]
async fn a_client_that_cannot_connect_ends_with_its_handle_too() {
    let script = Script::new().await;
    let client = crate::script::builder(&script.address()).start().unwrap();
    let peer = script.accept().await;
    let mut status = client.status();
    drop(client);
    drop(peer);
    within(async { while status.changed().await.is_ok() {} }).await;
}

#[test]
fn a_call_whose_runtime_is_gone_is_indeterminate() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (drivers, callers) = (runtime(), runtime());
    let script = drivers.block_on(Script::new());
    let (client, mut peer) = drivers.block_on(script.client());
    let call = callers.spawn({
        let client = client.clone();
        async move { client.call(ubf!(x)).await }
    });
    callers.block_on(tokio::task::yield_now());
    drivers.block_on(peer.hears("3 'x'$"));
    drop((peer, script));
    drop(drivers);
    assert!(matches!(
        callers.block_on(call).unwrap().unwrap_err(),
        CallError::Indeterminate { .. }
    ));
    assert_eq!(
        callers.block_on(client.call(ubf!(y)).into_future()).unwrap_err(),
        CallError::Closed
    );
}
