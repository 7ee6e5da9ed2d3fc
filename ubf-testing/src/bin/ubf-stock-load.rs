//! Load for servers that know no versions, ours and stock ones alike: so many connections, each
//! with one call at a time, for so long.
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
use ubf_codec::Term;
use ubf_proto::Time;
use ubf_proto::classic::client::{Call, CallId, ClientSession, Config, HelloMode, Input, Output};

/// Call a server that knows no versions as often as it answers, and say how often that was.
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

fn main() -> ExitCode {
    let arguments = Arc::new(Arguments::parse());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let until = start + Duration::from_secs(arguments.seconds);
    let (mut calls, mut failures) = (0, Vec::new());
    runtime.block_on(async {
        let mut connections = JoinSet::new();
        for _ in 0..arguments.connections {
            connections.spawn(call_until(Arc::clone(&arguments), until));
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

/// One connection: the calls that were answered, or why it ended early.
async fn call_until(arguments: Arc<Arguments>, until: Instant) -> Result<u64, String> {
    let mut stream =
        TcpStream::connect(&arguments.address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut config = Config::default();
    if arguments.no_hello {
        config.hello = HelloMode::None;
    }
    // Nothing here has a deadline: the clock may stand still.
    let now = Time::ZERO;
    let mut session = ClientSession::new(Arc::new(config), now);
    let start = Call::start(CallId(0), arguments.service.clone(), Term::list([]));
    session.handle(Input::Call(start), now);
    let mut ended = 0;
    let mut buffer = BytesMut::new();
    loop {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Transmit(bytes) => {
                    stream.write_all(&bytes).await.map_err(|error| error.to_string())?;
                    session.handle(Input::Written(bytes.len()), now);
                }
                Output::Ended { outcome: Ok(_), .. } => {
                    ended += 1;
                    if Instant::now() >= until {
                        // The start was no call.
                        return Ok(ended - 1);
                    }
                    let call = Call::request(CallId(ended), arguments.request.clone());
                    session.handle(Input::Call(call), now);
                }
                Output::Ended { outcome: Err(error), .. } => return Err(error.to_string()),
                Output::Close(why) => return Err(why.to_string()),
                Output::Ready(_) | Output::Event(_) | Output::Notice(_) | _ => {}
            }
        }
        buffer.reserve(4096);
        match stream.read_buf(&mut buffer).await {
            Ok(0) => session.handle(Input::EndOfStream, now),
            Ok(_) => session.handle(Input::Received(buffer.split()), now),
            Err(error) => return Err(error.to_string()),
        }
    }
}
