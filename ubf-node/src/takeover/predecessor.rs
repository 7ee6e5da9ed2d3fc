//! The process that gives its place: what the machine of ubf-state says, done.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{error, info, warn};
use ubf_proto::Time;
use ubf_server::classic::PassedConnection;
use ubf_server::{Departing, Departure, PassedLive, ServerHandle, Suspension};
use ubf_state::takeover::{
    Back, Message, Predecessor, PredecessorInput, PredecessorOutput, PredecessorStage,
    TakeoverTimes,
};

use super::line::{Line, LineError};
use super::process::Process;
use super::progress::Progress;
use super::words::Word;
use super::{Asked, CONNECT_TIME, WARM_TIME};
use crate::fault;
use crate::journal::Journal;
use crate::rows::{Kept, Unkept, in_packets};

/// How long handlers may run on before their sessions are left to be given later. Chosen: more than
/// most calls take, and little of the two seconds of an attempt.
const SETTLE_TIME: Duration = Duration::from_millis(200);
/// A word that the other process does not read is not waited for any longer.
const WORD_TIME: Duration = Duration::from_secs(1);

/// What this process has to give, and who else has to do with it.
pub(crate) struct Place {
    pub(crate) server: ServerHandle,
    pub(crate) operator: ServerHandle,
    /// Who looks by HTTP finds the other process, once that serves.
    pub(crate) http_door: Option<Arc<watch::Sender<bool>>>,
    /// Other listeners, by their names.
    pub(crate) others: Vec<(String, OwnedFd)>,
    pub(crate) kept: Kept,
    pub(crate) journal: Option<Journal>,
    /// How long calls in progress may take when another process serves.
    pub(crate) hard_stop: Duration,
    pub(crate) progress: Progress,
}

/// Why this process cannot go on in its place.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The store was closed, and cannot be opened again.
    Store(Unkept),
    /// The other process was to be killed, and lives: it may have the connections.
    Process(io::Error),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the rows cannot be owned again: {error}"),
            Self::Process(error) => write!(f, "the successor cannot be ended: {error}"),
        }
    }
}

impl std::error::Error for Broken {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Process(error) => Some(error),
        }
    }
}

impl Place {
    /// Gives the place to whoever asks for it, one after the other, until somebody has taken it.
    pub(crate) async fn attend(&self, asked: &mut Receiver<Asked>) -> Result<(), Broken> {
        while let Some(Asked { path }) = asked.recv().await {
            match self.attempt(&path).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(AttemptError::Broken(broken)) => return Err(broken),
                Err(AttemptError::Successor(why)) => {
                    warn!(%why, "nobody takes over: this process goes on");
                    self.progress.fail(&why.to_string());
                }
            }
        }
        // Nobody can ask any more.
        std::future::pending().await
    }

    /// Whether the other process has taken the place.
    async fn attempt(&self, path: &Path) -> Result<bool, AttemptError> {
        let stream = timeout(CONNECT_TIME, UnixStream::connect(path)).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        let process = Process::at(&stream)?;
        info!(successor = process.id(), "another process wants to take over");
        self.progress.begin("predecessor", process.id());
        let line = Line::new(stream);
        let descriptors = self.given()?.0;
        line.say(&Word::Hello { version: Word::VERSION, descriptors }, None).await?;
        let attempt = Attempt {
            place: self,
            line,
            has_line_ended: false,
            process,
            machine: Predecessor::new(TakeoverTimes::default()),
            began: Instant::now(),
            descriptors: Vec::new(),
            suspension: None,
            departure: None,
        };
        attempt.run().await
    }

    fn open_http(&self, is_open: bool) {
        if let Some(door) = &self.http_door {
            door.send_replace(is_open);
        }
    }

    /// The descriptors to be given, and how many they are.
    fn given(&self) -> io::Result<(u32, Vec<(Word, OwnedFd)>)> {
        let listeners = self.server.listener_descriptors()?.into_iter();
        let listeners = listeners.map(|(name, listener)| (Word::Listener(name), listener));
        let control = self.operator.listener_descriptors()?.into_iter();
        let control = control.map(|(_, listener)| (Word::Control, listener));
        let others = self
            .others
            .iter()
            .map(|(name, listener)| Ok((Word::Listener(name.clone()), listener.try_clone()?)));
        let given: io::Result<Vec<_>> = listeners.chain(control).map(Ok).chain(others).collect();
        let given = given?;
        Ok((u32::try_from(given.len()).unwrap_or(u32::MAX), given))
    }
}

