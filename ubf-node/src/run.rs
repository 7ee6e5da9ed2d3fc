//! The reference server as a function: `ubf-server` is this, and so is `ubf serve`.

use std::convert::Infallible;
use std::io::{ErrorKind, Write as _};
use std::iter;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};
use ubf_server::{BindError, Counts, Report, Server, ServerBuilder, Service};
use ubf_service::server::KeeperError;

use crate::activation::Activation;
use crate::adding::{Held, Others, add};
use crate::admin_http::{About, AdminHttp};
use crate::audit::Audit;
use crate::breaks::Breaks;
use crate::certificates::Certificates;
use crate::classic::Stock;
use crate::control::Control;
use crate::descriptors;
use crate::fault;
use crate::handoff::{Elsewhere, HandoffService, Handoffs};
use crate::journal::Journal;
use crate::log::{self, Log};
use crate::operator::{self, Operator};
use crate::options::{ControlPlan, Loaded, Options, ServiceName, Settings};
use crate::rows::{Causes, Kept, Opening, has_rows, known_versions, open_rows};
use crate::services::{Echo, Irc, Kv};
use crate::signals::{Reloaded, Signals};
#[cfg(unix)]
use crate::supervisor::Supervisor;
use crate::takeover::{Descriptor, InTheWay, Incoming, NotTaken, Place, Progress, Takeovers};

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
            let ended = runtime.block_on(serve(options, settings, in_force, &log, &mut incoming));
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
    in_force: Arc<[(String, Option<String>)]>,
    log: &Log,
    incoming: &mut Incoming,
) -> Result<Ended, Box<dyn std::error::Error>> {
    let max_kept_event_bytes = settings.config.max_kept_event_bytes;
    let mut builder = Server::builder()
        .config(settings.config.clone())
        .limits(settings.limits)
        .sessions(settings.sessions.clone())
        .reuse_port(settings.reuse_port)
        .time_calls(settings.admin_http.is_some());
    if let Some(certificates) = &settings.tls {
        builder = builder.tls(certificates.tls());
    }
    if let Some(policy) = settings.policy.clone() {
        builder = builder.admission(policy);
    }
    builder = builder.proxies(settings.proxy_from.iter().copied());
    if let Some(address) = settings.advertise.clone() {
        builder = builder.advertise(address);
    }
    descriptors::raise_limit(settings.limits.max_connections);
    let progress = Progress::default();
    *incoming =
        Incoming::begin(settings.control.as_deref(), options.takes_over(), &in_force, &progress)
            .await?;
    let mut activation = Activation::from_env()?;
    for address in &settings.listen {
        // A predecessor may have several of one name.
        let mut inherited = Vec::from_iter(iter::from_fn(|| incoming.listener(address)));
        if inherited.is_empty() {
            inherited = activation.take(address)?.unwrap_or_default();
        }
        if inherited.is_empty() {
            builder = listen(builder, address, None);
        }
        for listener in inherited {
            builder = listen(builder, address, Some(listener));
        }
    }
    for name in activation.unused() {
        warn!(name, "a listener that was handed over is not used: --listen fd:NAME uses it");
    }
    for address in &settings.classic.listen {
        let name = format!("classic:{address}");
        if let Some(inherited) = incoming.listener(&name) {
            builder = listen(builder, &name, Some(inherited));
        }
    }
    let journal = settings.journal.as_ref().map(|path| {
        Journal::append_to(path)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    });
    let journal = journal.transpose()?;
    let audit = settings.audit.as_ref().map(|path| {
        Audit::append_to(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
    });
    let audit = audit.transpose()?;
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
            let contracts = settings.contracts.rules(name, &known_versions(service));
            breaks.add_rules(name, &contracts);
            let opening = Opening {
                contracts,
                journal,
                plan: plan.clone(),
                adopts: options.adopts(),
                beats: settings.known_address(),
                sessions: settings.sessions.clone(),
                max_kept_event_bytes,
                names: names.collect(),
                wanted: versions.clone(),
                unseen: incoming.unseen(name),
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
            // It has rows, and without a store the settings are wrong.
            ServiceName::Ledger => continue,
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
    // From here on no signal ends the program at once, and leaves files behind.
    let of_operators = settings.control_listen.as_ref().map(|plan| plan.certificates.clone());
    let of_http = settings.admin_http.as_ref().and_then(|plan| plan.certificates.clone());
    let certificates: Vec<_> =
        settings.tls.iter().cloned().chain(of_operators).chain(of_http).collect();
    let reloaded = Reloaded {
        certificates: certificates.clone(),
        policy: settings.policy.clone(),
        audit: audit.clone(),
        token: settings.admin_http.as_ref().and_then(|plan| plan.token.clone()),
    };
    let signals = Signals::install(
        options,
        in_force.clone(),
        settings.waits,
        journal.clone(),
        log.clone(),
        reloaded,
    )?;
    let server = builder.bind().await?;
    let sockets = settings.listen.iter().filter(|address| address.starts_with("unix:"));
    let stock_sockets =
        settings.classic.listen.iter().filter(|address| address.starts_with("unix:"));
    let about = About {
        node: settings.node(),
        control: settings.control.as_ref().map(|path| path.display().to_string()),
    };
    server.handle().set_load_marks(settings.load);
    let control_listener = incoming.control();
    let operators_listener = settings
        .control_listen
        .as_ref()
        .and_then(|plan| incoming.listener(&operator::listener_name(&plan.address)));
    let http_listener =
        settings.admin_http.as_ref().and_then(|plan| incoming.listener(&http_name(&plan.address)));
    // Before it, another process may serve.
    let successor = std::mem::replace(incoming, Incoming::alone()).ready(&server.handle()).await?;
    let (takeovers, mut outgoing) = Takeovers::new(progress.clone());
    let node = settings.control.as_deref().and_then(node_address);
    let elsewhere = settings.control_listen.as_ref();
    let elsewhere = elsewhere.map(|plan| Elsewhere::new(plan, settings.policy.clone()));
    let tls = settings.tls.as_ref().map(|tls| tls.tls().files().certificate.clone());
    let (handoffs, waiting) = Handoffs::new(&kept, node, elsewhere, audit.clone(), tls);
    handoffs.serve_with(server.handle());
    let control = Control::new(server.handle())
        .drains(settings.waits.grace, settings.waits.hard_stop)
        .with_settings(in_force)
        .with_takeovers(takeovers)
        .with_handoffs(handoffs.clone())
        .with_journal(journal.clone())
        .with_log(log.clone())
        .with_breaks(breaks.clone())
        .with_rows(kept.clone())
        .with_certificates(certificates.clone())
        .with_policy(settings.policy.clone())
        .with_audit(audit.clone());
    let http_address = settings.admin_http.as_ref().map(|plan| plan.address.clone());
    let admin_http = match settings.admin_http {
        Some(plan) => {
            let address = plan.address.clone();
            let (control, feed) = (control.clone(), Some(log.feed()));
            let started = AdminHttp::start(plan, control, feed, about, http_listener).await;
            Some(started.map_err(|error| BindError::Listen { address, error })?)
        }
        None => None,
    };
    let operators = match &settings.control_listen {
        Some(plan) => {
            let ControlPlan { address, certificates, .. } = plan;
            let (control, listener) = (control.clone(), operators_listener);
            let serving =
                operator::serve_network(address, certificates, control, &handoffs, listener);
            Some(serving.await?)
        }
        None => None,
    };
    let operators_address = settings.control_listen.map(|plan| plan.address);
    let operator = match &settings.control {
        Some(path) => {
            let nodes = handoffs.are_any().then(|| HandoffService::new(&handoffs));
            Some(operator::serve(path, control, nodes, control_listener).await?)
        }
        None => None,
    };
    for service in kept.iter() {
        service.offer(&server.handle());
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
    #[cfg(unix)]
    let supervisor = Supervisor::of_environment();
    #[cfg(unix)]
    supervisor.ready();
    let living = async {
        #[cfg(unix)]
        supervisor.live().await;
        std::future::pending::<Infallible>().await
    };
    let handle = server.handle();
    let place = operator.as_ref().map(|operator| Place {
        server: handle.clone(),
        operator: operator.handle.clone(),
        http_door: admin_http.as_ref().map(|http| Arc::clone(&http.door)),
        others: others_of(admin_http.as_ref(), http_address.as_deref())
            .into_iter()
            .chain(descriptors_of(operators.as_ref(), operators_address.as_deref()))
            .collect(),
        kept: kept.clone(),
        journal,
        hard_stop: settings.waits.hard_stop,
        progress,
    });
    let proving = async {
        if let Some(successor) = successor {
            successor.prove(handle.clone()).await;
        }
        std::future::pending::<Infallible>().await
    };
    let failed = kept.failed();
    let watched = async {
        let all = certificates.iter().map(Certificates::watch);
        futures_util::future::join_all(all).await;
        std::future::pending::<Infallible>().await
    };
    let mut running = pin!(server.run());
    let ended = tokio::select! {
        report = &mut running => Ok(report),
        _error = failed => Err(None),
        replaced = outgoing.attend(place.as_ref()) => match replaced {
            Ok(()) => {
                // What stays has had its time, or has it now.
                handle.shut_down(settings.waits.hard_stop);
                Ok(running.as_mut().await)
            }
            Err(error) => Err(Some(error)),
        },
        never = proving => match never {},
        never = signals.obey(&handle) => match never {},
        never = watched => match never {},
        never = handoffs.attend(waiting) => match never {},
        never = living => match never {},
        never = log.tell_of_what_is_left_out() => match never {},
    };
    let (report, broken) = match ended {
        Ok(report) => (report, None),
        Err(broken) => {
            // T4: nothing more is durable, and nobody is told anything.
            handle.stop();
            (running.await, broken)
        }
    };
    // First, so that a successor waits no longer than it must.
    let closed = tokio::task::spawn_blocking(move || kept.close()).await?;
    for operator in operator.into_iter().chain(operators) {
        operator.end().await;
    }
    if let Some(audit) = audit {
        tokio::task::spawn_blocking(move || audit.finish()).await?;
    }
    for (name, count) in report.counts.named().into_iter().filter(|&(_, count)| count > 0) {
        info!(name, count, "counted");
    }
    breaks.log();
    // Monitors see the server stop.
    drop(admin_http);
    Ok(Ended { report, broken, closed })
}

/// How a server has ended.
struct Ended {
    report: Report,
    /// U2: why nobody can be served any more.
    broken: Option<Box<dyn std::error::Error>>,
    /// Whether all that was taken is in the store.
    closed: Result<(), KeeperError>,
}

/// U5: where nodes of this machine speak to this one, by its control socket.
fn node_address(control: &Path) -> Option<String> {
    std::path::absolute(control).ok().map(|path| format!("unix:{}", path.display()))
}

/// U1: the name of the listener for metrics and health.
fn http_name(address: &str) -> String {
    format!("http:{address}")
}

/// U1: what goes to another process beside the listeners of clients and operators.
#[cfg(unix)]
fn others_of(http: Option<&AdminHttp>, address: Option<&str>) -> Vec<(String, Descriptor)> {
    let copy = http.and_then(|http| http.listener.try_clone().ok());
    address.zip(copy).map(|(address, copy)| (http_name(address), copy)).into_iter().collect()
}

#[cfg(not(unix))]
fn others_of(_: Option<&AdminHttp>, _: Option<&str>) -> Vec<(String, Descriptor)> {
    Vec::new()
}

/// U1: what goes to another process of what operators come by.
#[cfg(unix)]
fn descriptors_of(
    operators: Option<&Operator>,
    address: Option<&str>,
) -> Vec<(String, Descriptor)> {
    let Some((operators, address)) = operators.zip(address) else { return Vec::new() };
    let copies = operators.handle.listener_descriptors().unwrap_or_default().into_iter();
    copies.map(|(_, copy)| (operator::listener_name(address), copy)).collect()
}

#[cfg(not(unix))]
fn descriptors_of(_: Option<&Operator>, _: Option<&str>) -> Vec<(String, Descriptor)> {
    Vec::new()
}

/// Listens on an address, or on a Unix socket; with a listener of another process, if there is one.
fn listen(builder: ServerBuilder, address: &str, inherited: Option<Descriptor>) -> ServerBuilder {
    #[cfg(unix)]
    if let Some(inherited) = inherited {
        return builder.inherit(address, inherited);
    }
    #[cfg(not(unix))]
    drop(inherited);
    #[cfg(unix)]
    if let Some(path) = address.strip_prefix("unix:") {
        return builder.listen_unix(path);
    }
    builder.listen(address)
}
