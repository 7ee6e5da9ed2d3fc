//! Services that no code of this program is for: those of scripts, and those behind a gateway.

use std::sync::Arc;

use tracing::info;
use ubf_server::{Handler as _, ServerBuilder, Service};

use crate::adding::{Held, add};
use crate::breaks::Breaks;
use crate::classic::Stock;
use crate::gateway::Gateway;
use crate::journal::Journal;
use crate::options::Settings;
use crate::script::Scripted;

/// Services that are not this program's own: those of scripts, and those behind a gateway.
pub(crate) struct Others<'a, 's> {
    pub(crate) settings: &'s Settings,
    pub(crate) journal: &'a Option<Journal>,
    pub(crate) breaks: &'a mut Breaks,
    pub(crate) stock: &'a mut Option<Stock<'s>>,
    /// Whether there is a service for clients that name none.
    pub(crate) has_default: bool,
}

impl Others<'_, '_> {
    /// The names of the next service: the first of all has no name, too.
    fn names(&mut self, name: String) -> impl Iterator<Item = Service> + use<> {
        let is_first = !std::mem::replace(&mut self.has_default, true);
        let names = [Some(Service::named(name)), is_first.then_some(Service::DEFAULT)];
        names.into_iter().flatten()
    }

    pub(crate) fn add_scripts(&mut self, mut builder: ServerBuilder) -> ServerBuilder {
        let contracts = &self.settings.contracts;
        for script in &self.settings.scripts {
            let name = script.name.to_latin1();
            let scripted = Scripted::new(Arc::clone(script), self.settings.versions.others());
            let (names, journal) = (self.names(name.clone()), self.journal.clone());
            let mut held = Held { service: &name, contracts, breaks: self.breaks };
            let spoken;
            (builder, spoken) = add(builder, names, scripted.clone(), journal, &mut held);
            if let Some(stock) = self.stock {
                let contract = |version| contracts.contract(&name, version);
                stock.add(&name, &spoken, contract, |service| scripted.in_house(service));
            }
        }
        builder
    }

    pub(crate) async fn add_gateways(
        &mut self,
        mut builder: ServerBuilder,
    ) -> Result<ServerBuilder, Box<dyn std::error::Error>> {
        let (contracts, limits) = (&self.settings.contracts, &self.settings.limits);
        for plan in &self.settings.gateways {
            let name = plan.name.clone();
            let version = self.settings.classic.version(&name);
            let gateway = Gateway::open(plan.clone(), version, limits.max_call_time).await;
            let gateway =
                gateway.map_err(|error| format!("--gateway {}: {error}", plan.to_text()))?;
            let (versions, told) = (gateway.versions(), gateway.contract());
            info!(service = name, version = %gateway.version(), "a gateway");
            let (names, journal) = (self.names(name.clone()), self.journal.clone());
            let mut held = Held { service: &name, contracts, breaks: self.breaks };
            (builder, _) = add(builder, names, gateway, journal, &mut held);
            if let Some(stock) = self.stock {
                let contract = |version| contracts.contract(&name, version).or(told);
                stock.add(&name, &versions, contract, |service| service);
            }
        }
        Ok(builder)
    }
}
