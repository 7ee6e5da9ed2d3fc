//! The process that takes the place of another one: what the machine of ubf-state says, done.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{error, info, warn};
use ubf_codec::{Encoder, Mode, ServerHeader, VersionedDecoder, View};
use ubf_net::UnixSocket;
use ubf_proto::Time;
use ubf_server::classic::{AdoptedConnection, PassedConnection};
use ubf_server::{AdoptedLive, NotAdopted, PassedLive, ServerHandle, SessionExport, SessionId};
use ubf_state::UnseenEvents;
use ubf_state::takeover::{
    LettingGo, Message, Successor as Machine, SuccessorInput, SuccessorOutput, SuccessorStage,
};

use super::line::{Line, LineError};
use super::process::Process;
use super::progress::Progress;
use super::settings::{Settings, tell_changes};
use super::words::Word;
use super::{CONNECT_TIME, GIVE_TIME};
use crate::control::{Control, Request, Response};
use crate::fault;

/// The most bytes of the answer to the request to give the place: a word, or a reason.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What the predecessor has given.
pub(crate) struct Given {
    /// By the names that they were given.
    pub(crate) listeners: Vec<(String, OwnedFd)>,
    /// The one of the control socket.
    pub(crate) control: Option<OwnedFd>,
    /// What clients of rows may not have seen, by service.
    pub(crate) unseen: HashMap<String, Vec<UnseenEvents>>,
    sessions: Vec<SessionExport>,
    /// Of versioned clients. The predecessor may still want to go on with them.
    live: Vec<PassedLive>,
    /// Those of stock clients, likewise.
    connections: Vec<PassedConnection>,
    staying: Vec<SessionId>,
}

impl Given {
    /// Sessions, with their connections and without.
    fn count_sessions(&self) -> usize {
        let live = self.live.iter().filter(|passed| passed.export.session.is_some());
        self.sessions.len() + live.count()
    }
}

/// This process, on its way into the place of another one.
pub(crate) struct Successor {
    line: Line,
    machine: Machine,
    began: Instant,
    predecessor: Process,
    progress: Progress,
}

/// Why this process does not take over. The predecessor goes on.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// It is not said whose place is to be taken.
    NoControl,
    /// The socket for the predecessor cannot be made.
    Socket(PathBuf, io::Error),
    /// The predecessor cannot be asked.
    Ask(io::Error),
    /// The predecessor says no.
    Refused(String),
    /// The line to it has failed.
    Line(LineError),
    /// It speaks another version of the contract `takeover`.
    Version(u32),
    /// It did not do its part in time.
    Silent,
    /// Some of what it gave has not come.
    Incomplete,
    /// It has taken back what it gave.
    Aborted,
    /// One of its sessions or connections cannot go on here.
    Session(NotAdopted),
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot take over: ")?;
        match self {
            Self::NoControl => f.write_str("--control does not say whose place is to be taken"),
            Self::Socket(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Ask(error) => write!(f, "the server there cannot be asked: {error}"),
            Self::Refused(why) => write!(f, "the server there refuses: {why}"),
            Self::Line(error) => error.fmt(f),
            Self::Version(version) => write!(
                f,
                "the server there speaks version {version} of the contract, and this one speaks {} to {}",
                Word::READ.start(),
                Word::READ.end()
            ),
            Self::Silent => f.write_str("the server there did not do its part in time"),
            Self::Incomplete => f.write_str("not all that was given has come"),
            Self::Aborted => f.write_str("the server there has taken back what it gave"),
            Self::Session(error) => write!(f, "a client cannot go on here: {error}"),
        }
    }
}

impl std::error::Error for NotTaken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(_, error) | Self::Ask(error) => Some(error),
            Self::Line(error) => Some(error),
            Self::Session(error) => Some(error),
            Self::NoControl
            | Self::Refused(_)
            | Self::Version(_)
            | Self::Silent
            | Self::Incomplete
            | Self::Aborted => None,
        }
    }
}

impl From<LineError> for NotTaken {
    fn from(error: LineError) -> Self {
        Self::Line(error)
    }
}

