//! What a node does from its first listener to its last word.

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use tracing::{info, warn};
use ubf_server::{Report, Server};
use ubf_service::server::KeeperError;

use crate::activation::Activation;
use crate::assembly::{Assembled, Assembly};
use crate::audit::Audit;
use crate::breaks::Breaks;
use crate::catalogue::Catalogue;
use crate::certificates::Certificates;
use crate::control::Control;
use crate::descriptors;
use crate::doors::{Doors, GivenDoors};
use crate::handoff::{Elsewhere, Handoffs, Waiting};
use crate::journal::Journal;
use crate::log::Log;
use crate::options::{Options, Settings, Waits};
use crate::rows::Kept;
use crate::signals::{Reloaded, Signals};
#[cfg(unix)]
use crate::supervisor::Supervisor;
use crate::takeover::{Incoming, Outgoing, Place, Progress, Successor, Takeovers};

/// What a node begins with.
pub(crate) struct Start {
    pub(crate) options: Options,
    pub(crate) settings: Settings,
    /// Each setting with its value.
    pub(crate) in_force: Arc<[(String, Option<String>)]>,
    pub(crate) catalogue: Catalogue,
}

/// How a server has ended.
pub(crate) struct Ended {
    pub(crate) report: Report,
    /// U2: why nobody can be served any more.
    pub(crate) broken: Option<Box<dyn Error>>,
    /// Whether all that was taken is in the store.
    pub(crate) closed: Result<(), KeeperError>,
}

/// Serves until a signal, an operator, a successor or a fault ends it.
pub(crate) async fn serve(
    start: Start,
    log: &Log,
    incoming: &mut Incoming,
) -> Result<Ended, Box<dyn Error>> {
    Begun::begin(start, log, incoming).await?.until_the_end(log).await
}

/// A node whose doors are open.
struct Begun {
    server: Server,
    waits: Waits,
    kept: Kept,
    breaks: Breaks,
    journal: Option<Journal>,
    audit: Option<Audit>,
    certificates: Vec<Certificates>,
    signals: Signals,
    doors: Doors,
    progress: Progress,
    /// U2: those who come to take its place, and itself if it has taken another one's.
    outgoing: Outgoing,
    successor: Option<Successor>,
    /// U5: what other nodes and operators ask for.
    handoffs: Handoffs,
    waiting: Waiting,
}

impl Begun {
    async fn begin(
        start: Start,
        log: &Log,
        incoming: &mut Incoming,
    ) -> Result<Self, Box<dyn Error>> {
        let Start { options, mut settings, in_force, catalogue } = start;
        descriptors::raise_limit(settings.limits.max_connections);
        let progress = Progress::default();
        let takes_over = options.takes_over();
        *incoming =
            Incoming::begin(settings.control.as_deref(), takes_over, &in_force, &progress).await?;
        let mut activation = Activation::from_env()?;
        let assembly = Assembly::new(&settings).listening(incoming, &mut activation)?;
        let journal = appended(settings.journal.as_deref(), |path| Journal::append_to(path))?;
        let audit = appended(settings.audit.as_deref(), Audit::append_to)?;
        let assembly = assembly.serving(journal.as_ref(), options.adopts(), incoming).await?;
        let Assembled { builder, breaks, kept, unwanted, in_memory } = assembly.finish();
        // From here on no signal ends the program at once, and leaves files behind.
        let certificates = certificates(&settings);
        let reloaded = Reloaded {
            certificates: certificates.clone(),
            policy: settings.policy.clone(),
            audit: audit.clone(),
            token: settings.admin_http.as_ref().and_then(|plan| plan.token.clone()),
        };
        let signals = Signals::install(
            options,
            catalogue,
            in_force.clone(),
            settings.waits,
            journal.clone(),
            log.clone(),
            reloaded,
        )?;
        let server = builder.bind().await?;
        let handle = server.handle();
        unwanted.withdraw(&handle);
        handle.set_load_marks(settings.load.take());
        let given = GivenDoors::of(incoming, &settings);
        // Before it, another process may serve.
        let successor = std::mem::replace(incoming, Incoming::alone()).ready(&handle).await?;
        let (takeovers, outgoing) = Takeovers::new(progress.clone());
        let (handoffs, waiting) = handoffs(&settings, &kept, audit.as_ref());
        handoffs.serve_with(handle.clone());
        let control = Control::new(handle.clone())
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
        let doors = Doors::open(&mut settings, given, &control, &handoffs, log).await?;
        for service in kept.iter() {
            service.offer(&handle);
        }
        for service in in_memory {
            warn!(service, "it keeps all in memory: that is gone when this process ends");
        }
        tell_where(&server, &settings);
        Ok(Self {
            server,
            waits: settings.waits,
            kept,
            breaks,
            journal,
            audit,
            certificates,
            signals,
            doors,
            progress,
            outgoing,
            successor,
            handoffs,
            waiting,
        })
    }

