//! The rules of a contract as Rust: states, answers, events, and what servers and clients do.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::Write as _;

use ubf_codec::Text;

use super::items::{Items, documented, literal};
use super::names::{Names, camel, snake};
use crate::model::{Contract, Rule, RuleKind, Type, TypeKind};

/// All rules, with the names that their parts have in Rust.
pub(super) struct Rules {
    /// Each state with its variant, in order; `stop` if a rule leads there.
    states: Vec<(Text, String)>,
    entry: String,
    calls: Vec<Call>,
    events_out: Vec<Event>,
    events_in: Vec<Event>,
}

/// One rule of one state, or of ANYSTATE.
struct Call {
    /// The variant of the state; `None` in ANYSTATE.
    state: Option<String>,
    function: String,
    request: String,
    doc: String,
    /// The type of the answer: that of the response if there is only one.
    answer: String,
    outcomes: Vec<Outcome>,
}

struct Outcome {
    variant: String,
    response: String,
    /// The variant of the next state; `None`: the state stays.
    next: Option<String>,
    doc: String,
}

struct Event {
    variant: String,
    ty: String,
    doc: String,
}

impl Rules {
    pub(super) fn new<'c>(contract: &'c Contract, items: &mut Items<'c>) -> Self {
        let mut names = Names::default();
        let mut states: Vec<(Text, String)> = contract
            .states()
            .iter()
            .map(|state| (state.name.clone(), names.take(&camel(&state.name.to_latin1()), "")))
            .collect();
        let stops = contract.parts().next_states().any(|(name, _)| *name == "stop");
        if states.is_empty() {
            states.push(("start".into(), "Start".to_string()));
        }
        if stops && !states.iter().any(|(name, _)| *name == "stop") {
            states.push(("stop".into(), names.take("Stop", "")));
        }
        let start = states.iter().find(|(name, _)| *name == "start").or_else(|| states.first());
        let entry = start.map(|(_, variant)| variant.clone()).unwrap_or_default();
        let mut rules = Self {
            states,
            entry,
            calls: Vec::new(),
            events_out: Vec::new(),
            events_in: Vec::new(),
        };
        let mut functions = Names::default();
        for taken in ["connect", "event", "send"] {
            functions.take(taken, "_");
        }
        for state in contract.states() {
            let variant = rules.variant(&state.name);
            for rule in &state.rules {
                rules.add(contract, rule, variant.clone(), &mut functions, items);
            }
        }
        for rule in contract.any_state() {
            rules.add(contract, rule, None, &mut functions, items);
        }
        rules
    }

    fn variant(&self, state: &Text) -> Option<String> {
        self.states.iter().find(|(name, _)| name == state).map(|(_, variant)| variant.clone())
    }

    fn add<'c>(
        &mut self,
        contract: &'c Contract,
        rule: &'c Rule,
        state: Option<String>,
        functions: &mut Names,
        items: &mut Items<'c>,
    ) {
        match &rule.kind {
            RuleKind::EventOut(event) => add_event(&mut self.events_out, contract, event, items),
            RuleKind::EventIn(event) => add_event(&mut self.events_in, contract, event, items),
            RuleKind::Call { request, outcomes } => {
                let name = name_of(contract, request);
                let wanted = snake(&name);
                // The same request in several states has several functions.
                let is_known = self.calls.iter().any(|call| call.function == wanted);
                let wanted = match &state {
                    Some(state) if is_known => format!("{}_{wanted}", snake(state)),
                    Some(_) | None => wanted,
                };
                let function = functions.take(&wanted, "_");
                let mut variants = Names::default();
                let outcomes: Vec<Outcome> = outcomes
                    .iter()
                    .map(|outcome| {
                        let next = outcome.next.as_ref().and_then(|next| self.variant(next));
                        let response = camel(&name_of(contract, &outcome.response));
                        // The same response may lead to several states.
                        let is_known = variants.is_taken(&response);
                        let variant = match (&next, is_known) {
                            (Some(next), true) => format!("{response}Then{next}"),
                            (_, _) => response,
                        };
                        Outcome {
                            variant: variants.take(&variant, ""),
                            response: items.of_rule(&outcome.response),
                            next,
                            doc: doc_of(contract, &outcome.response),
                        }
                    })
                    .collect();
                let answer = match outcomes.as_slice() {
                    [one] => one.response.clone(),
                    _ => items.names.type_name(&format!("{}Answer", camel(&function))),
                };
                let request_type = items.of_rule(request);
                let doc = doc_of(contract, request);
                self.calls.push(Call {
                    state,
                    function,
                    request: request_type,
                    doc,
                    answer,
                    outcomes,
                });
            }
        }
    }

    pub(super) fn imports(&self, server: bool, client: bool) -> String {
        let mut code = String::new();
        if server {
            code.push_str("use std::sync::{Mutex, PoisonError};\n\n");
        }
        code.push_str("use serde::{Deserialize, Serialize};\n");
        code.push_str("use ubf_codec::serde::{Error, from_term, to_term};\n");
        code.push_str("use ubf_codec::{Term, TermRef, View};\n");
        if server {
            code.push_str("use ubf_contract::{ReadError, Reader};\n");
            code.push_str(
                "use ubf_server::{Call, Client, Contracts, Failure, Handler, Reply, Versions};\n",
            );
        }
        if client {
            code.push_str("use ubf_client::CallError;\n");
        }
        code
    }

    pub(super) fn states(&self) -> String {
        let mut code = String::from(
            "\n/// The states of a session.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\npub enum State {\n",
        );
        for (name, variant) in &self.states {
            let _written = writeln!(
                code,
                "    {}    {variant},",
                documented(&format!("`{}`", name.to_latin1()))
            );
        }
        let _written = write!(
            code,
            "}}\n\nimpl State {{\n    /// The state in which sessions begin.\n    pub const ENTRY: Self = Self::{};\n\n    \
             /// Its name in the contract.\n    #[must_use]\n    pub const fn name(self) -> &'static str {{\n        match self {{\n",
            self.entry
        );
        for (name, variant) in &self.states {
            let _written =
                writeln!(code, "            Self::{variant} => {},", literal(&name.to_latin1()));
        }
        code.push_str(
            "        }\n    }\n\n    /// The state of that name, which is an atom.\n    #[must_use]\n    pub fn of_term(name: TermRef<'_>) -> Option<Self> {\n        let View::Atom(name) = name.view() else { return None };\n        Some(match name.to_latin1().as_str() {\n",
        );
        for (name, variant) in &self.states {
            let _written =
                writeln!(code, "            {} => Self::{variant},", literal(&name.to_latin1()));
        }
        code.push_str("            _ => return None,\n        })\n    }\n}\n");
        code
    }

    pub(super) fn answers(&self, server: bool, client: bool) -> String {
        let mut code = String::new();
        for call in self.calls.iter().filter(|call| call.outcomes.len() > 1) {
            let what = match &call.state {
                Some(state) => format!("How `{}` ends in [`State::{state}`].", call.function),
                None => format!("How `{}` ends.", call.function),
            };
            let _written = write!(
                code,
                "\n{}#[derive(Clone, Debug, PartialEq)]\npub enum {} {{\n",
                documented(&what),
                call.answer
            );
            for Outcome { variant, response, next, doc } in &call.outcomes {
                let then = match next {
                    Some(next) => format!("{doc}\nThen the state is [`State::{next}`]."),
                    None => doc.clone(),
                };
                let _written = writeln!(
                    code,
                    "    {}    {variant}({response}),",
                    indented(&documented(&then))
                );
            }
            let _written = write!(code, "}}\n\nimpl {} {{\n", call.answer);
            if server {
                write_answer(call, &mut code);
            }
            if server && client {
                code.push('\n');
            }
            if client {
                read_answer(call, &mut code);
            }
            code.push_str("}\n");
        }
        code
    }

    pub(super) fn events(&self) -> String {
        let mut code = String::new();
        for (name, what, events) in [
            ("EventOut", "An event from the server.", &self.events_out),
            ("EventIn", "An event from the client.", &self.events_in),
        ] {
            if events.is_empty() {
                continue;
            }
            let _written = write!(
                code,
                "\n/// {what}\n#[derive(Clone, Debug, PartialEq)]\npub enum {name} {{\n"
            );
            for Event { variant, ty, doc } in events {
                let _written =
                    writeln!(code, "    {}    {variant}({ty}),", indented(&documented(doc)));
            }
            let _written = write!(
                code,
                "}}\n\nimpl {name} {{\n    /// The event that a term is.\n    ///\n    /// # Errors\n    /// It is none of them.\n    pub fn read(event: TermRef<'_>) -> Result<Self, Error> {{\n"
            );
            let last = events.len() - 1;
            for (place, Event { variant, .. }) in events.iter().enumerate() {
                let _written = if place == last {
                    writeln!(code, "        from_term(event).map(Self::{variant})")
                } else {
                    write!(
                        code,
                        "        if let Ok(event) = from_term(event) {{\n            return Ok(Self::{variant}(event));\n        }}\n"
                    )
                };
            }
            code.push_str(
                "    }\n\n    /// The event as a term.\n    ///\n    /// # Errors\n    /// It has no form in UBF.\n    pub fn to_term(&self) -> Result<Term, Error> {\n        match self {\n",
            );
            for Event { variant, .. } in events {
                let _written =
                    writeln!(code, "            Self::{variant}(event) => to_term(event),");
            }
            code.push_str("        }\n    }\n}\n");
        }
        code
    }

    /// The trait of a server's code, and what makes a handler of it.
    pub(super) fn service(&self) -> String {
        let mut code = String::from(
            "\n/// What a service does under this contract.\npub trait Service: Send + Sync + 'static {\n    \
             /// What is kept for each connection.\n    type Session: Send + Sync + 'static;\n\n    \
             /// A client uses the service for the first time on its connection.\n    \
             fn connect(&self, client: &Client) -> Self::Session;\n",
        );
        for call in &self.calls {
            let _written = write!(
                code,
                "\n{}    fn {}(\n        &self,\n        session: &Self::Session,\n        request: {},\n    ) -> impl Future<Output = Result<{}, Failure>> + Send;\n",
                indented_all(&documented(&call.described())),
                call.function,
                call.request,
                call.answer
            );
        }
        if !self.events_in.is_empty() {
            code.push_str(
                "\n    /// Takes an event. By default it is ignored.\n    fn event(\n        &self,\n        session: &Self::Session,\n        event: EventIn,\n    ) -> impl Future<Output = ()> + Send {\n        let _ = session;\n        drop(event);\n        async {}\n    }\n",
            );
        }
        code.push_str("}\n");
        code.push_str(SERVED);
        code.push_str(
            "    async fn request(&self, call: Call<Self::State>) -> Result<Reply, Failure> {\n        let connection = call.state();\n        let state = connection.state();\n",
        );
        for call in &self.calls {
            let condition = match &call.state {
                Some(state) => format!("state == State::{state}\n            && "),
                None => String::new(),
            };
            let (answer, next) = match call.outcomes.as_slice() {
                [one] => ("to_term(&answer)?".to_string(), next_of(one.next.as_ref())),
                _ => (String::new(), String::new()),
            };
            let reply = if call.outcomes.len() == 1 {
                format!("connection.reply({answer}, {next})")
            } else {
                "let (response, next) = answer.write()?;\n            connection.reply(response, next)".to_string()
            };
            let reply = reply.replace("return ", "");
            let (before, last) = reply.rsplit_once('\n').unwrap_or(("", &reply));
            let before =
                if before.is_empty() { String::new() } else { format!("            {before}\n") };
            let _written = write!(
                code,
                "        if {condition}let Ok(request) = from_term(call.term())\n        {{\n            let answer = self.service.{}(&connection.session, request).await?;\n{before}            return Ok({});\n        }}\n",
                call.function,
                last.trim_start()
            );
        }
        code.push_str(
            "        Ok(Reply::broken_contract(call.term(), &[], state.name()))\n    }\n",
        );
        if !self.events_in.is_empty() {
            code.push_str(
                "\n    async fn event(&self, event: Call<Self::State>) {\n        if let Ok(read) = EventIn::read(event.term()) {\n            self.service.event(&event.state().session, read).await;\n        }\n    }\n",
            );
        }
        code.push_str("}\n");
        code
    }

    /// The trait of a client's calls.
    pub(super) fn calls(&self) -> String {
        let mut code = String::from(
            "\n/// What a client may say under this contract.\npub trait Calls: Sync {\n",
        );
        let mut bodies = String::from("\nimpl Calls for ubf_client::Client {\n");
        for (place, call) in self.calls.iter().enumerate() {
            if place > 0 {
                code.push('\n');
                bodies.push('\n');
            }
            let _written = write!(
                code,
                "{}    ///\n    /// # Errors\n    /// The call failed, or the answer is not what the contract says.\n    fn {}(\n        &self,\n        request: &{},\n    ) -> impl Future<Output = Result<{}, CallFailed>> + Send;\n",
                indented_all(&documented(&call.described())),
                call.function,
                call.request,
                call.answer
            );
            let _written = write!(
                bodies,
                "    async fn {}(&self, request: &{}) -> Result<{}, CallFailed> {{\n        let request = to_term(request).map_err(CallFailed::Unwritable)?;\n        let reply = self.call(request).await.map_err(CallFailed::Call)?;\n        let state = reply.state().and_then(State::of_term);\n",
                call.function, call.request, call.answer
            );
            match call.outcomes.as_slice() {
                [Outcome { next: Some(next), .. }] => {
                    let _written = write!(
                        bodies,
                        "        match from_term(reply.response()) {{\n            Ok(response) if state == Some(State::{next}) => Ok(response),\n            _ => Err(CallFailed::unexpected(&reply)),\n        }}\n    }}\n"
                    );
                }
                [_] => {
                    bodies.push_str(
                        "        match from_term(reply.response()) {\n            Ok(response) if state.is_some() => Ok(response),\n            _ => Err(CallFailed::unexpected(&reply)),\n        }\n    }\n",
                    );
                }
                _ => {
                    let _written = write!(
                        bodies,
                        "        {}::read(reply.response(), state)\n            .ok_or_else(|| CallFailed::unexpected(&reply))\n    }}\n",
                        call.answer
                    );
                }
            }
        }
        if !self.events_in.is_empty() {
            code.push_str(
                "\n    /// Sends an event.\n    ///\n    /// # Errors\n    /// It was not sent.\n    fn send(&self, event: &EventIn) -> impl Future<Output = Result<(), CallFailed>> + Send;\n",
            );
            bodies.push_str(
                "\n    async fn send(&self, event: &EventIn) -> Result<(), CallFailed> {\n        let event = event.to_term().map_err(CallFailed::Unwritable)?;\n        self.cast(event).await.map_err(CallFailed::Call)\n    }\n",
            );
        }
        code.push_str("}\n");
        bodies.push_str("}\n");
        code.push_str(&bodies);
        code.push_str(CALL_FAILED);
        code
    }
}

