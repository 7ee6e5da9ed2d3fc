//! Requests, replies and events held against a contract (C4). The server says literal bytes.

use std::sync::atomic::{AtomicU32, Ordering};

use ubf_client::{CallError, Client, ContractCounts, Enforcement};
use ubf_codec::{Term, Version, ubf};
use ubf_contract::{Contract, Reader};

use crate::script::{Peer, Script, builder, within};

const DOOR: &str = "+NAME(\"door\"). +VSN(\"1\").
+TYPES open() :: {open, 1..9}; close() :: close; ok() :: ok; bell() :: {bell, 1..3}; hum() :: hum.
+STATE start open() => ok() & opened; EVENT <= bell().
+STATE opened close() => ok() & start; EVENT => hum().";

fn door() -> Contract {
    Reader::new().read(DOOR).unwrap()
}

async fn client(script: &Script, enforcement: Enforcement) -> (Client, Peer) {
    let builder = builder(&script.address()).contract([3], door()).enforcement(enforcement);
    let (client, peer) = within(async { tokio::join!(builder.connect(), script.agree()) }).await;
    (client.unwrap(), peer)
}

fn counts(client: &Client) -> [u64; 4] {
    let ContractCounts { client_broke, server_broke, events_in, events_out, .. } =
        client.contract_counts();
    [client_broke, server_broke, events_in, events_out]
}

/// The server hears the bytes of the request and says those of the reply.
async fn call(client: &Client, peer: &mut Peer, request: Term, bytes: [&str; 2]) -> String {
    let server = async {
        peer.hears(bytes[0]).await;
        peer.says(bytes[1]).await;
    };
    let call = client.call(request).into_future();
    let (reply, ()) = within(async { tokio::join!(call, server) }).await;
    let reply = reply.unwrap();
    format!("{} {}", reply.response(), reply.state().unwrap())
}

const OPEN: [&str; 2] = ["3 {'open'1}$", "3 ? {'ok''opened'}$"];

#[tokio::test]
async fn c4_a_request_that_its_state_does_not_allow_is_not_sent() {
    let script = Script::new().await;
    let (client, mut peer) = client(&script, Enforcement::Enforce).await;
    let inexpressible = CallError::Inexpressible { version: Version::new(3).unwrap() };
    for request in [ubf!({open, 10}), ubf!(close), ubf!({open, "1"})] {
        assert_eq!(within(client.call(request).into_future()).await.unwrap_err(), inexpressible);
    }
    assert_eq!(counts(&client), [3, 0, 0, 0]);
    // Nothing of that has come, and the reply of what may be said leads to the next state.
    assert_eq!(call(&client, &mut peer, ubf!({open, 1}), OPEN).await, "ok opened");
    let again = client.call(ubf!({open, 1})).into_future();
    assert_eq!(within(again).await.unwrap_err(), inexpressible);
    let close = ["3 'close'$", "3 ? {'ok''start'}$"];
    assert_eq!(call(&client, &mut peer, ubf!(close), close).await, "ok start");
    // Whoever asks for the contract is asked nothing.
    let contract = ["3 'contract'$", "3 ? {{'contract''none'}'start'}$"];
    assert_eq!(call(&client, &mut peer, ubf!(contract), contract).await, "{contract,none} start");
    assert_eq!(counts(&client), [4, 0, 0, 0]);
}

#[tokio::test]
async fn c4_instead_of_a_wrong_reply_comes_what_the_server_should_have_said() {
    let script = Script::new().await;
    let (client, mut peer) = client(&script, Enforcement::Enforce).await;
    for (bytes, heard) in [
        ("3 ? {'no''opened'}$", "{serverBrokeContract,{{open,1},no},[{prim,1,1,ok}]} start"),
        ("3 ? {'ok''start'}$", "{serverBrokeContract,{{open,1},ok},[{prim,1,1,ok}]} start"),
        // A server that says by itself that somebody broke the contract may do so.
        ("3 ? {{'clientBrokeContract'1#}'start'}$", "{clientBrokeContract,1,[]} start"),
        ("3 ? {'ok''opened'}$", "ok opened"),
    ] {
        let request = ubf!({open, 1});
        assert_eq!(call(&client, &mut peer, request, ["3 {'open'1}$", bytes]).await, heard);
    }
    assert_eq!(counts(&client), [0, 2, 0, 0]);
}

