//! How often the contracts of the services were broken.

use std::fmt;
use std::sync::Arc;

use tracing::warn;
use ubf_server::{ContractCounts, ContractRules, Contracts, Handler};

/// Asks the services when somebody wants to know.
#[derive(Clone, Default)]
pub(crate) struct Breaks(Vec<(Arc<str>, Arc<Count>)>);

type Count = dyn Fn() -> ContractCounts + Send + Sync;

impl Breaks {
    pub(crate) fn add<H: Handler>(&mut self, service: &str, handler: &Contracts<H>) {
        self.0.push((service.into(), Arc::new(handler.counts())));
    }

    pub(crate) fn add_rules(&mut self, service: &str, rules: &ContractRules) {
        self.0.push((service.into(), Arc::new(rules.counts())));
    }

    /// Of all services together, in the words of the log.
    pub(crate) fn counters(&self) -> [(&'static str, u64); 4] {
        let sum = |count: fn(&ContractCounts) -> u64| {
            self.0.iter().map(|(_, counts)| count(&counts())).sum()
        };
        [
            ("contract_client_broke", sum(|counts| counts.client_broke)),
            ("contract_server_broke", sum(|counts| counts.server_broke)),
            ("contract_events_in", sum(|counts| counts.events_in)),
            ("contract_events_out", sum(|counts| counts.events_out)),
        ]
    }

    /// A line for each service whose contract was broken.
    pub(crate) fn log(&self) {
        for (service, counts) in &self.0 {
            let ContractCounts { client_broke, server_broke, events_in, events_out, .. } = counts();
            if client_broke + server_broke + events_in + events_out > 0 {
                warn!(
                    service = &**service,
                    client_broke, server_broke, events_in, events_out, "contracts were broken"
                );
            }
        }
    }
}

impl fmt::Debug for Breaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.counters()).finish()
    }
}
