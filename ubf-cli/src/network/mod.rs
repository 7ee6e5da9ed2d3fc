//! What the commands that talk to a server have in common.

pub(crate) mod wire_trace;
mod wire_words;

use tokio::runtime::{Builder, Runtime};
use ubf_client::{CallError, ConnectError, LossReason};
use ubf_codec::{NotationError, Term};

use crate::packets::passage::Passage;
use crate::ui::reason::reason;
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
    text.trim().parse().map_err(|error: NotationError| {
        let leading = text.len() - text.trim_start().len();
        Passage::of(text).report(None, &error.to_string(), leading + error.offset())
    })
}

/// Why there is no connection, and what to look at.
pub(crate) fn cannot_connect(error: &ConnectError) -> Report {
    Report::new(error.to_string()).with_hint(connect_hint(error))
}

fn connect_hint(error: &ConnectError) -> Option<&'static str> {
    let ConnectError::Unreachable { losses } = error else { return None };
    let is = |test: fn(&LossReason) -> bool| losses.iter().any(|loss| test(&loss.reason));
    if is(|reason| matches!(reason, LossReason::NoCommonVersion { spoken } if spoken.is_empty())) {
        Some(
            "it has no such service, or none of its versions works: --service says which one to talk to",
        )
    } else if is(|reason| matches!(reason, LossReason::NoCommonVersion { .. })) {
        Some("--versions says which versions to offer, as in --versions 1-3,10")
    } else if is(|reason| matches!(reason, LossReason::NegotiationRefused { .. })) {
        Some("--service says which service to talk to")
    } else if is(|reason| {
        matches!(reason, LossReason::NegotiationTime { .. } | LossReason::BadSyntax(_))
    }) {
        Some("is that a server that speaks versioned UBF?")
    } else if is(|reason| {
        matches!(reason, LossReason::ConnectFailed | LossReason::ConnectTime { .. })
    }) {
        Some("is the server running, and are host and port right?")
    } else {
        None
    }
}

/// What to do about a call that failed.
pub(crate) const fn call_hint(error: &CallError) -> Option<&'static str> {
    match error {
        CallError::Deadline { .. } => Some("--timeout gives it more time"),
        CallError::Indeterminate => {
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
        | CallError::Closed => None,
    }
}
