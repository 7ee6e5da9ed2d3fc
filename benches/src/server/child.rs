//! The server's process: this program again, which serves, and says what it has used when it is
//! asked.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write, stdin};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use benches::Error;
use clap::{Args, ValueEnum as _};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use ubf_codec::NextIp;
use ubf_load::process::Look;

use super::bare::Bare;
use super::bodies::Typed;
use super::peer::{Kind, Peer as _};
use super::pin::Processors;
use super::tarpc::Tarpc;
use super::tonic::Tonic;
use super::ubf::{self, Ubf};

/// For a process to end after its input has. Chosen: a thousand times what it takes.
const MAX_ENDING_TIME: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[arg(value_enum)]
    kind: Kind,
    /// Where clients are sent on.
    #[arg(long)]
    next_ip: Option<NextIp>,
    /// Threads of the server.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// The processors that it keeps to.
    #[arg(long)]
    processors: Option<String>,
}

/// Where a server runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The processors that it keeps to; those of this process if there is nothing.
    pub(crate) processors: Option<Processors>,
    /// Threads, if it is not one.
    pub(crate) workers: Option<usize>,
    /// Where it sends its clients.
    pub(crate) next_ip: Option<SocketAddr>,
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
    /// `None` once it is to end.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Child {
    pub(crate) fn start(kind: Kind, place: &Place) -> Result<Self, Error> {
        let mut command = Command::new(env::current_exe()?);
        command.args(arguments(kind, place)?);
        #[cfg(feature = "tls")]
        if kind.is_tls() {
            command.env(super::tls::FOLDER, super::tls::folder());
        }
        Self::run(command)
    }

    /// The same under callgrind, which writes the instructions to this file when the process ends.
    pub(crate) fn start_counted(kind: Kind, place: &Place, counts: &Path) -> Result<Self, Error> {
        let mut command = crate::counts::callgrind(counts);
        command.arg(env::current_exe()?).args(arguments(kind, place)?);
        command.stderr(Stdio::null());
        Self::run(command)
    }

    fn run(mut command: Command) -> Result<Self, Error> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = process.stdin.take();
        let answers = process.stdout.take();
        // From here on it ends with this.
        let mut child = Self {
            process,
            questions,
            answers: BufReader::new(answers.ok_or("the process has an output")?),
            address: (Ipv4Addr::UNSPECIFIED, 0).into(),
        };
        let mut line = String::new();
        child.answers.read_line(&mut line)?;
        let address = line.trim().parse();
        child.address = address.map_err(|_| "the server has ended before it has served")?;
        Ok(child)
    }

    pub(crate) fn used(&mut self) -> Result<Used, Error> {
        self.questions.as_mut().ok_or("the server is to end")?.write_all(b"\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let (nanoseconds, bytes) = line.trim().split_once(' ').ok_or("the server has gone")?;
        Ok(Used { cpu: Duration::from_nanos(nanoseconds.parse()?), resident_bytes: bytes.parse()? })
    }

    /// Lets it end by itself, and waits until it has.
    pub(crate) fn end(mut self) -> Result<(), Error> {
        self.questions = None;
        wait(&mut self.process, MAX_ENDING_TIME)
    }
}

/// Waits until a process has ended well.
pub(super) fn wait(process: &mut process::Child, within: Duration) -> Result<(), Error> {
    let latest = Instant::now() + within;
    loop {
        match process.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("a process has ended: {status}").into()),
            None if Instant::now() > latest => return Err("a process does not end".into()),
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, and that is as well.
        let _is_killed = self.process.kill();
        let _status = self.process.wait();
    }
}

fn arguments(kind: Kind, place: &Place) -> Result<Vec<OsString>, Error> {
    let name = kind.to_possible_value().ok_or("every kind has a name")?;
    let mut arguments = vec!["serve".into(), name.get_name().into()];
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            arguments.extend([name.into(), value.into()]);
        }
    };
    option("--next-ip", place.next_ip.map(|address| address.to_string()));
    option("--workers", place.workers.map(|count| count.to_string()));
    option("--processors", place.processors.as_ref().map(Processors::to_argument));
    Ok(arguments)
}

/// What the process does: it says its address, and then on each line of input what it has used. It
/// ends with its input.
pub(crate) fn serve(arguments: &ServeArguments, out: &mut impl Write) -> Result<(), Error> {
    if let Some(processors) = &arguments.processors {
        Processors::from_argument(processors)?.keep_to()?;
    }
    thread::spawn(answer);
    runtime(arguments.workers)?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        writeln!(out, "{}", listener.local_addr()?)?;
        out.flush()?;
        match (arguments.kind, arguments.next_ip.clone()) {
            (Kind::Ubf, Some(next_ip)) => ubf::serve(listener, Some(next_ip)).await,
            (Kind::Ubf | Kind::InSession | Kind::Packets, _) => Ubf::serve(listener).await,
            (Kind::Typed, _) => Typed::serve(listener).await,
            (Kind::Bare | Kind::Handle | Kind::Halves, _) => Bare::serve(listener).await,
            (Kind::Tarpc, _) => Tarpc::serve(listener).await,
            (Kind::Tonic, _) => Tonic::serve(listener).await,
            #[cfg(feature = "tls")]
            (Kind::UbfTls, _) => super::tls::UbfTls::serve(listener).await,
            #[cfg(feature = "tls")]
            (Kind::TonicTls, _) => super::tls::TonicTls::serve(listener).await,
        }
    })
}

fn runtime(workers: usize) -> std::io::Result<Runtime> {
    match workers {
        0 | 1 => Builder::new_current_thread().enable_all().build(),
        count => Builder::new_multi_thread().worker_threads(count).enable_all().build(),
    }
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
