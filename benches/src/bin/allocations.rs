//! What takes memory: each operation, as JSON, or an idle client. Another program than the report's,
//! because counting slows the allocator down.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use benches::measure::Allocations;
use benches::{Error, wire};
use bytes::Bytes;
use clap::{Parser, Subcommand, ValueEnum};
use ubf_client::{Client, SessionPlan};
use ubf_codec::ubf;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Counts what a client holds that has called once, and has nothing more to say.
    Idle {
        #[arg(value_enum)]
        whose: Whose,
        /// The server's.
        address: SocketAddr,
        /// How many clients there are.
        count: usize,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Whose {
    Ubf,
    InSession,
    Bare,
}

fn main() -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match Arguments::parse().command {
        None => serde_json::to_writer(&mut out, &operations()?)?,
        Some(Command::Idle { whose, address, count }) => {
            serde_json::to_writer(&mut out, &idle(whose, address, count)?)?;
        }
    }
    Ok(out.flush()?)
}

/// How often each operation takes memory.
fn operations() -> Result<Vec<Allocations>, Error> {
    let mut found = Vec::new();
    for document in benches::work::documents() {
        for mut operation in benches::work::operations(document)? {
            // The first time, what is kept from one time to the next takes its memory.
            operation.run();
            let counted = allocation_counter::measure(|| operation.run());
            found.push(Allocations {
                key: operation.key,
                count: counted.count_total,
                peak_bytes: counted.bytes_max,
            });
        }
    }
    Ok(found)
}

/// Clients with which nothing is done but that they are there.
struct Idle {
    ours: Vec<Client>,
    bare: Vec<wire::Handle>,
}

impl Idle {
    fn with_capacity(count: usize) -> Self {
        Self { ours: Vec::with_capacity(count), bare: Vec::with_capacity(count) }
    }

    async fn open(&mut self, whose: Whose, address: SocketAddr, count: usize) -> Result<(), Error> {
        for _ in 0..count {
            match whose {
                Whose::Ubf => self.ours.push(ours(address, SessionPlan::off()).await?),
                Whose::InSession => self.ours.push(ours(address, SessionPlan::wanted()).await?),
                Whose::Bare => {
                    let handle = wire::Handle::connect(address).await?;
                    handle.call(Bytes::from_static(b"x")).await?;
                    self.bare.push(handle);
                }
            }
        }
        // What ends with a call has ended when its task has had its turn.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

async fn ours(address: SocketAddr, plan: SessionPlan) -> Result<Client, Error> {
    // A client that pings is not idle.
    let never = Duration::from_secs(24 * 60 * 60);
    let builder = Client::builder().address(address.to_string()).versions([1]).session(plan);
    let client = builder.configure(|config| config.ping_after = never).connect().await?;
    client.call(ubf!(x)).await?;
    Ok(client)
}

/// Bytes of the heap that each of so many clients holds.
fn idle(whose: Whose, address: SocketAddr, count: usize) -> Result<f64, Error> {
    // All is done on this thread, and only what this thread takes is counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut clients = Idle::with_capacity(2 * count);
    // What is taken once, and what threads keep, is not counted.
    runtime.block_on(clients.open(whose, address, count))?;
    let mut opened = Ok(());
    let counted = allocation_counter::measure(|| {
        opened = runtime.block_on(clients.open(whose, address, count));
    });
    opened?;
    #[expect(clippy::cast_precision_loss, reason = "no program takes 2^52 bytes")]
    let each = counted.bytes_current as f64 / count as f64;
    Ok(each)
}
