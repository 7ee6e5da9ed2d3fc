//! Load for servers that know no versions, ours and stock ones alike: so many connections, each
//! with one call at a time, for so long.
//!
//! One thread, bytes that are made once, and no look into a reply but for its end: so that one core
//! calls faster than any of these servers answers from another. The first reply of a connection is
//! read as a packet; each later one has to be the same bytes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for the terminal")]

use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use clap::Parser;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use ubf_codec::{DecodeOptions, Dialect, Encoder, StreamDecoder, Term, View};

/// Room for one read: a reply has to fit.
const READ_BYTES: usize = 4096;
/// Calls between two looks at the clock, which cost about as much as a call.
const CALLS_PER_LOOK: u64 = 16;

/// Call a server that knows no versions as often as it answers, and say how often that was. Replies
/// have to be short, all alike, and without `$` inside.
#[derive(Debug, Parser)]
struct Arguments {
    /// The server: host:port
    address: String,
    /// The service whose sessions are begun
    service: String,
    /// The request: a term
    // Said by hand: without it a text becomes the string of the same text.
    #[arg(value_parser = Term::from_str)]
    request: Term,
    /// Connections at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// For how long, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The server does not speak first
    #[arg(long)]
    no_hello: bool,
}

/// What all connections send.
#[derive(Debug)]
struct Script {
    address: String,
    hears_hello: bool,
    start: Vec<u8>,
    request: Vec<u8>,
    until: Instant,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let until = start + Duration::from_secs(arguments.seconds);
    let script = Arc::new(Script::new(&arguments, until));
    let (mut calls, mut failures) = (0, Vec::new());
    runtime.block_on(async {
        let mut connections = JoinSet::new();
        for _ in 0..arguments.connections {
            connections.spawn(call_until(Arc::clone(&script)));
        }
        while let Some(ended) = connections.join_next().await {
            match ended {
                Ok(Ok(count)) => calls += count,
                Ok(Err(why)) => failures.push(why),
                Err(error) => failures.push(error.to_string()),
            }
        }
    });
    let rate = f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / start.elapsed().as_secs_f64();
    println!("calls {calls}, calls/s {rate:.0}, connections that failed {}", failures.len());
    match failures.first() {
        None => ExitCode::SUCCESS,
        Some(why) => {
            eprintln!("the first failure: {why}");
            ExitCode::FAILURE
        }
    }
}

impl Script {
    fn new(arguments: &Arguments, until: Instant) -> Self {
        let packet = |term: &Term| {
            let mut bytes = Encoder::new().with_dialect(Dialect::Classic).encode(term);
            bytes.push(b'\n');
            bytes
        };
        let service = Term::string(arguments.service.clone());
        let start = [Term::atom("startSession"), service, Term::list([])];
        Self {
            address: arguments.address.clone(),
            hears_hello: !arguments.no_hello,
            start: packet(&Term::tuple(start)),
            request: packet(&arguments.request),
            until,
        }
    }
}

/// One connection: the calls that were answered, or why it ended early.
async fn call_until(script: Arc<Script>) -> Result<u64, String> {
    let stream = TcpStream::connect(&script.address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut connection = Connection { stream, buffer: BytesMut::with_capacity(READ_BYTES) };
    if script.hears_hello {
        connection.packet().await?;
    }
    let started = connection.ask(&script.start).await?;
    check(&started, |reply| matches!(reply.view(), View::Tuple(pair) if pair.len() == 2))?;
    let first = connection.ask(&script.request).await?;
    check(&first, |_| true)?;
    let mut calls = 1;
    loop {
        if calls % CALLS_PER_LOOK == 0 && Instant::now() >= script.until {
            return Ok(calls);
        }
        connection.stream.write_all(&script.request).await.map_err(|error| error.to_string())?;
        connection.expect(&first).await?;
        calls += 1;
    }
}

struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    async fn ask(&mut self, packet: &[u8]) -> Result<BytesMut, String> {
        self.stream.write_all(packet).await.map_err(|error| error.to_string())?;
        self.packet().await
    }

    /// All that comes up to a `$`, and behind it: nothing more comes before the next call.
    async fn packet(&mut self) -> Result<BytesMut, String> {
        while !is_whole(&self.buffer) {
            self.read().await?;
        }
        Ok(self.buffer.split())
    }

    /// The reply, which is to be the same as the first one.
    async fn expect(&mut self, first: &[u8]) -> Result<(), String> {
        while !is_whole(&self.buffer) {
            self.read().await?;
        }
        if self.buffer.as_ref() != first {
            return Err(format!("another reply: {}", self.buffer.escape_ascii()));
        }
        self.buffer.clear();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), String> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err("closed by the server".into()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Erlang writes a line feed behind `$`.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.ends_with(b"$\n") || bytes.ends_with(b"$")
}

/// Whether the bytes are a packet of a reply.
fn check(bytes: &[u8], is_reply: impl Fn(ubf_codec::TermRef<'_>) -> bool) -> Result<(), String> {
    let options = DecodeOptions::new().with_dialect(Dialect::Classic);
    let mut decoder = StreamDecoder::new().with_options(options);
    let packet = decoder.decode(&mut BytesMut::from(bytes)).map_err(|error| error.to_string())?;
    let packet = packet.ok_or("half a packet")?;
    let root = packet.root();
    // A contract that was broken is answered, too.
    let is_broken = matches!(root.view(), View::Tuple(pair)
        if matches!(pair.get(0).map(|reply| reply.view()), Some(View::Tuple(reply))
            if reply.get(0).is_some_and(|word| word.is_atom("clientBrokeContract")
                || word.is_atom("serverBrokeContract"))));
    if is_broken || !is_reply(root) {
        return Err(format!("not a good reply: {root}"));
    }
    Ok(())
}
