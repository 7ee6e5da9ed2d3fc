//! The handle of a classic client: calls, starts, events, and the contract.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use ubf_codec::{Term, Text};
use ubf_contract::{AnswerError, Contract, SessionChecker};
use ubf_net::Target;
use ubf_proto::classic::Hello;
use ubf_proto::classic::client::{CallError, CallKind, Done, EndReason, Level};

use super::builder::checker;
use super::events::ClassicEvents;

/// How a call ends.
pub(super) type Outcome = Result<Done, CallError>;

/// What a handle tells the task.
#[derive(Debug)]
pub(super) enum Command {
    Call {
        kind: CallKind,
        deadline: Instant,
        waiting: Waiting,
    },
    Contract(Option<Arc<SessionChecker>>),
    /// When the calls that have not ended are given up.
    Close {
        by: Instant,
    },
}

/// Who waits for a call, and its place among those that have not ended (L1).
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) answer: oneshot::Sender<Outcome>,
    pub(super) _place: OwnedSemaphorePermit,
}

/// What the clones of a handle share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) status: watch::Receiver<ClassicStatus>,
    pub(super) events: Mutex<Option<ClassicEvents>>,
    pub(super) call_time: Duration,
}

/// What is known of a session, to be watched with [`ClassicClient::status`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicStatus {
    /// Where the server is.
    pub target: Target,
    /// What it said first, if it did (Q2).
    pub hello: Option<Hello>,
    /// The state of the session, as the server named it last: mostly an atom.
    pub state: Option<Term>,
    /// Whether a service has begun, or the server has no meta level (Q6).
    pub level: Level,
    /// Why the session has ended, if it has.
    pub ended: Option<EndReason>,
    /// Events that were dropped: nobody reads them, or they are too many.
    pub events_missed: u64,
    /// Events that the contract does not allow (Q13). They are passed on all the same.
    pub events_not_allowed: u64,
}

impl ClassicStatus {
    pub(super) const fn new(level: Level, target: Target) -> Self {
        Self {
            target,
            hello: None,
            state: None,
            level,
            ended: None,
            events_missed: 0,
            events_not_allowed: 0,
        }
    }
}

/// A client of a stock server: a handle of a task that owns the connection. Clones are cheap. The
/// connection is closed with the last one.
#[derive(Clone, Debug)]
pub struct ClassicClient {
    shared: Arc<Shared>,
}

impl ClassicClient {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Makes a call. On the meta level it is one of the server itself: `services`, `info`, `help`.
    ///
    /// At most [`max_pending`](crate::Builder::max_pending) calls have not ended; further ones wait
    /// for a place, within their time.
    pub fn call(&self, request: impl Into<Term>) -> ClassicCall {
        ClassicCall(Stage::New(self.message(CallKind::Request(request.into()))))
    }

    /// Q6: begins the session of a service. The argument is any term, mostly the empty list.
    pub fn start(&self, service: impl Into<Text>, argument: impl Into<Term>) -> ClassicCall {
        let kind = CallKind::Start { service: service.into(), argument: argument.into() };
        ClassicCall(Stage::New(self.message(kind)))
    }

    /// Q9: sends an event, which has no answer: it has ended when it is on its way.
    ///
    /// # Errors
    /// If it was not sent.
    pub async fn cast(&self, event: impl Into<Term>) -> Result<(), CallError> {
        run(self.message(CallKind::Event(event.into()))).await.map(|_sent| ())
    }

    /// Q12: asks the server for the contract of the session's service, and holds the session to it
    /// from here on: what it does not allow is not sent. Strings are tuples in it, as stock peers
    /// have them.
    ///
    /// # Errors
    /// If the call fails, or if what the server answers is no contract.
    pub async fn fetch_contract(&self) -> Result<Arc<Contract>, ContractError> {
        let contract = Arc::new(self.ask_contract().await?);
        self.hold_to(Some(Arc::clone(&contract)));
        Ok(contract)
    }

    /// Q12: the contract as the server tells it, which changes nothing.
    ///
    /// # Errors
    /// As [`fetch_contract`](Self::fetch_contract).
    pub async fn ask_contract(&self) -> Result<Contract, ContractError> {
        match run(self.message(CallKind::Request(Term::atom("contract")))).await {
            Ok(Done::Contract(term)) => Ok(Contract::from_term(&term)?),
            Ok(_other) => {
                debug_assert!(false, "the session knows this request by its name");
                Err(ContractError::Call(CallError::NotSent(EndReason::Closed)))
            }
            Err(error) => Err(ContractError::Call(error)),
        }
    }

    /// Q13: holds the session to this contract from here on; `None` trusts the server.
    pub fn hold_to(&self, contract: Option<Arc<Contract>>) {
        // A session that has ended needs none.
        let _is_told = self.shared.commands.send(Command::Contract(contract.map(checker))).is_ok();
    }

    /// The events of the server. `None` if somebody has them already.
    #[must_use]
    pub fn events(&self) -> Option<ClassicEvents> {
        let mut events = self.shared.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut events = events.take()?;
        events.begin();
        Some(events)
    }

    /// The state of the session, to be looked at and to be watched.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ClassicStatus> {
        self.shared.status.clone()
    }

    /// Waits until the session has ended, and tells why.
    pub async fn ended(&self) -> EndReason {
        let mut status = self.status();
        let ended = status.wait_for(|status| status.ended.is_some()).await;
        ended.ok().and_then(|status| status.ended.clone()).unwrap_or(EndReason::Lost)
    }

    /// Closes when the calls that have been made have ended, or after this time.
    pub async fn close(self, within: Duration) {
        let by = Instant::now() + within;
        if self.shared.commands.send(Command::Close { by }).is_ok() {
            self.ended().await;
        }
    }

    fn message(&self, kind: CallKind) -> Message {
        Message { client: self.clone(), kind, within: self.shared.call_time }
    }
}

