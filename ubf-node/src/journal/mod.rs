//! A record of what was executed, for those who want to prove that nothing ran twice and nothing
//! was lost.

mod file;
mod tail;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tracing::{error, info, warn};
use ubf_codec::{Document, Encoder, Term, TermRef, Text, Version, View};
use ubf_server::{Call, Client, Failure, Handler, HandlerError, Reply, Service, Versions};
use ubf_service::server::CallWatch;

use self::file::RecordFile;

/// A file to which services write a record of each request and each event, before their code sees
/// it. Cheap to clone.
///
/// A record is an UBF(A) packet on a line of its own, so that `ubf decode FILE` reads it:
///
/// ```text
/// {'executed'"kv"3 {'put'"a"7}}$     {'executed',Service,Version,Request}; Service is ? if the client named none
/// {'event'"irc"2 {'typing'}}$        {'event',Service,Version,Event}
/// ```
///
/// The request's bytes are those that came, registers and all.
///
/// # What it promises
/// A record is handed to the operating system, in one write, before the call begins. So a call that
/// was answered is in the file even when the process is killed the moment after. A call that is in
/// the file may have been cut, or have crashed. The system may be killed, too: then what it had not
/// put on the disk is gone. Of a process that is killed, the last record may be cut short; its call
/// was not begun. Who opens the journal next moves such a piece to `FILE.torn`.
///
/// If a record cannot be written, no part of it stays in the file; the log says so,
/// [`health`](Self::health) counts it, and the call is executed all the same: the journal then has
/// a gap.
///
/// One server at a time writes a journal, and nobody but its owner may read it (mode 0600).
///
/// # Cost
/// One write a call, one at a time. Nothing is buffered.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: RecordFile<File>,
    health: JournalHealth,
}

/// Whether a journal is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalHealth {
    /// Whether the last record could not be written.
    pub is_failing: bool,
    /// Records that could not be written since the journal was opened.
    pub missing: u64,
}

impl Journal {
    /// Opens a file, or makes it. What is in it stays, but for the rest of a record that was cut
    /// short: that is moved to `FILE.torn`.
    ///
    /// # Errors
    /// If the file cannot be written to, if another server writes it, or if it is no journal.
    pub fn append_to(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let file = open(&path)?;
        let state = Mutex::new(State { file, health: JournalHealth::default() });
        Ok(Self(Arc::new(Inner { path, state })))
    }

    /// Opens the file of this name again, after somebody has moved the one that was written.
    ///
    /// # Errors
    /// If it cannot be opened. Then the one from before is still written.
    pub fn reopen(&self) -> io::Result<()> {
        let mut state = self.state();
        // The file of before is still locked: the same file is the one thing not to open anew.
        if !is_same(&state.file, &self.0.path) {
            state.file = open(&self.0.path)?;
        }
        Ok(())
    }

    /// U2: lets another process write it, too. Each record is one write, so those of both stay
    /// whole.
    pub(crate) fn release(&self) {
        if let Err(error) = self.state().file.unlock() {
            warn!(path = %self.0.path.display(), %error, "the journal cannot be shared");
        }
    }

    /// U2: nobody else is to write it from here on.
    pub(crate) fn take_again(&self) {
        if let Err(error) = self.state().file.lock_again() {
            warn!(path = %self.0.path.display(), %error, "the journal cannot be locked again");
        }
    }

    /// Whether records are written, and how many are missing.
    #[must_use]
    pub fn health(&self) -> JournalHealth {
        self.state().health
    }

    /// The name of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A service that does what this one does, and writes records.
    pub const fn of<H: Handler>(self, handler: H) -> Journaled<H> {
        Journaled { journal: self, handler }
    }

    fn record_event(&self, service: &Service, version: Version, event: TermRef<'_>) {
        let body = Encoder::new().encode(&event.to_term());
        self.record("event", service, version, body.strip_suffix(b"$").unwrap_or(&body));
    }

