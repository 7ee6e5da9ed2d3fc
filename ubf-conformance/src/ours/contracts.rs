//! Questions about contracts, as `ubf_contract` answers them.

use ubf_codec::Term;
use ubf_contract::compare::{Comparison, Direction, Report};
use ubf_contract::{
    Broken, BrokenBy, Checker, Contract, Diagnostic, Reader, SessionChecker, Strings,
};

use super::postfix;
use crate::contracts::{Question, Way};

/// The answer, a line.
///
/// # Errors
///
/// What of the question is not as it must be.
pub(super) fn answer(question: &Question) -> Result<String, String> {
    match question {
        Question::Read { dialect, text } => read(dialect, text),
        Question::Takes { dialect, as_stock, text, term } => {
            let strings = if *as_stock { Strings::AsTuples } else { Strings::Apart };
            let checker = Checker::with_strings(contract(dialect, text)?, strings);
            let node = checker.graph().named(b"t").ok_or("there is no type t()")?;
            let takes = checker.fits(node, &postfix::term(term)?);
            Ok(if takes == Ok(true) { "yes" } else { "no" }.to_owned())
        }
        Question::Message { way, dialect, text, state, term } => {
            let sessions = sessions(dialect, text)?;
            let state = sessions.state(state).ok_or("there is no such state")?;
            let term = postfix::term(term)?;
            Ok(match way {
                Way::Request => match sessions.request(state, &term) {
                    Ok(_) => "allowed".to_owned(),
                    Err(broken) => told(&broken, Some(&sessions.client_broke_term(state, &term))),
                },
                Way::EventIn => verdict(sessions.event_in(state, &term).map(drop)),
                Way::EventOut => verdict(sessions.event_out(state, &term).map(drop)),
            })
        }
        Question::Reply { dialect, text, state, next, request, reply } => {
            let sessions = sessions(dialect, text)?;
            let state = sessions.state(state).ok_or("there is no such state")?;
            let [request, reply] = [request, reply].map(|term| postfix::term(term));
            let (request, reply) = (request?, reply?);
            let accepted = match sessions.request(state, &request) {
                Ok(accepted) => accepted,
                Err(broken) => {
                    return Ok(told(&broken, Some(&sessions.client_broke_term(state, &request))));
                }
            };
            Ok(match sessions.reply(&accepted, &reply, sessions.state(next)) {
                Ok(_) => "allowed".to_owned(),
                Err(broken) => {
                    told(&broken, Some(&sessions.server_broke_term(&accepted, &request, &reply)))
                }
            })
        }
        Question::Compare { old, new } => {
            let (old, new) = (contract("2", old)?, contract("2", new)?);
            let report = Comparison::new(&old, &new).run();
            let names = |direction| names(&report, direction);
            let (backward, forward) = (names(Direction::Backward), names(Direction::Forward));
            Ok(format!("backward {backward} forward {forward}"))
        }
    }
}

fn reader(dialect: &str) -> Result<Reader, String> {
    let dialect = dialect.parse().map_err(|_| format!("`{dialect}` is no dialect"))?;
    Ok(Reader::new().with_dialect(dialect))
}

fn contract(dialect: &str, text: &str) -> Result<Contract, String> {
    reader(dialect)?.read(text).map_err(|error| error.to_string())
}

fn sessions(dialect: &str, text: &str) -> Result<SessionChecker, String> {
    Ok(SessionChecker::new(Checker::new(contract(dialect, text)?)))
}

fn read(dialect: &str, text: &str) -> Result<String, String> {
    let told =
        |diagnostic: &Diagnostic| format!(" ; {} {}", diagnostic.start, diagnostic.problem.code());
    Ok(match reader(dialect)?.read(text) {
        Ok(contract) => {
            let warnings: String = contract.warnings().iter().map(told).collect();
            format!("good {}{warnings}", hex::encode(contract.print()))
        }
        Err(error) => {
            let errors: String = error.diagnostics().map(told).collect();
            format!("bad{errors}")
        }
    })
}

fn verdict(allowed: Result<(), Box<Broken>>) -> String {
    match allowed {
        Ok(()) => "allowed".to_owned(),
        Err(broken) => told(&broken, None),
    }
}

fn told(broken: &Broken, tells: Option<&Term>) -> String {
    let by = match broken.by {
        BrokenBy::Client | BrokenBy::EventIn => "client",
        BrokenBy::Server | BrokenBy::ServerState { .. } | BrokenBy::EventOut => "server",
    };
    let tells = tells.map(|term| format!(" {}", term.as_ref().postfix()));
    format!("broken {by}{}", tells.unwrap_or_default())
}

/// The names of what breaks for those, or `-`.
fn names(report: &Report, direction: Direction) -> String {
    let own = report.findings.iter().filter(|finding| finding.direction == direction);
    let names: Vec<&str> = own.map(|finding| finding.change.id()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}