/// Why an attempt ends.
#[derive(Debug)]
enum AttemptError {
    /// The other process is the cause, and this one goes on.
    Successor(LineError),
    Broken(Broken),
}

impl From<LineError> for AttemptError {
    fn from(error: LineError) -> Self {
        Self::Successor(error)
    }
}

impl From<io::Error> for AttemptError {
    fn from(error: io::Error) -> Self {
        Self::Successor(error.into())
    }
}

/// One attempt of another process.
struct Attempt<'p> {
    place: &'p Place,
    line: Line,
    has_line_ended: bool,
    process: Process,
    machine: Predecessor,
    began: Instant,
    /// What is given with descriptors. They are no longer open here than it takes to give them.
    descriptors: Vec<(Word, OwnedFd)>,
    suspension: Option<Suspension>,
    departure: Option<Departure>,
}

impl Attempt<'_> {
    async fn run(mut self) -> Result<bool, AttemptError> {
        loop {
            while let Some(output) = self.machine.poll_output() {
                if let ControlFlow::Break(is_taken) = self.obey(output).await? {
                    return Ok(is_taken);
                }
            }
            if self.machine.stage() == PredecessorStage::Serving && self.has_line_ended {
                return Err(io::Error::other("the other process ended before it was ready").into());
            }
            if let Some(input) = self.next().await {
                let now = self.now();
                self.machine.handle(input, now);
            }
        }
    }

    fn now(&self) -> Time {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Time::from_millis(elapsed)
    }

    /// When the machine wants to be told that time has passed; before it has begun, when the other
    /// process has had its time.
    fn deadline(&self) -> Instant {
        let warm = self.began + WARM_TIME;
        // A millisecond that has begun has not passed.
        self.machine
            .poll_timeout()
            .map_or(warm, |at| self.began + Duration::from_millis(at.as_millis().saturating_add(1)))
    }

    async fn next(&mut self) -> Option<PredecessorInput> {
        let deadline = self.deadline();
        let late = async {
            match &mut self.departure {
                Some(departure) => departure.next().await,
                None => std::future::pending().await,
            }
        };
        let heard = async {
            if self.has_line_ended { std::future::pending().await } else { self.line.hear().await }
        };
        tokio::select! {
            heard = heard => match heard {
                Ok(Some((word, _))) => message(&word).map(PredecessorInput::Heard),
                Ok(None) => {
                    self.has_line_ended = true;
                    self.place.progress.fail("the other process has ended");
                    Some(PredecessorInput::StreamEnded)
                }
                Err(error) => {
                    self.has_line_ended = true;
                    self.place.progress.fail(&error.to_string());
                    Some(PredecessorInput::Garbled)
                }
            },
            late = late => {
                match late {
                    Some(departing) => self.say_late(departing).await,
                    None => self.departure = None,
                }
                None
            }
            () = sleep_until(deadline) => {
                if self.machine.stage() == PredecessorStage::Serving {
                    self.has_line_ended = true;
                }
                self.place.progress.fail("the other process took too long");
                Some(PredecessorInput::Tick)
            }
        }
    }

    /// Says a word that the other process need not hear: if it has ended, that is heard.
    async fn say(&self, word: &Word) {
        self.say_with(word, None).await;
    }

    async fn say_with(&self, word: &Word, descriptor: Option<BorrowedFd<'_>>) {
        match timeout(WORD_TIME, self.line.say(word, descriptor)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => info!(%error, "the other process is told nothing more"),
            Err(_) => info!("the other process does not listen"),
        }
    }

    /// Gives what serves still when the other process does.
    async fn say_late(&self, departing: Departing) {
        match departing {
            Departing::Session(export) => self.say(&Word::Session(export)).await,
            Departing::Connection(passed) => {
                let PassedConnection { export, descriptor } = *passed;
                let word = Word::Connection(Box::new(export));
                self.say_with(&word, Some(descriptor.as_fd())).await;
            }
            Departing::Live(passed) => {
                let PassedLive { export, descriptor } = *passed;
                self.say_with(&Word::Live(Box::new(export)), Some(descriptor.as_fd())).await;
            }
            _ => error!("something leaves that this program does not know"),
        }
    }

    /// Does what the machine says. What breaks off is whether the place is taken.
    async fn obey(&mut self, output: PredecessorOutput) -> Result<ControlFlow<bool>, AttemptError> {
        match output {
            PredecessorOutput::Suspend => self.suspend().await,
            PredecessorOutput::Send(message) => self.send(message).await,
            PredecessorOutput::LetGoOfConnections => {
                if let Some(suspension) = self.suspension.take() {
                    self.departure = Some(suspension.commit(self.place.hard_stop));
                }
            }
            PredecessorOutput::Kill => {
                self.process.kill().await.map_err(Broken::Process)?;
                self.hear_out().await;
                self.tell(PredecessorInput::Dead);
            }
            PredecessorOutput::Open => {
                self.open().await?;
                self.tell(PredecessorInput::Opened);
            }
            PredecessorOutput::GoOn(with) => {
                self.go_on(with);
                return Ok(ControlFlow::Break(false));
            }
            PredecessorOutput::End => {
                self.end().await;
                return Ok(ControlFlow::Break(true));
            }
            _ => error!("the machine wants what this program does not know"),
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn send(&mut self, message: Message) {
        match message {
            Message::Give { descriptors } => {
                self.give(descriptors).await;
                fault::at("p-given");
            }
            Message::Go => {
                fault::at("p-going");
                // From here on the operator finds the other process.
                self.place.operator.leave_listeners();
                self.place.open_http(false);
                self.say(&Word::Go).await;
                self.place.progress.reach("go");
                fault::at("p-gone");
            }
            Message::Abort => self.say(&Word::Abort).await,
            Message::Warm | Message::Ready | Message::Taking | Message::Served => {
                debug_assert!(false, "only the successor says that");
            }
        }
    }

    /// The other process is dead: hears what it has said before, as far as that decides anything.
    async fn hear_out(&mut self) {
        while let PredecessorStage::Unheard { .. } = self.machine.stage() {
            match timeout(WORD_TIME, self.line.hear()).await {
                Ok(Ok(Some((word, _)))) => {
                    if let Some(message) = message(&word) {
                        self.tell(PredecessorInput::Heard(message));
                    }
                }
                Ok(Ok(None)) => {
                    self.has_line_ended = true;
                    self.tell(PredecessorInput::StreamEnded);
                }
                Ok(Err(_)) | Err(_) => {
                    self.has_line_ended = true;
                    self.tell(PredecessorInput::Garbled);
                }
            }
        }
    }

    fn tell(&mut self, input: PredecessorInput) {
        let now = self.now();
        self.machine.handle(input, now);
    }

    async fn suspend(&mut self) {
        let place = self.place;
        place.progress.reach("suspending");
        let suspension = place.server.suspend(SETTLE_TIME).await;
        let live = suspension.live();
        let with_sessions = live.iter().filter(|passed| passed.export.session.is_some()).count();
        let sessions = suspension.exports().len() + with_sessions;
        place.progress.count(sessions, suspension.staying().len());
        let connections = suspension.connections().len() + live.len();
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        self.suspension = Some(suspension);
        if let Err(error) = place.kept.release().await {
            // What was answered is in the store. The other process says whether it can open it.
            warn!(%error, "the store did not close in good order");
        }
        if let Some(journal) = &place.journal {
            journal.release();
        }
        place.progress.reach("suspended");
        fault::at("p-suspended");
        match place.given() {
            Ok((listeners, given)) => {
                self.descriptors = given;
                let descriptors = listeners.saturating_add(connections);
                self.tell(PredecessorInput::Suspended { descriptors });
            }
            Err(error) => {
                place.progress.fail(&format!("no descriptors are left: {error}"));
                self.tell(PredecessorInput::StreamEnded);
            }
        }
    }

    /// Gives all that there is.
    async fn give(&mut self, descriptors: u32) {
        let given = timeout_at(self.deadline(), self.give_all(descriptors)).await;
        self.descriptors.clear();
        match given {
            Ok(Ok(())) => self.place.progress.reach("given"),
            Ok(Err(error)) => {
                self.place.progress.fail(&error.to_string());
                self.tell(PredecessorInput::StreamEnded);
            }
            // The time of the attempt is over, which the machine sees for itself.
            Err(_) => {}
        }
    }

    async fn give_all(&self, descriptors: u32) -> Result<(), LineError> {
        let Some(suspension) = &self.suspension else { return Ok(()) };
        for (word, descriptor) in &self.descriptors {
            self.line.say(word, Some(descriptor.as_fd())).await?;
        }
        for id in suspension.staying() {
            self.line.say(&Word::Staying(*id), None).await?;
        }
        for export in suspension.exports() {
            self.line.say(&Word::Session(Box::new(export.clone())), None).await?;
        }
        for PassedLive { export, descriptor } in suspension.live() {
            let word = Word::Live(Box::new(export.clone()));
            self.line.say(&word, Some(descriptor.as_fd())).await?;
        }
        for PassedConnection { export, descriptor } in suspension.connections() {
            let word = Word::Connection(Box::new(export.clone()));
            self.line.say(&word, Some(descriptor.as_fd())).await?;
        }
        for kept in self.place.kept.iter() {
            for unseen in in_packets(kept.unseen()) {
                let service = kept.service().to_owned();
                self.line.say(&Word::Events { service, unseen }, None).await?;
            }
        }
        let sessions = suspension.exports().len() as u64;
        self.line.say(&Word::Give { descriptors, sessions }, None).await
    }

    /// Owns again what the other process was given.
    async fn open(&self) -> Result<(), Broken> {
        if let Some(journal) = &self.place.journal {
            journal.take_again();
        }
        self.place.kept.own_again().await.map_err(Broken::Store)
    }

    fn go_on(&mut self, with: Back) {
        let Place { server, operator, progress, .. } = self.place;
        if let Some(suspension) = self.suspension.take() {
            suspension.undo();
        }
        if let Some(departure) = self.departure.take() {
            departure.undo();
        }
        server.return_to_listeners();
        operator.return_to_listeners();
        self.place.open_http(true);
        let why = progress.report().and_then(|report| report.why).unwrap_or_default();
        match with {
            Back::Connections => {
                warn!(why, "nobody has taken over: this process goes on with all connections");
                progress.reach("back");
            }
            Back::Listeners => {
                error!(why, "the successor has failed: this process listens again");
                progress.reach("listening");
            }
        }
    }

    /// The other process has proven itself. What runs still is given as soon as it has ended.
    async fn end(&mut self) {
        self.place.progress.reach("served");
        let until = Instant::now() + self.place.hard_stop;
        if let Some(mut departure) = self.departure.take() {
            // The error is that the time is over: what runs then is cut.
            while let Ok(Some(departing)) = timeout_at(until, departure.next()).await {
                self.say_late(departing).await;
            }
        }
        info!("another process serves: this one ends");
    }
}

impl From<Broken> for AttemptError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// What the machine understands.
const fn message(word: &Word) -> Option<Message> {
    match word {
        Word::Warm => Some(Message::Warm),
        Word::Ready => Some(Message::Ready),
        Word::Taking => Some(Message::Taking),
        Word::Served => Some(Message::Served),
        Word::Hello { .. }
        | Word::Listener(_)
        | Word::Control
        | Word::Session(_)
        | Word::Connection(_)
        | Word::Live(_)
        | Word::Staying(_)
        | Word::Events { .. }
        | Word::Give { .. }
        | Word::Go
        | Word::Abort => None,
    }
}