#[tokio::test]
async fn c4_an_event_that_is_not_allowed_is_dropped_on_either_way() {
    let script = Script::new().await;
    let (client, mut peer) = client(&script, Enforcement::Enforce).await;
    let mut events = client.events().unwrap();
    let inexpressible = CallError::Inexpressible { version: Version::new(3).unwrap() };
    let lost = within(client.cast(ubf!({bell, 4})).taken()).await;
    assert_eq!(lost.unwrap_err(), inexpressible);
    within(client.cast(ubf!({bell, 3})).into_future()).await.unwrap();
    peer.hears("3 {'event_in'{'bell'3}}$").await;

    peer.says("3 ? {'event_out''hum'}$").await;
    within(async {
        while counts(&client)[3] == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(call(&client, &mut peer, ubf!({open, 1}), OPEN).await, "ok opened");
    peer.says("3 ? {'event_out''ring'}$3 ? {'event_out''hum'}$").await;
    let event = within(events.next_event()).await.unwrap();
    assert_eq!(event.event().to_string(), "hum");
    assert_eq!(counts(&client), [0, 0, 1, 2]);
}

#[tokio::test]
async fn c4_what_is_only_logged_goes_its_way_and_is_counted() {
    let script = Script::new().await;
    let (client, mut peer) = client(&script, Enforcement::Log).await;
    let close = ["3 'close'$", "3 ? {'ok''start'}$"];
    assert_eq!(call(&client, &mut peer, ubf!(close), close).await, "ok start");
    let open = ["3 {'open'1}$", "3 ? {'no''opened'}$"];
    assert_eq!(call(&client, &mut peer, ubf!({open, 1}), open).await, "no opened");
    // The state is the one that the server named.
    assert_eq!(call(&client, &mut peer, ubf!(close), close).await, "ok start");
    assert_eq!(counts(&client), [1, 1, 0, 0]);
}

#[tokio::test]
async fn c4_a_pipeline_may_say_what_some_state_allows() {
    let script = Script::new().await;
    let (client, mut peer) = client(&script, Enforcement::Enforce).await;
    let server = async {
        peer.hears("3 {'open'1}$3 'close'$").await;
        peer.says("3 ? {'ok''opened'}$3 ? {'ok''start'}$").await;
    };
    let calls = async {
        tokio::join!(
            client.call(ubf!({open, 1})).into_future(),
            client.call(ubf!(close)).into_future(),
            client.call(ubf!(shout)).into_future()
        )
    };
    let ((open, close, shout), ()) = within(async { tokio::join!(calls, server) }).await;
    assert!(open.is_ok() && close.is_ok());
    assert_eq!(
        shout.unwrap_err(),
        CallError::Inexpressible { version: Version::new(3).unwrap() },
        "no state allows it"
    );
    assert_eq!(counts(&client), [1, 0, 0, 0]);
}

#[tokio::test]
async fn c4_after_a_loss_the_state_is_what_the_next_reply_says() {
    let script = Script::new().await;
    let (client, mut peer) = client(&script, Enforcement::Enforce).await;
    assert_eq!(call(&client, &mut peer, ubf!({open, 1}), OPEN).await, "ok opened");
    drop(peer);
    let mut peer = script.agree().await;
    assert_eq!(call(&client, &mut peer, ubf!({open, 1}), OPEN).await, "ok opened");
    let close = ["3 'close'$", "3 ? {'ok''start'}$"];
    assert_eq!(call(&client, &mut peer, ubf!(close), close).await, "ok start");
    assert_eq!(counts(&client), [0; 4]);
}

#[tokio::test]
async fn n8_what_is_written_for_each_version_is_looked_at_in_that_version() {
    static RENDERED: AtomicU32 = AtomicU32::new(0);
    let script = Script::new().await;
    let (client, mut peer) = client(&script, Enforcement::Enforce).await;
    let open = |version: Version| {
        RENDERED.fetch_add(1, Ordering::Relaxed);
        Ok(ubf!({open, (version.get() - 2)}))
    };
    let server = async {
        peer.hears("3 {'open'1}$").await;
        peer.says("3 ? {'ok''opened'}$").await;
    };
    let (reply, ()) = within(async { tokio::join!(client.call(open).into_future(), server) }).await;
    assert_eq!(reply.unwrap().response().to_string(), "ok");
    assert!(RENDERED.load(Ordering::Relaxed) > 0);
    assert_eq!(counts(&client), [0; 4]);
}