impl Call {
    fn described(&self) -> String {
        match &self.state {
            Some(state) => format!("{}\n\nIn [`State::{state}`].", self.doc),
            None => format!("{}\n\nIn every state.", self.doc),
        }
    }
}

fn next_of(next: Option<&String>) -> String {
    next.map_or_else(|| "state".to_string(), |next| format!("State::{next}"))
}

fn write_answer(call: &Call, code: &mut String) {
    code.push_str("    fn write(&self) -> Result<(Term, State), Error> {\n");
    code.push_str("        Ok(match self {\n");
    for outcome in &call.outcomes {
        let _written = writeln!(
            code,
            "            Self::{}(response) => (to_term(response)?, {}),",
            outcome.variant,
            next_of(outcome.next.as_ref())
        );
    }
    code.push_str("        })\n    }\n");
}

fn read_answer(call: &Call, code: &mut String) {
    code.push_str(
        "    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {\n        let state = state?;\n",
    );
    for outcome in &call.outcomes {
        let condition = match &outcome.next {
            Some(next) => format!("state == State::{next}\n            && "),
            None => String::new(),
        };
        let _written = write!(
            code,
            "        if {condition}let Ok(response) = from_term(response)\n        {{\n            return Some(Self::{}(response));\n        }}\n",
            outcome.variant
        );
    }
    code.push_str("        None\n    }\n");
}

