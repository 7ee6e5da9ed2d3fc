//! The vectors of `contracts/`, as questions.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ubf_codec::Term;

use super::question::{Question, Way};
use crate::files::Files;

/// A vector about contracts.
#[derive(Debug, Clone)]
pub struct ContractVector {
    /// The file, from the folder of vectors on: `contracts/read.toml`.
    pub file: String,
    /// A sentence that says what is shown.
    pub name: String,
    /// The requirements that it shows, the chief one first.
    pub rules: Vec<String>,
    /// What is asked, and what must be answered.
    pub questions: Vec<(Question, Expected)>,
}

/// What must be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This line.
    Line(String),
    /// A line that begins so.
    Begins(String),
    /// That a contract is good, with these warnings, however it is printed.
    Good(Vec<String>),
    /// That it is good, with these warnings, and its printed form.
    Printed(String, Vec<String>),
}

impl Expected {
    pub(super) fn is(&self, answer: &str) -> bool {
        match self {
            Self::Line(line) => answer == line,
            Self::Begins(line) => answer.starts_with(line),
            Self::Printed(..) => answer == self.to_string(),
            Self::Good(warnings) => {
                let (first, told) = answer.split_once(" ; ").unwrap_or((answer, ""));
                first.starts_with("good ") && told == warnings.join(" ; ")
            }
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, told) = match self {
            Self::Line(line) => return f.write_str(line),
            Self::Begins(line) => return write!(f, "{line}…"),
            Self::Good(warnings) => ("good …".to_owned(), warnings),
            Self::Printed(printed, warnings) => {
                (format!("good {}", hex::encode(printed)), warnings)
            }
        };
        f.write_str(&first)?;
        told.iter().try_for_each(|told| write!(f, " ; {told}"))
    }
}

/// All vectors about contracts, by file and in the order of each file.
///
/// # Errors
///
/// A sentence that names the file and what is wrong with it.
pub fn load(files: &Files) -> Result<Vec<ContractVector>, String> {
    let mut vectors = Vec::new();
    for (file, text) in files.folder("contracts") {
        let raw = match file {
            "contracts/read.toml" => parsed::<Texts>(text).and_then(Texts::vectors),
            "contracts/types.toml" => parsed::<Types>(text).and_then(Types::vectors),
            "contracts/sessions.toml" => parsed::<Sessions>(text).and_then(Sessions::vectors),
            "contracts/compare.toml" => parsed::<Pairs>(text).map(Pairs::vectors),
            _ => Err("nobody knows what it is about".to_owned()),
        };
        let of_file = raw.map_err(|problem| format!("{file}: {problem}"))?;
        vectors.extend(of_file.into_iter().map(|(name, rules, questions)| ContractVector {
            file: file.to_owned(),
            name,
            rules,
            questions,
        }));
    }
    Ok(vectors)
}

/// Name, requirements, questions.
type Raw = (String, Vec<String>, Vec<(Question, Expected)>);

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// A term in Erlang's notation as postfix.
fn postfix(text: &str) -> Result<String, String> {
    let term: Term = text.parse().map_err(|error| format!("{text}: {error}"))?;
    Ok(term.as_ref().postfix().to_string())
}

