//! Typed clients and servers, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by a panic, and names only the variants that it is about"
)]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use ubf_client::{CallError, Client, Notice, TypedCallError};
use ubf_codec::serde::to_term;
use ubf_codec::{Term, Version, ubf};
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

#[allow(dead_code, reason = "the example has a main function of its own")]
#[path = "../../examples/two_versions.rs"]
mod two_versions;

/// How long anything may take. Nothing waits for it unless a test fails.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

async fn serve<S: Send + Sync + 'static>(service: Handlers<S>) -> String {
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .service(Service::DEFAULT, service)
        .bind()
        .await
        .unwrap();
    let address = server.addresses().first().unwrap().to_string();
    drop(tokio::spawn(server.run()));
    address
}

async fn client_of<S: Send + Sync + 'static>(service: Handlers<S>) -> Client {
    let address = serve(service).await;
    within(Client::builder().address(address).versions([1, 2, 3]).connect()).await.unwrap()
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
enum Request {
    Next,
    Add { to: i64, number: i64 },
}

#[tokio::test]
async fn older_and_newer_programs_understand_each_other() {
    within(two_versions::all_four_pairs()).await.unwrap();
}

fn adder(versions: impl IntoIterator<Item = u32>) -> Handlers<()> {
    Handlers::new().on_typed(Versions::of(versions), |_: Call<()>, request: Request| async move {
        let sum = match request {
            Request::Next => 0,
            Request::Add { to, number } => to.wrapping_add(number),
        };
        Reply::typed(&sum, "adding")
    })
}

#[tokio::test]
async fn a_typed_reply_has_the_version_and_the_state() {
    let client = client_of(adder([1, 2])).await;
    let reply = within(client.call_typed::<i64>(&Request::Add { to: 1, number: 2 }).into_future())
        .await
        .unwrap();
    assert_eq!((reply.response, reply.state, reply.version.get()), (3, "adding".into(), 2));
}

#[tokio::test]
async fn l3_a_request_that_does_not_fit_is_told_what_was_expected_in_every_version() {
    let address = serve(adder([1, 2, 3]).state_name(|()| "adding")).await;
    for version in [1, 2, 3] {
        let client = within(Client::builder().address(&address).versions([version]).connect())
            .await
            .unwrap();
        let reply = within(client.call(ubf!({add, 1, two})).into_future()).await.unwrap();
        let expected = "{{clientBrokeContract,{add,1,two},\
                        [\"invalid type: atom two, expected i64, in .add.number, at byte 7\"]},adding}";
        assert_eq!(reply.body().to_string(), expected);
        // The session goes on.
        assert_eq!(
            within(client.call_typed::<i64>(&Request::Next).into_future()).await.unwrap().response,
            0
        );
    }
}

#[tokio::test]
async fn a_broken_contract_is_an_error_of_its_own_and_the_call_has_not_run() {
    let client = client_of(adder([3])).await;
    let error = within(client.call_typed::<i64>("multiply").into_future()).await.unwrap_err();
    assert!(!error.may_have_run());
    let TypedCallError::BrokeContract { version, expected } = &error else { panic!("{error}") };
    assert_eq!(version.get(), 3);
    assert_eq!(
        expected.to_string(),
        "[\"unknown variant `multiply`, expected `next` or `add`, at byte 0\"]"
    );
}

#[tokio::test]
async fn n11_a_reply_that_cannot_be_read_has_run_once_and_says_where() {
    let service = Handlers::new().on(Versions::of([1]), |call: Call<()>| async move {
        assert_eq!(call.packet(), 2, "it is called once");
        Reply::new(ubf!([{order, 7}, {order, dear}]), "start")
    });
    #[derive(Deserialize, Debug)]
    #[serde(rename = "order")]
    #[allow(dead_code, reason = "it is never made")]
    struct Order {
        price: u32,
    }
    let client = client_of(service).await;
    let error =
        within(client.call_typed::<Vec<Order>>(&Request::Next).into_future()).await.unwrap_err();
    assert!(error.may_have_run());
    let TypedCallError::Unreadable { reply, error: why } = &error else { panic!("{error}") };
    assert_eq!((reply.version().get(), why.path().as_str()), (1, "[1].price"));
    let dear = reply.body().source().windows(6).position(|bytes| bytes == b"'dear'").unwrap();
    // The offset is that of the text inside of its quotes, or of the quote.
    assert!(why.offset().unwrap().abs_diff(dear as u64) <= 1, "{why}");
    assert!(
        error.to_string().starts_with(
            "the call has run, and its reply in version 1 cannot be read: invalid type"
        )
    );
    assert_eq!(client.status().borrow().statistics.calls, 1);
}

