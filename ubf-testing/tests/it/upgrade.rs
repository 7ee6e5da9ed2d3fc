//! A client and two servers, over real sockets: a fallback and a drain in the midst of a load, and
//! no call lost or executed twice.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use ubf_client::Client;
use ubf_codec::{NextIp, Term, Version, ubf};
use ubf_proto::DrainPlan;
use ubf_server::{Call, Handlers, Reply, Report, Server, ServerHandle, Service, Versions};

const CLIENT_VERSIONS: [u32; 7] = [1, 2, 3, 6, 8, 10, 11];
const SERVER_VERSIONS: [u32; 8] = [1, 2, 3, 4, 5, 9, 10, 14];
const CALLERS: u64 = 16;
const CALLS_EACH: u64 = 200;

/// What the servers executed: the number of the call and the server's name.
type Journal = Arc<Mutex<Vec<(i64, &'static str)>>>;

async fn start(
    name: &'static str,
    journal: &Journal,
) -> (SocketAddr, ServerHandle, JoinHandle<Report>) {
    let journal = Arc::clone(journal);
    let service = Handlers::new().on(Versions::of(SERVER_VERSIONS), move |call: Call<()>| {
        let request = call.term().to_term();
        let number = if let Term::Tuple(parts) = &request {
            parts.last().and_then(|part| part.as_ref().as_i64())
        } else {
            None
        };
        let number = number.unwrap();
        journal.lock().unwrap().push((number, name));
        async move { Reply::new(ubf!({done, (number)}), "start") }
    });
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .service(Service::DEFAULT, service)
        .bind()
        .await
        .unwrap();
    let address = server.addresses().first().copied().unwrap();
    let handle = server.handle();
    (address, handle, tokio::spawn(server.run()))
}

#[tokio::test]
async fn a_fallback_and_a_drain_under_load_lose_no_call_and_repeat_none() {
    let journal = Journal::default();
    let (a, handle_a, running_a) = start("a", &journal).await;
    let (b, handle_b, running_b) = start("b", &journal).await;
    let client =
        Client::builder().address(a.to_string()).versions(CLIENT_VERSIONS).connect().await.unwrap();
    assert_eq!(client.status().borrow().version, Version::new(10));

    let (answered, mut answers) = mpsc::channel(16);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, answered) = (client.clone(), answered.clone());
        callers.spawn(async move {
            for number in (0..CALLS_EACH).map(|place| caller * CALLS_EACH + place) {
                let reply = client.call(ubf!({run, (number)})).await.unwrap();
                assert_eq!(reply.response(), Term::tuple([Term::atom("done"), Term::from(number)]));
                answered.send(reply.version().get()).await.unwrap();
            }
        });
    }
    drop(answered);

    let mut versions = Vec::new();
    while let Some(version) = answers.recv().await {
        versions.push(version);
        if versions.len() as u64 == CALLERS * CALLS_EACH / 4 {
            client.crashed(Version::new(10).unwrap());
        }
        if versions.len() as u64 == CALLERS * CALLS_EACH / 2 {
            let next_ip = b.to_string().parse::<NextIp>().ok();
            let second = Duration::from_secs(1);
            assert!(handle_a.drain(DrainPlan::new(next_ip, 30 * second, 10 * second)));
        }
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }

    // N6: what was in flight ends in 10, all else goes on in 3.
    assert_eq!((versions.first(), versions.last()), (Some(&10), Some(&3)));
    assert!(versions.iter().all(|version| [3, 10].contains(version)));
    // Every call was executed once, and both servers had their share.
    let mut executed = journal.lock().unwrap().clone();
    assert!(
        executed.iter().any(|&(_, server)| server == "a")
            && executed.iter().any(|&(_, server)| server == "b")
    );
    executed.sort_unstable();
    assert!(executed.iter().map(|&(number, _)| number).eq(0..(CALLERS * CALLS_EACH).cast_signed()));

    client.close(Duration::from_secs(5)).await;
    handle_b.shut_down(Duration::from_secs(10));
    assert!(
        running_a.await.unwrap().is_clean() && running_b.await.unwrap().is_clean(),
        "no call was cut"
    );
}
