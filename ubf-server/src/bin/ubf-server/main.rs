//! The reference server. `ubf-server --help` tells what it does.

mod options;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;
use ubf_server::services::{Echo, Kv};
use ubf_server::{DrainPlan, Report, Server, ServerHandle, Service};

use self::options::{LogForm, Options, ServiceName, Settings};

/// The exit statuses, beside 0. Two is the one that clap uses.
const CANNOT_START: u8 = 1;
const BAD_OPTION: u8 = 2;
const CALL_CUT: u8 = 3;

fn main() -> ExitCode {
    let settings = match Options::parse().settings() {
        Ok(settings) => settings,
        Err(error) => return fail(&error.to_string(), BAD_OPTION),
    };
    let filter = match settings.log_filter.parse::<EnvFilter>() {
        Ok(filter) => filter,
        Err(error) => return fail(&format!("{}: {error}", settings.log_filter), BAD_OPTION),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log {
        LogForm::Text => {
            let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            log.with_ansi(is_terminal && std::env::var_os("NO_COLOR").is_none()).init();
        }
        LogForm::Json => log.json().flatten_event(true).init(),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), CANNOT_START),
    };
    let ended = runtime.block_on(serve(settings));
    // A handler that blocks its thread does not keep the program.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ended {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(report) => {
            error!(calls_cut = report.counts.calls_cut, "calls were cut");
            ExitCode::from(CALL_CUT)
        }
        Err(error) => fail(&error.to_string(), CANNOT_START),
    }
}

fn fail(text: &str, status: u8) -> ExitCode {
    // If stderr is gone, there is nobody to tell.
    let _is_told = writeln!(std::io::stderr(), "ubf-server: {text}").is_ok();
    ExitCode::from(status)
}

async fn serve(settings: Settings) -> Result<Report, Box<dyn std::error::Error>> {
    let mut builder = Server::builder().config(settings.config.clone()).limits(settings.limits);
    for address in &settings.listen {
        builder = builder.listen(address);
    }
    for (index, &service) in settings.services.iter().enumerate() {
        // The first one has no name, too.
        let names = [Some(Service::from(service.as_str())), (index == 0).then_some(Service::DEFAULT)];
        let names = names.into_iter().flatten();
        builder = match service {
            ServiceName::Echo => {
                let echo = Arc::new(Echo::new(settings.versions.clone()));
                names.fold(builder, |builder, name| builder.shared_service(name, Arc::clone(&echo)))
            }
            ServiceName::Kv => {
                let kv = Arc::new(Kv::new(&settings.versions));
                names.fold(builder, |builder, name| builder.shared_service(name, Arc::clone(&kv)))
            }
        };
    }
    let server = builder.bind().await?;
    let signals = Signals::install()?;
    let signals = tokio::spawn(signals.obey(server.handle(), settings));
    for address in server.addresses() {
        info!(%address, "listening");
    }
    let report = server.run().await;
    signals.abort();
    for (name, count) in report.counts.named().into_iter().filter(|&(_, count)| count > 0) {
        info!(name, count, "counted");
    }
    Ok(report)
}

/// What the system tells this program, from the moment this is made.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn obey(mut self, handle: ServerHandle, settings: Settings) {
        tokio::select! {
            _ = self.terminate.recv() => {
                drain(&handle, settings);
                tokio::select! {
                    _ = self.terminate.recv() => {}
                    _ = self.interrupt.recv() => {}
                }
            }
            _ = self.interrupt.recv() => {}
        }
        info!("told to stop now");
        handle.stop();
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// There is one signal: it drains, and stops when it comes again.
    async fn obey(self, handle: ServerHandle, settings: Settings) {
        if tokio::signal::ctrl_c().await.is_ok() {
            drain(&handle, settings);
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            handle.stop();
        }
    }
}

fn drain(handle: &ServerHandle, settings: Settings) {
    let Settings { next_ip, grace, hard_stop, .. } = settings;
    if next_ip.is_none() {
        // Nobody takes the clients over: they need no time to move.
        return handle.shut_down(hard_stop);
    }
    if !handle.drain(DrainPlan { next_ip, grace, hard_stop }) {
        warn!("the server is closing already");
    }
}
