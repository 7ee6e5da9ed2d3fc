//! The vectors of the specification: `spec/vectors/contracts`.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ubf_codec::Term;
use ubf_contract::{
    Broken, BrokenBy, Checker, ContractDialect, Diagnostic, Reader, SessionChecker, Strings,
};

fn load<T: DeserializeOwned>(file: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/contracts");
    let text = fs::read_to_string(folder.join(file)).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn reader(dialect: Option<&str>) -> Reader {
    let dialect: ContractDialect = dialect.unwrap_or("2").parse().unwrap();
    Reader::new().with_dialect(dialect)
}

fn term(text: &str) -> Term {
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
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

#[test]
fn texts_read_and_print_as_the_vectors_say() {
    let told =
        |diagnostic: &Diagnostic| format!("{} {}", diagnostic.start, diagnostic.problem.code());
    for vector in load::<Texts>("read.toml").contract {
        assert!(!vector.rules.is_empty(), "{}", vector.name);
        let reader = reader(vector.dialect.as_deref());
        match reader.read(&vector.text) {
            Ok(contract) => {
                assert_eq!(vector.errors, [""; 0], "{}", vector.name);
                let warnings: Vec<String> = contract.warnings().iter().map(told).collect();
                assert_eq!(warnings, vector.warnings, "{}", vector.name);
                let printed = String::from_utf8(contract.print()).unwrap();
                if let Some(expected) = vector.printed {
                    assert_eq!(printed, expected, "{}", vector.name);
                }
                let again = reader.read(&printed).unwrap();
                assert_eq!((&again, again.print()), (&contract, printed.into()), "{}", vector.name);
            }
            Err(error) => {
                let errors: Vec<String> = error.diagnostics().map(told).collect();
                assert_eq!(errors, vector.errors, "{}", vector.name);
            }
        }
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

#[test]
fn terms_are_of_types_as_the_vectors_say() {
    for vector in load::<Types>("types.toml").types {
        assert!(!vector.rules.is_empty(), "{}", vector.name);
        let rules = if vector.dialect.as_deref() == Some("1.12") {
            "+STATE s t() => t() & s. +ANYSTATE t() => t()."
        } else {
            ""
        };
        let text = format!("+NAME(\"m\"). +VSN(\"1\"). +TYPES {}. {rules}", vector.types);
        let contract = reader(vector.dialect.as_deref()).read(&text);
        let contract = contract.unwrap_or_else(|error| panic!("{error}: {}", vector.name));
        let strings = if vector.as_stock { Strings::AsTuples } else { Strings::Apart };
        let checker = Checker::with_strings(contract, strings);
        let node = checker.graph().named(b"t").unwrap();
        for (terms, expected) in [(&vector.takes, true), (&vector.refuses, false)] {
            for text in terms {
                assert_eq!(
                    checker.fits(node, &term(text)),
                    Ok(expected),
                    "{text}: {}",
                    vector.name
                );
            }
        }
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

#[test]
fn steps_of_sessions_are_allowed_as_the_vectors_say() {
    for vectors in load::<Sessions>("sessions.toml").contract {
        let contract = reader(vectors.dialect.as_deref()).read(&vectors.text).unwrap();
        let sessions = SessionChecker::new(Checker::new(contract));
        for step in vectors.step {
            assert!(!step.rules.is_empty(), "{}", step.name);
            let (broken, tells) = run(&sessions, &step);
            let broken = broken.map(|broken| match broken.by {
                BrokenBy::Client | BrokenBy::EventIn => "client".to_owned(),
                BrokenBy::Server | BrokenBy::ServerState { .. } | BrokenBy::EventOut => {
                    "server".to_owned()
                }
            });
            assert_eq!(broken, step.broken, "{}", step.name);
            if step.tells.is_some() {
                assert_eq!(tells.map(|tells| tells.to_string()), step.tells, "{}", step.name);
            }
        }
    }
}

/// What is broken in a step, and what a server tells then.
fn run(sessions: &SessionChecker, step: &StepVector) -> (Option<Box<Broken>>, Option<Term>) {
    let state = sessions.state(&step.state).unwrap();
    if let Some(event) = &step.event_out {
        return (sessions.event_out(state, &term(event)).err(), None);
    }
    if let Some(event) = &step.event_in {
        return (sessions.event_in(state, &term(event)).err(), None);
    }
    let request = term(step.request.as_deref().unwrap());
    let accepted = match sessions.request(state, &request) {
        Ok(accepted) => accepted,
        Err(broken) => return (Some(broken), Some(sessions.client_broke_term(state, &request))),
    };
    let reply = term(step.reply.as_deref().unwrap());
    let next = sessions.state(step.next.as_deref().unwrap());
    match sessions.reply(&accepted, &reply, next) {
        Ok(state) => {
            assert_eq!(Some(state), next, "{}", step.name);
            (None, None)
        }
        Err(broken) => {
            (Some(broken), Some(sessions.server_broke_term(&accepted, &request, &reply)))
        }
    }
}
