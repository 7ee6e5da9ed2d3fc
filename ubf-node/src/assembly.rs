//! A server before it is bound: its configuration, its listeners, its services.

use std::error::Error;
use std::iter;
use std::sync::Arc;

use tracing::warn;
use ubf_codec::Version;
use ubf_server::{Server, ServerBuilder, ServerHandle, Service, Versions};

use crate::activation::Activation;
use crate::adding::Held;
use crate::breaks::Breaks;
use crate::catalogue::{Adding, Offering, Rows};
use crate::classic::Stock;
use crate::journal::Journal;
use crate::options::Settings;
use crate::others::Others;
use crate::rows::{Adopts, Kept, Opening};
use crate::takeover::{Descriptor, Incoming};

/// What is put together.
pub(crate) struct Assembly<'s> {
    settings: &'s Settings,
    builder: ServerBuilder,
    stock: Option<Stock<'s>>,
    breaks: Breaks,
    kept: Kept,
    unwanted: Vec<(Service, Version)>,
    in_memory: Vec<&'static str>,
}

/// What has come of it.
pub(crate) struct Assembled {
    pub(crate) builder: ServerBuilder,
    pub(crate) breaks: Breaks,
    pub(crate) kept: Kept,
    pub(crate) unwanted: Unwanted,
    /// Services that have rows, and no store to keep them in.
    pub(crate) in_memory: Vec<&'static str>,
}

/// Versions that services have, and that are not to be spoken.
pub(crate) struct Unwanted(Vec<(Service, Version)>);

impl Unwanted {
    /// Withdraws them. It is done before the first client is accepted.
    pub(crate) fn withdraw(&self, server: &ServerHandle) {
        for (service, version) in &self.0 {
            let is_there = server.withdraw(service, *version);
            debug_assert!(is_there, "the service has said that it speaks this version");
        }
    }
}

impl<'s> Assembly<'s> {
    pub(crate) fn new(settings: &'s Settings) -> Self {
        let mut builder = Server::builder()
            .config(settings.config.clone())
            .limits(settings.limits)
            .sessions(settings.sessions.clone())
            .reuse_port(settings.reuse_port)
            .time_calls(settings.admin_http.is_some());
        if let Some(certificates) = &settings.tls {
            builder = builder.tls(certificates.tls());
        }
        if let Some(policy) = settings.policy.clone() {
            builder = builder.admission(policy);
        }
        builder = builder.proxies(settings.proxy_from.iter().copied());
        if let Some(address) = settings.advertise.clone() {
            builder = builder.advertise(address);
        }
        Self {
            settings,
            builder,
            stock: Stock::new(&settings.classic),
            breaks: Breaks::default(),
            kept: Kept::default(),
            unwanted: Vec::new(),
            in_memory: Vec::new(),
        }
    }

    /// U1: listens, with what a predecessor or a supervisor has opened if there is such.
    pub(crate) fn listening(
        mut self,
        incoming: &mut Incoming,
        activation: &mut Activation,
    ) -> Result<Self, Box<dyn Error>> {
        for address in &self.settings.listen {
            // A predecessor may have several of one name.
            let mut inherited = Vec::from_iter(iter::from_fn(|| incoming.listener(address)));
            if inherited.is_empty() {
                inherited = activation.take(address)?.unwrap_or_default();
            }
            if inherited.is_empty() {
                self.builder = listen(self.builder, address, None);
            }
            for listener in inherited {
                self.builder = listen(self.builder, address, Some(listener));
            }
        }
        for name in activation.unused() {
            warn!(name, "a listener that was handed over is not used: --listen fd:NAME uses it");
        }
        for address in &self.settings.classic.listen {
            let name = format!("classic:{address}");
            if let Some(inherited) = incoming.listener(&name) {
                self.builder = listen(self.builder, &name, Some(inherited));
            }
        }
        Ok(self)
    }

    /// Adds the services. Those with rows own them from here on.
    pub(crate) async fn serving(
        mut self,
        journal: Option<&Journal>,
        adopts: Adopts,
        incoming: &mut Incoming,
    ) -> Result<Self, Box<dyn Error>> {
        for (index, offering) in self.settings.services.iter().enumerate() {
            // The first one has no name, too.
            let names =
                [Some(Service::from(offering.name)), (index == 0).then_some(Service::DEFAULT)];
            let names: Vec<_> = names.into_iter().flatten().collect();
            self = match &offering.rows {
                Some(rows) if self.settings.store.is_some() => {
                    let unseen = incoming.unseen(offering.name);
                    let opening = self.opening(offering, rows, names, journal, adopts);
                    let opening = opening.map(|opening| Opening { unseen, ..opening });
                    self.with_rows(offering, opening).await?
                }
                Some(_) | None => self.in_memory(offering, &names, journal)?,
            };
        }
        let mut others = Others {
            settings: self.settings,
            journal: &journal.cloned(),
            breaks: &mut self.breaks,
            stock: &mut self.stock,
            has_default: !self.settings.services.is_empty(),
        };
        self.builder = others.add_scripts(self.builder);
        self.builder = others.add_gateways(self.builder).await?;
        Ok(self)
    }