impl Successor {
    /// Asks the server with this control socket for its place, and takes what it gives. `None`:
    /// nobody is there.
    pub(crate) async fn ask(
        control: &Path,
        settings: &Settings,
        progress: &Progress,
    ) -> Result<Option<(Self, Given)>, NotTaken> {
        let mut asking = match UnixStream::connect(control).await {
            Ok(stream) => stream,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(NotTaken::Ask(error)),
        };
        let (socket, path) = open_socket(control)?;
        compare(&mut asking, settings).await?;
        ask_for(&mut asking, &path).await?;
        let stream = timeout(CONNECT_TIME, socket.accept()).await;
        let stream = stream.map_err(|_| NotTaken::Silent)?.map_err(NotTaken::Ask)?;
        drop(socket);
        let predecessor = Process::at(&stream).map_err(NotTaken::Ask)?;
        info!(predecessor = predecessor.id(), "taking over");
        progress.begin("successor", predecessor.id());
        let successor = Self {
            line: Line::new(stream),
            machine: Machine::new(LettingGo::of_version(Word::VERSION)),
            began: Instant::now(),
            predecessor,
            progress: progress.clone(),
        };
        successor.take().await.map(Some)
    }

    async fn take(mut self) -> Result<(Self, Given), NotTaken> {
        let until = self.began + GIVE_TIME;
        let hello = timeout_at(until, self.line.hear()).await.map_err(|_| NotTaken::Silent)??;
        match hello {
            Some((Word::Hello { version, .. }, _)) if Word::READ.contains(&version) => {
                self.machine = Machine::new(LettingGo::of_version(version));
            }
            Some((Word::Hello { version, .. }, _)) => return Err(NotTaken::Version(version)),
            Some(_) => return Err(NotTaken::Incomplete),
            None => self.line_ended().await?,
        }
        // Each descriptor that is too much is seen when it comes.
        self.tell(SuccessorInput::Checked { is_well: true });
        let mut given = Given {
            listeners: Vec::new(),
            control: None,
            unseen: HashMap::new(),
            sessions: Vec::new(),
            live: Vec::new(),
            connections: Vec::new(),
            staying: Vec::new(),
        };
        loop {
            while let Some(output) = self.machine.poll_output() {
                match output {
                    SuccessorOutput::Send(Message::Warm) => {
                        self.progress.reach("warm");
                        fault::at("s-warm");
                        // If nobody hears it, that is heard.
                        let _is_said = self.line.say(&Word::Warm, None).await.is_ok();
                    }
                    SuccessorOutput::Open => {
                        self.progress.reach("given");
                        self.progress.count(given.count_sessions(), given.staying.len());
                        let (live, stock) = (given.live.len(), given.connections.len());
                        info!(live, stock, "connections come along");
                        fault::at("s-given");
                        return Ok((self, given));
                    }
                    SuccessorOutput::Send(_) | SuccessorOutput::Serve => {}
                    SuccessorOutput::End | _ => return Err(NotTaken::Incomplete),
                }
            }
            let heard = timeout_at(until, self.line.hear()).await;
            match heard.map_err(|_| NotTaken::Silent)?? {
                Some((word, descriptor)) => self.came(&mut given, word, descriptor)?,
                None => self.line_ended().await?,
            }
        }
    }

    /// The predecessor has ended. What it had open is closed when it is gone, and not before.
    async fn line_ended(&mut self) -> Result<(), NotTaken> {
        self.predecessor.ended().await.map_err(|_| NotTaken::Silent)?;
        self.tell(SuccessorInput::StreamEnded);
        Ok(())
    }

    fn came(
        &mut self,
        given: &mut Given,
        word: Word,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), NotTaken> {
        match word {
            Word::Listener(name) => {
                given.listeners.extend(descriptor.map(|descriptor| (name, descriptor)));
            }
            Word::Control => given.control = descriptor,
            Word::Session(export) => given.sessions.push(*export),
            Word::Connection(export) => {
                let passed = |descriptor| PassedConnection { export: *export, descriptor };
                given.connections.extend(descriptor.map(passed));
            }
            Word::Live(export) => {
                let passed = |descriptor| PassedLive { export: *export, descriptor };
                given.live.extend(descriptor.map(passed));
            }
            Word::Staying(id) => given.staying.push(id),
            Word::Events { service, unseen } => {
                given.unseen.entry(service).or_default().extend(unseen);
            }
            Word::Give { descriptors, sessions } => {
                if sessions != given.sessions.len() as u64 {
                    return Err(NotTaken::Incomplete);
                }
                let came = given.listeners.len()
                    + usize::from(given.control.is_some())
                    + given.live.len()
                    + given.connections.len();
                let came = u32::try_from(came).unwrap_or(u32::MAX);
                let message = Message::Give { descriptors };
                self.tell(SuccessorInput::Heard { message, descriptors: came });
            }
            Word::Abort => return Err(NotTaken::Aborted),
            Word::Go => self.tell(SuccessorInput::Heard { message: Message::Go, descriptors: 0 }),
            Word::Hello { .. } | Word::Warm | Word::Ready | Word::Taking | Word::Served => {}
        }
        Ok(())
    }