fn dialect(dialect: Option<String>) -> String {
    dialect.unwrap_or_else(|| "2".to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    contract: Vec<ContractText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractText {
    name: String,
    rules: Vec<String>,
    dialect: Option<String>,
    text: String,
    printed: Option<String>,
    #[serde(default)]
    errors: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

impl Texts {
    fn vectors(self) -> Result<Vec<Raw>, String> {
        let vector = |text: ContractText| {
            let question = Question::Read { dialect: dialect(text.dialect), text: text.text };
            let expected = match text.printed {
                _ if !text.errors.is_empty() => {
                    let told: String =
                        text.errors.iter().map(|told| format!(" ; {told}")).collect();
                    Expected::Line(format!("bad{told}"))
                }
                Some(printed) => Expected::Printed(printed, text.warnings),
                None => Expected::Good(text.warnings),
            };
            Ok((text.name, text.rules, vec![(question, expected)]))
        };
        self.contract.into_iter().map(vector).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Types {
    #[serde(rename = "type")]
    types: Vec<TypeVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeVector {
    name: String,
    rules: Vec<String>,
    dialect: Option<String>,
    #[serde(default)]
    as_stock: bool,
    types: String,
    #[serde(default)]
    takes: Vec<String>,
    #[serde(default)]
    refuses: Vec<String>,
}

impl Types {
    fn vectors(self) -> Result<Vec<Raw>, String> {
        self.types.into_iter().map(TypeVector::vector).collect()
    }
}

impl TypeVector {
    fn vector(self) -> Result<Raw, String> {
        let dialect = dialect(self.dialect);
        // C1.1: states have to be there in 1.12.
        let rules =
            if dialect == "1.12" { "+STATE s t() => t() & s. +ANYSTATE t() => t()." } else { "" };
        let contract = format!("+NAME(\"m\"). +VSN(\"1\"). +TYPES {}. {rules}", self.types);
        let mut questions = Vec::new();
        for (terms, answer) in [(self.takes, "yes"), (self.refuses, "no")] {
            for term in terms {
                let question = Question::Takes {
                    dialect: dialect.clone(),
                    as_stock: self.as_stock,
                    text: contract.clone(),
                    term: postfix(&term)?,
                };
                questions.push((question, Expected::Line(answer.to_owned())));
            }
        }
        Ok((self.name, self.rules, questions))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sessions {
    contract: Vec<SessionVectors>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionVectors {
    dialect: Option<String>,
    text: String,
    step: Vec<StepVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepVector {
    name: String,
    rules: Vec<String>,
    state: String,
    request: Option<String>,
    reply: Option<String>,
    next: Option<String>,
    event_out: Option<String>,
    event_in: Option<String>,
    broken: Option<String>,
    tells: Option<String>,
}

impl Sessions {
    fn vectors(self) -> Result<Vec<Raw>, String> {
        let mut all = Vec::new();
        for SessionVectors { dialect: of, text, step } in self.contract {
            let dialect = dialect(of);
            for step in step {
                let problem = |problem: String| format!("{}: {problem}", step.name);
                let question = step.question(&dialect, &text).map_err(problem)?;
                let expected = step.expected().map_err(problem)?;
                all.push((step.name, step.rules, vec![(question, expected)]));
            }
        }
        Ok(all)
    }
}

impl StepVector {
    fn question(&self, dialect: &str, text: &str) -> Result<Question, String> {
        let (dialect, text, state) = (dialect.to_owned(), text.to_owned(), self.state.clone());
        let (way, term) = match (&self.request, &self.event_in, &self.event_out) {
            (Some(request), None, None) => (Way::Request, request),
            (None, Some(event), None) => (Way::EventIn, event),
            (None, None, Some(event)) => (Way::EventOut, event),
            _ => return Err("it has one message".to_owned()),
        };
        let term = postfix(term)?;
        match (&self.reply, &self.next) {
            (Some(reply), Some(next)) => {
                let (next, reply) = (next.clone(), postfix(reply)?);
                Ok(Question::Reply { dialect, text, state, next, request: term, reply })
            }
            _ => Ok(Question::Message { way, dialect, text, state, term }),
        }
    }

    fn expected(&self) -> Result<Expected, String> {
        Ok(match (&self.broken, &self.tells) {
            (None, _) => Expected::Line("allowed".to_owned()),
            (Some(by), Some(tells)) => Expected::Line(format!("broken {by} {}", postfix(tells)?)),
            // What is told then is not of interest.
            (Some(by), None) => Expected::Begins(format!("broken {by}")),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pairs {
    pair: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    name: String,
    rules: Vec<String>,
    old: String,
    new: String,
    backward: Vec<String>,
    forward: Option<Vec<String>>,
}

impl Pairs {
    fn vectors(self) -> Vec<Raw> {
        let vector = |pair: Pair| {
            // Where only one direction is of interest, the other one is not compared.
            let written = |names: &[String]| match names {
                [] => "-".to_owned(),
                names => names.join(","),
            };
            let backward = format!("backward {}", written(&pair.backward));
            let expected = match &pair.forward {
                Some(forward) => Expected::Line(format!("{backward} forward {}", written(forward))),
                None => Expected::Begins(backward + " "),
            };
            let question = Question::Compare { old: pair.old, new: pair.new };
            (pair.name, pair.rules, vec![(question, expected)])
        };
        self.pair.into_iter().map(vector).collect()
    }
}
