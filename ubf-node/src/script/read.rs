//! Reads scripts: terms in Erlang's notation, each a rule.
//!
//! | term | meaning |
//! |---|---|
//! | `{service,"Name",State}` | the rules that follow are of this service, whose sessions begin in this state |
//! | `{start,Argument,Reply}`, `{start,Argument,Reply,State}` | a session begins |
//! | `{reject,Argument,Why}` | no session begins |
//! | `{request,State,Request,Reply,Next}`, `{request,State,Request,Reply,Next,[Event]}` | a request is answered, and events follow |
//! | `{event,State,Event,[Event]}` | an event of the client is answered by others |
//! | `{crash,State,Message}` | the handler crashes |
//!
//! `'_'` as a state is any, and as the next one the same as before.

use std::path::Path;

use ubf_codec::{Term, Text};

use super::pattern::{is_whole, variable};
use super::{Deed, Rule, Script, Start};
use crate::options::Wrong;

/// A script is read as a whole (L1). Chosen: ten thousand rules.
const MAX_BYTES: u64 = 1 << 20;
/// Levels of a term in a script. Chosen: more than people write.
const MAX_DEPTH: usize = 64;

/// Reads the scripts of some files.
pub(crate) fn read_all(paths: &[&str]) -> Result<Vec<Script>, Wrong> {
    let mut scripts = Vec::new();
    for path in paths {
        let wrong = |text: String| Wrong::new(text).hint(HINT);
        let text = read_file(Path::new(path))
            .map_err(|error| Wrong::new(format!("cannot read {path}: {error}")))?;
        let read = read(&text)
            .map_err(|problem| wrong(format!("{path}:{}: {}", problem.line, problem.text)))?;
        scripts.extend(read);
    }
    Ok(scripts)
}

const HINT: &str = "ubf serve --help shows a script";

fn read_file(path: &Path) -> std::io::Result<String> {
    use std::io::{Error, Read as _};

    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// What is wrong with a script, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) text: String,
}

/// Reads the text of a script.
pub(super) fn read(text: &str) -> Result<Vec<Script>, Problem> {
    let mut scripts: Vec<Script> = Vec::new();
    let mut rest = text;
    loop {
        rest = skip(rest);
        let at = |left: &str| text.len() - left.len();
        if rest.is_empty() {
            return match scripts.is_empty() {
                true => Err(Problem { line: 1, text: "no {service,Name,State} is here".into() }),
                false => Ok(scripts),
            };
        }
        let place = at(rest);
        let wrong = |offset: usize, what: String| Problem {
            line: 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count(),
            text: what,
        };
        let (term, read) = Term::parse_prefix(rest)
            .map_err(|error| wrong(place + error.offset(), error.to_string()))?;
        rest = rest.get(read..).unwrap_or_default();
        add(&mut scripts, &term).map_err(|what| wrong(place, format!("{what}: {term}")))?;
    }
}

/// Passes over what stands between terms.
fn skip(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches(|char: char| char.is_whitespace() || char == '.');
        let Some(comment) = text.strip_prefix('%') else { return text };
        text = comment.find('\n').and_then(|end| comment.get(end..)).unwrap_or_default();
    }
}

