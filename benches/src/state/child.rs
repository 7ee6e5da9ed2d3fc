//! The server's process: this program again, which serves until its input ends.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write, stdin};
use std::net::SocketAddr;
use std::process::{self, ChildStdin, Command, Stdio};
use std::thread;

use benches::Error;
use clap::{Args, ValueEnum as _};
use ubf_node::services::{Echo, Kv, KvRows};
use ubf_server::{Server, ServerBuilder, Service, Versions};
use ubf_service::server::{Keeper, KeeperConfig};
use ubf_store::{Memory, Postgres, Redb, Store};

use super::Kind;

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[arg(value_enum)]
    kind: Kind,
    /// The file, or the database.
    place: String,
}

/// A server in a process of its own, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    /// The process ends when this does.
    _input: ChildStdin,
    pub(super) address: SocketAddr,
}

impl Child {
    pub(super) fn start(kind: Kind, place: &str) -> Result<Self, Error> {
        let name = kind.to_possible_value().ok_or("every kind has a name")?;
        let mut command = Command::new(env::current_exe()?);
        command.args(["serve-state", name.get_name(), place]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take().ok_or("the process has an input")?;
        let output = process.stdout.take().ok_or("the process has an output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok(Self { process, _input: input, address: line.trim().parse()? })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, and that is as well.
        let _is_killed = self.process.kill();
        let _status = self.process.wait();
    }
}

/// What the process does: it says its address, and serves.
pub(crate) fn serve(arguments: &ServeArguments, out: &mut impl Write) -> Result<(), Error> {
    thread::spawn(end_with_input);
    let builder = with_service(Server::builder().listen("127.0.0.1:0"), arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = builder.bind().await?;
        let address = server.addresses().first().copied().ok_or("it listens")?;
        writeln!(out, "{address}")?;
        out.flush()?;
        // It ends with this process, and has nothing to report then.
        let _report = server.run().await;
        Ok(())
    })
}

fn with_service(
    builder: ServerBuilder,
    ServeArguments { kind, place }: &ServeArguments,
) -> Result<ServerBuilder, Error> {
    let versions = Versions::of([3]);
    let store: Box<dyn Store> = match kind {
        Kind::Echo => return Ok(builder.service(Service::DEFAULT, Echo::new(versions))),
        Kind::Kv => return Ok(builder.service(Service::DEFAULT, Kv::new(&versions))),
        Kind::Memory => Box::new(Memory::new()),
        Kind::Redb => Box::new(Redb::open(place)?),
        Kind::Postgres => Box::new(Postgres::open(place)?),
    };
    let keeper = Keeper::start(KvRows::default(), store, KeeperConfig::default())?;
    Ok(builder.owned_service(Service::DEFAULT, keeper))
}

#[expect(clippy::exit, reason = "a process that ends with its parent")]
fn end_with_input() {
    let _is_read = stdin().read_to_end(&mut Vec::new());
    process::exit(0);
}