    async fn until_the_end(self, log: &Log) -> Result<Ended, Box<dyn Error>> {
        let Self { server, waits, kept, certificates, signals, doors, mut outgoing, .. } = self;
        let living = living();
        let handle = server.handle();
        let place = doors.operator.as_ref().map(|operator| Place {
            server: handle.clone(),
            operator: operator.handle.clone(),
            http_door: doors.http_door(),
            others: doors.listeners(),
            kept: kept.clone(),
            journal: self.journal,
            hard_stop: waits.hard_stop,
            progress: self.progress,
        });
        let proving = async {
            if let Some(successor) = self.successor {
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
                    handle.shut_down(waits.hard_stop);
                    Ok(running.as_mut().await)
                }
                Err(error) => Err(Some(error)),
            },
            never = proving => match never {},
            never = signals.obey(&handle) => match never {},
            never = watched => match never {},
            never = self.handoffs.attend(self.waiting) => match never {},
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
        let monitors = doors.close().await;
        if let Some(audit) = self.audit {
            tokio::task::spawn_blocking(move || audit.finish()).await?;
        }
        for (name, count) in report.counts.named().into_iter().filter(|&(_, count)| count > 0) {
            info!(name, count, "counted");
        }
        self.breaks.log();
        // Monitors see the server stop.
        drop(monitors);
        Ok(Ended { report, broken, closed })
    }
}

/// U5: what hands rows off, and who may ask for it.
fn handoffs(settings: &Settings, kept: &Kept, audit: Option<&Audit>) -> (Handoffs, Waiting) {
    let node = settings.control.as_deref().and_then(node_address);
    let elsewhere = settings.control_listen.as_ref();
    let elsewhere = elsewhere.map(|plan| Elsewhere::new(plan, settings.policy.clone()));
    let tls = settings.tls.as_ref().map(|tls| tls.tls().files().certificate.clone());
    Handoffs::new(kept, node, elsewhere, audit.cloned(), tls)
}

/// A file that is written at its end, if there is to be one.
fn appended<T>(
    path: Option<&Path>,
    open: impl FnOnce(&Path) -> std::io::Result<T>,
) -> Result<Option<T>, String> {
    let open = |path: &Path| {
        open(path).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    path.map(open).transpose()
}

/// All that are read again when they change.
fn certificates(settings: &Settings) -> Vec<Certificates> {
    let of_operators = settings.control_listen.as_ref().map(|plan| plan.certificates.clone());
    let of_http = settings.admin_http.as_ref().and_then(|plan| plan.certificates.clone());
    settings.tls.iter().cloned().chain(of_operators).chain(of_http).collect()
}

fn tell_where(server: &Server, settings: &Settings) {
    let is_file = |address: &&String| address.starts_with("unix:");
    for address in server.addresses() {
        info!(%address, "listening");
    }
    for address in settings.listen.iter().filter(is_file) {
        info!(address, "listening");
    }
    for address in server.classic_addresses() {
        info!(%address, "listening for stock peers");
    }
    for address in settings.classic.listen.iter().filter(is_file) {
        info!(address, "listening for stock peers");
    }
}

/// Tells a supervisor that the node serves, and then that it lives.
fn living() -> impl Future<Output = Infallible> {
    #[cfg(unix)]
    let supervisor = Supervisor::of_environment();
    #[cfg(unix)]
    supervisor.ready();
    async move {
        #[cfg(unix)]
        supervisor.live().await;
        std::future::pending::<Infallible>().await
    }
}

/// U5: where nodes of this machine speak to this one, by its control socket.
fn node_address(control: &Path) -> Option<String> {
    std::path::absolute(control).ok().map(|path| format!("unix:{}", path.display()))
}
