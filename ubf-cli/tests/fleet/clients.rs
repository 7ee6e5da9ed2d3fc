//! Clients that move money all the time, in sessions that outlive a process; and others that do
//! nothing but connect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use ubf_client::{Client, Level, SessionPlan};
use ubf_codec::{Term, ubf};

/// Those of one node, which call as fast as they are answered.
const CLIENTS: usize = 4;
/// Those of each node of a fleet, and the time between two of their calls.
const FEW: usize = 2;
const PACE: Duration = Duration::from_millis(20);
const ACCOUNTS: usize = 8;
const CENTS: u64 = 1_000_000_000;
/// No client makes more.
const MAX_CALLS: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// What the clients have seen when all is over.
pub(crate) struct Seen {
    pub(crate) calls: u64,
    /// The longest time that a call has taken.
    pub(crate) pause: Duration,
    /// Connections that were made and never refused.
    pub(crate) connections: u64,
}

/// Clients in threads of their own, so that tests may block.
pub(crate) struct Clients {
    runtime: Runtime,
    address: String,
    is_over: Arc<AtomicBool>,
    answered: watch::Receiver<u64>,
    callers: JoinSet<(Vec<u64>, Duration)>,
    connecting: tokio::task::JoinHandle<u64>,
}

impl Clients {
    pub(crate) fn start(address: &str) -> Self {
        Self::start_some(address, CLIENTS, Duration::ZERO)
    }

    /// As many as a machine bears with some nodes.
    pub(crate) fn start_few(address: &str) -> Self {
        Self::start_some(address, FEW, PACE)
    }

    fn start_some(address: &str, clients: usize, pace: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(watch::Sender::new(0));
        let answered = answers.subscribe();
        let mut callers = JoinSet::new();
        runtime.block_on(async {
            let client = connect(address).await;
            for account in 0..ACCOUNTS {
                let open = ubf!({open, (name(account).as_str()), (CENTS)});
                assert_eq!(client.call(open).await.unwrap().response(), ubf!(ok));
            }
            for number in 0..clients {
                let (client, is_over) = (connect(address).await, Arc::clone(&is_over));
                callers.spawn(call(client, number, pace, is_over, Arc::clone(&answers)));
            }
        });
        let connecting = runtime.spawn(knock(address.to_owned(), Arc::clone(&is_over)));
        let address = address.to_owned();
        Self { runtime, address, is_over, answered, callers, connecting }
    }

    /// Waits until so many more calls are answered.
    pub(crate) fn go_on(&mut self, count: u64) {
        let goal = *self.answered.borrow() + count;
        let answered = self.answered.wait_for(|answered| *answered >= goal);
        let waited =
            self.runtime.block_on(async { tokio::time::timeout(PATIENCE, answered).await });
        assert!(waited.expect("calls are answered").is_ok());
    }

    /// Ends, and holds what each client was told against what the ledger adds up.
    pub(crate) fn end(mut self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        let mut seen = Seen { calls: 0, pause: Duration::ZERO, connections: 0 };
        let mut numbers = Vec::new();
        self.runtime.block_on(async {
            while let Some(caller) = self.callers.join_next().await {
                let (told, pause) = caller.unwrap();
                seen.calls += told.len() as u64;
                seen.pause = seen.pause.max(pause);
                numbers.extend(told);
            }
            seen.connections = self.connecting.await.unwrap();
            numbers.sort_unstable();
            assert!(numbers.iter().copied().eq(1..=seen.calls), "each transfer has run once");
            let all = CENTS * ACCOUNTS as u64;
            let sum = connect(&self.address).await.call(ubf!(sum)).await.unwrap();
            let wanted = ubf!({sum, (ACCOUNTS as u64), (all), (all), (seen.calls)});
            assert_eq!(sum.response(), wanted, "money is neither made nor lost");
        });
        seen
    }
}

async fn connect(address: &str) -> Client {
    let builder = Client::builder().address(address).service("ledger").versions([1, 2, 3]);
    let builder = builder.session(SessionPlan::demanded(Level::Durable)).call_time(PATIENCE);
    builder.connect().await.unwrap()
}

fn name(account: usize) -> String {
    format!("account {account}")
}

/// A call that fails, or whose fate is not known, fails the test.
async fn call(
    client: Client,
    number: usize,
    pace: Duration,
    is_over: Arc<AtomicBool>,
    answers: Arc<watch::Sender<u64>>,
) -> (Vec<u64>, Duration) {
    let (mut told, mut pause) = (Vec::new(), Duration::ZERO);
    for index in 0..MAX_CALLS {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let from = name((number + index) % ACCOUNTS);
        let to = name((number + index + 1) % ACCOUNTS);
        let transfer = ubf!({transfer, (from.as_str()), (to.as_str()), 1});
        let began = Instant::now();
        let reply = client.call(transfer).await.unwrap();
        pause = pause.max(began.elapsed());
        let response: Term = reply.response().to_term();
        told.push(response.get(1).and_then(Term::as_u64).unwrap_or_else(|| panic!("{response}")));
        answers.send_modify(|count| *count += 1);
        tokio::time::sleep(pace).await;
    }
    (told, pause)
}

/// Connects again and again: nobody is ever refused.
async fn knock(address: String, is_over: Arc<AtomicBool>) -> u64 {
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        drop(tokio::net::TcpStream::connect(&address).await.expect("nobody is refused"));
        count += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    count
}
