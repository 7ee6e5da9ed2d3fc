//! What contracts cost: a term against a type, a text, two contracts, and the CPU time of a server
//! whose service is held against one. `cargo bench -p benches --no-default-features --features
//! contracts --bench contract -- enforcement` runs some.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;
use ubf_codec::{Decoder, Encoder, Term, ubf};
use ubf_contract::compare::{Comparison, Verdict};
use ubf_contract::{Checker, Contract, Faker, Reader};
use ubf_node::services::Echo;
use ubf_server::{Contracts, Enforcement, Server, ServerLimits, Service, Versions};

/// An order of about 100 bytes, and that it comes back.
const SHOP: &str = r#"+NAME("echo"). +VSN("1").
+TYPES
  order() :: {order, pos_integer(), customer(), [item()]+, status(), ubfstring()};
  customer() :: #customer{name :: ubfstring(), age :: 0..150, email :: ubfstring()?};
  item() :: #item{name :: ubfstring(), count :: 1..99};
  status() :: open | paid | sent.
+STATE start order() => order() & start.
"#;

fn shop() -> Contract {
    read(SHOP)
}

#[expect(clippy::panic, reason = "what is wrong must not be measured")]
fn read(text: &str) -> Contract {
    Reader::new().read(text).unwrap_or_else(|error| panic!("{error}"))
}

fn order() -> Term {
    ubf!({order, 471_100, {customer, "Joe Armstrong", 68, ?}, [{item, "pen", 3}, {item, "ink", 1}], paid, "to be left at the neighbour's"})
}

fn checking(c: &mut Criterion) {
    let checker = Checker::new(shop());
    let packet = Encoder::new().encode(&order());
    let (mut decoder, node) = (Decoder::new(), checker.graph().named(b"order"));
    let (Ok(document), Some(node)) = (decoder.decode(&packet), node) else { return };
    let mut group = c.benchmark_group("check");
    group.throughput(Throughput::Bytes(packet.len() as u64));
    group.bench_function("record", |bencher| {
        bencher.iter(|| assert_eq!(checker.fits(node, black_box(document.root())), Ok(true)));
    });
    let wrong = ubf!({order, 471_100, {customer, "Joe", 68, ?}, [{item, "pen", 300}], paid, ""});
    group.bench_function("record that does not fit", |bencher| {
        bencher.iter(|| assert!(checker.check(node, black_box(&wrong)).is_err()));
    });
    group.bench_function("made up", |bencher| {
        let mut faker = Faker::new(&checker, 1);
        bencher.iter(|| faker.term(node));
    });
    group.finish();
}

/// A contract of about so many lines: records of records, and rules for them.
fn large(lines: usize, changed: Option<usize>) -> String {
    let (types, states) = (lines / 2, lines / 20);
    let mut text = String::from("+NAME(\"large\").\n+VSN(\"1\").\n\n+TYPES\n");
    let mut line = |index: usize| {
        let (one, other) = ((index * 7 + 1) % types, (index * 13 + 5) % types);
        let last = if changed == Some(index) { "101" } else { "100" };
        let end = if index + 1 == types { "." } else { ";" };
        writeln!(
            text,
            "  type_{index}() :: #record_{index}{{id :: 1..{last}, name :: ubfstring(), \
             one :: type_{one}()?, others :: [type_{other}()], kind :: small | large}}{end}"
        )
    };
    (0..types).for_each(|index| line(index).unwrap_or_default());
    for state in 0..states {
        let name = if state == 0 { "start".into() } else { format!("state_{state}") };
        let next = (state + 1) % states;
        let next = if next == 0 { "start".into() } else { format!("state_{next}") };
        writeln!(text, "\n+STATE {name}").unwrap_or_default();
        for rule in 0..8 {
            let (request, reply) = ((state * 8 + rule) % types, (state * 5 + rule) % types);
            let end = if rule == 7 { "." } else { ";" };
            writeln!(text, "  type_{request}() => type_{reply}() & {next}{end}")
                .unwrap_or_default();
        }
    }
    text
}

fn reading(c: &mut Criterion) {
    let text = large(10_000, None);
    let mut group = c.benchmark_group("read");
    group.sample_size(10).throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function(BenchmarkId::new("lines", text.lines().count()), |bencher| {
        bencher.iter_batched(
            || text.as_str(),
            |text| read(black_box(text)),
            BatchSize::PerIteration,
        );
    });
    let contract = read(&text);
    group.bench_function("print", |bencher| bencher.iter(|| contract.print()));
    group.finish();
}

