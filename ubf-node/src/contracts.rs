//! The contracts of the services: those that come with this program, and those of `--contract`.

use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use ubf_codec::Version;
use ubf_contract::{Contract, ReadError, Reader};
use ubf_server::{ContractRules, Contracts, Enforcement, Handler, Versions};

use crate::options::{Raw, Wrong};

/// What becomes of messages that break a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContractMode {
    /// Nothing is checked; `'contract'` is answered.
    Off,
    /// They are logged and counted.
    Log,
    /// They are logged and counted, and go nowhere.
    Enforce,
}

/// The contracts of all services, and how they are used.
#[derive(Debug)]
pub(crate) struct ContractPlan {
    enforcement: Enforcement,
    /// Those of `--contract`; without a version it is for all versions that have none of their own.
    given: Vec<GivenContract>,
    shipped: Vec<Shipped>,
}

/// A contract that the program comes with.
#[derive(Clone, Debug)]
pub(crate) struct Shipped {
    service: &'static str,
    versions: (Bound<u32>, Bound<u32>),
    text: &'static str,
}

impl Shipped {
    pub(crate) fn new(
        service: &'static str,
        versions: &impl RangeBounds<u32>,
        text: &'static str,
    ) -> Self {
        let versions = (versions.start_bound().cloned(), versions.end_bound().cloned());
        Self { service, versions, text }
    }

    /// # Errors
    /// The text is no contract.
    pub(crate) fn read(&self) -> Result<Contract, ReadError> {
        Reader::new().read(self.text)
    }
}

/// A contract of `--contract`.
#[derive(Clone, Debug)]
pub(crate) struct GivenContract {
    /// As it was given: `kv/2=FILE`.
    pub(crate) text: String,
    service: String,
    version: Option<Version>,
    contract: Arc<Contract>,
}

impl ContractPlan {
    pub(crate) const fn new(
        given: Vec<GivenContract>,
        mode: ContractMode,
        shipped: Vec<Shipped>,
    ) -> Self {
        let enforcement = match mode {
            ContractMode::Off => Enforcement::Off,
            ContractMode::Log => Enforcement::Log,
            ContractMode::Enforce => Enforcement::Enforce,
        };
        Self { enforcement, given, shipped }
    }

    /// That service, held against its contracts.
    pub(crate) fn of<H: Handler>(&self, service: &str, handler: H) -> Contracts<H> {
        let versions = handler.versions();
        let mut contracts = Contracts::new(handler).with_enforcement(self.enforcement);
        // One contract for all the versions that it has is read once.
        let mut left: Vec<Version> = versions.iter().collect();
        while let Some(&first) = left.first() {
            let Some(source) = self.source(service, first) else {
                left.remove(0);
                continue;
            };
            let same = |version: &Version| self.source(service, *version) == Some(source);
            let (these, others): (Versions, Vec<_>) =
                (left.iter().copied().filter(same).collect(), left);
            left = others.into_iter().filter(|version| !same(version)).collect();
            if let Some(contract) = source.contract() {
                contracts = contracts.version(these, contract);
            }
        }
        contracts
    }

    /// The contracts of a service that is run by its owner.
    pub(crate) fn rules(&self, service: &str, versions: &Versions) -> ContractRules {
        let rules = ContractRules::new(self.enforcement);
        versions.iter().fold(rules, |rules, version| match self.contract(service, version) {
            Some(contract) => rules.version(version, contract),
            None => rules,
        })
    }

    /// The contract of a service in a version, whatever becomes of messages that break it.
    pub(crate) fn contract(&self, service: &str, version: Version) -> Option<Arc<Contract>> {
        self.source(service, version)?.contract()
    }

    fn source(&self, service: &str, version: Version) -> Option<Source<'_>> {
        let given = |wanted: Option<Version>| {
            let mut all = self.given.iter();
            all.find(|given| given.service == service && given.version == wanted)
                .map(|given| &given.contract)
        };
        let given = given(Some(version)).or_else(|| given(None)).map(Source::Given);
        given.or_else(|| {
            let is_of = |shipped: &&Shipped| {
                shipped.service == service && shipped.versions.contains(&version.get())
            };
            self.shipped.iter().find(is_of).map(Source::Shipped)
        })
    }
}

/// Where the contract of a version comes from.
#[derive(Clone, Copy)]
enum Source<'p> {
    Given(&'p Arc<Contract>),
    Shipped(&'p Shipped),
}

impl PartialEq for Source<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Given(one), Self::Given(other)) => Arc::ptr_eq(one, other),
            (Self::Shipped(one), Self::Shipped(other)) => std::ptr::eq(*one, *other),
            (Self::Given(_), Self::Shipped(_)) | (Self::Shipped(_), Self::Given(_)) => false,
        }
    }
}

impl Source<'_> {
    fn contract(self) -> Option<Arc<Contract>> {
        match self {
            Self::Given(contract) => Some(Arc::clone(contract)),
            Self::Shipped(shipped) => {
                let contract = shipped.read();
                debug_assert!(contract.is_ok(), "all were read when the program began");
                contract.ok().map(Arc::new)
            }
        }
    }
}

/// Reads the files that are named as `kv=FILE` or `kv/2=FILE`.
pub(crate) fn read_all(raw: &Raw, known: &[String]) -> Result<Vec<GivenContract>, Wrong> {
    raw.parts()?.into_iter().map(|given| read(given, known)).collect()
}

fn read(given: &str, known: &[String]) -> Result<GivenContract, Wrong> {
    const HINT: &str = "--contract kv=FILE, or for one version --contract kv/2=FILE";
    let bad = |text| Wrong::new(format!("{given}: {text}")).hint(HINT);
    let (name, path) = given.split_once('=').ok_or_else(|| bad("no file is named"))?;
    let (name, version) = match name.split_once('/') {
        Some((name, version)) => {
            let version = version.parse().ok().and_then(Version::new);
            (name, Some(version.ok_or_else(|| bad("not a version"))?))
        }
        None => (name, None),
    };
    let service = name.trim().to_owned();
    if !known.contains(&service) {
        return Err(Wrong::one_of(&service, known));
    }
    let text = std::fs::read(Path::new(path))
        .map_err(|error| Wrong::new(format!("cannot read {path}: {error}")))?;
    let contract = Reader::new().read(&text).map_err(|error| {
        Wrong::new(format!("{path}:{error}"))
            .hint("ubf contract check FILE shows all that is wrong with it")
    })?;
    Ok(GivenContract { text: given.to_owned(), service, version, contract: Arc::new(contract) })
}
