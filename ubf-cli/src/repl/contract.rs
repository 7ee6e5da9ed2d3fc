//! Requests held against a contract before they are sent.

use std::sync::Arc;

use ubf_codec::{Term, Version};
use ubf_contract::{
    Checker, Contract, Reader, RuleKind, SessionChecker, SessionState, Strings, Type, TypeKind,
};

use crate::ui::reason::reason;
use crate::ui::report::Report;

/// A contract, and the version that it is for.
pub(super) struct Held {
    sessions: SessionChecker,
    version: Option<Version>,
}

impl Held {
    /// What a server has answered to `'contract'`.
    pub(super) fn of_answer(
        answer: ubf_codec::TermRef<'_>,
        version: Version,
    ) -> Result<Self, Report> {
        let contract = Contract::from_term(answer).map_err(|error| {
            Report::new(format!("what the server answers to 'contract' is no contract: {error}"))
                .with_hint(Some(":contract FILE reads one from a file"))
        })?;
        Ok(Self::new(contract, Some(version)))
    }

    /// The contract of a file, for whatever version is in force.
    pub(super) fn of_file(path: &str) -> Result<Self, Report> {
        let text = std::fs::read(path)
            .map_err(|error| Report::new(format!("cannot read {path}: {}", reason(&error))))?;
        let contract = Reader::new().read(&text).map_err(|error| {
            Report::new(format!("{path}:{error}"))
                .with_hint(Some("ubf contract check shows all that is wrong with it"))
        })?;
        Ok(Self::new(contract, None))
    }

    fn new(contract: Contract, version: Option<Version>) -> Self {
        Self { sessions: SessionChecker::new(Checker::new(contract)), version }
    }

    /// The contract of a stock server, as it means it.
    pub(super) fn of_stock(contract: Arc<Contract>) -> Self {
        let checker = Checker::with_strings(contract, Strings::AsTuples);
        Self { sessions: SessionChecker::new(checker), version: None }
    }

    pub(super) fn contract(&self) -> Arc<Contract> {
        Arc::clone(self.sessions.checker().contract())
    }

    /// What is checked from here on, in words.
    pub(super) fn described(&self) -> String {
        let contract = self.sessions.checker().contract();
        let states = contract.states().len();
        format!(
            "requests are checked: contract {}, {states} state{}",
            contract.name().text.to_latin1(),
            if states == 1 { "" } else { "s" }
        )
    }

    /// The state of that name; of a state that the contract does not have nothing is known.
    fn state(&self, name: Option<&str>, version: Option<Version>) -> Option<SessionState> {
        if self.version.is_some() && self.version != version {
            return None;
        }
        match (name, self.sessions.entry()) {
            (None, entry) | (Some(_), entry @ SessionState::Stateless) => Some(entry),
            (Some(name), _) => self.sessions.state(name),
        }
    }

    /// Whether the contract allows the request in the state of that name.
    pub(super) fn check(
        &self,
        state: Option<&str>,
        version: Option<Version>,
        request: &Term,
    ) -> Result<(), Report> {
        let Some(state) = self.state(state, version) else { return Ok(()) };
        if request.is_atom("contract") {
            return Ok(());
        }
        self.sessions.request(state, request).map(|_accepted| ()).map_err(|broken| {
            Report::new(format!("not sent, the contract does not allow it: {broken}"))
                .with_hint(Some(":contract off sends it all the same"))
        })
    }

    /// The requests of a state, as their types are written.
    pub(super) fn requests(&self, state: Option<&str>, version: Option<Version>) -> Vec<String> {
        let contract = self.sessions.checker().contract();
        let rules = match self.state(state, version) {
            None => return Vec::new(),
            Some(SessionState::In(place)) => {
                contract.states().get(place as usize).map(|state| state.rules.as_slice())
            }
            Some(SessionState::Stateless | SessionState::Stop) => None,
        };
        let mut requests = Vec::new();
        for rule in rules.unwrap_or_default().iter().chain(contract.any_state()) {
            if let RuleKind::Call { request, .. } = &rule.kind {
                add_forms(contract, request, &mut requests);
            }
        }
        requests
    }
}

/// The alternatives of a type that a rule names, each in one line.
fn add_forms(contract: &Contract, named: &Type, forms: &mut Vec<String>) {
    let TypeKind::Reference { name, .. } = &named.kind else { return };
    let alternatives = match contract.type_def(name.as_bytes()).map(|found| &found.definition) {
        None => return,
        Some(Type { kind: TypeKind::Alternatives(types), .. }) => types.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    forms.extend(alternatives.iter().map(|one| one.display(contract.dialect()).to_string()));
}

#[cfg(test)]
mod tests {
    use ubf_codec::ubf;

    use super::*;

    #[test]
    fn requests_are_those_of_the_state_and_of_no_other_version() {
        let contract = Reader::new().read(
            "+NAME(\"door\"). +VSN(\"1\").
             +TYPES open() :: open | {open, 1..9}; close() :: close; ok() :: ok.
             +STATE start open() => ok() & opened.
             +STATE opened close() => ok() & start.
             +ANYSTATE ok() => ok().",
        );
        let version = Version::new(3);
        let held = Held::new(contract.unwrap(), version);
        assert_eq!(held.requests(None, version), ["open", "{open, 1..9}", "ok"]);
        assert_eq!(held.requests(Some("opened"), version), ["close", "ok"]);
        assert_eq!(held.requests(Some("elsewhere"), version), [""; 0]);
        assert_eq!(held.requests(None, Version::new(2)), [""; 0]);
        assert!(held.check(None, version, &ubf!({open, 9})).is_ok());
        let report = held.check(None, version, &ubf!({open, 10})).unwrap_err();
        assert!(report.message().contains("element 2: expected 1..9, found 10"), "{report:?}");
        for (state, version) in [(Some("elsewhere"), version), (None, Version::new(2))] {
            assert!(held.check(state, version, &ubf!(what)).is_ok(), "nothing is known of it");
        }
        assert!(held.check(None, version, &ubf!(contract)).is_ok());
    }
}