/// Adds what a term says.
fn add(scripts: &mut Vec<Script>, term: &Term) -> Result<(), &'static str> {
    const UNKNOWN: &str = "a service, start, reject, request, event or crash is wanted";
    if is_deep(term) {
        return Err("this has more than 64 levels");
    }
    let Term::Tuple(parts) = term else { return Err(UNKNOWN) };
    let Some((Term::Atom(word), parts)) = parts.split_first() else { return Err(UNKNOWN) };
    let parts: Vec<&Term> = parts.iter().collect();
    if let (Some("service"), [Term::String(name), Term::Atom(state)]) = (word.as_str(), &*parts) {
        if scripts.iter().any(|script| script.name == *name) {
            return Err("this service is there twice");
        }
        let (name, first_state) = (name.clone(), state.clone());
        scripts.push(Script { name, first_state, starts: Vec::new(), rules: Vec::new() });
        return Ok(());
    }
    let script = scripts.last_mut().ok_or("{service,\"Name\",State} is wanted before this")?;
    match (word.as_str(), &*parts) {
        (Some("start"), [argument, reply]) => {
            known(argument, [*reply])?;
            let outcome = Ok((Term::clone(reply), script.first_state.clone()));
            script.starts.push(Start { argument: Term::clone(argument), outcome });
        }
        (Some("start"), [argument, reply, Term::Atom(state)]) => {
            known(argument, [*reply])?;
            let outcome = Ok((Term::clone(reply), state.clone()));
            script.starts.push(Start { argument: Term::clone(argument), outcome });
        }
        (Some("reject"), [argument, why]) => {
            known(argument, [*why])?;
            let outcome = Err(Term::clone(why));
            script.starts.push(Start { argument: Term::clone(argument), outcome });
        }
        (Some("request"), [Term::Atom(state), message, reply, Term::Atom(next), events @ ..]) => {
            let events = events_of(events)?;
            known(message, [*reply].into_iter().chain(&events))?;
            let deed = Deed::Reply { reply: Term::clone(reply), next: named(next), events };
            let message = Term::clone(message);
            script.rules.push(Rule { state: named(state), message, deed });
        }
        (Some("event"), [Term::Atom(state), message, events @ ..]) => {
            let events = events_of(events)?;
            known(message, &events)?;
            let (message, deed) = (Term::clone(message), Deed::Events(events));
            script.rules.push(Rule { state: named(state), message, deed });
        }
        (Some("crash"), [Term::Atom(state), message]) => {
            let message = Term::clone(message);
            script.rules.push(Rule { state: named(state), message, deed: Deed::Crash });
        }
        _ => return Err(UNKNOWN),
    }
    Ok(())
}

/// A state; `None` for `'_'`.
fn named(state: &Text) -> Option<Text> {
    (*state != "_").then(|| state.clone())
}

fn events_of(parts: &[&Term]) -> Result<Vec<Term>, &'static str> {
    match parts {
        [] => Ok(Vec::new()),
        [Term::List(events)] => Ok(events.to_vec()),
        _ => Err("a list of events is wanted"),
    }
}

/// Whether each variable of the templates is in the pattern.
fn known<'t>(
    pattern: &Term,
    templates: impl IntoIterator<Item = &'t Term>,
) -> Result<(), &'static str> {
    let names = variables([pattern]);
    let is_known = |name: &&Text| is_whole(name) || names.contains(name);
    match variables(templates).iter().all(is_known) {
        true => Ok(()),
        false => Err("a variable is used that the pattern does not have"),
    }
}

fn variables<'t>(terms: impl IntoIterator<Item = &'t Term>) -> Vec<&'t Text> {
    let mut names = Vec::new();
    let mut left: Vec<&Term> = terms.into_iter().collect();
    while let Some(term) = left.pop() {
        names.extend(variable(term));
        left.extend(parts_of(term));
    }
    names
}

/// Whether a term has more levels than one of a script may have. It uses no call stack for them.
fn is_deep(term: &Term) -> bool {
    let mut level: Vec<&Term> = vec![term];
    for _ in 0..MAX_DEPTH {
        level = level.into_iter().flat_map(parts_of).collect();
        if level.is_empty() {
            return false;
        }
    }
    true
}

fn parts_of(term: &Term) -> &[Term] {
    match term {
        Term::Tuple(parts) | Term::List(parts) => parts,
        Term::Tagged(tagged) => std::slice::from_ref(tagged.term()),
        Term::Undefined | Term::Integer(_) | Term::Atom(_) | Term::String(_) | Term::Binary(_) => {
            &[]
        }
    }
}
