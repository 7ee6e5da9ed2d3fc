//! A conversation with a server: what a line does, whoever typed it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;
use ubf_client::{
    CallError, Client, ConnectError, Notice, Reply, Service, State, Status, Versions,
};
use ubf_codec::{Term, Version};

use super::contract::Held;
use super::line::{COMMANDS, CommandLine, Line};
use super::news;
use crate::args::Repl;
use crate::network;
use crate::network::wire_trace::WireTrace;
use crate::ui::palette::Palette;
use crate::ui::report::Report;

/// To say goodbye. Chosen: nobody wants to wait.
const CLOSE_TIME: Duration = Duration::from_millis(500);
/// What a line waits for a server that is gone. Chosen: a restart is often over by then, and nobody
/// wonders yet.
const PATIENCE: Duration = Duration::from_secs(1);
/// Words that are kept for completion. Chosen: more than a person remembers.
const MAX_WORDS: usize = 500;
/// Text that is looked through for words. Chosen: what is longer is data.
const MAX_WORD_TEXT: usize = 4096;

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// What the server says.
    Data(String),
    /// All else.
    Note(String),
}

/// Where it is shown. It is called from several threads.
pub(crate) type Screen = Arc<dyn Fn(Shown) + Send + Sync>;

/// What came of a line.
#[derive(Debug)]
pub(crate) enum Done {
    Good,
    /// The line is wrong, or its call failed.
    Bad(Report),
    Quit,
}

/// A client, and what is known of its server.
pub(crate) struct Session<'a> {
    args: &'a Repl,
    client: Client,
    service: Service,
    screen: Screen,
    palette: Palette,
    is_tracing: Arc<AtomicBool>,
    /// What the server speaks.
    spoken: Arc<Mutex<Versions>>,
    /// Events that were shown.
    events_shown: watch::Receiver<u64>,
    /// Events that `:wait` has waited for.
    events_awaited: u64,
    /// UBF(C): the server's state after the last reply.
    state: Option<String>,
    /// What requests are held against.
    contract: Option<Held>,
    words: Arc<Mutex<Words>>,
}

impl<'a> Session<'a> {
    /// Connects.
    ///
    /// # Errors
    /// If no server can be used.
    pub(crate) async fn connect(
        args: &'a Repl,
        screen: Screen,
        palette: Palette,
    ) -> Result<Self, ConnectError> {
        let is_tracing = Arc::new(AtomicBool::new(args.trace));
        let (spoken, words) = (Arc::default(), Arc::default());
        let service = args.connect.service();
        let line = Connecting {
            args,
            screen: &screen,
            palette,
            is_tracing: &is_tracing,
            spoken: &spoken,
            words: &words,
        };
        let (client, events_shown) = line.connect(service.clone()).await?;
        // The first prompt shows the version.
        let mut status = client.status();
        let agreed = status.wait_for(|status| status.version.is_some());
        drop(timeout(PATIENCE, agreed).await);
        Ok(Self {
            args,
            client,
            service,
            screen,
            palette,
            is_tracing,
            spoken,
            events_shown,
            events_awaited: 0,
            state: None,
            contract: None,
            words,
        })
    }

    /// Words to complete from, latest last.
    pub(crate) fn words(&self) -> Arc<Mutex<Words>> {
        Arc::clone(&self.words)
    }

    /// The version in force and the server's state.
    pub(crate) fn prompt(&self) -> String {
        let version = self.client.status().borrow().version;
        let version = version.map_or_else(|| "-".to_owned(), |version| version.to_string());
        match &self.state {
            Some(state) => format!("{version} {state}> "),
            None => format!("{version}> "),
        }
    }

    /// Does what a line says.
    pub(crate) async fn obey(&mut self, text: &str) -> Done {
        let line = match Line::parse(text) {
            Ok(line) => line,
            Err(message) => {
                return Done::Bad(Report::new(message).with_hint(Some(":help lists the commands")));
            }
        };
        match line {
            Line::Nothing => {}
            Line::Contract(source) => return self.change_contract(source).await,
            Line::Request(request) => return self.request(request).await,
            Line::Event(event) => return self.event(event).await,
            Line::Fail(version) => return self.fail(version).await,
            Line::Help => self.note(help(&COMMANDS)),
            Line::Quit => return Done::Quit,
            Line::Service(None) => self.note(format!("service {}", self.service)),
            Line::Service(Some(name)) => return self.change_service(name).await,
            Line::Status => self.note(status(&self.client.status().borrow())),
            Line::Trace(is_on) => self.is_tracing.store(is_on, Ordering::Relaxed),
            Line::Versions => self.note(self.versions()),
            Line::Wait(count) => return self.wait(count).await,
            Line::Info | Line::Services | Line::Start { .. } | Line::State => {
                debug_assert!(false, "these are not among the commands here");
            }
        }
        Done::Good
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        self.client.close(CLOSE_TIME).await;
        self.show_events().await;
    }

