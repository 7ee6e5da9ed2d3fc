//! A node as a process: from its settings to its exit status.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use tracing::{error, warn};
use ubf_server::{BindError, Counts};

use crate::catalogue::Catalogue;
use crate::fault;
use crate::log::{self, Log};
use crate::options::{Loaded, Options};
use crate::rows::Causes;
use crate::serve::{Ended, Start, serve};
use crate::takeover::{InTheWay, Incoming, NotTaken};

/// The exit statuses, beside 0. Two is the one that clap uses.
const CANNOT_START: u8 = 1;
const BAD_OPTION: u8 = 2;
const CALL_CUT: u8 = 3;
const FAULT: u8 = 4;

/// Serves until a signal or an operator ends it.
pub(crate) fn run(program: &str, options: Options, catalogue: &Catalogue) -> ExitCode {
    let loaded = match options.load(catalogue) {
        Ok(loaded) => loaded,
        Err(problems) => return complain(&problems.to_text(program), BAD_OPTION),
    };
    if options.only_checks() {
        return check(program, &loaded);
    }
    let in_force = loaded.in_force();
    let (settings, warnings) = (loaded.settings, loaded.warnings);
    let filter = match log::filter(&settings.log_filter) {
        Ok(filter) => filter,
        Err(error) => return fail(program, &format!("--log-filter: {error}"), BAD_OPTION),
    };
    let log = match Log::install(settings.log, filter, &settings.node()) {
        Ok(log) => log,
        Err(error) => return fail(program, &format!("cannot log: {error}"), CANNOT_START),
    };
    fault::take_rules_away();
    for warning in warnings.lines() {
        warn!(%warning, "a setting has an old name");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("ubf-worker").build();
    let status = match runtime {
        Ok(runtime) => {
            // Held until it is said why: a predecessor that hears of a failure ends this process.
            let mut incoming = Incoming::alone();
            let catalogue = catalogue.clone();
            let start = Start { options, settings, in_force, catalogue };
            let ended = runtime.block_on(serve(start, &log, &mut incoming));
            // A handler that blocks its thread does not keep the program.
            runtime.shutdown_timeout(Duration::from_millis(100));
            let status = status(program, ended, &log);
            log.finish();
            drop(incoming);
            status
        }
        Err(error) => {
            log.say(&format!("{program}: cannot start: {error}"));
            ExitCode::from(CANNOT_START)
        }
    };
    log.finish();
    status
}

/// The exit status of a server that has ended, or never began.
fn status(program: &str, ended: Result<Ended, Box<dyn std::error::Error>>, log: &Log) -> ExitCode {
    let Ended { report, broken, closed } = match ended {
        Ok(ended) => ended,
        Err(error) => {
            let hint = hint(&*error).map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
            log.say(&format!("{program}: {error}{hint}"));
            return ExitCode::from(CANNOT_START);
        }
    };
    if let Some(fault) = report.fault {
        error!(%fault, "the server ended by itself");
        return ExitCode::from(FAULT);
    }
    if let Some(error) = broken {
        error!(%error, "nobody can be served any more");
        return ExitCode::from(FAULT);
    }
    if let Err(error) = closed {
        error!(error = %Causes(&error), "the store has failed");
        return ExitCode::from(FAULT);
    }
    if report.is_clean() {
        return ExitCode::SUCCESS;
    }
    let Counts { calls_cut, answers_lost, connections_crashed, .. } = report.counts;
    error!(calls_cut, answers_lost, connections_crashed, "something was lost");
    ExitCode::from(CALL_CUT)
}

/// What to do about a server that does not start. About the file of a control socket its error says
/// enough.
fn hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if error.is::<InTheWay>() {
        return Some("--take-over takes its place, and `ubf upgrade` does that with a guard");
    }
    if error.is::<NotTaken>() {
        return Some("the server there goes on: its log says more");
    }
    let BindError::Listen { address, error } = error.downcast_ref()? else { return None };
    let hints = [
        (
            ErrorKind::AddrInUse,
            "another program listens there; with --take-over and its --control, a server takes its place",
        ),
        (
            ErrorKind::AddrNotAvailable,
            "this machine does not have this address; 0.0.0.0 stands for all that it has",
        ),
        (ErrorKind::PermissionDenied, "ports below 1024 are for privileged programs"),
        (ErrorKind::InvalidInput, "an address is HOST:PORT: --listen 127.0.0.1:4000"),
    ];
    let is_file = address.contains('/');
    hints.into_iter().find(|(kind, _)| *kind == error.kind() && !is_file).map(|(_, hint)| hint)
}

/// Tells why there is nothing to serve.
pub(crate) fn cannot_start(program: &str, why: &str) -> ExitCode {
    fail(program, &format!("cannot start: {why}"), CANNOT_START)
}

fn fail(program: &str, text: &str, status: u8) -> ExitCode {
    complain(&format!("{program}: {text}\n"), status)
}

fn complain(text: &str, status: u8) -> ExitCode {
    // If stderr is gone, there is nobody to tell.
    let _is_told = write!(std::io::stderr(), "{text}").is_ok();
    ExitCode::from(status)
}

/// Shows all settings, and on stderr what should be written in another way.
fn check(program: &str, loaded: &Loaded) -> ExitCode {
    let status = complain(&loaded.warnings.to_text(program), 0);
    match write!(std::io::stdout(), "{}", loaded.to_text()) {
        Ok(()) => status,
        // Who closes the pipe has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => status,
        Err(error) => fail(program, &format!("cannot write to stdout: {error}"), CANNOT_START),
    }
}
