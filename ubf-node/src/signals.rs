//! What the system tells this program by signals.

use std::convert::Infallible;
use std::sync::Arc;

use tracing::{error, info, warn};
use ubf_codec::NextIp;
use ubf_server::{DrainPlan, ServerHandle};

use crate::admin_http::TokenFile;
use crate::audit::Audit;
use crate::catalogue::Catalogue;
use crate::certificates::Certificates;
use crate::journal::Journal;
use crate::log::Log;
use crate::options::{Options, Waits};
use crate::policy::Policy;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// SIGTERM, SIGQUIT: drain; when it comes again, stop.
    Drain,
    /// SIGINT: stop at once.
    Stop,
    /// SIGHUP: open the journal again, and read the settings again.
    Reload,
    /// SIGUSR1, SIGUSR2: nothing. Without a handler they would end the program.
    Nothing,
}

/// What the program does about signals. It owns what they change.
pub(crate) struct Signals {
    source: Source,
    /// As they were given: a file among them is read again.
    options: Options,
    catalogue: Catalogue,
    /// Each setting with its value, as the server was started with.
    in_force: Arc<[(String, Option<String>)]>,
    waits: Waits,
    journal: Option<Journal>,
    log: Log,
    reloaded: Reloaded,
}

/// Files of the operator's that are read or opened again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloaded {
    pub(crate) certificates: Vec<Certificates>,
    pub(crate) policy: Option<Policy>,
    pub(crate) audit: Option<Audit>,
    pub(crate) token: Option<TokenFile>,
}

impl Signals {
    /// From here on no signal of these ends the program by itself.
    pub(crate) fn install(
        options: Options,
        catalogue: Catalogue,
        in_force: Arc<[(String, Option<String>)]>,
        waits: Waits,
        journal: Option<Journal>,
        log: Log,
        reloaded: Reloaded,
    ) -> std::io::Result<Self> {
        let source = Source::install()?;
        Ok(Self { source, options, catalogue, in_force, waits, journal, log, reloaded })
    }

    /// Does as it is told, for as long as it is polled.
    pub(crate) async fn obey(mut self, server: &ServerHandle) -> Infallible {
        let mut is_draining = false;
        loop {
            match self.source.next().await {
                Wish::Drain if !is_draining => {
                    is_draining = true;
                    drain(server, self.waits);
                }
                Wish::Drain | Wish::Stop => {
                    info!("told to stop now");
                    server.stop();
                }
                Wish::Reload => self.reload(server),
                Wish::Nothing => info!("a signal without a meaning here: ignored"),
            }
        }
    }

    fn reload(&mut self, server: &ServerHandle) {
        if let Some(journal) = &self.journal {
            let path = journal.path().display();
            match journal.reopen() {
                Ok(()) => info!(%path, "journal reopened"),
                Err(error) => error!(%path, %error, "the journal cannot be reopened"),
            }
        }
        let Reloaded { certificates, policy, audit, token } = &self.reloaded;
        certificates.iter().for_each(Certificates::reload);
        if let Some(token) = token {
            token.reload();
        }
        if let Some(audit) = audit {
            audit.reopen();
        }
        if policy.as_ref().is_some_and(Policy::reload) {
            let closed = server.admit_anew(self.waits.hard_stop);
            if closed > 0 {
                info!(closed, "connections that the policy does not allow any more are closed");
            }
        }
        let loaded = match self.options.load(&self.catalogue) {
            // What operators have set since is not undone by flags.
            Ok(loaded) if !loaded.has_file => {
                return info!("reloaded, but for the settings: there is no file of them");
            }
            Ok(loaded) => loaded,
            Err(problems) => {
                for problem in problems.lines() {
                    error!(%problem, "a setting is wrong");
                }
                error!("no setting is reloaded");
                return;
            }
        };
        for setting in left_out(&self.in_force, &loaded.in_force()) {
            warn!(setting, "a setting has changed, and is not reloaded: it takes a restart");
        }
        let settings = loaded.settings;
        if let Err(error) = self.log.set_filter(&settings.log_filter) {
            error!(%error, "the log's filter is not reloaded");
        }
        self.waits = settings.waits;
        if !server.set_peers(settings.config.peers) {
            error!("the peers are not reloaded: clients cannot be told of them");
        }
        server.set_load_marks(settings.load);
        info!(
            "reloaded: peers, load marks, grace, hard stop, log filter; the rest takes a restart"
        );
    }
}

/// What SIGHUP takes from the file.
const RELOADED: [&str; 4] = ["peers", "drain.grace", "drain.hard-stop", "log.filter"];

/// The settings that have changed and are not taken. Their values are not told: one may name a
/// database with its password.
fn left_out<'s>(
    before: &'s [(String, Option<String>)],
    after: &[(String, Option<String>)],
) -> Vec<&'s str> {
    let is_reloaded = |key: &str| RELOADED.contains(&key) || key.starts_with("load.");
    let is_same = |setting: &(String, Option<String>)| after.contains(setting);
    let changed = before.iter().filter(|setting| !is_same(setting) && !is_reloaded(&setting.0));
    changed.map(|(key, _)| key.as_str()).collect()
}

#[cfg(unix)]
struct Source([(tokio::signal::unix::Signal, Wish); 6]);

#[cfg(unix)]
impl Source {
    fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self([
            (signal(SignalKind::terminate())?, Wish::Drain),
            (signal(SignalKind::quit())?, Wish::Drain),
            (signal(SignalKind::interrupt())?, Wish::Stop),
            (signal(SignalKind::hangup())?, Wish::Reload),
            (signal(SignalKind::user_defined1())?, Wish::Nothing),
            (signal(SignalKind::user_defined2())?, Wish::Nothing),
        ]))
    }

    async fn next(&mut self) -> Wish {
        std::future::poll_fn(|context| {
            for (signal, wish) in &mut self.0 {
                // `None` never comes, and would mean that no signal comes either.
                if let std::task::Poll::Ready(Some(())) = signal.poll_recv(context) {
                    return std::task::Poll::Ready(*wish);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn install() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// There is one signal: it drains, and stops when it comes again.
    async fn next(&mut self) -> Wish {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Wish::Drain
    }
}

fn drain(server: &ServerHandle, waits: Waits) {
    // Those of the moment: an operator may have changed them.
    let next_ip = NextIp::new(server.status().peers);
    let Waits { grace, hard_stop } = waits;
    if next_ip.is_none() {
        // Nobody takes the clients over: they need no time to move.
        return server.shut_down(hard_stop);
    }
    if !server.drain(DrainPlan::new(next_ip, grace, hard_stop)) {
        warn!("the server is closing already");
    }
}