    async fn request(&mut self, text: &str) -> Done {
        let term = match self.term(text) {
            Ok(term) => term,
            Err(report) => return Done::Bad(report),
        };
        if let Some(contract) = &self.contract
            && let Err(report) = contract.check(self.state.as_deref(), self.version(), &term)
        {
            return Done::Bad(report);
        }
        let outcome = tokio::select! {
            outcome = self.client.call(term) => outcome,
            () = self.nobody_is_there() => return self.given_up(),
        };
        // Events that came before the reply are shown before it.
        self.show_events().await;
        match outcome {
            Ok(reply) => self.show_reply(&reply),
            Err(error) => return failed(&error),
        }
        Done::Good
    }

    fn show_reply(&mut self, reply: &Reply) {
        let response = reply.response().to_string();
        remember(&self.words, &response);
        self.state = reply.state().map(|state| crate::ui::brief::brief(state, 30));
        self.show(Shown::Data(response));
        self.complete_requests();
    }

    fn version(&self) -> Option<Version> {
        self.client.status().borrow().version
    }

    /// `:contract`: asks the server, reads a file, or checks nothing any more.
    async fn change_contract(&mut self, source: Option<&str>) -> Done {
        let held = match source {
            Some("off") => Ok(None),
            Some(path) => Held::of_file(path).map(Some),
            None => {
                let outcome = tokio::select! {
                    outcome = self.client.call(Term::atom("contract")) => outcome,
                    () = self.nobody_is_there() => return self.given_up(),
                };
                match outcome {
                    Ok(reply) => Held::of_answer(reply.response(), reply.version()).map(Some),
                    Err(error) => return failed(&error),
                }
            }
        };
        match held {
            Ok(held) => {
                let said = held.as_ref().map(Held::described);
                self.note(said.unwrap_or_else(|| "requests are not checked".to_owned()));
                self.contract = held;
                self.complete_requests();
                Done::Good
            }
            Err(report) => Done::Bad(report),
        }
    }

    /// The requests of the state are there to be completed.
    fn complete_requests(&self) {
        let (state, version) = (self.state.as_deref(), self.version());
        let requests = self.contract.as_ref().map(|held| held.requests(state, version));
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.requests = requests.unwrap_or_default();
    }

    async fn event(&mut self, text: &str) -> Done {
        let term = match self.term(text) {
            Ok(term) => term,
            Err(report) => return Done::Bad(report),
        };
        let cast = tokio::select! {
            cast = self.client.cast(term) => cast,
            () = self.nobody_is_there() => return self.given_up(),
        };
        match cast {
            Ok(()) => Done::Good,
            Err(error) => failed(&error),
        }
    }

    /// Waits until all addresses have been tried in vain, and some time has passed. A call that was
    /// sent has ended before that, with the connection: what still waits was not sent.
    async fn nobody_is_there(&self) {
        let mut status = self.client.status();
        loop {
            if status.wait_for(|status| status.state == State::BackingOff).await.is_err() {
                // The client is closed, and the call says so itself.
                return std::future::pending().await;
            }
            let back = status.wait_for(|status| status.state == State::Ready);
            if timeout(PATIENCE, back).await.is_err() {
                return;
            }
        }
    }

    fn given_up(&self) -> Done {
        let status = self.client.status();
        let loss = status.borrow().last_loss.as_deref().map(network::loss_in_words);
        let why = loss.map_or_else(String::new, |loss| format!(": {loss}"));
        Done::Bad(
            Report::new(format!("not sent, no server is there{why}"))
                .with_hint(Some("the client tries on, and :status says how it is; send it again")),
        )
    }

    /// N6: the next message goes out in another version.
    async fn fail(&self, version: Option<Version>) -> Done {
        let mut status = self.client.status();
        let Some(version) = version.or_else(|| status.borrow().version) else {
            return Done::Bad(Report::new(
                "no version is in force: say which one crashes, as in :fail 10",
            ));
        };
        if !self.args.connect.versions.contains(version) {
            return Done::Bad(Report::new(format!(
                "the client has no version {version}: it has {}",
                self.args.connect.versions
            )));
        }
        self.client.crashed(version);
        let is_known =
            status.wait_for(|status| status.quarantine.iter().any(|(other, _)| *other == version));
        match timeout(self.args.timeout, is_known).await {
            Ok(Ok(_)) => Done::Good,
            Ok(Err(_)) | Err(_) => Done::Bad(Report::new("the client has ended")),
        }
    }

