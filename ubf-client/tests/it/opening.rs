//! What a program does first on each new connection.

use std::time::Duration;

use ubf_client::{BackoffTimes, Builder, CallError, Notice, Opening};
use ubf_codec::ubf;

use crate::script::{Script, builder, within};

type Opened = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn log_in(opening: Opening) -> Opened {
    let reply = opening.call(ubf!(log_in)).await?;
    if reply.response().is_atom("ok") { Ok(()) } else { Err("not let in".into()) }
}

fn logging_in(address: &str) -> Builder {
    builder(address).on_session(log_in).backoff(BackoffTimes {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(9),
    })
}

#[tokio::test]
async fn calls_wait_until_the_connection_is_opened() {
    let script = Script::new().await;
    let client = logging_in(&script.address()).start().unwrap();
    let server = async {
        let mut peer = script.agree().await;
        peer.hears("3 'log_in'$").await;
        // The other call has been made before, and waits.
        assert!(peer.has_heard_all());
        peer.says("3 ? {'ok''start'}$").await;
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'done''start'}$").await;
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(client.call(ubf!(x)), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "done");
}

#[tokio::test]
async fn a_full_queue_does_not_hold_up_the_opening() {
    let script = Script::new().await;
    let client = logging_in(&script.address()).max_pending(1).start().unwrap();
    let server = async {
        let mut peer = script.agree().await;
        for request in ["3 'log_in'$", "3 'x'$", "3 'y'$"] {
            peer.hears(request).await;
            peer.says("3 ? {'ok''start'}$").await;
        }
        peer
    };
    let (x, y, _peer) =
        within(async { tokio::join!(client.call(ubf!(x)), client.call(ubf!(y)), server) }).await;
    assert!(x.is_ok() && y.is_ok());
}

#[tokio::test]
async fn each_connection_is_opened_anew_before_what_a_loss_cut_short() {
    let (one, two) = (Script::new().await, Script::new().await);
    let client = logging_in(&one.address()).address(two.address()).start().unwrap();
    let server = async {
        let mut peer = one.agree().await;
        peer.hears("3 'log_in'$").await;
        peer.says("3 ? {'ok''start'}$").await;
        peer.hears("3 'x'$").await;
        drop((peer, one));
        let mut peer = two.agree().await;
        peer.hears("3 'log_in'$").await;
        assert!(peer.has_heard_all());
        peer.says("3 ? {'ok''start'}$").await;
        peer.hears("3 'x'$").await;
        peer.says("3 ? {'ok''start'}$").await;
        peer
    };
    let call = client.call(ubf!(x)).idempotent();
    let (reply, _peer) = within(async { tokio::join!(call, server) }).await;
    let reply = reply.unwrap();
    assert_eq!(reply.connection().address.to_string(), two.address());
}

#[tokio::test]
async fn a_connection_that_is_lost_while_it_is_opened_ends_the_calls_that_were_to_open_it() {
    let (one, two) = (Script::new().await, Script::new().await);
    let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let client = builder(&one.address())
        .address(two.address())
        .on_session(move |opening| {
            let sender = sender.clone();
            async move {
                // The function itself is dropped with its connection: what it began goes on.
                let call = tokio::spawn(opening.call(ubf!(log_in)));
                let _end = sender.send(call);
                Ok(())
            }
        })
        .start()
        .unwrap();
    let mut peer = one.agree().await;
    peer.hears("3 'log_in'$").await;
    drop((peer, one));
    let outcome = within(within(ends.recv()).await.unwrap()).await.unwrap();
    assert!(matches!(outcome, Err(CallError::Indeterminate { .. })), "{outcome:?}");
    let mut peer = two.agree().await;
    peer.hears("3 'log_in'$").await;
    drop(client);
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_is_left_and_what_waits_is_not_lost() {
    let (one, two) = (Script::new().await, Script::new().await);
    let (sender, losses) = std::sync::mpsc::channel();
    let client = logging_in(&one.address())
        .address(two.address())
        .on_notice(move |notice| {
            if let Notice::Lost { reason, .. } = notice {
                sender.send(reason.to_string()).unwrap();
            }
        })
        .start()
        .unwrap();
    let server = async {
        let mut peer = one.agree().await;
        peer.hears("3 'log_in'$").await;
        peer.says("3 ? {'no''start'}$").await;
        peer.hears_the_end().await;
        drop(one);
        let mut peer = two.agree().await;
        for request in ["3 'log_in'$", "3 'x'$"] {
            peer.hears(request).await;
            peer.says("3 ? {'ok''start'}$").await;
        }
        peer
    };
    let (reply, _peer) = within(async { tokio::join!(client.call(ubf!(x)), server) }).await;
    assert!(reply.is_ok());
    let reasons: Vec<String> = losses.try_iter().collect();
    assert_eq!(reasons[0], "the program could not open it");
}

#[tokio::test]
async fn a_function_that_crashes_or_takes_too_long_costs_the_connection() {
    async fn crash(_opening: Opening) -> Opened {
        panic!("as the test wants it")
    }
    async fn never(_opening: Opening) -> Opened {
        std::future::pending().await
    }
    let (crashing, slow) = (Script::new().await, Script::new().await);
    let build = builder(&crashing.address()).on_session(crash).connect();
    let (_client, mut peer) = within(async { tokio::join!(build, crashing.agree()) }).await;
    peer.hears_the_end().await;
    let short = Duration::from_millis(20);
    let build = builder(&slow.address()).on_session(never).call_time(short).connect();
    let (_client, mut peer) = within(async { tokio::join!(build, slow.agree()) }).await;
    peer.hears_the_end().await;
}