fn add_event<'c>(
    events: &mut Vec<Event>,
    contract: &'c Contract,
    event: &'c Type,
    items: &mut Items<'c>,
) {
    let ty = items.of_rule(event);
    let doc = doc_of(contract, event);
    let wanted = camel(&name_of(contract, event));
    // The same event may be allowed in several states.
    if events.iter().any(|known| known.ty == ty && known.doc == doc) {
        return;
    }
    let mut names = Names::default();
    for known in events.iter() {
        names.take(&known.variant, "");
    }
    events.push(Event { variant: names.take(&wanted, ""), ty, doc });
}

/// The name of a type in a rule.
fn name_of(contract: &Contract, named: &Type) -> String {
    if let TypeKind::Predefined { predefined, .. } = &named.kind {
        return predefined.name(contract.dialect()).to_string();
    }
    named.referred().map(Text::to_latin1).unwrap_or_default()
}

/// What the contract says of such a type.
fn doc_of(contract: &Contract, named: &Type) -> String {
    let name = name_of(contract, named);
    let definition = contract.type_def(name.as_bytes());
    match definition.and_then(|found| found.annotation.as_ref()) {
        Some(annotation) => format!("`{name}()`: {}", annotation.text.to_latin1()),
        None => format!("`{name}()`"),
    }
}