fn comparing(c: &mut Criterion) {
    let [old, new] = [None, Some(500)].map(|changed| read(&large(2_000, changed)));
    let mut group = c.benchmark_group("compare");
    group.sample_size(10);
    group.bench_function("1000 types and 100 states, unchanged", |bencher| {
        bencher.iter(|| assert_eq!(Comparison::new(&old, &old).run().backward, Verdict::Serves));
    });
    group.bench_function("1000 types and 100 states, one changed", |bencher| {
        bencher.iter(|| assert_eq!(Comparison::new(&old, &new).run().backward, Verdict::Breaks));
    });
    group.finish();
}

/// A server in a thread of its own, whose CPU time counts.
struct Measured {
    address: SocketAddr,
    ask: tokio::sync::mpsc::UnboundedSender<oneshot::Sender<Duration>>,
}

impl Measured {
    #[expect(clippy::expect_used, reason = "without the server there is nothing to measure")]
    fn start(enforcement: Enforcement) -> Self {
        let (ask, asked) = tokio::sync::mpsc::unbounded_channel();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(enforcement, tell, asked));
        });
        let address = told.recv().expect("the server has an address");
        Self { address, ask }
    }

    #[expect(clippy::expect_used, reason = "the server does not end before its clients")]
    fn cpu_time(&self) -> Duration {
        let (tell, told) = oneshot::channel();
        self.ask.send(tell).expect("the server is there");
        told.blocking_recv().expect("it answers")
    }
}

#[expect(clippy::expect_used, reason = "without the server there is nothing to measure")]
async fn serve(
    enforcement: Enforcement,
    tell: mpsc::Sender<SocketAddr>,
    mut asked: tokio::sync::mpsc::UnboundedReceiver<oneshot::Sender<Duration>>,
) {
    let echo = Contracts::new(Echo::new(Versions::of([1])))
        .version(1, shop())
        .with_enforcement(enforcement);
    let mut limits = ServerLimits::default();
    limits.max_connections_per_address = 1024;
    let server = Server::builder().listen("127.0.0.1:0").limits(limits);
    let server = server.service(Service::DEFAULT, echo).bind().await.expect("it binds");
    let address = server.addresses().first().and_then(|address| address.to_string().parse().ok());
    tell.send(address.expect("an address")).expect("somebody waits");
    let running = tokio::spawn(server.run());
    while let Some(answer) = asked.recv().await {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
        answer.send(Duration::from_secs(seconds) + Duration::from_nanos(nanos)).ok();
    }
    running.abort();
}

/// A connection without a client's machinery: the bytes of one request, and of its reply.
struct Caller {
    stream: TcpStream,
    requests: Vec<u8>,
    replies: Vec<u8>,
    read: Vec<u8>,
}

impl Caller {
    fn connect(address: SocketAddr, depth: usize) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(b"0 {'negotiate'1?#1&#}$")?;
        let mut agreed = [0; 4096];
        let len = stream.read(&mut agreed)?;
        assert!(agreed.get(..len).is_some_and(|agreed| agreed.starts_with(b"1 ? {'agreed'1?")));
        let (request, reply) = (order(), ubf!({(order()), start}));
        let [request, reply] = [&request, &reply].map(|term| Encoder::new().encode(term));
        let requests = [&b"1 "[..], &request].concat().repeat(depth);
        let replies = [&b"1 ? "[..], &reply].concat().repeat(depth);
        Ok(Self { stream, requests, read: vec![0; replies.len()], replies })
    }

    fn send(&mut self) -> std::io::Result<()> {
        self.stream.write_all(&self.requests)
    }

    fn receive(&mut self) -> std::io::Result<()> {
        self.stream.read_exact(&mut self.read)?;
        assert!(self.read == self.replies, "a reply is another one");
        Ok(())
    }
}

#[expect(clippy::expect_used, reason = "without connections there is nothing to measure")]
fn enforcement(c: &mut Criterion) {
    let mut group = c.benchmark_group("enforcement, server CPU a call");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    for (name, connections, depth) in [("64 connections", 64, 1), ("64 in flight", 1, 64)] {
        for mode in [Enforcement::Off, Enforcement::Enforce] {
            let server = Measured::start(mode);
            let callers = (0..connections).map(|_| Caller::connect(server.address, depth));
            let mut callers: Vec<Caller> =
                callers.collect::<Result<_, _>>().expect("they are connected");
            group.bench_function(BenchmarkId::new(name, format!("{mode:?}")), |bencher| {
                bencher.iter_custom(|calls| {
                    let rounds = calls.div_ceil(64);
                    let before = server.cpu_time();
                    for _ in 0..rounds {
                        callers.iter_mut().try_for_each(Caller::send).expect("it is sent");
                        callers.iter_mut().try_for_each(Caller::receive).expect("it is answered");
                    }
                    let spent = server.cpu_time().saturating_sub(before).as_secs_f64();
                    // A round is 64 calls; what was asked for may be less.
                    Duration::from_secs_f64(spent * calls as f64 / (rounds * 64) as f64)
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = checking, reading, comparing, enforcement
}
criterion_main!(benches);