    fn record(&self, name: &str, service: &Service, version: Version, body: &[u8]) {
        let service = service.name().cloned().map_or(Term::Undefined, Term::String);
        let service = Encoder::new().encode(&service);
        let service = service.strip_suffix(b"$").unwrap_or(&service);
        let version = version.to_string();
        // The body is an UBF(A) packet, and what reads no register may stand before it.
        let mut record = Vec::with_capacity(body.len() + service.len() + 32);
        for piece in
            [b"{'", name.as_bytes(), b"'", service, version.as_bytes(), b" ", body, b"}$\n"]
        {
            record.extend_from_slice(piece);
        }
        let (written, was_failing) = {
            let mut state = self.state();
            let written = state.file.append(&record);
            let was_failing = state.health.is_failing;
            state.health.is_failing = written.is_err();
            state.health.missing += u64::from(written.is_err());
            (written, was_failing)
        };
        let path = self.0.path.display();
        match written {
            Ok(()) if was_failing => info!(%path, "the journal is written again"),
            Err(error) if !was_failing => error!(%path, %error, "the journal cannot be written"),
            Ok(()) | Err(_) => {}
        }
    }
}

/// The calls of services with rows.
impl CallWatch for Journal {
    fn begins(&self, service: &Service, version: Version, body: &Document<Bytes>, is_event: bool) {
        if is_event {
            let root = body.root();
            let View::Tuple(event) = root.view() else { return };
            return self.record_event(service, version, event.get(1).unwrap_or(root));
        }
        let source = body.source().trim_ascii_start();
        self.record("executed", service, version, source.strip_suffix(b"$").unwrap_or(source));
    }
}

fn open(path: &Path) -> io::Result<RecordFile<File>> {
    let (file, torn_bytes) = file::open(path)?;
    if torn_bytes > 0 {
        warn!(path = %path.display(), torn_bytes, "a record was cut short: it is in FILE.torn");
    }
    Ok(file)
}

/// Whether the file that is written is the one of this name.
fn is_same(file: &RecordFile<File>, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        let identity = |file: std::fs::Metadata| (file.dev(), file.ino());
        let named = std::fs::metadata(path).ok().map(identity);
        named.is_some() && file.metadata().ok().map(identity) == named
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// A service that writes down what it executes, see [`Journal`].
pub struct Journaled<H> {
    journal: Journal,
    handler: H,
}

impl<H: Handler> Handler for Journaled<H> {
    type State = H::State;

    fn pinned_outside(&self) -> Option<Text> {
        self.handler.pinned_outside()
    }

    fn versions(&self) -> Versions {
        self.handler.versions()
    }

    fn check(&self) -> Result<(), HandlerError> {
        self.handler.check()
    }

    fn connect(&self, client: &Client) -> H::State {
        self.handler.connect(client)
    }

    fn export_state(&self, state: &H::State) -> Option<Bytes> {
        self.handler.export_state(state)
    }

    fn import_state(&self, client: &Client, exported: Bytes) -> Option<H::State> {
        self.handler.import_state(client, exported)
    }

    fn request_now(&self, call: &Call<H::State>) -> Option<Result<Reply, Failure>> {
        if !self.answers_now(call.version()) {
            return None;
        }
        self.journal.record("executed", call.service(), call.version(), call.source());
        self.handler.request_now(call)
    }

    fn answers_now(&self, version: Version) -> bool {
        self.handler.answers_now(version)
    }

    async fn request(&self, call: Call<H::State>) -> Result<Reply, Failure> {
        self.journal.record("executed", call.service(), call.version(), call.source());
        self.handler.request(call).await
    }

    async fn event(&self, event: Call<H::State>) {
        self.journal.record_event(event.service(), event.version(), event.term());
        self.handler.event(event).await;
    }
}

impl<H> fmt::Debug for Journaled<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journaled").field("journal", &self.journal).finish_non_exhaustive()
    }
}