/// A call of a stock server, made when it is first polled: a future of the [`ClassicReply`].
///
/// When it is dropped after that, nobody waits for its answer, which is read and dropped; the
/// requests behind it wait for it all the same.
#[must_use = "a call is made when it is awaited"]
pub struct ClassicCall(Stage);

enum Stage {
    New(Message),
    Running(Pin<Box<dyn Future<Output = Outcome> + Send>>),
    Ended,
}

struct Message {
    client: ClassicClient,
    kind: CallKind,
    within: Duration,
}

impl ClassicCall {
    /// Q14: how long the call may take, the wait for its turn included. One that was sent and takes
    /// longer ends the connection, and with it all others.
    pub fn within(mut self, time: Duration) -> Self {
        if let Stage::New(message) = &mut self.0 {
            message.within = time;
        }
        self
    }
}

impl Future for ClassicCall {
    type Output = Result<ClassicReply, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stage = &mut self.get_mut().0;
        if let Stage::New(_) = stage
            && let Stage::New(message) = std::mem::replace(stage, Stage::Ended)
        {
            *stage = Stage::Running(Box::pin(run(message)));
        }
        let Stage::Running(running) = stage else {
            debug_assert!(false, "a future is not polled after its end");
            return Poll::Ready(Err(CallError::NotSent(EndReason::Closed)));
        };
        let outcome = std::task::ready!(running.as_mut().poll(cx));
        *stage = Stage::Ended;
        Poll::Ready(outcome.map(ClassicReply::of))
    }
}

impl fmt::Debug for ClassicCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stage::New(message) => f.debug_tuple("ClassicCall").field(&message.kind).finish(),
            Stage::Running(_) => f.write_str("ClassicCall(running)"),
            Stage::Ended => f.write_str("ClassicCall(ended)"),
        }
    }
}

/// Waits for a place, hands the call over, and waits for its end.
async fn run(message: Message) -> Outcome {
    let Message { client, kind, within } = message;
    let deadline = Instant::now() + within;
    let place = Arc::clone(&client.shared.permits).acquire_owned();
    let Ok(Ok(place)) = timeout_at(deadline, place).await else {
        return Err(CallError::TooManyCalls);
    };
    let (sender, answer) = oneshot::channel();
    let waiting = Waiting { answer: sender, _place: place };
    let is_handed_over =
        client.shared.commands.send(Command::Call { kind, deadline, waiting }).is_ok();
    match answer.await {
        Ok(outcome) => outcome,
        // The task ends each call that it knows, so it never knew this one.
        Err(_) => {
            debug_assert!(!is_handed_over || client.shared.status.borrow().ended.is_some());
            let why = client.shared.status.borrow().ended.clone();
            Err(CallError::NotSent(why.unwrap_or(EndReason::Lost)))
        }
    }
}

/// The answer of a stock server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassicReply {
    response: Term,
    state: Option<Term>,
}

impl ClassicReply {
    fn of(done: Done) -> Self {
        match done {
            Done::Reply { reply, state } | Done::Started { reply, state } => {
                Self { response: reply, state }
            }
            Done::Contract(response) => Self { response, state: None },
            // An event has no answer, and nobody asks for it here.
            Done::EventSent | _ => Self { response: Term::Undefined, state: None },
        }
    }

    /// The reply. Of a start, what the service says in `{'ok',Reply}`; of `contract`, all of the
    /// answer.
    #[must_use]
    pub const fn response(&self) -> &Term {
        &self.response
    }

    /// The state of the session after it, mostly an atom. `None` from servers that do not name it.
    #[must_use]
    pub const fn state(&self) -> Option<&Term> {
        self.state.as_ref()
    }

    /// The reply and the state.
    #[must_use]
    pub fn into_parts(self) -> (Term, Option<Term>) {
        (self.response, self.state)
    }
}

/// Why a server's contract is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContractError {
    /// The call failed.
    Call(CallError),
    /// What it answered is no contract.
    NoContract(AnswerError),
}

impl From<AnswerError> for ContractError {
    fn from(error: AnswerError) -> Self {
        Self::NoContract(error)
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(_) => f.write_str("the server does not tell its contract"),
            Self::NoContract(_) => {
                f.write_str("what the server answers to 'contract' is no contract")
            }
        }
    }
}

impl std::error::Error for ContractError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::NoContract(error) => Some(error),
        }
    }
}

/// Rust values for terms, by serde. The forms are those of `ubf_codec::serde`.
#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
mod typed {
    use serde_core::Serialize;
    use serde_core::de::DeserializeOwned;
    use ubf_codec::serde::{Error, from_term, to_term};

    use super::{ClassicCall, ClassicClient, ClassicReply};

    impl ClassicClient {
        /// Makes a call with a value as its request. Its reply is read with
        /// [`ClassicReply::response_as`].
        ///
        /// # Errors
        /// If the value has no form as a term.
        pub fn call_typed(
            &self,
            request: &(impl Serialize + ?Sized),
        ) -> Result<ClassicCall, Error> {
            Ok(self.call(to_term(request)?))
        }
    }

    impl ClassicReply {
        /// The reply as a value. If it is none, the call has run all the same.
        ///
        /// # Errors
        /// If the reply is not what the type expects, and where.
        pub fn response_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
            from_term(self.response())
        }
    }
}
