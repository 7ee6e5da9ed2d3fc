//! The rules of a service, and the contract that they and its types make.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::{any, fmt};

use super::{Definitions, Described, DescribedEnum};
use crate::diagnostic::ReadError;
use crate::model::Contract;
use crate::read::Reader;

/// Writes the contract of a service from its types. [`Described`] has an example.
#[derive(Clone, Debug)]
pub struct ContractBuilder {
    name: String,
    vsn: String,
    types: Vec<Message>,
    forms: Vec<Form>,
}

/// The rules of a state, or those of ANYSTATE, which has no name.
#[derive(Clone, Debug)]
struct Form {
    state: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    /// Of ANYSTATE, if no next state is named.
    Call(Message, Vec<(Message, Option<String>)>),
    EventOut(Message),
    EventIn(Message),
}

impl ContractBuilder {
    /// A contract of that name, without states.
    #[must_use]
    pub fn new(name: &str, vsn: &str) -> Self {
        Self { name: name.to_owned(), vsn: vsn.to_owned(), types: Vec::new(), forms: Vec::new() }
    }

    /// The contract with a further state and its rules. Sessions begin in `start`.
    #[must_use]
    pub fn state(mut self, name: &str, rules: impl FnOnce(&mut Rules)) -> Self {
        let mut written = Rules(Vec::new());
        rules(&mut written);
        self.forms.push(Form { state: Some(name.to_owned()), rules: written.0 });
        self
    }

    /// The contract with rules that hold in every state, if none of the state's takes the message.
    #[must_use]
    pub fn any_state(mut self, rules: impl FnOnce(&mut AnyRules)) -> Self {
        let mut written = AnyRules(Vec::new());
        rules(&mut written);
        self.forms.push(Form { state: None, rules: written.0 });
        self
    }

    /// The contract with a type that no rule names. A contract without rules is a library of such
    /// types; in others, each type is needed by a rule.
    #[must_use]
    pub fn with_type(mut self, message: Message) -> Self {
        self.types.push(message);
        self
    }

    /// Writes the contract and reads it, so that it is as good as one from a file. Its places are
    /// those of what [`print`](Contract::print) gives.
    ///
    /// # Errors
    /// What is wrong with it, all at once: next states that do not exist, variants that an enum
    /// does not have, a `#[contract(type = "…")]` that is no type, names that cannot be written.
    pub fn build(&self) -> Result<Contract, BuildError> {
        let mut definitions = Definitions::new();
        for one in &self.types {
            one.name(&mut definitions);
        }
        let forms: Vec<String> =
            self.forms.iter().map(|form| form.text(&mut definitions)).collect();
        for name in [&self.name, &self.vsn] {
            if name.contains('"') {
                definitions.report(format!("the name {name} has a \", which cannot be written"));
            }
        }
        let (name, vsn, types) = (&self.name, &self.vsn, definitions.form());
        let text = format!("+NAME(\"{name}\").\n+VSN(\"{vsn}\").\n{types}{}", forms.concat());
        let problems = definitions.into_problems();
        if !problems.is_empty() {
            return Err(BuildError(Kind::Unwritable(problems)));
        }
        let read = |text: &[u8]| Reader::new().read(text);
        match read(text.as_bytes()).and_then(|contract| read(&contract.print())) {
            Ok(contract) => Ok(contract),
            Err(error) => Err(BuildError(Kind::Wrong { error: Box::new(error), text })),
        }
    }
}

impl Form {
    fn text(&self, definitions: &mut Definitions) -> String {
        let head = match &self.state {
            Some(name) => format!("+STATE {}", definitions.atom(name)),
            None => "+ANYSTATE".to_owned(),
        };
        let rules: Vec<String> = self.rules.iter().map(|rule| rule.text(definitions)).collect();
        format!("{head}\n  {}.\n", rules.join(";\n  "))
    }
}

