//! Where others than clients come: operators by a socket and by a network, and those who look.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use ubf_server::BindError;

use crate::admin_http::{About, AdminHttp};
use crate::control::Control;
use crate::handoff::{HandoffService, Handoffs};
use crate::log::Log;
use crate::operator::{self, Operator};
use crate::options::{ControlPlan, Settings};
use crate::takeover::{Descriptor, Incoming};

/// All of them, open.
pub(crate) struct Doors {
    /// By a Unix socket.
    pub(crate) operator: Option<Operator>,
    /// By a network, and at which address.
    operators: Option<(Operator, String)>,
    /// By HTTP, and at which address.
    admin_http: Option<(AdminHttp, String)>,
}

/// The listeners that a predecessor has given.
pub(crate) struct GivenDoors {
    control: Option<Descriptor>,
    operators: Option<Descriptor>,
    http: Option<Descriptor>,
}

impl GivenDoors {
    pub(crate) fn of(incoming: &mut Incoming, settings: &Settings) -> Self {
        let operators = settings.control_listen.as_ref();
        let operators = operators.map(|plan| operator::listener_name(&plan.address));
        let http = settings.admin_http.as_ref().map(|plan| http_name(&plan.address));
        Self {
            control: incoming.control(),
            operators: operators.and_then(|name| incoming.listener(&name)),
            http: http.and_then(|name| incoming.listener(&name)),
        }
    }
}

impl Doors {
    /// Opens those that the settings name. The plan for HTTP is taken from them.
    pub(crate) async fn open(
        settings: &mut Settings,
        given: GivenDoors,
        control: &Control,
        handoffs: &Handoffs,
        log: &Log,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let about = About {
            node: settings.node(),
            control: settings.control.as_ref().map(|path| path.display().to_string()),
        };
        let admin_http = match settings.admin_http.take() {
            Some(plan) => {
                let address = plan.address.clone();
                let (control, feed) = (control.clone(), Some(log.feed()));
                let started = AdminHttp::start(plan, control, feed, about, given.http).await;
                let failed = |error| BindError::Listen { address: address.clone(), error };
                Some((started.map_err(failed)?, address))
            }
            None => None,
        };
        let operators = match &settings.control_listen {
            Some(plan) => {
                let ControlPlan { address, certificates, .. } = plan;
                let (control, given) = (control.clone(), given.operators);
                let serving =
                    operator::serve_network(address, certificates, control, handoffs, given);
                Some((serving.await?, address.clone()))
            }
            None => None,
        };
        let operator = match &settings.control {
            Some(path) => Some(by_socket(path, control, handoffs, given.control).await?),
            None => None,
        };
        Ok(Self { operator, operators, admin_http })
    }

    /// Closed when another process takes over: who looks by HTTP finds that one then.
    pub(crate) fn http_door(&self) -> Option<Arc<watch::Sender<bool>>> {
        self.admin_http.as_ref().map(|(http, _)| Arc::clone(&http.door))
    }

    /// U1: what goes to another process beside the listeners of clients, and of operators of this
    /// machine.
    #[cfg(unix)]
    pub(crate) fn listeners(&self) -> Vec<(String, Descriptor)> {
        let http = self.admin_http.iter().filter_map(|(http, address)| {
            Some((http_name(address), http.listener.try_clone().ok()?))
        });
        let operators = self.operators.iter().flat_map(|(operators, address)| {
            let copies = operators.handle.listener_descriptors().unwrap_or_default();
            copies.into_iter().map(|(_, copy)| (operator::listener_name(address), copy))
        });
        http.chain(operators).collect()
    }

    #[cfg(not(unix))]
    pub(crate) fn listeners(&self) -> Vec<(String, Descriptor)> {
        Vec::new()
    }

    /// Operators go when the server has ended: they may ask how it went. Monitors see it stop when
    /// what comes back is dropped.
    pub(crate) async fn close(self) -> impl Sized {
        let Self { operator, operators, admin_http } = self;
        for operator in operator.into_iter().chain(operators.map(|(operators, _)| operators)) {
            operator.end().await;
        }
        admin_http
    }
}

async fn by_socket(
    path: &Path,
    control: &Control,
    handoffs: &Handoffs,
    given: Option<Descriptor>,
) -> Result<Operator, BindError> {
    let nodes = handoffs.are_any().then(|| HandoffService::new(handoffs));
    operator::serve(path, control.clone(), nodes, given).await
}

/// U1: the name of the listener for metrics and health.
fn http_name(address: &str) -> String {
    format!("http:{address}")
}
