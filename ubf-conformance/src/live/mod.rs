//! Live: the suite plays the other end over a socket, as it can be seen from outside.
//!
//! The vectors need a machine whose clock can be told. A server that runs, or a client that is
//! started, has neither: what can be seen of it is what it sends and when it closes. So only some
//! rules have a check here, and each names the rule that it is about.

mod client;
mod server;
mod wire;

use ubf_codec::{Encoder, Term};
use ubf_proto::Service;

use crate::outcome::Side;
use crate::report::{Check, Report, Verdict};
use crate::selection::Selection;

pub use self::client::{Guest, client};
pub use self::server::{Target, server};

/// The requirements of which something is seen of that end, one for each check.
pub fn rules(side: Side) -> Vec<&'static str> {
    match side {
        Side::Client => client::rules(),
        Side::Server => server::rules(),
    }
}

/// Why a check has not passed.
enum Fault {
    /// It does otherwise than the rule says.
    Wrong(String),
    /// It does not answer in time.
    Hung(String),
    /// It cannot be reached, or could not be started.
    Gone(String),
    /// There is nothing to see: what the rule is about does not occur here.
    NotSeen,
}

/// What a check returns.
type Seen<T = ()> = Result<T, Fault>;

/// Checks, as they are made.
struct Checks {
    selection: Selection,
    checks: Vec<Check>,
}

impl Checks {
    fn new(selection: &Selection) -> Self {
        Self { selection: selection.clone(), checks: Vec::new() }
    }

    fn is_wanted(&self, requirement: &str) -> bool {
        self.selection.wants(&[requirement.to_owned()])
    }

    fn add(&mut self, requirement: &str, title: &str, seen: Seen) {
        let rule = requirement.split('.').next().unwrap_or_default();
        let is_same = |check: &&Check| check.number.split('/').next() == Some(requirement);
        let count = 1 + self.checks.iter().filter(is_same).count();
        let verdict = match seen {
            Ok(()) => Verdict::Passed,
            Err(Fault::Wrong(problem)) => Verdict::Failed(vec![problem]),
            Err(Fault::Hung(problem)) => Verdict::Hung(problem),
            Err(Fault::Gone(problem)) => Verdict::Crashed(problem),
            Err(Fault::NotSeen) => Verdict::Unsupported,
        };
        self.checks.push(Check {
            rule: rule.to_owned(),
            number: format!("{requirement}/{count}"),
            title: title.to_owned(),
            verdict,
            unsupported: Vec::new(),
        });
    }

    fn report(self, name: String) -> Report {
        Report { name, checks: self.checks }
    }
}

/// Fails with a sentence if it is not so.
fn must(is_so: bool, problem: impl FnOnce() -> String) -> Seen {
    if is_so { Ok(()) } else { Err(Fault::Wrong(problem())) }
}

/// A service as it stands in packets.
fn written(service: &Service) -> String {
    let Some(name) = service.name() else { return "?".to_owned() };
    let packet = Encoder::new().encode(&Term::string(name.clone()));
    String::from_utf8_lossy(packet.strip_suffix(b"$").unwrap_or(&packet)).into_owned()
}
