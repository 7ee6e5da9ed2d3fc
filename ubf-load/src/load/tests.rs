//! Loads on a real server: what the clients say and what the server did must be the same.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::mpsc;
use ubf_client::{Notice, Service};
use ubf_codec::{Address, Term, View, ubf};
use ubf_server::{Call, Handlers, Reply, Server, ServerHandle};

use super::*;

/// What no test should take: only a broken one does.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the server executed call `Number` of client `Client`.
type Journal = Arc<Mutex<BTreeMap<(i64, i64), u32>>>;

async fn server() -> (Address, Journal, ServerHandle) {
    let journal = Journal::default();
    let executed = Arc::clone(&journal);
    let service =
        Handlers::new().on(Versions::of([1, 2, 3, 4, 5, 9, 10, 14]), move |call: Call<()>| {
            let request = call.term().to_term();
            if let View::Tuple(tuple) = request.as_ref().view()
                && let Some([_call, client, number]) = tuple.to_array()
            {
                let key = (client.as_i64().unwrap(), number.as_i64().unwrap());
                *executed.lock().unwrap().entry(key).or_default() += 1;
            }
            async move { Reply::new(request, "start") }
        });
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .service(Service::DEFAULT, service)
        .bind()
        .await
        .unwrap();
    let address = server.addresses()[0].to_string().parse().unwrap();
    let handle = server.handle();
    drop(tokio::spawn(server.run()));
    (address, journal, handle)
}

fn plan(address: Address) -> Plan {
    Plan {
        versions: Versions::of([1, 2, 3, 6, 8, 10, 11]),
        requests: Requests::Numbered,
        connections: 3,
        depth: 4,
        calls: Some(600),
        call_time: PATIENCE,
        expects_echo: true,
        keeps_journal: true,
        ..Plan::new([address])
    }
}

async fn ended(load: &mut Load) {
    timeout(PATIENCE, load.ended()).await.unwrap();
}

fn versions(results: &Results) -> Vec<u32> {
    results.versions.keys().map(|version| version.get()).collect()
}

