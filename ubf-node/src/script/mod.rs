//! Services that a file describes, rule by rule: `--script FILE` plays any server with them.
//!
//! ```text
//! FILE ─read─> Script: rules, in their order ─> Scripted: the first rule that fits answers
//! ```

mod pattern;
mod read;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tracing::warn;
use ubf_codec::{Term, TermRef, Text};
use ubf_server::{Call, ClassicService, Client, Failure, Handler, Reply, Versions};

use self::pattern::Bindings;
pub(crate) use self::read::read_all;

/// What a file says of a service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) name: Text,
    first_state: Text,
    starts: Vec<Start>,
    rules: Vec<Rule>,
}

/// How a session begins, or does not (Q6).
#[derive(Debug, PartialEq, Eq)]
struct Start {
    argument: Term,
    outcome: Result<(Term, Text), Term>,
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    /// `None`: in any state.
    state: Option<Text>,
    message: Term,
    deed: Deed,
}

#[derive(Debug, PartialEq, Eq)]
enum Deed {
    Reply {
        reply: Term,
        /// `None`: the state stays.
        next: Option<Text>,
        events: Vec<Term>,
    },
    /// Of an event of the client.
    Events(Vec<Term>),
    /// The handler panics.
    Crash,
}

impl Script {
    /// The rule that is the first to fit, and what its variables stand for.
    fn find<'s, 't>(
        &'s self,
        state: &Text,
        message: TermRef<'t>,
        is_event: bool,
    ) -> Option<(&'s Deed, Bindings<'s, 't>)> {
        self.rules.iter().find_map(|rule| {
            let is_of_state = rule.state.as_ref().is_none_or(|own| own == state);
            let is_of_kind = match rule.deed {
                Deed::Reply { .. } => !is_event,
                Deed::Events(_) => is_event,
                Deed::Crash => true,
            };
            let bindings = (is_of_state && is_of_kind)
                .then(|| Bindings::of(&rule.message, message))
                .flatten()?;
            Some((&rule.deed, bindings))
        })
    }

    /// Q6: what is answered to the start of a session.
    fn start(&self, argument: &Term) -> Result<(Term, Text), Term> {
        let found = self.starts.iter().find_map(|start| {
            let bindings = Bindings::of(&start.argument, argument.as_ref())?;
            Some(match &start.outcome {
                Ok((reply, state)) => Ok((bindings.fill(reply), state.clone())),
                Err(why) => Err(bindings.fill(why)),
            })
        });
        found.unwrap_or_else(|| Ok((Term::atom("ok"), self.first_state.clone())))
    }
}

/// A service that does what its script says. Each connection has a state of its own.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    script: Arc<Script>,
    versions: Versions,
}

impl Scripted {
    pub(crate) const fn new(script: Arc<Script>, versions: Versions) -> Self {
        Self { script, versions }
    }

    /// What stock peers are told of it.
    pub(crate) fn in_house(&self, service: ClassicService) -> ClassicService {
        let script = Arc::clone(&self.script);
        service
            .with_first_state(script.first_state.clone())
            .with_start(move |argument| script.start(argument))
    }
}

/// What is there of a message when its rule was found.
struct Found {
    answer: Option<(Term, Text)>,
    events: Vec<Term>,
}

impl Scripted {
    /// Finds the rule, and goes to its state. `None`: there is none.
    fn play(&self, call: &Call<Mutex<Text>>, is_event: bool) -> Option<Found> {
        let mut state = call.state().lock().unwrap_or_else(PoisonError::into_inner);
        let Some((deed, bindings)) = self.script.find(&state, call.term(), is_event) else {
            let (service, state) = (&self.script.name, state.to_latin1());
            warn!(service = %service.to_latin1(), state, message = %call.term(), "the script has no rule");
            return None;
        };
        let fill = |all: &[Term]| all.iter().map(|event| bindings.fill(event)).collect();
        match deed {
            Deed::Reply { reply, next, events } => {
                if let Some(next) = next {
                    state.clone_from(next);
                }
                let answer = Some((bindings.fill(reply), state.clone()));
                Some(Found { answer, events: fill(events) })
            }
            Deed::Events(events) => Some(Found { answer: None, events: fill(events) }),
            Deed::Crash => {
                drop(state);
                crash()
            }
        }
    }
}

/// What the script wants: its author looks at what others make of it.
#[expect(clippy::panic, reason = "a server plays one that crashes")]
fn crash() -> ! {
    std::panic::panic_any("the script says so")
}

async fn send(call: &Call<Mutex<Text>>, events: Vec<Term>) {
    for event in events {
        // Who is gone needs none.
        call.events().send(call.version(), event).await.ok();
    }
}

impl Handler for Scripted {
    /// The state that the session is in.
    type State = Mutex<Text>;

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn connect(&self, client: &Client) -> Mutex<Text> {
        let started = client.started().map(|started| started.state.clone());
        Mutex::new(started.unwrap_or_else(|| self.script.first_state.clone()))
    }

    /// The name of the state.
    fn export_state(&self, state: &Mutex<Text>) -> Option<Bytes> {
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Bytes::copy_from_slice(state.as_bytes()))
    }

    /// If the next release's script has no rules for the state, it says so at the next request.
    fn import_state(&self, _: &Client, exported: Bytes) -> Option<Mutex<Text>> {
        Some(Mutex::new(Text::from(&exported[..])))
    }

    async fn request(&self, call: Call<Mutex<Text>>) -> Result<Reply, Failure> {
        let found = self.play(&call, false);
        let Some(Found { answer: Some((reply, state)), events }) = found else {
            return Err(Failure::refused("the script has no rule for it"));
        };
        send(&call, events).await;
        Ok(Reply::new(reply, state))
    }

    async fn event(&self, event: Call<Mutex<Text>>) {
        if let Some(Found { events, .. }) = self.play(&event, true) {
            send(&event, events).await;
        }
    }
}