impl Rule {
    fn text(&self, definitions: &mut Definitions) -> String {
        match self {
            Self::EventOut(event) => format!("EVENT => {}", event.name(definitions)),
            Self::EventIn(event) => format!("EVENT <= {}", event.name(definitions)),
            Self::Call(request, outcomes) => {
                let request = request.name(definitions);
                let outcomes = outcomes.iter().map(|(response, next)| {
                    let response = response.name(definitions);
                    match next {
                        Some(next) => format!("{response} & {}", definitions.atom(next)),
                        None => response,
                    }
                });
                let outcomes: Vec<String> = outcomes.collect();
                format!("{request} => {}", outcomes.join(" | "))
            }
        }
    }
}

/// The rules of a state that is being written.
#[derive(Debug)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// What the client may send, and each response that may come, with the state after it.
    pub fn call<'s>(
        &mut self,
        request: Message,
        outcomes: impl IntoIterator<Item = (Message, &'s str)>,
    ) {
        let outcomes =
            outcomes.into_iter().map(|(response, next)| (response, Some(next.to_owned())));
        self.0.push(Rule::Call(request, outcomes.collect()));
    }

    /// What the server may send unasked.
    pub fn event_out(&mut self, event: Message) {
        self.0.push(Rule::EventOut(event));
    }

    /// What the client may send without an answer.
    pub fn event_in(&mut self, event: Message) {
        self.0.push(Rule::EventIn(event));
    }
}

/// The rules of every state that are being written.
#[derive(Debug)]
pub struct AnyRules(Vec<Rule>);

impl AnyRules {
    /// What the client may send, and the response, after which the state is the same.
    pub fn call(&mut self, request: Message, response: Message) {
        self.0.push(Rule::Call(request, alloc::vec![(response, None)]));
    }

    /// What the server may send unasked.
    pub fn event_out(&mut self, event: Message) {
        self.0.push(Rule::EventOut(event));
    }

    /// What the client may send without an answer.
    pub fn event_in(&mut self, event: Message) {
        self.0.push(Rule::EventIn(event));
    }
}

/// A message of a rule: a type, or one variant of an enum.
#[derive(Clone, Debug)]
pub struct Message(Source);

#[derive(Clone, Debug)]
enum Source {
    Type(fn(&mut Definitions) -> String),
    Variant {
        owner: &'static str,
        variants: &'static [&'static str],
        describe: fn(usize, &mut Definitions) -> Option<String>,
        name: String,
    },
}

impl Message {
    /// All values of a type.
    #[must_use]
    pub fn of<T: Described + ?Sized>() -> Self {
        Self(Source::Type(T::describe))
    }

    /// One variant of an enum, by its name on the wire.
    #[must_use]
    pub fn variant<T: DescribedEnum>(name: &str) -> Self {
        Self(Source::Variant {
            owner: any::type_name::<T>(),
            variants: T::VARIANTS,
            describe: T::describe_variant,
            name: name.to_owned(),
        })
    }

    /// The name that it has in the contract: `name()`.
    fn name(&self, definitions: &mut Definitions) -> String {
        match &self.0 {
            Source::Type(describe) => {
                let text = describe(definitions);
                definitions.named(text)
            }
            Source::Variant { owner, variants, describe, name } => {
                let Some(index) = variants.iter().position(|known| known == name) else {
                    let known = variants.join(", ");
                    definitions.report(format!("{owner} has no variant {name}, but {known}"));
                    return String::new();
                };
                definitions
                    .named_variant(owner, index, name, |definitions| describe(index, definitions))
            }
        }
    }
}

/// What was written from code is no contract.
#[derive(Debug)]
pub struct BuildError(Kind);

#[derive(Debug)]
enum Kind {
    /// No text was made.
    Unwritable(Vec<String>),
    Wrong {
        error: Box<ReadError>,
        text: String,
    },
}

impl fmt::Display for BuildError {
    /// All that is wrong, a line each; then the text, if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Unwritable(problems) => f.write_str(&problems.join("\n")),
            Kind::Wrong { error, text } => {
                for diagnostic in error.diagnostics() {
                    writeln!(f, "{}: {diagnostic}", diagnostic.start)?;
                }
                write!(f, "in what was written from the code:\n{}", text.trim_end())
            }
        }
    }
}

impl core::error::Error for BuildError {}
