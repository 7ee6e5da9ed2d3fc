//! Events in the version that the client speaks when they are sent, and what becomes of those for
//! clients that are gone.

use std::sync::{Arc, Mutex, PoisonError};

use ubf_codec::{Term, Version, ubf};
use ubf_server::testing::{TestClient, TestServer};
use ubf_server::{
    Call, EventError, EventSender, Handlers, Reply, Server, ServerLimits, Service, SharedEvent,
};

type Senders = Arc<Mutex<Vec<EventSender>>>;

/// A service that keeps a way to each of its clients.
fn service(senders: &Senders) -> Handlers<()> {
    let senders = Arc::clone(senders);
    Handlers::new().on([1, 2], move |call: Call<()>| {
        if call.term().is_atom("subscribe") {
            senders.lock().unwrap_or_else(PoisonError::into_inner).push(call.events());
        }
        async { Reply::ok(ubf!(ok)) }
    })
}

fn version_is(version: Version) -> Term {
    ubf!({version, (version.get())})
}

async fn subscribe(client: &mut TestClient, senders: &Senders) -> EventSender {
    client.call(ubf!(subscribe)).await.unwrap();
    senders.lock().unwrap().last().unwrap().clone()
}

#[tokio::test]
async fn an_event_is_written_in_the_version_that_its_client_speaks_now() {
    let senders = Senders::default();
    let server = TestServer::of(service(&senders)).await.unwrap();
    let mut client = server.client(1);
    let sender = subscribe(&mut client, &senders).await;
    let number = || sender.version().map(Version::get);
    assert_eq!(number(), Some(1));
    sender.send_with(version_is).await.unwrap();
    // N6: a client goes on in another version, and says so with its next message.
    client.speak(2);
    client.call(ubf!(go)).await.unwrap();
    assert_eq!(number(), Some(2));
    sender.try_send_with(version_is).unwrap();
    // Or it negotiates, and says nothing more.
    client.negotiate(Service::DEFAULT, [1]).await.unwrap();
    assert_eq!(number(), Some(1));
    sender.send_shared(&SharedEvent::new(version_is)).await.unwrap();
    for number in [1, 2, 1] {
        let event = client.event().await.unwrap();
        assert_eq!((event.version.get(), event.event), (number, ubf!({version, (number)})));
    }
    drop(client);
    sender.closed().await;
    assert!(sender.is_closed());
    assert_eq!(number(), None);
    assert!(matches!(sender.send_with(version_is).await, Err(EventError::Closed)));
    assert!(matches!(sender.try_send_with(version_is), Err(EventError::Closed)));
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn no_event_goes_to_a_client_that_has_turned_to_another_service() {
    let (here, there) = (Senders::default(), Senders::default());
    let builder = Server::builder().service("here", service(&here));
    let server = TestServer::start(builder.service("there", service(&there))).await.unwrap();
    let mut client = server.client(1);
    client.negotiate("here", [1]).await.unwrap();
    let sender = subscribe(&mut client, &here).await;
    client.negotiate("there", [2]).await.unwrap();
    assert_eq!(sender.version(), None);
    assert!(matches!(sender.send_with(version_is).await, Err(EventError::OtherService)));
    let other = subscribe(&mut client, &there).await;
    other.try_send_with(version_is).unwrap();
    assert_eq!(client.event().await.unwrap().event, ubf!({version, 2}));
    // It comes back, and says nothing yet.
    client.negotiate("here", [2]).await.unwrap();
    assert!(matches!(other.try_send_with(version_is), Err(EventError::OtherService)));
    sender.try_send_with(version_is).unwrap();
    assert_eq!(client.event().await.unwrap().event, ubf!({version, 2}));
    assert!(server.stop().await.is_clean());
}

#[tokio::test]
async fn an_event_for_which_there_is_no_room_is_not_made() {
    let senders = Senders::default();
    let mut limits = ServerLimits::default();
    limits.max_events = 0;
    let builder = Server::builder().limits(limits).service(Service::DEFAULT, service(&senders));
    let server = TestServer::start(builder).await.unwrap();
    let mut client = server.client(1);
    let sender = subscribe(&mut client, &senders).await;
    let sent = sender.try_send_with(|_| -> Term { panic!("nobody should ask") });
    assert!(matches!(sent, Err(EventError::Full)));
    assert!(server.stop().await.is_clean());
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn rust_values_are_events_too() {
    let senders = Senders::default();
    let server = TestServer::of(service(&senders)).await.unwrap();
    let mut client = server.client(2);
    let sender = subscribe(&mut client, &senders).await;
    sender.send_typed(|version| (version.get(), "typed")).await.unwrap();
    sender.try_send_typed(|_| vec![1_u8, 2]).unwrap();
    let unwritable = sender.try_send_typed(|_| f64::NAN).unwrap_err();
    assert!(matches!(unwritable, EventError::Unwritable(_)), "{unwritable:?}");
    assert_eq!(client.event().await.unwrap().event, ubf!({2, "typed"}));
    assert_eq!(client.event().await.unwrap().event, ubf!([1, 2]));
    assert!(server.stop().await.is_clean());
}
