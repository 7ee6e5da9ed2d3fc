//! Whether a contract and the code that it is for allow the same.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use ubf_codec::Term;

use crate::compare::{Change, Comparison, Direction, Finding, Severity};
use crate::model::Contract;
use crate::shown::Shown;

impl Contract {
    /// Checks that this contract and the one of a service's code, which a
    /// [`ContractBuilder`](crate::ContractBuilder) has made, allow the same messages in the same
    /// states. Names of types, annotations, the order of things and `VSN` do not count.
    ///
    /// ```
    /// use ubf_contract::{ContractBuilder, Message, Reader};
    ///
    /// let file = Reader::new().read(
    ///     "+NAME(\"clock\"). +VSN(\"1\"). +TYPES now() :: now; time() :: 0..86399.
    ///      +STATE start now() => time() & start.",
    /// )?;
    /// let code = ContractBuilder::new("clock", "1")
    ///     .state("start", |rules| {
    ///         rules.call(Message::of::<u8>(), [(Message::of::<u32>(), "start")]);
    ///     })
    ///     .build()?;
    /// let error = file.agrees_with(&code).unwrap_err().to_string();
    /// assert!(error.starts_with("\
    /// the contract and the code differ:
    ///   in state start, the contract allows the request now, the code does not (contract 2:19)
    ///   in state start, the code allows the request 0, the contract does not (code 8:3)
    /// "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What one allows and the other does not, with an example each and their places; and the whole
    /// contract of the code. What could not be found out in time is a difference too.
    pub fn agrees_with(&self, code: &Self) -> Result<(), Disagreement> {
        let report = Comparison::new(self, code).run();
        // An event that may cross a call is a matter of each contract, not of the two.
        let differs =
            |finding: &&Finding| finding.change.severity() > Severity::Warning || !finding.is_shown;
        let findings = report.findings.iter().filter(differs);
        let differences: Vec<String> =
            findings.map(|finding| sentence(finding, self, code)).collect();
        if differences.is_empty() {
            return Ok(());
        }
        let code = String::from_utf8_lossy(&code.print()).into_owned();
        Err(Disagreement { differences, code })
    }
}

/// A contract and the code that it is for do not allow the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    differences: Vec<String>,
    code: String,
}

impl Disagreement {
    /// A sentence for each difference.
    #[must_use]
    pub fn differences(&self) -> &[String] {
        &self.differences
    }

    /// The contract of the code, as text.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the contract and the code differ:\n")?;
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        write!(f, "the contract of the code is:\n{}", self.code.trim_end())
    }
}

impl core::error::Error for Disagreement {}

/// One thing that one side allows and the other does not. To the comparison, the contract is the
/// old one and the code the new one.
fn sentence(finding: &Finding, contract: &Contract, code: &Contract) -> String {
    // Who meets whom: the client of one, the server of the other.
    let (client, server) = match finding.direction {
        Direction::Backward => ("contract", "code"),
        Direction::Forward => ("code", "contract"),
    };
    let shown =
        |term: &Option<Term>| term.as_ref().map_or_else(String::new, |term| format!(" {term}"));
    let (request, message) = (shown(&finding.request), shown(&finding.message));
    let next = finding
        .next
        .as_ref()
        .map_or_else(String::new, |next| format!(" with next state {}", Shown::of(next)));
    let what = match finding.change {
        Change::ServiceRenamed => {
            return format!(
                "the service is {} in the contract and {} in the code",
                Shown::of(&contract.name().text),
                Shown::of(&code.name().text),
            );
        }
        Change::RequestRefused => {
            format!("the {client} allows the request{request}, the {server} does not")
        }
        Change::ReplyUnknown | Change::NextStateUnknown => format!(
            "the {server} allows the answer{message}{next} to{request}, the {client} does not"
        ),
        Change::ResultMissing => {
            format!("the {client} allows the answer{message} to{request}, the {server} does not")
        }
        Change::EventUnknown => {
            format!("the {server} allows the event{message} of the server, the {client} does not")
        }
        Change::EventMissing => {
            format!("the {client} allows the event{message} of the server, the {server} does not")
        }
        Change::EventLost | Change::EventMayBeLost => {
            format!("the {client} allows the event{message} of the client, the {server} does not")
        }
        Change::TooManyCases => "too many requests are told apart by the rules".to_string(),
    };
    let state = finding
        .state
        .as_ref()
        .map_or_else(String::new, |state| format!("in state {}, ", Shown::of(state)));
    let unsure = if finding.is_shown { "" } else { ", or it took too long to find out" };
    let place = |name: &str, contract: &Contract, span: Option<crate::span::Span>| {
        span.map(|span| format!("{name} {}", contract.position(span.start)))
    };
    let places = [place("contract", contract, finding.old), place("code", code, finding.new)];
    let places: Vec<String> = places.into_iter().flatten().collect();
    let places =
        if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
    format!("{state}{what}{unsure}{places}")
}
