//! R5, in place: a server is replaced by its successor at the same address, under load, and no call
//! is lost or executed twice.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::BytesMut;
use ubf_client::Client;
use ubf_codec::{StreamDecoder, View, ubf};

use super::program::Server;

const CLIENTS: u64 = 4;
const CALLERS_EACH: u64 = 8;
/// So many calls are answered by each of the servers before the next one takes over.
const CALLS_BETWEEN: u64 = 2000;
const GENERATIONS: u64 = 4;
/// No caller makes more.
const MAX_CALLS_EACH: u64 = 100_000;

struct Journal(PathBuf);

impl Journal {
    fn new(generation: u64) -> Self {
        Self(
            std::env::temp_dir()
                .join(format!("ubf-{}-restart-{generation}.journal", std::process::id())),
        )
    }

    /// Counts `{executed,?,1,{call,Caller,Number}}`.
    fn count(&self, executed: &mut HashMap<(i64, i64), u64>) -> u64 {
        let mut buffer = BytesMut::from(&*std::fs::read(&self.0).expect("a journal"));
        let mut decoder = StreamDecoder::new();
        let mut count = 0;
        while let Some(record) = decoder.decode(&mut buffer).expect("records") {
            let View::Tuple(record) = record.root().view() else { panic!("a record") };
            let Some(View::Tuple(call)) = record.get(3).map(|call| call.view()) else {
                panic!("a request")
            };
            let [_, caller, number] = call.to_array().expect("a call");
            *executed
                .entry((caller.as_i64().expect("a caller"), number.as_i64().expect("a number")))
                .or_default() += 1;
            count += 1;
        }
        count
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _is_removed = std::fs::remove_file(&self.0).is_ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_place_under_load_loses_no_call_and_repeats_none() {
    let journals: Vec<_> = (0..GENERATIONS).map(Journal::new).collect();
    let start = |generation: u64, address: &str| {
        let journal = journals[usize::try_from(generation).expect("small")]
            .0
            .to_str()
            .expect("UTF-8")
            .to_owned();
        let name = format!("restart-{generation}");
        Server::start(&name, address, &["--reuse-port", "--journal", &journal, "--grace", "30s"])
    };
    let mut server = start(0, "127.0.0.1:0");
    let address = server.address.clone();

    let is_over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        // The servers are of this machine, and its addresses are loopback ones.
        let handle =
            Client::builder().address(&address).versions([1]).connect().await.expect("a server");
        for caller in (0..CALLERS_EACH).map(|caller| client * CALLERS_EACH + caller) {
            let (handle, is_over, answered) =
                (handle.clone(), Arc::clone(&is_over), Arc::clone(&answered));
            callers.spawn(async move {
                for number in 0..MAX_CALLS_EACH {
                    if is_over.load(Ordering::Relaxed) {
                        return (caller, number);
                    }
                    let reply = handle
                        .call(ubf!({call, (caller), (number)}))
                        .await
                        .expect("no call is lost");
                    assert_eq!(reply.response(), ubf!({call, (caller), (number)}));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                (caller, MAX_CALLS_EACH)
            });
        }
    }

    let wait = async |count: u64| {
        let goal = answered.load(Ordering::Relaxed) + count;
        while answered.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
    };
    for generation in 1..GENERATIONS {
        wait(CALLS_BETWEEN).await;
        let (old, journal) = tokio::task::block_in_place(|| {
            let successor = start(generation, &address);
            let old = std::mem::replace(&mut server, successor);
            let drained = old.admin(&["drain", &address]);
            assert_eq!(drained.status, 0, "{drained:?}");
            (old, &journals[usize::try_from(generation).expect("small")])
        });
        // The old one ends when the last client has left, and no call was cut.
        let ended = tokio::task::spawn_blocking(move || old.status());
        assert_eq!(ended.await.expect("no panic"), Some(0));
        wait(CALLS_BETWEEN).await;
        assert!(journal.0.metadata().expect("a journal").len() > 0, "the successor has its share");
    }
    is_over.store(true, Ordering::Relaxed);
    let mut sent = HashMap::new();
    while let Some(caller) = callers.join_next().await {
        let (caller, count) = caller.expect("no panic");
        sent.insert(i64::try_from(caller).expect("small"), i64::try_from(count).expect("small"));
    }
    assert_eq!(server.admin(&["shutdown"]).status, 0);
    assert_eq!(server.status(), Some(0));

    let mut executed = HashMap::new();
    assert!(journals.iter().all(|journal| journal.count(&mut executed) > 0));
    for (caller, count) in sent {
        assert!(
            (0..count).all(|number| executed.remove(&(caller, number)) == Some(1)),
            "each once, of caller {caller}"
        );
    }
    assert_eq!(executed.len(), 0, "nothing else was executed");
}
