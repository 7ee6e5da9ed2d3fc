//! One client of a load, and the callers that share its connection.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use ubf_client::classic::ClassicClient;
use ubf_client::{Client, State, Statistics, Unsupported, Versions};
use ubf_codec::{Term, TermRef, Version, View};

use super::outcome::Outcome;
use super::pace::{Pace, Turn};
use super::requests::Requests;
use super::snapshot::ClientView;
use super::stock::outcome_of;
use super::tally::{Tally, lock};

/// How long a caller waits after a call that ended badly, if it is not on a schedule. Chosen: a
/// server that refuses all is not asked a million times a second.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// What all clients of a load share.
pub(super) struct Common {
    pub(super) pace: Arc<Pace>,
    pub(super) tally: Tally,
    pub(super) requests: Requests,
    pub(super) call_time: Duration,
    pub(super) is_idempotent: bool,
    pub(super) expects_echo: bool,
    pub(super) keeps_journal: bool,
    pub(super) keeps_numbers: bool,
    /// The versions for which the clients' code is to crash.
    pub(super) broken: RwLock<Versions>,
}

/// A client of either kind.
#[derive(Clone, Debug)]
pub(super) enum Either {
    Versioned(Client),
    /// Of servers that know no versions.
    Stock(ClassicClient),
}

/// A client of the load.
pub(super) struct LoadClient {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) client: Either,
    common: Arc<Common>,
    next_call: AtomicU64,
    /// How each call ended; the first is call 1.
    journal: Mutex<Vec<Outcome>>,
    /// The number in the reply of each call, likewise; 0 is none.
    numbers: Mutex<Vec<u64>>,
    /// For how long a call was open that ended without a reply, if none has been answered after
    /// that.
    waited_in_vain: Mutex<Duration>,
}

impl LoadClient {
    pub(super) fn new(number: u64, client: Either, common: Arc<Common>) -> Self {
        Self {
            number,
            client,
            common,
            next_call: AtomicU64::new(1),
            journal: Mutex::new(Vec::new()),
            numbers: Mutex::new(Vec::new()),
            waited_in_vain: Mutex::new(Duration::ZERO),
        }
    }