    async fn change_service(&mut self, name: &str) -> Done {
        let service = if name == "?" { Service::DEFAULT } else { Service::named(name) };
        let connecting = Connecting {
            args: self.args,
            screen: &self.screen,
            palette: self.palette,
            is_tracing: &self.is_tracing,
            spoken: &self.spoken,
            words: &self.words,
        };
        match connecting.connect(service.clone()).await {
            Ok((client, events_shown)) => {
                let old = std::mem::replace(&mut self.client, client);
                self.events_shown = events_shown;
                self.events_awaited = 0;
                self.service = service;
                self.state = None;
                self.contract = None;
                self.complete_requests();
                old.close(CLOSE_TIME).await;
                Done::Good
            }
            // The old service is as good as before.
            Err(error) => Done::Bad(network::cannot_connect(&error)),
        }
    }

    async fn wait(&mut self, count: u64) -> Done {
        let wanted = self.events_awaited.saturating_add(count);
        let waiting = self.events_shown.wait_for(|shown| *shown >= wanted);
        match timeout(self.args.timeout, waiting).await {
            Ok(Ok(_)) => {
                self.events_awaited = wanted;
                Done::Good
            }
            Ok(Err(_)) | Err(_) => Done::Bad(
                Report::new("no event in time")
                    .with_hint(Some("--timeout gives it more time; each event is waited for once")),
            ),
        }
    }

    /// Waits until all events that have come are shown.
    async fn show_events(&self) {
        let come = self.client.status().borrow().events;
        // The task that shows them ends with the client, and not before all are shown.
        let mut shown = self.events_shown.clone();
        drop(shown.wait_for(|shown| *shown >= come).await);
    }

    fn term(&self, text: &str) -> Result<Term, Report> {
        let term = network::term(text)?;
        remember(&self.words, text);
        Ok(term)
    }

    fn versions(&self) -> String {
        let status = self.client.status();
        let status = status.borrow();
        let mut text = format!("ours        {}\n", self.args.connect.versions);
        let spoken = self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "the server  {spoken}");
        let _ = match status.version {
            Some(version) => write!(text, "in force    {version}"),
            None => write!(text, "in force    none"),
        };
        for (version, until) in &status.quarantine {
            let seconds = until.saturating_duration_since(Instant::now()).as_secs_f64();
            let _ = write!(text, "\nquarantine  {version}, for {seconds:.0} s");
        }
        text
    }

    pub(crate) fn note(&self, text: String) {
        self.show(Shown::Note(text));
    }

    fn show(&self, shown: Shown) {
        (self.screen)(shown);
    }
}

/// What a connection is made with.
struct Connecting<'a> {
    args: &'a Repl,
    screen: &'a Screen,
    palette: Palette,
    is_tracing: &'a Arc<AtomicBool>,
    spoken: &'a Arc<Mutex<Versions>>,
    words: &'a Arc<Mutex<Words>>,
}

impl Connecting<'_> {
    async fn connect(
        self,
        service: Service,
    ) -> Result<(Client, watch::Receiver<u64>), ConnectError> {
        let Self { args, screen, palette, is_tracing, spoken, words } = self;
        let (notes, spoken) = (Arc::clone(screen), Arc::clone(spoken));
        let (traces, is_tracing) = (Arc::clone(screen), Arc::clone(is_tracing));
        let last = Mutex::new(String::new());
        let trace = Mutex::new(WireTrace::new(args.connect.limits.limits(), palette));
        let client = args
            .connect
            .builder(&args.addresses)
            .service(service)
            .call_time(args.timeout)
            .connect_time(args.timeout)
            .on_notice(move |notice| {
                if let Notice::Agreed { spoken: versions, .. } = notice {
                    spoken.lock().unwrap_or_else(PoisonError::into_inner).clone_from(versions);
                }
                let Some(news) = news::in_words(notice) else { return };
                // A server that is gone is tried again and again.
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if *last != news {
                    last.clone_from(&news);
                    notes(Shown::Note(news));
                }
            })
            .on_wire(move |traffic| {
                // Looked at even while nothing is shown: packets may be cut anywhere.
                let lines = trace.lock().unwrap_or_else(PoisonError::into_inner).lines(traffic);
                if is_tracing.load(Ordering::Relaxed) && !lines.is_empty() {
                    traces(Shown::Note(lines.trim_end().to_owned()));
                }
            })
            .keep_events()
            .connect()
            .await?;
        let (shown, events_shown) = watch::channel(0);
        if let Some(mut events) = client.events() {
            let (screen, words) = (Arc::clone(screen), Arc::clone(words));
            // It ends with the client.
            drop(tokio::spawn(async move {
                while let Some(event) = events.next_event().await {
                    let text = event.event().to_string();
                    remember(&words, &text);
                    screen(Shown::Data(format!("event {text}")));
                    shown.send_modify(|shown| *shown += 1);
                }
            }));
        }
        Ok((client, events_shown))
    }
}

