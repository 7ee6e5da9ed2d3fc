//! What a server offers to stock peers: its services, and the meta level above them (Q6).

use alloc::sync::Arc;
use alloc::vec::Vec;

use ubf_codec::{Term, Text, TextRef};
use ubf_contract::{Checker, Contract, ContractDialect, Reader, SessionChecker, SessionState};

use crate::classic::Flavour;

/// The services of a server, in the order in which they are told, and what the meta level says.
///
/// ```
/// use ubf_proto::classic::Flavour;
/// use ubf_proto::classic::server::{House, HouseService};
///
/// let house = House::new(Flavour::Erl2)
///     .with_service(HouseService::new("shop"))
///     .with_info("a shop, and nothing else");
/// assert_eq!(house.services().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct House {
    meta: Arc<SessionChecker>,
    services: Vec<HouseService>,
    /// Whether sessions begin in the first service, without a meta level.
    is_entered: bool,
    pub(super) info: Text,
    pub(super) description: Text,
    pub(super) help: Term,
}

/// A service as stock peers see it.
#[derive(Clone, Debug)]
pub struct HouseService {
    name: Text,
    contract: Option<Arc<SessionChecker>>,
    first_state: Option<Text>,
}

impl HouseService {
    /// A service of this name, without a contract: every request and every event is allowed.
    #[must_use]
    pub fn new(name: impl Into<Text>) -> Self {
        Self { name: name.into(), contract: None, first_state: None }
    }

    /// The same with a contract, to which both sides are held (Q7).
    #[must_use]
    pub fn with_contract(mut self, contract: Arc<SessionChecker>) -> Self {
        self.contract = Some(contract);
        self
    }

    /// The same with the state in which sessions begin that enter it without a start. Otherwise it
    /// is the first of the contract, and `none` without states.
    #[must_use]
    pub fn with_first_state(mut self, state: impl Into<Text>) -> Self {
        self.first_state = Some(state.into());
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Text {
        &self.name
    }

    /// The contract.
    #[must_use]
    pub const fn contract(&self) -> Option<&Arc<SessionChecker>> {
        self.contract.as_ref()
    }

    pub(super) fn first_state(&self) -> Text {
        let of_contract = || {
            let contract = self.contract.as_ref()?;
            contract.name(contract.entry())
        };
        self.first_state.clone().or_else(of_contract).unwrap_or(Text::from_static(NO_STATE))
    }

    /// Where its contract is in a state of this name; `None` if it has no such state.
    pub(super) fn place(&self, state: &Text) -> Option<SessionState> {
        let contract = self.contract.as_ref()?;
        match contract.state(state.as_bytes()) {
            None if contract.entry() == SessionState::Stateless && *state == *NO_STATE => {
                Some(SessionState::Stateless)
            }
            place => place,
        }
    }

    /// Whether its contract has no states.
    pub(super) fn is_stateless(&self) -> bool {
        let contract = self.contract.as_ref();
        contract.is_some_and(|contract| contract.entry() == SessionState::Stateless)
    }

    /// Q12: what is answered to `'contract'`.
    pub(super) fn contract_term(&self) -> Term {
        match &self.contract {
            Some(contract) => contract.checker().contract().to_term(),
            None => {
                let empty = |word| Term::tuple([Term::atom(word), Term::list([])]);
                let name = Term::tuple([Term::atom("name"), Term::String(self.name.clone())]);
                let parts = [name, empty("states"), empty("anystate"), empty("types")];
                Term::tuple([Term::atom("contract"), Term::tuple(parts)])
            }
        }
    }
}

/// The state of services without states.
pub(super) const NO_STATE: &str = "none";

impl House {
    /// A server without services, whose meta level is that of this flavour.
    #[must_use]
    pub fn new(flavour: Flavour) -> Self {
        Self {
            meta: Arc::new(SessionChecker::new(Checker::new(meta_contract(flavour)))),
            services: Vec::new(),
            is_entered: false,
            info: Text::from_static("I am a meta server -\n\n    type 'help'$\n"),
            description: Text::from_static(DESCRIPTION),
            help: match flavour {
                Flavour::Erl2 | Flavour::Erl116 => Term::binary(HELP.as_bytes()),
                Flavour::Joe => Term::string(HELP),
            },
        }
    }

    /// A server of one service in which all sessions begin: there is no meta level, as with
    /// `startplugin` of stock servers (Q6).
    #[must_use]
    pub fn of_one(service: HouseService) -> Self {
        let mut house = Self::new(Flavour::default()).with_service(service);
        house.is_entered = true;
        house
    }

    /// The same with one more service. One of the same name is replaced.
    #[must_use]
    pub fn with_service(mut self, service: HouseService) -> Self {
        self.services.retain(|other| other.name != service.name);
        self.services.push(service);
        self
    }

    /// The same without a service, as a peer sees it that may not use that. Sessions that were to
    /// begin in it begin at the meta level.
    #[must_use]
    pub fn without(mut self, name: &Text) -> Self {
        self.services.retain(|service| service.name != *name);
        self.is_entered &= !self.services.is_empty();
        self
    }

