//! How long clients wait while something is done to their server: the longest answer of each of
//! many connections, before the command and around it.
//!
//! ```text
//! upgrade_pause ADDRESS CONNECTIONS REQUEST [--session LEVEL] [--reconnect] -- COMMAND…
//! upgrade_pause 127.0.0.1:4000 1000 "3 {'put'\"a\"1}$" -- ubf upgrade --control /run/ubf.socket
//! ```
//! Each connection sends the request every 20 ms, the next one when it has its answer. A connection
//! that breaks is counted; with `--reconnect` it is made anew, and the request is sent again.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool that ends at a failure")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Between two requests of a connection. Chosen: 1,000 of them are 50,000 a second.
const INTERVAL: Duration = Duration::from_millis(20);
/// What is measured before the command, and behind it.
const AROUND: Duration = Duration::from_secs(3);
/// No answer is waited for any longer.
const PATIENCE: Duration = Duration::from_secs(60);

struct Arguments {
    address: String,
    connections: u64,
    request: String,
    level: Option<String>,
    reconnects: bool,
    command: Vec<String>,
}

fn arguments() -> Option<Arguments> {
    let mut given = std::env::args().skip(1);
    let (address, connections, request) = (given.next()?, given.next()?, given.next()?);
    let connections = connections.parse().ok()?;
    let mut arguments = Arguments {
        address,
        connections,
        request,
        level: None,
        reconnects: false,
        command: vec![],
    };
    loop {
        match given.next()?.as_str() {
            "--session" => arguments.level = Some(given.next()?),
            "--reconnect" => arguments.reconnects = true,
            "--" => break,
            _ => return None,
        }
    }
    arguments.command = given.collect();
    (!arguments.command.is_empty()).then_some(arguments)
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    broken: AtomicU64,
    answered: AtomicU64,
}

/// One packet of the answer. No text in it has a dollar.
async fn answer(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut heard, mut block) = (Vec::new(), [0; 512]);
    while !heard.ends_with(b"$") {
        match stream.read(&mut block).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => heard.extend_from_slice(block.get(..count).unwrap_or_default()),
        }
    }
    Ok(heard)
}

async fn connect(arguments: &Arguments, number: u64) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(&arguments.address).await?;
    stream.set_nodelay(true)?;
    if let Some(level) = &arguments.level {
        let option =
            format!("{{'session'16~{:08}{number:08}~1024 4194304 60000}}", std::process::id());
        stream.write_all(format!("0 {{'negotiate'1?#3&#{option}&}}$").as_bytes()).await?;
        let agreed = answer(&mut stream).await?;
        assert!(String::from_utf8_lossy(&agreed).contains(level.as_str()), "no session is granted");
    }
    Ok(stream)
}

/// The longest answer of each period, in which a period is what `period` says.
async fn client(
    arguments: Arc<Arguments>,
    shared: Arc<Shared>,
    period: Arc<AtomicU64>,
    number: u64,
) -> [Duration; 2] {
    let mut longest = [Duration::ZERO; 2];
    let mut stream = connect(&arguments, number).await.unwrap();
    while !shared.is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let exchange = async {
            stream.write_all(arguments.request.as_bytes()).await?;
            answer(&mut stream).await
        };
        if timeout(PATIENCE, exchange).await.unwrap().is_err() {
            shared.broken.fetch_add(1, Ordering::Relaxed);
            if !arguments.reconnects {
                break;
            }
            loop {
                assert!(began.elapsed() < PATIENCE, "nobody serves");
                let again = async {
                    let mut stream = connect(&arguments, number).await?;
                    stream.write_all(arguments.request.as_bytes()).await?;
                    answer(&mut stream).await.map(|_| stream)
                };
                match again.await {
                    Ok(made) => {
                        stream = made;
                        break;
                    }
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            }
        }
        let place = usize::from(period.load(Ordering::Relaxed) > 0);
        if let Some(longest) = longest.get_mut(place) {
            *longest = (*longest).max(began.elapsed());
        }
        shared.answered.fetch_add(1, Ordering::Relaxed);
        sleep(INTERVAL.saturating_sub(began.elapsed())).await;
    }
    longest
}

fn show(what: &str, mut longest: Vec<Duration>) {
    longest.sort_unstable();
    let at = |part: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is an index"
        )]
        #[allow(clippy::cast_precision_loss, reason = "there are some thousands")]
        let place = (longest.len().saturating_sub(1) as f64 * part) as usize;
        longest.get(place).map_or(0.0, |it| it.as_secs_f64() * 1_000.0)
    };
    let (p50, p90, p99, most) = (at(0.5), at(0.9), at(0.99), at(1.0));
    println!("{what:<10} p50 {p50:8.1}  p90 {p90:8.1}  p99 {p99:8.1}  longest {most:8.1}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(arguments) = arguments() else {
        println!(
            "upgrade_pause ADDRESS CONNECTIONS REQUEST [--session LEVEL] [--reconnect] -- COMMAND"
        );
        std::process::exit(2);
    };
    let (arguments, shared) = (Arc::new(arguments), Arc::new(Shared::default()));
    let period = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..arguments.connections)
        .map(|number| {
            let (arguments, shared) = (Arc::clone(&arguments), Arc::clone(&shared));
            tokio::spawn(client(arguments, shared, Arc::clone(&period), number))
        })
        .collect();
    sleep(AROUND).await;
    period.store(1, Ordering::Relaxed);
    let (program, rest) = arguments.command.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(rest);
    let status = tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap();
    sleep(AROUND).await;
    shared.is_over.store(true, Ordering::Relaxed);
    let (mut before, mut around) = (Vec::new(), Vec::new());
    for client in clients {
        let [first, second] = client.await.unwrap();
        before.push(first);
        around.push(second);
    }
    println!("the longest answer of each of {} connections, ms", arguments.connections);
    show("before", before);
    show("around", around);
    let (answered, broken) = (&shared.answered, &shared.broken);
    println!(
        "{} answers, {} connections broken",
        answered.load(Ordering::Relaxed),
        broken.load(Ordering::Relaxed)
    );
    println!("the command ended with {status}");
}