    /// Makes one call after the other until there are no more to make.
    pub(super) async fn run_caller(&self) {
        while let Some(turn) = self.common.pace.next().await {
            let outcome = self.call(turn).await;
            if outcome.is_bad() && !self.common.pace.is_scheduled() {
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }

    async fn call(&self, turn: Turn) -> Outcome {
        let mut open = OpenCall {
            client: self,
            number: self.next_call.fetch_add(1, Ordering::Relaxed),
            turn: Some(turn),
        };
        self.note(open.number, Outcome::Open);
        let term = self.common.requests.term(self.number, open.number);
        let (outcome, version) = match &self.client {
            Either::Versioned(client) => self.call_versioned(client, open.number, term).await,
            Either::Stock(client) => (self.call_stock(client, open.number, term).await, None),
        };
        open.end(outcome, version);
        outcome
    }

    async fn call_stock(&self, client: &ClassicClient, number: u64, term: Term) -> Outcome {
        let expected = self.common.expects_echo.then(|| term.clone());
        match client.call(term).within(self.common.call_time).await {
            Ok(reply)
                if expected.is_none_or(|expected| *reply.response() == expected)
                    && self.note_number(number, reply.response().as_ref()) =>
            {
                Outcome::Answered
            }
            Ok(_) => Outcome::WrongReply,
            Err(error) => outcome_of(&error),
        }
    }

    async fn call_versioned(
        &self,
        client: &Client,
        number: u64,
        term: Term,
    ) -> (Outcome, Option<Version>) {
        let expected = self.common.expects_echo.then(|| term.clone());
        let mut call = client.call(self.request(term)).within(self.common.call_time);
        if self.common.is_idempotent {
            call = call.idempotent();
        }
        match call.await {
            Ok(reply) => {
                let is_echo =
                    expected.is_none_or(|expected| reply.response().to_term() == expected);
                let is_right = is_echo && self.note_number(number, reply.response());
                (
                    if is_right { Outcome::Answered } else { Outcome::WrongReply },
                    Some(reply.version()),
                )
            }
            Err(error) => (Outcome::of(&error), None),
        }
    }

    /// Code that can be made to crash. Nobody has to read about it on stderr: this panic goes by
    /// the hook.
    fn request(
        &self,
        term: Term,
    ) -> impl Fn(Version) -> Result<Term, Unsupported> + Send + 'static {
        let common = Arc::clone(&self.common);
        move |version| {
            let is_broken = common.broken.read().is_ok_and(|broken| broken.contains(version));
            if is_broken {
                resume_unwind(Box::new("a simulated crash"));
            }
            Ok(term.clone())
        }
    }

    fn note(&self, number: u64, outcome: Outcome) {
        if self.common.keeps_journal {
            put(&self.journal, number, outcome, Outcome::Open);
        }
    }

    /// Keeps the number in a reply, if that is wanted. Whether the reply is as it should be.
    fn note_number(&self, number: u64, response: TermRef<'_>) -> bool {
        if !self.common.keeps_numbers {
            return true;
        }
        let told = number_in(response);
        put(&self.numbers, number, told.unwrap_or(0), 0);
        told.is_some()
    }

    pub(super) fn take_journal(&self) -> Vec<Outcome> {
        std::mem::take(&mut *lock(&self.journal))
    }

    pub(super) fn take_numbers(&self) -> Vec<u64> {
        std::mem::take(&mut *lock(&self.numbers))
    }

    pub(super) fn view(&self) -> ClientView {
        let client = match &self.client {
            Either::Versioned(client) => client,
            Either::Stock(client) => return self.view_of_stock(client),
        };
        let status = client.status();
        let status = status.borrow();
        ClientView {
            number: self.number,
            state: status.state,
            version: status.version,
            address: status.address.clone(),
            statistics: status.statistics,
        }
    }
}

impl LoadClient {
    fn view_of_stock(&self, client: &ClassicClient) -> ClientView {
        let status = client.status();
        let status = status.borrow();
        let state = if status.ended.is_none() { State::Ready } else { State::Closed };
        ClientView {
            number: self.number,
            state,
            version: None,
            address: status.target.to_string().parse().ok(),
            statistics: Statistics::default(),
        }
    }
}

/// Puts down something of the call of this number, which counts from 1. Callers may come here in
/// another order than that of their numbers.
fn put<T: Copy>(list: &Mutex<Vec<T>>, number: u64, value: T, none: T) {
    let mut list = lock(list);
    let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
    while list.len() <= index {
        list.push(none);
    }
    if let Some(slot) = list.get_mut(index) {
        *slot = value;
    }
}

/// That in `{ok,Number}`.
fn number_in(response: TermRef<'_>) -> Option<u64> {
    let View::Tuple(parts) = response.view() else { return None };
    let [ok, number] = parts.to_array()?;
    if ok.is_atom("ok") { number.as_u64() } else { None }
}

/// A call that has not ended. If it is dropped, it was cut.
struct OpenCall<'a> {
    client: &'a LoadClient,
    number: u64,
    /// `None` once it has ended.
    turn: Option<Turn>,
}

impl OpenCall<'_> {
    fn end(&mut self, outcome: Outcome, version: Option<Version>) {
        let Some(Turn { due, is_measured }) = self.turn.take() else { return };
        self.client.note(self.number, outcome);
        if is_measured {
            let place = usize::try_from(self.client.number).unwrap_or_default();
            let took = due.elapsed();
            self.client.common.tally.add(place, outcome, version, took);
            let mut waited_in_vain = lock(&self.client.waited_in_vain);
            if !outcome.has_reply() {
                *waited_in_vain = waited_in_vain.max(took);
            } else if *waited_in_vain > Duration::ZERO {
                self.client
                    .common
                    .tally
                    .add_pause(place, std::mem::take(&mut *waited_in_vain) + took);
            }
        }
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Cut, None);
    }
}