fn failed(error: &CallError) -> Done {
    Done::Bad(Report::new(error.to_string()).with_hint(network::call_hint(error)))
}

pub(super) fn help(commands: &[CommandLine]) -> String {
    let lines = commands
        .iter()
        .map(|(name, usage, words)| format!("{:<18} {words}", format!("{name}{usage}")));
    lines
        .chain(["anything else       a request, in Erlang's notation".to_owned()])
        .collect::<Vec<_>>()
        .join("\n")
}

fn status(status: &Status) -> String {
    let counters = &status.statistics;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    format!(
        "{}, version {}, at {}\ncalls {}, done {}, errors {}, indeterminate {}, refused and sent again {}\n\
         negotiations {}, fallbacks {}, moves {}, connections lost {}, events {}",
        if status.state == State::BackingOff {
            "waiting before it tries again"
        } else {
            status.state.as_str()
        },
        or_none(status.version.map(|version| version.to_string())),
        or_none(status.address.as_ref().map(ToString::to_string)),
        counters.calls,
        counters.done,
        counters.errors,
        counters.indeterminate,
        counters.refused,
        counters.negotiations,
        counters.fallbacks,
        counters.moves,
        counters.losses,
        status.events,
    )
}

/// Words that were seen: atoms, mostly.
#[derive(Debug, Default)]
pub(crate) struct Words {
    seen: VecDeque<String>,
    /// What the contract allows at present.
    pub(super) requests: Vec<String>,
}

impl Words {
    /// Those that begin so, latest first.
    pub(crate) fn beginning_with<'w>(&'w self, start: &'w str) -> impl Iterator<Item = &'w str> {
        self.seen.iter().rev().map(String::as_str).filter(move |word| word.starts_with(start))
    }

    /// The requests that begin so. Nobody has to type the blanks of a type.
    pub(crate) fn requests_beginning_with<'w>(
        &'w self,
        start: &'w str,
    ) -> impl Iterator<Item = &'w str> {
        let tight = |text: &str| text.split_whitespace().collect::<String>();
        let start = tight(start);
        let requests = self.requests.iter().map(String::as_str);
        requests.filter(move |request| tight(request).starts_with(&start))
    }

    /// Keeps the words of a text. A word of what is quoted does no harm.
    fn keep(&mut self, text: &str) {
        let is_part = |character: char| {
            character.is_ascii_alphanumeric() || character == '_' || character == '@'
        };
        let words = text.split(|character: char| !is_part(character));
        for word in words.filter(|word| {
            word.len() > 1 && word.starts_with(|first: char| first.is_ascii_lowercase())
        }) {
            self.seen.retain(|known| known != word);
            if self.seen.len() == MAX_WORDS {
                self.seen.pop_front();
            }
            self.seen.push_back(word.to_owned());
        }
    }
}

pub(super) fn remember(words: &Mutex<Words>, text: &str) {
    let text = crate::ui::text::prefix(text, MAX_WORD_TEXT);
    words.lock().unwrap_or_else(PoisonError::into_inner).keep(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_and_found_latest_first() {
        let mut words = Words::default();
        words.keep("{get,\"a.txt\",Key,gone}");
        words.keep("{get,1}");
        assert_eq!(words.beginning_with("g").collect::<Vec<_>>(), ["get", "gone"]);
        assert_eq!(words.beginning_with("t").collect::<Vec<_>>(), ["txt"]);
        words.requests = vec!["{get, key()}".to_owned(), "{put, key()}".to_owned()];
        let requests = |start| words.requests_beginning_with(start).collect::<Vec<_>>();
        assert_eq!(requests("{ge"), ["{get, key()}"]);
        assert_eq!(requests("{get,k"), ["{get, key()}"]);
        assert_eq!(requests("").len(), 2);
        assert_eq!(requests("{get,\"").len(), 0);
        for number in 0..2 * MAX_WORDS {
            words.keep(&format!("w{number}"));
        }
        assert_eq!(words.seen.len(), MAX_WORDS);
    }
}