    fn tell(&mut self, input: SuccessorInput) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.machine.handle(input, Time::from_millis(elapsed));
    }

    /// The store is open, and `server` is about to run: it goes on with what was given. Waits for
    /// the word to serve, or for the end of the predecessor.
    pub(crate) async fn ready(
        &mut self,
        server: &ServerHandle,
        given: Given,
    ) -> Result<(), NotTaken> {
        let Given { sessions, live, connections, staying, .. } = given;
        server.expect_sessions(&staying);
        for export in sessions {
            server.adopt(export).map_err(NotTaken::Session)?;
        }
        let live: Result<Vec<_>, _> =
            live.into_iter().map(|passed| server.adopt_live(passed)).collect();
        let live = live.map_err(NotTaken::Session)?;
        let connections: Result<Vec<_>, _> =
            connections.into_iter().map(|passed| server.adopt_connection(passed)).collect();
        let connections = connections.map_err(NotTaken::Session)?;
        self.progress.reach("opened");
        fault::at("s-opened");
        self.tell(SuccessorInput::Opened);
        let until = Instant::now() + GIVE_TIME;
        loop {
            while let Some(output) = self.machine.poll_output() {
                match output {
                    SuccessorOutput::Send(Message::Ready) => {
                        let _is_said = self.line.say(&Word::Ready, None).await.is_ok();
                        self.progress.reach("ready");
                        fault::at("s-ready");
                    }
                    SuccessorOutput::Send(Message::Taking) => {
                        fault::at("s-told");
                        self.say_taking(until).await?;
                    }
                    SuccessorOutput::Serve => {
                        self.progress.reach("serving");
                        fault::at("s-serving");
                        // The predecessor reads and writes no more.
                        live.into_iter().for_each(AdoptedLive::serve);
                        connections.into_iter().for_each(AdoptedConnection::serve);
                        return Ok(());
                    }
                    SuccessorOutput::Send(_) | SuccessorOutput::Open => {}
                    SuccessorOutput::End | _ => return Err(NotTaken::Aborted),
                }
            }
            let message = |message| SuccessorInput::Heard { message, descriptors: 0 };
            let heard = timeout_at(until, self.line.hear()).await;
            match heard.map_err(|_| NotTaken::Silent)?? {
                Some((Word::Go, _)) => self.tell(message(Message::Go)),
                Some((Word::Abort, _)) => self.tell(message(Message::Abort)),
                Some((word, _)) => info!(?word, "a word at the wrong time"),
                None => self.line_ended().await?,
            }
        }
    }

    /// Says that this process takes the connections. As long as the predecessor lives and has not
    /// been told so, they are its own.
    async fn say_taking(&self, until: Instant) -> Result<(), NotTaken> {
        match timeout_at(until, self.line.say(&Word::Taking, None)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => self.predecessor.ended().await.map_err(|_| NotTaken::Silent),
            Err(_) => Err(NotTaken::Silent),
        }
    }

    /// Tells the predecessor when this process has served for the time of probation, and goes on
    /// with sessions that come late, until the predecessor has ended.
    pub(crate) async fn prove(mut self, server: ServerHandle) {
        loop {
            while let Some(output) = self.machine.poll_output() {
                if let SuccessorOutput::Send(Message::Served) = output {
                    self.progress.reach("served");
                    info!("this process has taken over");
                    let _is_said = self.line.say(&Word::Served, None).await.is_ok();
                }
            }
            let rings_at = self
                .machine
                .poll_timeout()
                .map(|at| self.began + Duration::from_millis(at.as_millis().saturating_add(1)));
            let ring = async {
                match rings_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ring => self.tell(SuccessorInput::Tick),
                heard = self.line.hear() => match heard {
                    Ok(Some((Word::Session(export), _))) => {
                        if let Err(error) = server.adopt(*export) {
                            error!(%error, "a session of the predecessor is lost");
                        }
                    }
                    Ok(Some((Word::Live(export), Some(descriptor)))) => {
                        let passed = PassedLive { export: *export, descriptor };
                        match server.adopt_live(passed) {
                            Ok(connection) => connection.serve(),
                            Err(error) => {
                                error!(%error, "a connection of the predecessor is lost");
                            }
                        }
                    }
                    Ok(Some((Word::Connection(export), Some(descriptor)))) => {
                        let passed = PassedConnection { export: *export, descriptor };
                        match server.adopt_connection(passed) {
                            Ok(connection) => connection.serve(),
                            Err(error) => {
                                error!(%error, "a connection of the predecessor is lost");
                            }
                        }
                    }
                    Ok(Some((word, _))) => info!(?word, "a word at the wrong time"),
                    Ok(None) => break,
                    Err(error) => {
                        warn!(%error, "the predecessor is heard no more");
                        break;
                    }
                },
            }
        }
        server.expect_no_sessions();
        if self.machine.stage() != SuccessorStage::Proven {
            self.progress.reach("alone");
            info!("the predecessor has ended: this process serves alone");
        }
    }
}

