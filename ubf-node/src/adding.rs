//! What becomes of a service on its way into the server: its names, its contracts, its journal.

use std::sync::Arc;

use ubf_server::{Contracts, Handler, ServerBuilder, Service, Versions};

use crate::breaks::Breaks;
use crate::contracts::ContractPlan;
use crate::journal::Journal;

/// The contracts of a service, and where their breaks are counted.
pub(crate) struct Held<'s> {
    pub(crate) service: &'s str,
    pub(crate) contracts: &'s ContractPlan,
    pub(crate) breaks: &'s mut Breaks,
}

impl Held<'_> {
    fn of<H: Handler>(&mut self, handler: H) -> Arc<Contracts<H>> {
        let handler = self.contracts.of(self.service, handler);
        self.breaks.add(self.service, &handler);
        Arc::new(handler)
    }
}

/// Adds a service under some names. What breaks its contract is not in the journal: it was not
/// executed.
pub(crate) fn add(
    builder: ServerBuilder,
    names: impl Iterator<Item = Service>,
    handler: impl Handler,
    journal: Option<Journal>,
    held: &mut Held<'_>,
) -> (ServerBuilder, Versions) {
    fn under(
        builder: ServerBuilder,
        names: impl Iterator<Item = Service>,
        handler: &Arc<impl Handler>,
    ) -> (ServerBuilder, Versions) {
        let add = |builder: ServerBuilder, name| builder.shared_service(name, Arc::clone(handler));
        (names.fold(builder, add), handler.versions())
    }
    match journal {
        Some(journal) => under(builder, names, &held.of(journal.of(handler))),
        None => under(builder, names, &held.of(handler)),
    }
}
