//! A record of what was executed, for those who want to prove that nothing ran twice and nothing
//! was lost.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{error, info};
use ubf_codec::{Encoder, Term};
use ubf_server::{Call, Client, Failure, Handler, HandlerError, Reply, Versions};

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
/// was not begun.
///
/// If a record cannot be written, the log says so, and the call is executed all the same: the
/// journal then has a gap.
///
/// # Cost
/// One write a call. Nothing is buffered, and no lock is taken but the file system's.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    is_failing: AtomicBool,
}

impl Journal {
    /// Opens a file, or makes it. What is in it stays.
    ///
    /// # Errors
    /// If the file cannot be written to.
    pub fn append_to(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        // In this mode each write goes to the end as a whole: connections need not wait for each
        // other.
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Self(Arc::new(Inner { path, file, is_failing: AtomicBool::new(false) })))
    }

    /// A service that does what this one does, and writes records.
    pub const fn of<H: Handler>(self, handler: H) -> Journaled<H> {
        Journaled { journal: self, handler }
    }

    fn record<S>(&self, name: &str, call: &Call<S>, body: &[u8]) {
        let Inner { path, file, is_failing } = &*self.0;
        let service = call.service().name().cloned().map_or(Term::Undefined, Term::String);
        let service = Encoder::new().encode(&service);
        let service = service.strip_suffix(b"$").unwrap_or(&service);
        let version = call.version().to_string();
        // The body is an UBF(A) packet, and what reads no register may stand before it.
        let mut record = Vec::with_capacity(body.len() + service.len() + 32);
        for piece in
            [b"{'", name.as_bytes(), b"'", service, version.as_bytes(), b" ", body, b"}$\n"]
        {
            record.extend_from_slice(piece);
        }
        let written = { file }.write_all(&record);
        let is_error = written.is_err();
        if is_failing.swap(is_error, Ordering::Relaxed) != is_error {
            match written {
                Ok(()) => info!(path = %path.display(), "the journal is written again"),
                Err(error) => {
                    error!(path = %path.display(), %error, "the journal cannot be written")
                }
            }
        }
    }
}

/// A service that writes down what it executes, see [`Journal`].
pub struct Journaled<H> {
    journal: Journal,
    handler: H,
}

impl<H: Handler> Handler for Journaled<H> {
    type State = H::State;

    fn versions(&self) -> Versions {
        self.handler.versions()
    }

    fn check(&self) -> Result<(), HandlerError> {
        self.handler.check()
    }

    fn connect(&self, client: &Client) -> H::State {
        self.handler.connect(client)
    }

    async fn request(&self, call: Call<H::State>) -> Result<Reply, Failure> {
        self.journal.record("executed", &call, call.source());
        self.handler.request(call).await
    }

    async fn event(&self, event: Call<H::State>) {
        let body = Encoder::new().encode(&event.term().to_term());
        self.journal.record("event", &event, body.strip_suffix(b"$").unwrap_or(&body));
        self.handler.event(event).await;
    }
}

impl<H> fmt::Debug for Journaled<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journaled").field("journal", &self.journal).finish_non_exhaustive()
    }
}
