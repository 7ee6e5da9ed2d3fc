//! Many tasks on one client.

use std::sync::atomic::Ordering;

use tokio::task::JoinSet;
use ubf_client::{CallError, Client};
use ubf_codec::Term;

use crate::echo::Echo;
use crate::script::within;

async fn client_of(servers: &[&Echo]) -> Client {
    let builder = servers
        .iter()
        .fold(crate::script::without_session(), |builder, server| builder.address(&server.address));
    builder
        .versions([1, 2, 3])
        .max_in_flight(64)
        .max_pending(100)
        .configure(|config| config.max_hops = 1000)
        .connect()
        .await
        .unwrap()
}

/// Each task makes its calls one after the other, and each must have its own answer.
fn callers(client: &Client, tasks: i64, calls: i64) -> JoinSet<Result<(), CallError>> {
    (0..tasks)
        .map(|task| {
            let client = client.clone();
            async move {
                for call in 0..calls {
                    let request = Term::from(task * 1_000_000 + call);
                    let reply = client.call(request.clone()).await?;
                    assert_eq!(reply.response().to_term(), request);
                }
                Ok(())
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_each_get_their_own_replies_in_order() {
    let echo = Echo::new().await;
    let client = client_of(&[&echo]).await;
    for outcome in within(callers(&client, 200, 50).join_all()).await {
        outcome.unwrap();
    }
    assert_eq!(echo.executed.load(Ordering::Relaxed), 10_000);
    let statistics = client.status().borrow().statistics;
    assert_eq!((statistics.calls, statistics.done), (10_000, 10_000));
}

#[tokio::test]
async fn calls_of_one_task_arrive_in_the_order_in_which_they_were_made() {
    let script = crate::script::Script::new().await;
    let (client, mut peer) = script.client().await;
    let mut calls = JoinSet::new();
    for number in 0..100_i64 {
        let client = client.clone();
        calls.spawn(
            async move { client.call(Term::from(number)).await.unwrap().response().as_i64() },
        );
    }
    for number in 0..100 {
        peer.hears(&format!("3 {number}$")).await;
    }
    for number in 0..100 {
        peer.says(&format!("3 ? {{{number}'start'}}$")).await;
    }
    let mut replies = within(calls.join_all()).await;
    replies.sort_unstable();
    assert_eq!(replies, (0..100).map(Some).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_a_move_under_load_loses_nothing_and_repeats_nothing() {
    let (one, two) = (Echo::new().await, Echo::new().await);
    let client = client_of(&[&one]).await;
    one.redirect(Some(&two.address));
    let callers = callers(&client, 50, 100);
    let mut status = client.status();
    within(status.wait_for(|status| status.statistics.moves == 1)).await.unwrap();
    for outcome in within(callers.join_all()).await {
        outcome.unwrap();
    }
    let executed = [&one, &two].map(|echo| echo.executed.load(Ordering::Relaxed));
    assert_eq!(executed[0] + executed[1], 5000);
    assert_eq!(client.status().borrow().statistics.errors, 0);
    assert_eq!(client.status().borrow().address.as_ref().unwrap().to_string(), two.address);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r4_when_a_server_is_killed_idempotent_calls_go_on_at_another() {
    let (one, two) = (Echo::new().await, Echo::new().await);
    let client = client_of(&[&one, &two]).await;
    let mut calls = JoinSet::new();
    for task in 0..20_i64 {
        let client = client.clone();
        calls.spawn(async move {
            for call in 0..100 {
                let request = Term::from(task * 1000 + call);
                let reply = client.call(request.clone()).idempotent().await.unwrap();
                assert_eq!(reply.response().to_term(), request);
            }
        });
    }
    while one.executed.load(Ordering::Relaxed) < 100 {
        tokio::task::yield_now().await;
    }
    let in_one = std::sync::Arc::clone(&one.executed);
    drop(one);
    within(calls.join_all()).await;
    let executed = in_one.load(Ordering::Relaxed) + two.executed.load(Ordering::Relaxed);
    // At most what was in flight ran twice, and only because the callers allowed it.
    assert!((2000..=2064).contains(&executed), "{executed}");
    assert_eq!(client.status().borrow().statistics.done, 2000);
}