fn indented(doc: &str) -> String {
    doc.trim_end().replace('\n', "\n    ") + "\n"
}

fn indented_all(doc: &str) -> String {
    format!("    {}", indented(doc))
}

const SERVED: &str = r#"
/// The service as a handler for `ubf-server`, held against the contract.
///
/// # Errors
/// Never: the contract was well-formed when this code was written.
pub fn service<S: Service>(
    service: S,
    versions: &Versions,
) -> Result<Contracts<Served<S>>, ReadError> {
    let contract = Reader::new().read(CONTRACT)?;
    let served = Served { service, versions: versions.clone() };
    Ok(Contracts::new(served).version(versions, contract))
}

/// What calls a [`Service`].
#[derive(Debug)]
pub struct Served<S> {
    service: S,
    versions: Versions,
}

/// What is kept for a connection.
#[derive(Debug)]
pub struct Connection<S> {
    session: S,
    state: Mutex<State>,
}

impl<S> Connection<S> {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, response: Term, next: State) -> Reply {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Reply::new(response, next.name())
    }
}

impl<S: Service> Handler for Served<S> {
    type State = Connection<S::Session>;

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn connect(&self, client: &Client) -> Self::State {
        let session = self.service.connect(client);
        Connection { session, state: Mutex::new(State::ENTRY) }
    }

"#;

const CALL_FAILED: &str = r#"
/// Why a call has no answer that can be used.
#[derive(Debug)]
pub enum CallFailed {
    /// The call failed.
    Call(CallError),
    /// The request has no form in UBF. It was not sent.
    Unwritable(Error),
    /// The server answered what the contract does not say. The call has run.
    Unexpected {
        /// All that it sent.
        reply: Term,
    },
}

impl CallFailed {
    fn unexpected(reply: &ubf_client::Reply) -> Self {
        Self::Unexpected { reply: reply.body().to_term() }
    }
}

impl std::fmt::Display for CallFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Unwritable(error) => write!(f, "the request has no form: {error}"),
            Self::Unexpected { reply } => write!(f, "no answer that the contract knows: {reply}"),
        }
    }
}

impl std::error::Error for CallFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::Unwritable(error) => Some(error),
            Self::Unexpected { .. } => None,
        }
    }
}
"#;
