//! What people and monitors look at by HTTP: metrics, health, status, events, and a page. Who has
//! the token can steer there, too.
//!
//! It is apart from the server: it takes no place of a client, and whoever reads slowly, or asks
//! without end, holds up nobody but other readers.

pub(crate) mod acting;
mod answer;
mod body;
mod events;
mod exposition;
mod facts;
pub(crate) mod guard;
mod lists;
mod metrics;
pub(crate) mod page;
mod pauses;
mod process;
pub(crate) mod response;
pub(crate) mod serving;
mod token;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

pub(crate) use self::answer::About;
use self::answer::Answers;
pub(crate) use self::body::Body;
use self::guard::Guard;
use self::pauses::Pauses;
pub(crate) use self::token::{Token, TokenFile};
use crate::certificates::Certificates;
use crate::control::Control;
use crate::log::Feed;
use crate::takeover::Descriptor;

/// Where to look, and what is wanted for it.
#[derive(Clone, Debug)]
pub(crate) struct AdminHttpPlan {
    pub(crate) address: String,
    /// Without one, only this machine may look, or who shows a certificate, and nobody act.
    pub(crate) token: Option<TokenFile>,
    /// What makes HTTPS of it.
    pub(crate) certificates: Option<Certificates>,
}

impl AdminHttpPlan {
    /// Whether only those come who have a certificate.
    fn wants_certificates(&self) -> bool {
        let tls = self.certificates.as_ref().map(Certificates::tls);
        tls.is_some_and(|tls| tls.files().client_authorities.is_some())
    }
}

/// It listens, and answers until it is dropped.
#[derive(Debug)]
pub(crate) struct AdminHttp {
    _serving: JoinSet<()>,
    /// Closed while another process answers at the same address (U2).
    pub(crate) door: Arc<watch::Sender<bool>>,
    /// U1: the same listener, for another process. It is closed with this.
    #[cfg(unix)]
    pub(crate) listener: Descriptor,
}

impl AdminHttp {
    pub(crate) async fn start(
        plan: AdminHttpPlan,
        control: Control,
        feed: Option<Feed>,
        about: About,
        inherited: Option<Descriptor>,
    ) -> io::Result<Self> {
        let listener = match inherited {
            #[cfg(unix)]
            Some(inherited) => {
                let listener = std::net::TcpListener::from(inherited);
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)?
            }
            _ => TcpListener::bind(&plan.address).await?,
        };
        #[cfg(unix)]
        let copy = std::os::fd::AsFd::as_fd(&listener).try_clone_to_owned()?;
        let address = listener.local_addr()?;
        if plan.token.is_none() && !plan.wants_certificates() && !address.ip().is_loopback() {
            return Err(io::Error::other("whoever can reach this address could look"));
        }
        let tls = plan.certificates.as_ref().map(Certificates::tls);
        info!(%address, tls = tls.is_some(), "metrics and health");
        if tls.is_none() && !address.ip().is_loopback() {
            warn!(%address, "the token is shown in plain text: --admin-http-tls hides it");
        }
        let (door, is_open) = watch::channel(true);
        let (pauses, guard) = (Pauses::new(), Guard::new(plan.token, tls.is_some()));
        let answers = Answers::new(control, guard, feed, about, pauses.clone(), is_open.clone());
        let mut serving = JoinSet::new();
        serving.spawn(pauses.watch());
        serving.spawn(serving::accept(listener, tls, is_open, Arc::new(answers)));
        Ok(Self {
            _serving: serving,
            door: Arc::new(door),
            #[cfg(unix)]
            listener: copy,
        })
    }
}
