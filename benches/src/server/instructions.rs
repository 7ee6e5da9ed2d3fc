//! Instructions of a call, which neighbours' load does not change: an end runs under callgrind, a
//! second time with four times as many calls, and what a call more takes is the difference.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::Duration;
use std::{env, fs};

use benches::Error;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::bare::Bare;
use super::bodies;
use super::child::{Child, Place, wait};
use super::figures::DEPTH;
use super::handle::Handle;
use super::load::{Extent, pipelined};
use super::packets::Packets;
use super::peer::{Kind, Peer, Target};
use super::tarpc::Tarpc;
use super::ubf::{InSession, Ubf};
use crate::counts;
use crate::missing::Missing;

/// For one end to make its calls under callgrind. Chosen: ten times what it takes.
const MAX_TIME: Duration = Duration::from_secs(120);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Counted {
    Server,
    ServerInSession,
    /// Handlers of Rust values that do not wait.
    TypedAtOnce,
    /// Handlers of Rust values that may wait.
    TypedMayWait,
    BareServer,
    TarpcServer,
    Client,
    ClientInSession,
    /// The bare server's client with a handle.
    BareHandle,
}

impl Counted {
    const ALL: [Self; 9] = [
        Self::Server,
        Self::ServerInSession,
        Self::TypedAtOnce,
        Self::TypedMayWait,
        Self::BareServer,
        Self::TarpcServer,
        Self::Client,
        Self::ClientInSession,
        Self::BareHandle,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server, echo of bytes",
            Self::ServerInSession => "server, echo of bytes in a session",
            Self::TypedAtOnce => "server, typed (`on_typed_now`)",
            Self::TypedMayWait => "server, typed (`on_typed`)",
            Self::BareServer => "bare tokio's server",
            Self::TarpcServer => "tarpc's server",
            Self::Client => "client",
            Self::ClientInSession => "client in a session",
            Self::BareHandle => "bare tokio's client with a handle",
        }
    }
}

/// Instructions that a call takes of one end, [`DEPTH`] calls being in flight.
#[derive(Debug, Serialize)]
pub(crate) struct Instructions {
    pub(crate) of: Counted,
    pub(crate) a_call: f64,
}

#[derive(Debug, Args)]
pub(crate) struct CallArguments {
    #[arg(value_enum)]
    caller: Caller,
    address: SocketAddr,
    calls: u64,
}

/// Whose client runs in a process of its own.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Caller {
    Ubf,
    InSession,
    Handle,
}

impl Caller {
    const fn server(self) -> Kind {
        match self {
            Self::Ubf | Self::InSession => Kind::Ubf,
            Self::Handle => Kind::Handle,
        }
    }
}

/// What a client's process does.
pub(crate) fn call(arguments: &CallArguments) -> Result<(), Error> {
    let target = Target::new(arguments.address);
    let calls = arguments.calls;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        match arguments.caller {
            Caller::Ubf => pipeline::<Ubf>(target, calls).await,
            Caller::InSession => pipeline::<InSession>(target, calls).await,
            Caller::Handle => pipeline::<Handle>(target, calls).await,
        }
    })
}

async fn pipeline<P: Peer>(target: Target, calls: u64) -> Result<(), Error> {
    let client = P::connect(target).await?;
    let made = pipelined::<P>(client, DEPTH, Extent::Calls(calls)).await?.calls;
    if made == calls {
        return Ok(());
    }
    Err(format!("{made} calls were made, and not {calls}").into())
}

/// Counts all ends, with so many calls and four times as many.
pub(super) async fn measure(
    calls: u64,
    place: &Place,
    missing: &mut Missing,
) -> Result<Vec<Instructions>, Error> {
    if !counts::has_valgrind() {
        return Err("there is no valgrind to count instructions with".into());
    }
    let folder = Folder::new()?;
    let mut found = Vec::new();
    for of in Counted::ALL {
        let file = folder.0.join("counts");
        let counted = async {
            let few = count(of, calls, place, &file).await?;
            let many = count(of, 4 * calls, place, &file).await?;
            #[expect(clippy::cast_precision_loss, reason = "no count has 52 bits")]
            let a_call = many.saturating_sub(few) as f64 / (3 * calls) as f64;
            Ok(Instructions { of, a_call })
        };
        found.extend(missing.within(of.as_str(), 2 * MAX_TIME, counted).await);
    }
    Ok(found)
}

async fn count(of: Counted, calls: u64, place: &Place, file: &Path) -> Result<u64, Error> {
    let (kind, version) = match of {
        Counted::Server | Counted::ServerInSession => (Kind::Ubf, 1),
        Counted::TypedAtOnce => (Kind::Typed, bodies::AT_ONCE),
        Counted::TypedMayWait => (Kind::Typed, bodies::MAY_WAIT),
        Counted::BareServer => (Kind::Bare, 1),
        Counted::TarpcServer => (Kind::Tarpc, 1),
        Counted::Client => return client(Caller::Ubf, calls, place, file),
        Counted::ClientInSession => return client(Caller::InSession, calls, place, file),
        Counted::BareHandle => return client(Caller::Handle, calls, place, file),
    };
    let child = Child::start_counted(kind, place, file)?;
    let target = Target { version, ..Target::new(child.address) };
    match of {
        Counted::ServerInSession => pipeline::<InSession>(target, calls).await?,
        Counted::BareServer => pipeline::<Bare>(target, calls).await?,
        Counted::TarpcServer => pipeline::<Tarpc>(target, calls).await?,
        Counted::Server
        | Counted::TypedAtOnce
        | Counted::TypedMayWait
        | Counted::Client
        | Counted::ClientInSession
        | Counted::BareHandle => pipeline::<Packets>(target, calls).await?,
    }
    child.end()?;
    counts::total(file)
}

fn client(caller: Caller, calls: u64, place: &Place, file: &Path) -> Result<u64, Error> {
    let child = Child::start(caller.server(), place)?;
    let name = caller.to_possible_value().ok_or("every caller has a name")?;
    let mut process = counts::callgrind(file)
        .arg(env::current_exe()?)
        .args(["call", name.get_name(), &child.address.to_string(), &calls.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let ended = wait(&mut process, MAX_TIME);
    if ended.is_err() {
        // It may have ended by itself.
        let _is_killed = process.kill().and_then(|()| process.wait());
    }
    ended?;
    counts::total(file)
}

/// A folder that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Error> {
        let path = env::temp_dir().join(format!("ubf-benches-instructions-{}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is no fault.
        let _is_gone = fs::remove_dir_all(&self.0);
    }
}
