//! The server's process: this program again, which serves, and says what it has used when it is
//! asked.

use std::env;
use std::io::{BufRead as _, BufReader, Write, stdin};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use benches::Error;
use clap::{Args, ValueEnum as _};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use ubf_codec::NextIp;
use ubf_load::process::Look;

use super::bare::Bare;
use super::peer::{Kind, Peer as _};
use super::tarpc::Tarpc;
use super::tonic::Tonic;
use super::ubf::{self, Ubf};

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[arg(value_enum)]
    kind: Kind,
    /// Where clients are sent on.
    #[arg(long)]
    next_ip: Option<NextIp>,
}

/// What a server has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    pub(crate) resident_bytes: u64,
}

/// A server in a process of its own, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: process::Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Child {
    pub(crate) fn start(kind: Kind, next_ip: Option<SocketAddr>) -> Result<Self, Error> {
        let name = kind.to_possible_value().ok_or("every kind has a name")?;
        let mut command = Command::new(env::current_exe()?);
        command.arg("serve").arg(name.get_name());
        if let Some(address) = next_ip {
            command.arg("--next-ip").arg(address.to_string());
        }
        #[cfg(feature = "tls")]
        if kind.is_tls() {
            command.env(super::tls::FOLDER, super::tls::folder());
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = process.stdin.take().ok_or("the process has an input")?;
        let mut answers = BufReader::new(process.stdout.take().ok_or("the process has an output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        Ok(Self { process, questions, answers, address: line.trim().parse()? })
    }

    pub(crate) fn used(&mut self) -> Result<Used, Error> {
        self.questions.write_all(b"\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let (nanoseconds, bytes) = line.trim().split_once(' ').ok_or("the server has gone")?;
        Ok(Used { cpu: Duration::from_nanos(nanoseconds.parse()?), resident_bytes: bytes.parse()? })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, and that is as well.
        let _is_killed = self.process.kill();
        let _status = self.process.wait();
    }
}

/// What the process does: it says its address, and then on each line of input what it has used. It
/// ends with its input.
pub(crate) fn serve(arguments: ServeArguments, out: &mut impl Write) -> Result<(), Error> {
    thread::spawn(answer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        match (arguments.kind, arguments.next_ip) {
            (Kind::Ubf, Some(next_ip)) => ubf::serve(listener, Some(next_ip)).await,
            (Kind::Ubf | Kind::InSession | Kind::Packets, _) => Ubf::serve(listener).await,
            (Kind::Bare | Kind::Handle, _) => Bare::serve(listener).await,
            (Kind::Tarpc, _) => Tarpc::serve(listener).await,
            (Kind::Tonic, _) => Tonic::serve(listener).await,
            #[cfg(feature = "tls")]
            (Kind::UbfTls, _) => super::tls::UbfTls::serve(listener).await,
            #[cfg(feature = "tls")]
            (Kind::TonicTls, _) => super::tls::TonicTls::serve(listener).await,
        }
    })
}

#[expect(clippy::exit, clippy::print_stdout, reason = "a process that only answers its parent")]
fn answer() {
    for line in stdin().lines() {
        let (Ok(_), Ok(Used { cpu, resident_bytes })) = (line, used()) else { break };
        println!("{} {resident_bytes}", cpu.as_nanos());
    }
    process::exit(0);
}

fn used() -> Result<Used, Error> {
    let cpu = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?;
    Ok(Used { cpu, resident_bytes: Look::own()?.rss_bytes })
}