    /// The same with another answer to `'info'`.
    #[must_use]
    pub fn with_info(mut self, info: impl Into<Text>) -> Self {
        self.info = info.into();
        self
    }

    /// The same with another answer to `'description'`.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<Text>) -> Self {
        self.description = description.into();
        self
    }

    /// The same with another answer to `'help'`. A binary; in Armstrong's flavour a string.
    #[must_use]
    pub fn with_help(mut self, help: Term) -> Self {
        self.help = help;
        self
    }

    /// The services, in the order in which they are told.
    #[must_use]
    pub fn services(&self) -> &[HouseService] {
        &self.services
    }

    /// The contract of the meta level.
    #[must_use]
    pub const fn meta(&self) -> &Arc<SessionChecker> {
        &self.meta
    }

    /// The service in which sessions begin, if there is no meta level.
    pub(super) fn entry(&self) -> Option<usize> {
        self.is_entered.then_some(0)
    }

    pub(super) fn service(&self, place: usize) -> Option<&HouseService> {
        self.services.get(place)
    }

    pub(super) fn find(&self, name: TextRef<'_>) -> Option<usize> {
        self.services.iter().position(|service| name == service.name.as_bytes())
    }

    pub(super) fn find_named(&self, name: &Text) -> Option<usize> {
        self.services.iter().position(|service| service.name == *name)
    }

    /// The answer to `'services'`.
    pub(super) fn names(&self) -> Term {
        Term::list(self.services.iter().map(|service| Term::String(service.name.clone())))
    }
}

const DESCRIPTION: &str = "
'services'$                       -- the services
{'startSession',\"Name\",Argument}$ -- begin a session of one; names are strings
'contract'$                       -- what may be said here
";

const HELP: &str = "
Packets of UBF(A) end with $. Type 'services'$ for the services of this server,
and {'startSession',\"Name\",#}$ to begin a session of one of them.
";

/// The meta level as a contract of the flavour's dialect.
fn meta_contract(flavour: Flavour) -> Contract {
    let (dialect, text) = match flavour {
        Flavour::Erl2 => (ContractDialect::V2, META_V2),
        Flavour::Erl116 => (ContractDialect::V1_16, META_V1_16),
        Flavour::Joe => (ContractDialect::V1_12, META_V1_12),
    };
    let contract = Reader::new().with_dialect(dialect).read(text);
    contract.expect("the contract of the meta level is well-formed: a test reads all three")
}

/// Stock servers of 2.x say `string()` for `info` and `description`, which no string of UBF is, and
/// so always break this contract. This one says what they mean.
const META_V2: &str = "\
+NAME(\"meta_server\").
+VSN(\"ubf2.0\").
+TYPES
info() :: info;
description() :: description;
services() :: services;
contract() :: contract;
help() :: help;
startSession() :: {startSession, ubfstring(), term()};
restartService() :: {restartService, ubfstring(), term()};
ok() :: {ok, term()};
error() :: {error, term()};
ok_or_error() :: ok() | error();
serviceList() :: [ubfstring()] \"Names of the offered services\".
+ANYSTATE
contract() => term();
description() => ubfstring();
help() => binary();
info() => ubfstring();
restartService() => ok_or_error();
services() => serviceList();
startSession() => ok_or_error().
";

const META_V1_16: &str = "\
+NAME(\"meta_server\").
+VSN(\"ubf1.0\").
+TYPES
contract() = contract;
description() = description;
error() = {error, term()};
help() = help;
info() = info;
ok() = {ok, term()};
ok_or_error() = ok() | error();
restartService() = {restartService, string(), term()};
serviceList() = [string()] \"Names of the offered services\";
services() = services;
startSession() = {startSession, string(), term()}.
+ANYSTATE
help() => binary();
restartService() => ok_or_error();
startSession() => ok_or_error();
info() => string();
description() => string();
services() => serviceList();
contract() => term().
";

const META_V1_12: &str = "\
+NAME(\"meta_server\").
+VSN(\"ubf1.0\").
+TYPES
info() = info;
description() = description;
services() = services;
contract() = contract;
serviceList() = [string()] \"Names of the offered services\";
help() = help;
startService() = {startService, string(), term()};
ok() = {ok, term()};
error() = {error, term()}.
+STATE start
help() => string() & start;
startService() => ok() & start | error() & start.
+ANYSTATE
info() => string();
description() => string();
services() => serviceList();
contract() => term().
";

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn the_meta_level_of_every_flavour_has_a_contract() {
        for flavour in Flavour::ALL {
            let house = House::new(flavour);
            let contract = house.meta().checker().contract();
            assert_eq!(contract.name().text.to_latin1(), "meta_server");
            assert!(contract.warnings().is_empty());
        }
    }

    #[test]
    fn a_service_without_a_contract_tells_an_empty_one() {
        assert_eq!(
            HouseService::new("shop").contract_term().to_string(),
            "{contract,{{name,\"shop\"},{states,[]},{anystate,[]},{types,[]}}}"
        );
    }
}