/// A socket beside the control socket, for the predecessor to connect to.
fn open_socket(control: &Path) -> Result<(UnixSocket, PathBuf), NotTaken> {
    let failed = |error| NotTaken::Socket(control.to_owned(), error);
    let mut path = std::path::absolute(control).map_err(failed)?.into_os_string();
    path.push(format!(".{}", std::process::id()));
    let path = PathBuf::from(path);
    let socket = UnixSocket::bind(&path);
    socket.map(|socket| (socket, path.clone())).map_err(|error| NotTaken::Socket(path, error))
}

/// Asks a server by its control socket to give its place to who listens at `path`.
async fn ask_for(asking: &mut UnixStream, path: &Path) -> Result<(), NotTaken> {
    match exchange(asking, &Request::TakeOver { path: path.display().to_string() }).await? {
        Ok(Response::Ok) => Ok(()),
        Ok(Response::Refused(why)) => Err(NotTaken::Refused(why.to_string())),
        Ok(other) => Err(NotTaken::Refused(format!("it does not know how: {other:?}"))),
        Err(said) => Err(NotTaken::Refused(format!("it does not know how: {said}"))),
    }
}

/// Says in the log which settings are others than those of the server before.
async fn compare(asking: &mut UnixStream, settings: &Settings) -> Result<(), NotTaken> {
    let before = match exchange(asking, &Request::Settings).await? {
        Ok(Response::Settings(before)) => Some(before),
        // A release that is older knows no such request.
        Ok(_) | Err(_) => None,
    };
    tell_changes(before.as_deref(), settings);
    Ok(())
}

/// One request to the server before, and its response; or what it said that is none.
async fn exchange(
    asking: &mut UnixStream,
    request: &Request,
) -> Result<Result<Response, String>, NotTaken> {
    let version = Control::VERSIONS.into_iter().max().unwrap_or(Control::VERSION);
    let term = request.to_term(version).ok_or(NotTaken::Silent)?;
    let packet = [format!("{version} ").as_bytes(), &Encoder::new().encode(&term)].concat();
    let exchange = async {
        asking.write_all(&packet).await?;
        let mut decoder = VersionedDecoder::<ServerHeader>::new();
        let mut buffer = BytesMut::new();
        loop {
            if asking.read_buf(&mut buffer).await? == 0 || buffer.len() > MAX_ANSWER_BYTES {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let answer = decoder.decode(&mut buffer);
            if let Some(answer) = answer.map_err(|error| io::Error::other(error.to_string()))? {
                return Ok(answer);
            }
        }
    };
    let answer = timeout(CONNECT_TIME, exchange).await.map_err(|_| NotTaken::Silent)?;
    let answer = answer.map_err(NotTaken::Ask)?;
    let response = match (answer.header.mode, answer.body.root().view()) {
        (Mode::Version(_), View::Tuple(pair)) => {
            pair.get(0).and_then(|response| Response::read(version, response))
        }
        (Mode::Version(_) | Mode::Negotiation, _) => None,
    };
    Ok(response.ok_or_else(|| ubf_proto::Truncated(answer.body.root()).to_string()))
}