#[tokio::test]
async fn each_call_is_made_once_and_noted_by_its_number() {
    let (address, journal, _handle) = server().await;
    let (notices, mut noticed) = mpsc::channel(100);
    let mut load =
        Load::start(Plan { notices: Some(notices), seed: Some(1), ..plan(address.clone()) })
            .await
            .unwrap();
    ended(&mut load).await;
    let mut agreed = Vec::new();
    while let Ok((client, notice)) = noticed.try_recv() {
        agreed.extend(matches!(notice, Notice::Agreed { .. }).then_some(client));
    }
    agreed.sort_unstable();
    assert_eq!(agreed, [1, 2, 3]);
    let summary = load.finish(PATIENCE).await;
    assert_eq!(
        (summary.results.counts.of(Outcome::Answered), summary.results.counts.bad()),
        (600, 0)
    );
    assert_eq!(summary.clients.iter().map(|client| client.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(summary.clients.iter().all(|client| client.address == Some(address.clone())));
    let noted: BTreeMap<(i64, i64), u32> = (1..)
        .zip(&summary.journals)
        .flat_map(|(client, journal)| {
            (1..).zip(journal).map(move |(number, outcome)| ((client, number), outcome))
        })
        .map(|(key, outcome)| (key, u32::from(*outcome == Outcome::Answered)))
        .collect();
    assert_eq!(noted.len(), 600);
    assert_eq!(noted, *journal.lock().unwrap());
}

#[tokio::test]
async fn n6_a_crash_of_the_clients_code_moves_all_of_them_to_3_and_no_call_is_lost() {
    let (address, journal, _handle) = server().await;
    let mut load = Load::start(Plan { calls: None, ..plan(address) }).await.unwrap();
    let snapshot = load.snapshot();
    assert!(
        snapshot.clients.iter().all(|client| client.version == Version::new(10)),
        "{snapshot:?}"
    );
    load.crash(Version::new(10).unwrap());
    let start = Instant::now();
    let mut calls_in_3 = 0;
    loop {
        assert!(start.elapsed() < PATIENCE);
        let snapshot = load.snapshot();
        calls_in_3 += snapshot.recent.versions.get(&Version::new(3).unwrap()).copied().unwrap_or(0);
        if calls_in_3 >= 100
            && snapshot.clients.iter().all(|client| client.version == Version::new(3))
        {
            break;
        }
        tokio::task::yield_now().await;
    }
    let summary = load.finish(PATIENCE).await;
    assert_eq!(summary.results.counts.bad(), 0, "{:?}", summary.results.counts);
    assert!(matches!(versions(&summary.results)[..], [3] | [3, 10]));
    assert!(summary.clients.iter().all(|client| client.statistics.fallbacks == 1));
    let answered = summary.results.counts.of(Outcome::Answered);
    let executed = journal.lock().unwrap();
    assert_eq!(executed.len() as u64, answered);
    assert!(executed.values().all(|&times| times == 1));
}

#[tokio::test]
async fn a_schedule_is_kept_and_its_latency_counts_from_when_a_call_was_due() {
    let (address, _journal, _handle) = server().await;
    let mut load =
        Load::start(Plan { rate: Some(2000.0), calls: Some(200), ..plan(address) }).await.unwrap();
    ended(&mut load).await;
    let summary = load.finish(PATIENCE).await;
    assert_eq!(summary.results.counts.of(Outcome::Answered), 200);
    // The last one is due after 199 intervals of half a millisecond.
    assert!(summary.measured >= Duration::from_micros(99_500), "{:?}", summary.measured);

    // One caller, one call a microsecond: no server is so fast. The queue of what is due shows in
    // the latency.
    let (address, _journal, _handle) = server().await;
    let busy =
        Plan { rate: Some(1e6), calls: Some(500), connections: 1, depth: 1, ..plan(address) };
    let mut load = Load::start(busy).await.unwrap();
    ended(&mut load).await;
    let summary = load.finish(PATIENCE).await;
    assert!(summary.results.latency().max >= summary.measured * 9 / 10, "{summary:?}");
}

#[tokio::test]
async fn what_is_open_when_a_load_ends_is_cut_and_said_to_be_so() {
    let address = {
        // Agrees, and never replies.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(tokio::spawn(async move {
            let mut silent = Vec::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.writable().await.unwrap();
                stream.try_write(b"10 ? {'agreed'1?#10&#}$").unwrap();
                silent.push(stream);
            }
        }));
        address.to_string().parse().unwrap()
    };
    let load = Load::start(Plan { calls: None, connections: 1, ..plan(address) }).await.unwrap();
    while load.common.pace.begun() < 4 {
        tokio::task::yield_now().await;
    }
    let summary = load.finish(Duration::ZERO).await;
    assert_eq!(
        (summary.results.counts.of(Outcome::Cut), summary.results.counts.indeterminate()),
        (4, 4)
    );
    assert_eq!(summary.journals, [[Outcome::Cut; 4]]);
}

#[tokio::test]
async fn a_server_that_says_something_else_is_found_out() {
    let service = Handlers::new()
        .on(Versions::of([1]), |_: Call<()>| async { Reply::new(ubf!(no), "start") });
    let server = Server::builder()
        .listen("127.0.0.1:0")
        .service(Service::DEFAULT, service)
        .bind()
        .await
        .unwrap();
    let address: Address = server.addresses()[0].to_string().parse().unwrap();
    drop(tokio::spawn(server.run()));
    let requests = Requests::Same(Term::from(1));
    let mut load = Load::start(Plan { requests, calls: Some(3), ..plan(address) }).await.unwrap();
    ended(&mut load).await;
    let summary = load.finish(PATIENCE).await;
    assert_eq!(
        (summary.results.counts.of(Outcome::WrongReply), summary.results.counts.bad()),
        (3, 3)
    );
}

#[tokio::test]
async fn a_load_without_a_server_says_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    let error = Load::start(plan(address)).await.err().unwrap();
    assert!(error.to_string().contains("the connection was refused"), "{error}");
}
