//! N15: what a caller tells beside a call reaches the handler, where both sides agree on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ubf_client::{Client, TraceParent};
use ubf_codec::ubf;
use ubf_server::{Call, Context, Handlers, Reply, Server, Service};

type Seen = Arc<Mutex<Vec<Option<Context>>>>;

async fn serve() -> (String, Seen) {
    let seen = Seen::default();
    let told = Arc::clone(&seen);
    let handlers = Handlers::new().on(1, move |call: Call<()>| {
        told.lock().expect("no handler has panicked").push(call.context().cloned());
        async { Reply::ok(1) }
    });
    let server = Server::builder().listen("127.0.0.1:0").service(Service::DEFAULT, handlers);
    let server = server.bind().await.expect("a port of this machine");
    let address = server.addresses().first().expect("it listens").to_string();
    tokio::spawn(server.run());
    (address, seen)
}

#[tokio::test]
async fn n15_spans_join_and_deadlines_are_told_where_both_sides_agree() {
    let (address, seen) = serve().await;
    let span = |number| TraceParent::new(7, number, true);
    let next = AtomicU64::new(0);
    // Numbers are spans; 0 is none.
    let tracer = move || span(next.fetch_add(1, Ordering::Relaxed));
    let client = Client::builder().address(&address).versions([1]).trace(tracer);
    let client = client.connect().await.unwrap();
    client.call(ubf!(a)).within(Duration::from_secs(9)).await.unwrap();
    client.call(ubf!(b)).await.unwrap();
    client.call(ubf!(c)).trace(span(9).unwrap()).await.unwrap();
    let told = std::mem::take(&mut *seen.lock().unwrap());
    let told: Vec<Context> = told.into_iter().map(|context| context.unwrap()).collect();
    let spans = told.iter().map(|context| context.trace.map(|span| span.span_id()));
    assert_eq!(spans.collect::<Vec<_>>(), [None, Some(1), Some(9)]);
    let left = told[0].deadline.unwrap();
    assert!(left <= Duration::from_secs(9) && left > Duration::from_secs(1), "{left:?}");
    assert!(told[1].deadline.unwrap() > Duration::from_secs(20));
    // A client that does not want it tells nothing, whatever is said of a call.
    let silent = Client::builder().address(&address).versions([1]).connect().await.unwrap();
    silent.call(ubf!(d)).trace(span(9).unwrap()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [None]);
}

#[tokio::test]
async fn n15_a_function_that_panics_tells_of_no_span() {
    let (address, seen) = serve().await;
    let client = Client::builder().address(&address).versions([1]);
    let client = client.trace(|| panic!("as a test wants it")).connect().await.unwrap();
    client.call(ubf!(a)).await.unwrap();
    let told = seen.lock().unwrap()[0].clone().unwrap();
    assert!(told.trace.is_none() && told.deadline.is_some());
}
