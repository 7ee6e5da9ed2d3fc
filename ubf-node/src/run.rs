//! The reference server as a function: `ubf-server` is this, and so is `ubf serve`.

use std::io::{ErrorKind, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use tracing::{error, info, warn};
use ubf_server::{BindError, Counts, Report, Server, ServerBuilder, Service};
use ubf_service::server::KeeperError;

use crate::adding::{Held, Others, add};
use crate::admin_http::AdminHttp;
use crate::breaks::Breaks;
use crate::classic::Stock;
use crate::control::Control;
use crate::descriptors;
use crate::journal::Journal;
use crate::log::{self, Log};
use crate::operator;
use crate::options::{Loaded, Options, ServiceName, Settings};
use crate::rows::{Causes, Kept, Opening, has_rows, open_rows};
use crate::services::{Echo, Irc, Kv};
use crate::signals::Signals;

/// The exit statuses, beside 0. Two is the one that clap uses.
const CANNOT_START: u8 = 1;
const BAD_OPTION: u8 = 2;
const CALL_CUT: u8 = 3;
const FAULT: u8 = 4;

/// Serves until a signal or an operator ends it, and tells how it went by the exit status. Logs and
/// errors go to stderr; an error begins with the name of the program.
///
/// It installs what handles signals, panics and logs in the whole process, and has a runtime of its
/// own: it is the last thing that a program does.
#[must_use]
pub fn run(program: &str, options: Options) -> ExitCode {
    let loaded = match options.load() {
        Ok(loaded) => loaded,
        Err(problems) => return complain(&problems.to_text(program), BAD_OPTION),
    };
    if options.only_checks() {
        return check(program, &loaded);
    }
    let (settings, warnings) = (loaded.settings, loaded.warnings);
    let filter = match log::filter(&settings.log_filter) {
        Ok(filter) => filter,
        Err(error) => return fail(program, &format!("--log-filter: {error}"), BAD_OPTION),
    };
    let log = match Log::install(settings.log, filter, &settings.node()) {
        Ok(log) => log,
        Err(error) => return fail(program, &format!("cannot log: {error}"), CANNOT_START),
    };
    for warning in warnings.lines() {
        warn!(%warning, "a setting has an old name");
    }
    let status = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(serve(options, settings, &log));
            // A handler that blocks its thread does not keep the program.
            runtime.shutdown_timeout(Duration::from_millis(100));
            status(program, ended, &log)
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
    let Ended { report, closed } = match ended {
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
    let BindError::Listen { address, error } = error.downcast_ref()? else { return None };
    let hints = [
        (
            ErrorKind::AddrInUse,
            "another program listens there; with --reuse-port in both, a server takes over from the one before",
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

async fn serve(
    options: Options,
    settings: Settings,
    log: &Log,
) -> Result<Ended, Box<dyn std::error::Error>> {
    let max_kept_event_bytes = settings.config.max_kept_event_bytes;
    let mut builder = Server::builder()
        .config(settings.config.clone())
        .limits(settings.limits)
        .sessions(settings.sessions.clone())
        .reuse_port(settings.reuse_port)
        .time_calls(settings.admin_http.is_some());
    if let Some(address) = settings.advertise.clone() {
        builder = builder.advertise(address);
    }
    for address in &settings.listen {
        builder = listen(builder, address);
    }
    let journal = settings.journal.as_ref().map(|path| {
        Journal::append_to(path)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    });
    let journal = journal.transpose()?;
    let mut breaks = Breaks::default();
    let mut kept = Kept::default();
    let mut stock = Stock::new(&settings.classic);
    let contract_of = |name: &'static str| {
        let contracts = &settings.contracts;
        move |version| contracts.contract(name, version)
    };
    for (index, &service) in settings.services.iter().enumerate() {
        // The first one has no name, too.
        let names =
            [Some(Service::from(service.as_str())), (index == 0).then_some(Service::DEFAULT)];
        let names = names.into_iter().flatten();
        let journal = journal.clone();
        let name = service.as_str();
        let mut held = Held { service: name, contracts: &settings.contracts, breaks: &mut breaks };
        let versions = settings.versions.of(service);
        if has_rows(service)
            && let Some(plan) = &settings.store
        {
            let opening = Opening {
                plan: plan.clone(),
                sessions: settings.sessions.clone(),
                max_kept_event_bytes,
                names: names.collect(),
                wanted: versions.clone(),
            };
            let open = move || open_rows(service, opening);
            let opened = tokio::task::spawn_blocking(open).await??;
            builder = opened.add(builder);
            if let Some(stock) = &mut stock {
                stock.add(name, &opened.spoken(), contract_of(name), |service| service);
            }
            kept.push(opened);
            continue;
        }
        let spoken;
        (builder, spoken) = match service {
            ServiceName::Echo => {
                add(builder, names, Echo::new(versions.clone()), journal, &mut held)
            }
            ServiceName::Kv => add(builder, names, Kv::new(versions), journal, &mut held),
            ServiceName::Irc => add(builder, names, Irc::new(versions), journal, &mut held),
        };
        if let Some(stock) = &mut stock {
            stock.add(name, &spoken, contract_of(name), |service| service);
        }
    }
    let mut others = Others {
        settings: &settings,
        journal: &journal,
        breaks: &mut breaks,
        stock: &mut stock,
        has_default: !settings.services.is_empty(),
    };
    builder = others.add_scripts(builder);
    builder = others.add_gateways(builder).await?;
    if let Some(stock) = stock {
        builder = builder.classic(stock.settle(settings.classic.config()));
    }
    descriptors::raise_limit(settings.limits.max_connections);
    // From here on no signal ends the program at once, and leaves files behind.
    let signals = Signals::install(options, settings.waits, journal.clone(), log.clone())?;
    let server = builder.bind().await?;
    let sockets = settings.listen.iter().filter(|address| address.starts_with("unix:"));
    let stock_sockets =
        settings.classic.listen.iter().filter(|address| address.starts_with("unix:"));
    server.handle().set_load_marks(settings.load);
    let control = Control::new(server.handle())
        .drains(settings.waits.grace, settings.waits.hard_stop)
        .with_journal(journal)
        .with_log(log.clone())
        .with_breaks(breaks.clone())
        .with_rows(kept.clone());
    let admin_http = match settings.admin_http {
        Some(plan) => {
            let address = plan.address.clone();
            let started = AdminHttp::start(plan, control.clone(), Some(log.feed())).await;
            Some(started.map_err(|error| BindError::Listen { address, error })?)
        }
        None => None,
    };
    let operator = match &settings.control {
        Some(path) => Some(operator::serve(path, control).await?),
        None => None,
    };
    for service in kept.iter() {
        service.offer(&server.handle());
        if settings.journal.is_some() {
            let service = service.service().as_str();
            warn!(service, "its calls are in its rows, and not in the journal");
        }
    }
    if settings.services.contains(&ServiceName::Kv) && settings.store.is_none() {
        warn!("kv keeps all in memory: it is gone when this process ends, whoever takes over");
    }
    for address in server.addresses() {
        info!(%address, "listening");
    }
    for address in sockets {
        info!(address, "listening");
    }
    for address in server.classic_addresses() {
        info!(%address, "listening for stock peers");
    }
    for address in stock_sockets {
        info!(address, "listening for stock peers");
    }
    let handle = server.handle();
    let failed = kept.failed();
    let mut running = pin!(server.run());
    let ended = tokio::select! {
        report = &mut running => Ok(report),
        error = failed => Err(error),
        never = signals.obey(&handle) => match never {},
        never = log.tell_of_what_is_left_out() => match never {},
    };
    let report = match ended {
        Ok(report) => report,
        Err(_) => {
            // T4: nothing more is durable, and nobody is told anything.
            handle.stop();
            running.await
        }
    };
    // First, so that a successor waits no longer than it must.
    let closed = tokio::task::spawn_blocking(move || kept.close()).await?;
    if let Some(operator) = operator {
        operator.end().await;
    }
    for (name, count) in report.counts.named().into_iter().filter(|&(_, count)| count > 0) {
        info!(name, count, "counted");
    }
    breaks.log();
    // Monitors see the server stop.
    drop(admin_http);
    Ok(Ended { report, closed })
}

/// How a server has ended.
struct Ended {
    report: Report,
    /// Whether all that was taken is in the store.
    closed: Result<(), KeeperError>,
}

/// Listens on an address, or on a Unix socket.
fn listen(builder: ServerBuilder, address: &str) -> ServerBuilder {
    #[cfg(unix)]
    if let Some(path) = address.strip_prefix("unix:") {
        return builder.listen_unix(path);
    }
    builder.listen(address)
}