#[tokio::test]
async fn a_reply_without_a_state_cannot_be_read() {
    let service = Handlers::new()
        .on(Versions::of([1]), |_: Call<()>| async { Reply::encoded(&b"{1 2 3}$"[..]) });
    let client = client_of(service).await;
    let error = within(client.call_typed::<Term>(&Request::Next).into_future()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("expected a response and the name of a state, {Response,'State'}"),
        "{error}"
    );
}

#[tokio::test]
async fn n11_code_that_crashes_on_a_reply_costs_its_version() {
    #[derive(Debug)]
    struct Crashing;
    impl<'de> Deserialize<'de> for Crashing {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("as the test wants it")
        }
    }
    let (seen, mut notices) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |notice: &Notice| drop(seen.send(notice.clone()));
    let builder =
        Client::builder().address(serve(adder([1, 2])).await).versions([1, 2]).on_notice(hook);
    let client = within(builder.connect()).await.unwrap();
    let error =
        within(client.call_typed::<Crashing>(&Request::Next).into_future()).await.unwrap_err();
    assert_eq!(error.to_string(), "the code for version 2 crashed on a reply; the call has run");
    assert!(error.may_have_run());
    while !matches!(within(notices.recv()).await.unwrap(), Notice::QuarantineOpened { version, .. } if version.get() == 2)
    {
    }
    assert_eq!(
        within(client.call_typed::<i64>(&Request::Next).into_future()).await.unwrap().version.get(),
        1
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_written_is_not_sent() {
    let client = client_of(adder([1])).await;
    let error = within(client.call_typed::<i64>(&f64::NAN).into_future()).await.unwrap_err();
    assert!(matches!(error, TypedCallError::Unwritable(_)) && !error.may_have_run(), "{error}");
    // P3
    let error =
        within(client.call_typed::<i64>(&Event::EventIn(1)).into_future()).await.unwrap_err();
    assert!(matches!(error, TypedCallError::Unwritable(_)), "{error}");
    assert_eq!(client.status().borrow().statistics.calls, 0);
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    EventIn(i64),
}

#[tokio::test]
async fn n6_a_response_that_cannot_be_written_fails_its_call_alone() {
    let service = Handlers::new()
        .on_typed(Versions::of([1]), |_: Call<()>, number: f64| async move {
            Reply::typed(&(1.0 / number).sqrt(), "start")
        });
    let client = client_of(service).await;
    let error = within(client.call_typed::<f64>(&0.0).into_future()).await.unwrap_err();
    assert!(matches!(error, TypedCallError::Call(CallError::Failed { .. })), "{error}");
    assert_eq!(within(client.call_typed::<f64>(&4.0).into_future()).await.unwrap().response, 0.5);
}

#[tokio::test]
async fn events_are_typed_in_both_directions() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(rename = "joined")]
    struct Joined(String);
    let service =
        adder([1]).on_event_typed(Versions::of([1]), |call: Call<()>, joined: Joined| async move {
            let events = call.events();
            events.send(call.version(), ubf!({1, 2})).await.unwrap();
            events.send(call.version(), to_term(&joined).unwrap()).await.unwrap();
        });
    let client = client_of(service).await;
    let mut events = client.events().unwrap().typed::<Joined>();
    // The first is no such event: it is ignored.
    within(client.cast_typed(&7).unwrap().into_future()).await.unwrap();
    assert_eq!(
        within(client.cast_typed(&Joined("Joe".into())).unwrap().taken()).await.unwrap(),
        Version::MIN
    );
    let unreadable = within(events.next_event()).await.unwrap().unwrap_err();
    assert!(
        unreadable.to_string().starts_with("an event in version 1 cannot be read: "),
        "{unreadable}"
    );
    assert_eq!(unreadable.event.event().to_string(), "{1,2}");
    let joined = within(events.next_event()).await.unwrap().unwrap();
    assert_eq!((joined.event, joined.version), (Joined("Joe".into()), Version::MIN));
    assert_eq!(events.missed(), 0);
}
