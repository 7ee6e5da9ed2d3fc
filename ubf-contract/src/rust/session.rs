//! What both sides of a session say, as Rust: states, answers, events.

use alloc::format;
use alloc::string::{String, ToString as _};

use super::items::{documented, literal};
use super::rules::{Call, Event, Outcome, Rules};
use super::template::{Template, fill, indented};

const STATES: &Template = "
/// The states of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
$variants}

impl State {
    /// The state in which sessions begin.
    pub const ENTRY: Self = Self::$entry;

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
$names        }
    }

    /// The state of that name, which is an atom.
    #[must_use]
    pub fn of_term(name: TermRef<'_>) -> Option<Self> {
        let View::Atom(name) = name.view() else { return None };
        Some(match name.to_latin1().as_str() {
$values            _ => return None,
        })
    }
}
";

pub(super) fn states(rules: &Rules) -> String {
    let (mut variants, mut names, mut values) = (String::new(), String::new(), String::new());
    for (name, variant) in &rules.states {
        let name = name.to_latin1();
        let doc = documented(&format!("`{name}`"));
        let text = literal(&name);
        variants += &format!("    {doc}    {variant},\n");
        names += &format!("            Self::{variant} => {text},\n");
        values += &format!("            {text} => Self::{variant},\n");
    }
    let parts =
        [("variants", &*variants), ("entry", &rules.entry), ("names", &names), ("values", &values)];
    fill(STATES, &parts)
}

const ANSWER: &Template = "
$doc#[derive(Clone, Debug, PartialEq)]
pub enum $answer {
$variants}

impl $answer {
$functions}
";

pub(super) fn answers(rules: &Rules, server: bool, client: bool) -> String {
    let answers = rules.calls.iter().filter(|call| call.outcomes.len() > 1);
    answers.map(|call| answer(call, server, client)).collect()
}

fn answer(call: &Call, server: bool, client: bool) -> String {
    let what = match &call.state {
        Some(state) => format!("How `{}` ends in [`State::{state}`].", call.function),
        None => format!("How `{}` ends.", call.function),
    };
    let mut variants = String::new();
    for Outcome { variant, response, next, doc } in &call.outcomes {
        let then = match next {
            Some(next) => format!("{doc}\nThen the state is [`State::{next}`]."),
            None => doc.clone(),
        };
        let doc = indented(&documented(&then));
        variants += &format!("    {doc}    {variant}({response}),\n");
    }
    let functions = [server.then(|| write_answer(call)), client.then(|| read_answer(call))];
    let functions: alloc::vec::Vec<String> = functions.into_iter().flatten().collect();
    let functions = functions.join("\n");
    let doc = documented(&what);
    let parts = [
        ("doc", &*doc),
        ("answer", &call.answer),
        ("variants", &variants),
        ("functions", &functions),
    ];
    fill(ANSWER, &parts)
}

const WRITE: &Template = "    fn write(&self) -> Result<(Term, State), Error> {
        Ok(match self {
$arms        })
    }
";

const WRITE_ARM: &Template = "            Self::$variant(response) => (to_term(response)?, $next),
";

fn write_answer(call: &Call) -> String {
    let mut arms = String::new();
    for Outcome { variant, next, .. } in &call.outcomes {
        let next = next_of(next.as_ref());
        arms += &fill(WRITE_ARM, &[("variant", variant), ("next", &next)]);
    }
    fill(WRITE, &[("arms", &arms)])
}

const READ: &Template = "    fn read(response: TermRef<'_>, state: Option<State>) -> Option<Self> {
        let state = state?;
$cases        None
    }
";

const READ_CASE: &Template = "        if ${condition}let Ok(response) = from_term(response)
        {
            return Some(Self::$variant(response));
        }
";

fn read_answer(call: &Call) -> String {
    let cases = call.outcomes.iter().map(|Outcome { variant, next, .. }| {
        let condition = condition(next.as_ref());
        fill(READ_CASE, &[("condition", &condition), ("variant", variant)])
    });
    let cases: String = cases.collect();
    fill(READ, &[("cases", &cases)])
}

/// What has to hold before a response or a request is read.
pub(super) fn condition(state: Option<&String>) -> String {
    state.map_or_else(String::new, |state| format!("state == State::{state}\n            && "))
}

/// The state after a call, in the code of servers.
pub(super) fn next_of(next: Option<&String>) -> String {
    next.map_or_else(|| "state".to_string(), |next| format!("State::{next}"))
}

const EVENTS: &Template = "
/// $what
#[derive(Clone, Debug, PartialEq)]
pub enum $name {
$variants}

impl $name {
    /// The event that a term is.
    ///
    /// # Errors
    /// It is none of them.
    pub fn read(event: TermRef<'_>) -> Result<Self, Error> {
$cases        from_term(event).map(Self::$last)
    }

    /// The event as a term.
    ///
    /// # Errors
    /// It has no form in UBF.
    pub fn to_term(&self) -> Result<Term, Error> {
        match self {
$arms        }
    }
}
";

const EVENT_CASE: &Template = "        if let Ok(event) = from_term(event) {
            return Ok(Self::$variant(event));
        }
";

pub(super) fn events(rules: &Rules) -> String {
    let out = events_of("EventOut", "An event from the server.", &rules.events_out);
    out + &events_of("EventIn", "An event from the client.", &rules.events_in)
}

fn events_of(name: &str, what: &str, events: &[Event]) -> String {
    let Some((last, others)) = events.split_last() else { return String::new() };
    let (mut variants, mut arms) = (String::new(), String::new());
    for Event { variant, ty, doc } in events {
        let doc = indented(&documented(doc));
        variants += &format!("    {doc}    {variant}({ty}),\n");
        arms += &format!("            Self::{variant}(event) => to_term(event),\n");
    }
    let cases = others.iter().map(|event| fill(EVENT_CASE, &[("variant", &event.variant)]));
    let cases: String = cases.collect();
    let parts = [
        ("what", what),
        ("name", name),
        ("variants", &variants),
        ("cases", &cases),
        ("last", &last.variant),
        ("arms", &arms),
    ];
    fill(EVENTS, &parts)
}