    /// How the rows of a service are opened. `None`: they are not.
    fn opening(
        &mut self,
        offering: &Offering,
        rows: &Rows,
        names: Vec<Service>,
        journal: Option<&Journal>,
        adopts: Adopts,
    ) -> Option<Opening> {
        let settings = self.settings;
        let contracts = settings.contracts.rules(offering.name, &rows.versions);
        self.breaks.add_rules(offering.name, &contracts);
        let wanted = settings.versions.of(offering.name);
        Some(Opening {
            service: offering.name,
            shard: offering.shard,
            contracts,
            journal: journal.cloned(),
            plan: settings.store.clone()?,
            adopts,
            beats: settings.known_address(),
            sessions: settings.sessions.clone(),
            max_kept_event_bytes: settings.config.max_kept_event_bytes,
            names,
            wanted: wanted.unwrap_or(&rows.versions).clone(),
            unseen: Vec::new(),
        })
    }

    async fn with_rows(
        mut self,
        offering: &Arc<Offering>,
        opening: Option<Opening>,
    ) -> Result<Self, Box<dyn Error>> {
        let service = Arc::clone(offering);
        let open = move || Some(service.rows.as_ref()?.open(opening?));
        let Some(opened) = tokio::task::spawn_blocking(open).await? else { return Ok(self) };
        let opened = opened?;
        self.builder = opened.add(self.builder);
        self.tell_stock(offering.name, &opened.spoken());
        self.kept.push(opened);
        Ok(self)
    }

    /// A service without rows, or without a store for them. One that wants a store is an error of
    /// the settings, and is not met here.
    fn in_memory(
        mut self,
        offering: &Offering,
        names: &[Service],
        journal: Option<&Journal>,
    ) -> Result<Self, String> {
        let Some(add) = &offering.in_memory else { return Ok(self) };
        let name = offering.name;
        if offering.rows.is_some() {
            self.in_memory.push(name);
        }
        let wanted = self.settings.versions.of(name);
        let contracts = &self.settings.contracts;
        let mut held = Held { service: name, contracts, breaks: &mut self.breaks };
        let (named, journal) = (names.to_vec(), journal.cloned());
        let adding = Adding { wanted, names: named, journal, held: &mut held };
        let spoken;
        (self.builder, spoken) = add(self.builder, adding);
        let is_wanted = |version| wanted.is_none_or(|wanted| wanted.contains(version));
        let (spoken, unwanted): (Versions, Vec<_>) = (
            spoken.iter().filter(|&version| is_wanted(version)).collect(),
            spoken.iter().filter(|&version| !is_wanted(version)).collect(),
        );
        if spoken.is_empty() {
            return Err(format!("service {name} has no version"));
        }
        let withdrawn =
            names.iter().flat_map(|name| unwanted.iter().map(|&version| (name.clone(), version)));
        self.unwanted.extend(withdrawn);
        self.tell_stock(name, &spoken);
        Ok(self)
    }

    /// Q1: stock peers get the service, too.
    fn tell_stock(&mut self, name: &str, spoken: &Versions) {
        let contracts = &self.settings.contracts;
        if let Some(stock) = &mut self.stock {
            stock.add(name, spoken, |version| contracts.contract(name, version), |service| service);
        }
    }

    /// All of it.
    pub(crate) fn finish(self) -> Assembled {
        let Self { settings, mut builder, stock, breaks, kept, unwanted, in_memory } = self;
        if let Some(stock) = stock {
            builder = builder.classic(stock.settle(settings.classic.config()));
        }
        Assembled { builder, breaks, kept, unwanted: Unwanted(unwanted), in_memory }
    }
}

/// Listens on an address, or on a Unix socket; with a listener of another process, if there is one.
fn listen(builder: ServerBuilder, address: &str, inherited: Option<Descriptor>) -> ServerBuilder {
    #[cfg(unix)]
    if let Some(inherited) = inherited {
        return builder.inherit(address, inherited);
    }
    #[cfg(not(unix))]
    drop(inherited);
    #[cfg(unix)]
    if let Some(path) = address.strip_prefix("unix:") {
        return builder.listen_unix(path);
    }
    builder.listen(address)
}
