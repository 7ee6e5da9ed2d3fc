//! What stock peers are served (Q1 to Q15): which services, in which version, with which contract.

use std::sync::Arc;

use ubf_contract::Contract;
use ubf_server::classic::Config;
use ubf_server::{Classic, ClassicService, Service, Versions};

use crate::options::ClassicPlan;

/// The services of a server as stock peers see them, while they are put together.
#[derive(Debug)]
pub(crate) struct Stock<'p> {
    plan: &'p ClassicPlan,
    services: Vec<ClassicService>,
}

impl<'p> Stock<'p> {
    /// `None`: there is no place for stock peers.
    pub(crate) fn new(plan: &'p ClassicPlan) -> Option<Self> {
        plan.is_wanted().then(|| Self { plan, services: Vec::new() })
    }

    /// Adds a service in the version that is set for it, or in its highest one.
    pub(crate) fn add(
        &mut self,
        name: &str,
        versions: &Versions,
        contract: impl FnOnce(ubf_codec::Version) -> Option<Arc<Contract>>,
        set: impl FnOnce(ClassicService) -> ClassicService,
    ) {
        let Some(version) = self.plan.version(name).or_else(|| versions.highest()) else { return };
        let is_entered = self.plan.entered.as_deref();
        if is_entered.is_some_and(|entered| entered != name) {
            // Without a meta level nobody could begin its sessions.
            return;
        }
        let service =
            ClassicService::of(name.to_owned(), Service::named(name.to_owned()), version.get());
        let service = match contract(version) {
            Some(contract) => service.with_contract(contract),
            None => service,
        };
        self.services.push(set(service));
    }

    /// All of it, with the places where it listens.
    pub(crate) fn settle(self, config: Config) -> Classic {
        let Self { plan, services } = self;
        let mut classic =
            services.into_iter().fold(Classic::new().config(config), Classic::service);
        for address in &plan.listen {
            classic = listen(classic, address);
        }
        if let Some(within) = plan.shared {
            classic = classic.share_addresses(within);
        }
        if plan.entered.is_some() { classic.without_meta_level() } else { classic }
    }
}

fn listen(classic: Classic, address: &str) -> Classic {
    #[cfg(unix)]
    if let Some(path) = address.strip_prefix("unix:") {
        return classic.listen_unix(path);
    }
    classic.listen(address)
}
