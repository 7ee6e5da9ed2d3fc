//! `ubf switch`: one fixed address in front of many servers.

use std::io;

use tokio::net::TcpListener;
use ubf_client::Target;
use ubf_net::tls::{ClientTls, ServerFiles, ServerTls};
use ubf_node::ProgramLog;
use ubf_proto::Service;
use ubf_switch::{BindError, Switch, SwitchBuilder, SwitchDrain, SwitchHandle, SwitchLimits};

use crate::args::switch::Switch as Arguments;
use crate::network;
use crate::ui::output::Output;
use crate::ui::reason::{causes, reason};
use crate::ui::report::Report;
use crate::ui::status::Status;

/// Where clients come if nobody says where.
const DEFAULT_ADDRESS: &str = "127.0.0.1:4000";

pub(super) fn run(args: &Arguments, output: &mut Output) -> io::Result<Status> {
    let ended = begin(args).and_then(|(runtime, log, tls, builder)| {
        let ended = runtime.block_on(serve(args, tls, builder, output));
        log.finish();
        ended
    });
    match ended {
        Ok(status) => Ok(status),
        Err(report) => {
            output.report(&report)?;
            Ok(Status::Trouble)
        }
    }
}

type Begun = (tokio::runtime::Runtime, ProgramLog, Option<ServerTls>, SwitchBuilder);

fn begin(args: &Arguments) -> Result<Begun, Report> {
    let tls = server_tls(args)?;
    let mut builder = Switch::builder().limits(limits(args)).pass_next_ip(args.pass_next_ip);
    let listens_raw = args.raw_listen.is_some();
    if args.listen.is_empty() && !listens_raw {
        builder = builder.listen(DEFAULT_ADDRESS);
    }
    for address in &args.listen {
        builder = builder.listen(address);
    }
    for node in &args.node {
        builder = builder.node(node.clone());
    }
    for service in &args.service {
        builder = builder.service(Service::named(&**service));
    }
    if let Some(address) = &args.raw_listen {
        builder = builder.pass_through(address, args.raw_node.iter().cloned());
    }
    if let Some(tls) = &tls {
        builder = builder.tls(tls.clone());
    }
    if let Some(tls) = node_tls(args)? {
        builder = builder.node_tls(tls);
    }
    if let Some(address) = &args.advertise {
        builder = builder.advertise(address.clone());
    }
    if let Some(peers) = &args.peers {
        builder = builder.peers(peers.clone());
    }
    let log = ProgramLog::begin(args.log_json, &args.log_filter, "switch")
        .map_err(|error| Report::new(error.to_string()))?;
    Ok((network::runtime(true)?, log, tls, builder))
}

fn limits(args: &Arguments) -> SwitchLimits {
    let told = &args.limits;
    let mut limits = SwitchLimits::default();
    limits.max_connections = told.max_connections;
    limits.max_connections_per_address = told.max_connections_per_address;
    limits.max_sessions = told.max_sessions;
    limits.max_negotiation_time = told.max_negotiation_time;
    limits.max_packet_time = told.max_packet_time;
    limits.max_idle_time = told.max_idle_time;
    limits.max_write_time = told.max_write_time;
    limits.max_connect_time = told.max_connect_time;
    limits.max_answer_time = told.max_answer_time;
    limits.probe_every = told.probe_every;
    limits
}

fn server_tls(args: &Arguments) -> Result<Option<ServerTls>, Report> {
    let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let mut files = ServerFiles::new(cert, key);
    if let Some(authorities) = &args.tls_client_ca {
        files = files.with_client_authorities(authorities);
    }
    ServerTls::from_files(files).map(Some).map_err(|error| Report::new(causes(&error)))
}

fn node_tls(args: &Arguments) -> Result<Option<ClientTls>, Report> {
    let mut nodes = args.node.iter().chain(&args.raw_node);
    if args.node_ca.is_none() && !nodes.any(|node| matches!(node, Target::Tls(_))) {
        return Ok(None);
    }
    let trusting = args.node_ca.as_ref().map_or_else(ClientTls::of_system, ClientTls::trusting);
    let tls = trusting.and_then(|tls| match (&args.node_cert, &args.node_key) {
        (Some(cert), Some(key)) => tls.showing(cert, key),
        (_, _) => Ok(tls),
    });
    tls.map(Some).map_err(|error| Report::new(causes(&error)))
}

async fn serve(
    args: &Arguments,
    tls: Option<ServerTls>,
    builder: SwitchBuilder,
    output: &mut Output,
) -> Result<Status, Report> {
    let switch = builder.bind().await.map_err(|error| cannot_begin(&error))?;
    let handle = switch.handle();
    let metrics = match &args.metrics {
        Some(address) => Some(listen_for_monitors(address).await?),
        None => None,
    };
    for address in switch.addresses() {
        tracing::info!(%address, "listening");
        // Whoever started it reads where it is; nobody need.
        let _is_told = output.line(format_args!("{address}")).and_then(|()| output.flush()).is_ok();
    }
    if let Some(listener) = &metrics
        && let Ok(address) = listener.local_addr()
    {
        tracing::info!(%address, "monitors are answered");
    }
    let running = tokio::spawn(switch.run());
    let monitors = async {
        match metrics {
            Some(listener) => ubf_switch::metrics::serve(listener, handle.clone()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        told = until_told(tls.as_ref()) => told.map_err(|error| {
            Report::new(format!("cannot wait for signals: {}", reason(&error)))
        })?,
        () = monitors => {}
    }
    end(args, &handle).await;
    match running.await {
        Ok(report) => {
            let counts = report.counts;
            tracing::info!(joined = counts.joined, cut = counts.cut, "ended");
            Ok(if counts.cut == 0 { Status::Good } else { Status::WrongInput })
        }
        Err(error) => Err(Report::new(format!("the switch has crashed: {error}"))),
    }
}

/// Drains it, and ends it at once at the second signal.
async fn end(args: &Arguments, handle: &SwitchHandle) {
    let drain =
        SwitchDrain { next_ip: args.next_ip.clone(), grace: args.grace, hard_stop: args.hard_stop };
    tracing::info!(connections = handle.connections(), "draining");
    tokio::select! {
        () = handle.drain(drain) => {}
        _again = until_told(None) => handle.drain(SwitchDrain::default()).await,
    }
}

fn cannot_begin(error: &BindError) -> Report {
    let hint = match error {
        BindError::NoNodes => Some("--node HOST:PORT names one"),
        BindError::NodeTls { .. } => Some("--node-ca FILE: the authority's, as PEM"),
        BindError::Listen { error, .. } => (error.kind() == io::ErrorKind::AddrInUse)
            .then_some("another program listens there; --listen names another address"),
        _ => None,
    };
    Report::new(error.to_string()).with_hint(hint)
}

async fn listen_for_monitors(address: &str) -> Result<TcpListener, Report> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Report::new(format!("cannot listen on {address}: {}", reason(&error))))
}

/// Waits for a signal to end. SIGHUP reads the certificate again meanwhile.
#[cfg(unix)]
async fn until_told(tls: Option<&ServerTls>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let [mut interrupt, mut terminate, mut hang_up] = [
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    ];
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => match tls.map(ServerTls::reload) {
                Some(Ok(())) => tracing::info!("the certificate was read again"),
                Some(Err(error)) => tracing::error!(error = causes(&error), "the certificate stays as it was"),
                None => {}
            },
        }
    }
}

#[cfg(not(unix))]
async fn until_told(_: Option<&ServerTls>) -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
