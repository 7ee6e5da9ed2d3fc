//! Handlers that fail without a panic, handlers in order, and services that nobody should serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use ubf_codec::{Term, ubf};
use ubf_server::{
    BindError, Call, Failure, HandlerError, Handlers, IntoReply, Reply, Server, Service,
};

use crate::support::start_with;

/// Ends as it is told to.
async fn obey(call: Call<()>) -> Result<Reply, Failure> {
    let request = call.term();
    if request.is_atom("fail") {
        return Err(Failure::failed(ubf!({disk, 7})));
    }
    if request.is_atom("refuse") {
        return Err(Failure::refused(Term::atom("full")));
    }
    if request.is_atom("break") {
        return Err(Failure::broken_contract(request, &["fail", "refuse"], "start"));
    }
    let text = "many";
    let number: u64 = if request.is_atom("error") { text.parse()? } else { 1 };
    Ok(Reply::ok(number))
}

#[tokio::test]
async fn a_handler_that_fails_says_whether_it_ran_and_withdraws_no_version() {
    let server = start_with(Server::builder(), Handlers::new().on([1, 2], obey)).await;
    let mut client = server.connect().await;
    client.exchange("1 'fail'$", "0 ? {'failed'{'disk'7}#1&2&1}$").await;
    client.exchange("1 'refuse'$", "0 ? {'refused''full'#1&2&2}$").await;
    let broken = r#"1 ? {{'clientBrokeContract''break'#"refuse"&"fail"&}'start'}$"#;
    client.exchange("1 'break'$", broken).await;
    // N6: three crashes would withdraw the version. These are none.
    for packet in 4..=9 {
        client.exchange("1 'error'$", &format!("0 ? {{'failed''error'#1&2&{packet}}}$")).await;
    }
    client.exchange("1 'go'$", "1 ? {1'start'}$").await;
    let counts = server.handle.status().counts;
    assert_eq!((counts.failed_by_handler, counts.refused_by_handler), (7, 1));
    assert_eq!((counts.failed, counts.withdrawn), (0, 0));
    server.stop().await;
}

#[tokio::test]
async fn handlers_that_do_not_wait_answer_in_their_turn_and_fail_as_others_do() {
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let handlers = Handlers::new()
        .on_now(1, |call: &Call<()>| {
            let request = call.term();
            if request.is_atom("crash") {
                std::panic::resume_unwind(Box::new("asked to"));
            }
            if request.is_atom("fail") {
                return Err(Failure::failed(ubf!({disk, 7})));
            }
            Ok(Reply::ok(request.to_term()))
        })
        .on(2, move |_: Call<()>| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Reply::ok(2)
            }
        });
    let server = start_with(Server::builder(), handlers).await;
    let mut client = server.connect().await;
    client.exchange("1 'one'$1 'two'$", "1 ? {'one''start'}$1 ? {'two''start'}$").await;
    client.exchange("1 'fail'$", "0 ? {'failed'{'disk'7}#1&2&3}$").await;
    client.exchange("1 'crash'$", "0 ? {'failed''crash'#1&2&4}$").await;
    // P3
    client.exchange("1 'event_out'$", "0 ? {'failed''reply_is_an_event'#1&2&5}$").await;
    // P5: what is ready waits for what was asked before it.
    client.send("2 'wait'$1 'three'$0 'ping'$").await;
    while server.handle.status().counts.requests < 7 {
        tokio::task::yield_now().await;
    }
    open.notify_one();
    client.expect("2 ? {2'start'}$1 ? {'three''start'}$0 ? 'pong'$").await;
    let large = format!("1 \"{}\"$", "a".repeat(5_000));
    client.exchange(&large, &format!("1 ? {{\"{}\"'start'}}$", "a".repeat(5_000))).await;
    assert_eq!(server.handle.status().counts.failed, 2);
    server.stop().await;
}

#[tokio::test]
async fn handlers_in_order_begin_when_the_one_before_them_is_done() {
    let (gate, running) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (open, at_work) = (Arc::clone(&gate), Arc::clone(&running));
    let at_once = Arc::clone(&running);
    let handlers = Handlers::new()
        .in_order()
        .on(1, move |call: Call<()>| {
            let (gate, running) = (Arc::clone(&gate), Arc::clone(&running));
            async move {
                let others = running.fetch_add(1, Ordering::SeqCst);
                if call.term().is_atom("wait") {
                    gate.notified().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                Reply::ok(others as u64)
            }
        })
        .on_now(2, move |_: &Call<()>| Reply::ok(at_once.load(Ordering::SeqCst) as u64));
    let server = start_with(Server::builder(), handlers).await;
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    client.send("1 'wait'$1 'go'$1 'wait'$2 'go'$").await;
    while server.handle.status().calls < 4 {
        tokio::task::yield_now().await;
    }
    // One connection does not wait for another.
    assert_eq!(at_work.load(Ordering::SeqCst), 1);
    other.exchange("1 'go'$", "1 ? {1'start'}$").await;
    open.notify_one();
    client.expect("1 ? {0'start'}$1 ? {0'start'}$").await;
    open.notify_one();
    client.expect("1 ? {0'start'}$2 ? {0'start'}$").await;
    server.stop().await;
}

async fn bind_error<S: Send + Sync + 'static>(handlers: Handlers<S>) -> BindError {
    let server = Server::builder().listen("127.0.0.1:0").service("kv", handlers);
    server.bind().await.unwrap_err()
}

async fn one(_: Call<()>) -> Reply {
    Reply::ok(1)
}

async fn nothing(_: Call<()>) {}

#[tokio::test]
async fn what_is_wrong_with_a_service_is_an_error_when_the_server_is_bound() {
    for (handlers, expected) in [
        (Handlers::new().on([1, 2], one).on([2], one), "version 2 has two handlers of requests"),
        (Handlers::new().on([0, 1], one), "0 is not a version: they are 1 to 2147483647"),
        (Handlers::new().on([], one), "no version is named"),
        (Handlers::new().on(1..=1025, one), "more than 1024 versions"),
        (
            Handlers::new().on(1, one).on_event(1, nothing).on_event(1, nothing),
            "version 1 has two handlers of events",
        ),
    ] {
        let error = bind_error(handlers).await;
        assert_eq!(error.to_string(), format!("service kv: {expected}"));
        assert!(matches!(error, BindError::Handler { .. }), "{error:?}");
    }
    let none = bind_error(Handlers::new()).await;
    assert!(matches!(none, BindError::NoVersion(_)), "{none:?}");
    assert_eq!(HandlerError::NoVersion.to_string(), "no version is named");
    let twice = Server::builder().listen("127.0.0.1:0");
    let twice = twice.service("kv", Handlers::new().on(1, one));
    let twice = twice.service("kv", Handlers::new().on(2, one)).bind().await.unwrap_err();
    assert!(matches!(twice, BindError::ServiceTwice(ref name) if *name == Service::from("kv")));
}

#[test]
fn a_closure_ends_with_a_reply_or_with_a_result() {
    assert_eq!(Reply::ok(1).into_reply().unwrap(), Reply::new(1, "start"));
    let failed: Result<Reply, std::fmt::Error> = Err(std::fmt::Error);
    assert_eq!(failed.into_reply().unwrap_err().to_string(), "failed: error");
}
