//! What the commands that talk to a server have in common.

pub(crate) mod classic;
pub(crate) mod wire_trace;
mod wire_words;

use tokio::runtime::{Builder, Runtime};
use ubf_client::{CallError, ConnectError, DialErrorKind, Loss, LossReason, Target};
use ubf_codec::{Address, DecodeError, ErrorKind, Term};

use crate::packets::passage::Passage;
use crate::packets::terms::term_of;
use crate::ui::reason::{causes, innermost, reason};
use crate::ui::report::Report;

/// Threads for tasks: as many as there are cores, or one besides the main thread.
pub(crate) fn runtime(is_parallel: bool) -> Result<Runtime, Report> {
    let mut builder = Builder::new_multi_thread();
    if !is_parallel {
        builder.worker_threads(1);
    }
    builder
        .enable_all()
        .build()
        .map_err(|error| Report::new(format!("cannot start threads: {}", reason(&error))))
}

/// A runtime on the thread that calls, and no other.
pub(crate) fn single_thread() -> Result<Runtime, Report> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Report::new(format!("cannot start: {}", reason(&error))))
}

/// A term of the command line.
pub(crate) fn term(text: &str) -> Result<Term, Report> {
    term_of(&Passage::of(text), None)
}

/// Why there is no connection, and what to look at.
pub(crate) fn cannot_connect(error: &ConnectError) -> Report {
    let ConnectError::Unreachable { losses } = error else {
        return Report::new(causes(error));
    };
    let losses_text: Vec<String> = losses.iter().map(loss_in_words).collect();
    Report::new(format!("no server can be used: {}", losses_text.join("; ")))
        .with_hint(losses.iter().find_map(loss_hint))
}

/// An address as its user gave it. The client has a name in `.invalid` for each Unix socket, which
/// ends with its place among them.
pub(crate) fn shown_address(targets: &[Target], address: &Address) -> String {
    let text = address.to_string();
    let place = text
        .strip_suffix(".invalid:1")
        .and_then(|name| name.rsplit_once('-')?.1.parse::<usize>().ok());
    let is_socket = |target: &&Target| !matches!(target, Target::Network(_) | Target::Tls(_));
    let mut sockets = targets.iter().filter(is_socket);
    place.and_then(|place| sockets.nth(place)).map_or(text, ToString::to_string)
}

/// What happened at an address, with what the system says of it.
pub(crate) fn loss_in_words(loss: &Loss) -> String {
    let text = loss.to_string();
    // What stands between the two says the same in other words.
    match &loss.cause {
        Some(cause) => format!("{text}: {}", innermost(cause)),
        None => text,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "there is no hint for most, nor for new ones")]
fn loss_hint(loss: &Loss) -> Option<&'static str> {
    match &loss.reason {
        LossReason::NoCommonVersion { spoken } if spoken.is_empty() => Some(
            "it has no such service, or none of its versions works: --service says which one to \
             talk to",
        ),
        LossReason::NoCommonVersion { .. } => {
            Some("--versions says which versions to offer, as in --versions 1-3,10")
        }
        LossReason::NegotiationRefused { why } if why.as_ref().is_atom("not_allowed") => Some(
            "the server's policy does not let this client use the service; --cert shows who you are",
        ),
        LossReason::NegotiationRefused { .. } => Some("--service says which service to talk to"),
        LossReason::Closed if loss.cause.is_some() => Some(CERTIFICATE),
        LossReason::BadSyntax(error) if is_tls(error) => {
            Some("it speaks TLS: ubfs://HOST:PORT, and --ca FILE if its authority is your own")
        }
        // CT5: a stock server says hello, or closes at what it does not understand.
        LossReason::NegotiationTime { .. } | LossReason::BadSyntax(_) | LossReason::Closed => {
            Some("does it speak versioned UBF? --classic talks to servers of the time before")
        }
        LossReason::ConnectFailed { .. } => {
            loss.cause.as_ref().map_or(Some(WHERE), |cause| dial_hint(cause.kind()))
        }
        LossReason::ConnectTime { .. } => Some(WHERE),
        _ => None,
    }
}

/// The beginning of what TLS says to whoever speaks no TLS: an alert.
fn is_tls(error: &DecodeError) -> bool {
    let alert = ErrorKind::BadVersion { found: 0x15 };
    error.offset() == 0 && error.kind() == alert
}

/// TLS has ended the connection when it was made: the server does not like what was shown.
pub(crate) const CERTIFICATE: &str = "--cert and --key show a certificate, which has to be of an \
                                      authority that the server trusts for those who come here";

const WHERE: &str = "is the server running, and are host and port right?";

#[expect(clippy::wildcard_enum_match_arm, reason = "the same is said of all others")]
fn dial_hint(kind: DialErrorKind) -> Option<&'static str> {
    match kind {
        DialErrorKind::NoSuchName => Some("is the name of the host right?"),
        DialErrorKind::NoDescriptors => {
            Some("this process may open no more files and sockets: `ulimit -n` shows the limit")
        }
        DialErrorKind::NoSuchSocket => Some("is the server running, and is the path right?"),
        DialErrorKind::Denied => Some("does the socket belong to somebody else?"),
        DialErrorKind::Tls => Some(
            "does the server speak TLS, is its certificate for this name, and --ca its authority's?",
        ),
        DialErrorKind::NotAllowed => Some("--allow-redirects allows more addresses"),
        _ => Some(WHERE),
    }
}

/// What to do about a call that failed.
pub(crate) const fn call_hint(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::Deadline { .. } => Some("--timeout gives it more time"),
        CallError::Indeterminate { .. } => {
            Some("if it does no harm to run it twice, --idempotent sends it again")
        }
        CallError::Inexpressible { .. } => {
            Some("{event_in,X} is an event: --event sends one, and adds these words itself")
        }
        CallError::NoCommonVersion { .. } => {
            Some("--versions says which versions to offer, as in --versions 1-3,10")
        }
        CallError::Overloaded { .. }
        | CallError::Cancelled { .. }
        | CallError::Crashed { .. }
        | CallError::Failed { .. }
        | CallError::Refused { .. }
        | CallError::TooLarge { .. }
        | CallError::Unacceptable { .. }
        | CallError::Rejected { .. }
        | CallError::Closed
        | _ => None,
    }
}
