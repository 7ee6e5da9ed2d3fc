//! A conversation with a server that knows no versions: what a line does, whoever typed it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use ubf_client::classic::{CallError, ClassicClient, ClassicEvents, ClassicIncoming};
use ubf_client::{Builder, Client};
use ubf_codec::Term;

use super::contract::Held;
use super::line::{CLASSIC_COMMANDS, Line};
use super::session::{Done, Screen, Shown, Words, help, remember};
use crate::args::Repl;
use crate::network;
use crate::network::classic::{answer, cannot_connect, failed};
use crate::network::wire_trace::WireTrace;
use crate::ui::palette::Palette;
use crate::ui::report::Report;

/// To say goodbye. Chosen: nobody wants to wait.
const CLOSE_TIME: Duration = Duration::from_millis(500);
/// Columns of a state in the prompt.
const MAX_STATE: usize = 30;

/// A session, and what is known of it.
pub(crate) struct ClassicSession<'a> {
    args: &'a Repl,
    client: ClassicClient,
    screen: Screen,
    is_tracing: Arc<AtomicBool>,
    /// Events that were shown.
    events_shown: watch::Receiver<u64>,
    /// Events that `:wait` has waited for.
    events_awaited: u64,
    /// What requests are held against.
    contract: Option<Held>,
    words: Arc<Mutex<Words>>,
}

impl<'a> ClassicSession<'a> {
    /// Connects, and begins the session of the service that is wanted.
    ///
    /// # Errors
    /// If no server can be used, or if the service does not take the session.
    pub(crate) async fn connect(
        args: &'a Repl,
        screen: Screen,
        palette: Palette,
    ) -> Result<Self, Report> {
        let start = args.classic.start()?;
        let is_tracing = Arc::new(AtomicBool::new(args.trace));
        let builder = builder(args, &screen, palette, &is_tracing);
        let connecting = args.classic.dressed(builder, args.timeout).connect();
        let client = connecting.await.map_err(|error| cannot_connect(&error))?;
        let words = Arc::default();
        let (shown, events_shown) = watch::channel(0);
        if let Some(events) = client.events() {
            // It ends with the client.
            drop(tokio::spawn(show_all(events, Arc::clone(&screen), Arc::clone(&words), shown)));
        }
        let mut session = Self {
            args,
            client,
            screen,
            is_tracing,
            events_shown,
            events_awaited: 0,
            contract: None,
            words,
        };
        session.greet();
        if let Some((service, argument)) = start {
            session.start(service, argument).await.map_err(|error| failed(&error))?;
        }
        Ok(session)
    }

    fn greet(&self) {
        let status = self.client.status();
        let hello = status.borrow().hello.clone();
        if let Some(hello) = hello {
            let target = status.borrow().target.to_string();
            self.note(format!("hello from {} at {target}", hello.name));
        }
    }

    /// Words to complete from, latest last.
    pub(crate) fn words(&self) -> Arc<Mutex<Words>> {
        Arc::clone(&self.words)
    }

    /// The state of the session.
    pub(crate) fn prompt(&self) -> String {
        match self.state() {
            Some(state) => format!("{state}> "),
            None => "> ".to_owned(),
        }
    }

    fn state(&self) -> Option<String> {
        let status = self.client.status();
        let state = status.borrow().state.clone();
        state.map(|state| crate::ui::brief::brief(state.as_ref(), MAX_STATE))
    }

    /// Does what a line says.
    pub(crate) async fn obey(&mut self, text: &str) -> Done {
        let line = match Line::parse_classic(text) {
            Ok(line) => line,
            Err(message) => {
                return Done::Bad(Report::new(message).with_hint(Some(":help lists the commands")));
            }
        };
        let outcome = match line {
            Line::Nothing => Ok(()),
            Line::Request(text) => match self.term(text) {
                Ok(request) => self.ask(request).await,
                Err(report) => return Done::Bad(report),
            },
            Line::Event(text) => match self.term(text) {
                Ok(event) => self.client.cast(event).await,
                Err(report) => return Done::Bad(report),
            },
            Line::Start { service, argument } => {
                match argument.map_or_else(|| Ok(Term::list([])), |text| self.term(text)) {
                    Ok(argument) => self.start(service, argument).await,
                    Err(report) => return Done::Bad(report),
                }
            }
            Line::Services => self.ask(Term::atom("services")).await,
            Line::Info => self.ask(Term::atom("info")).await,
            Line::Contract(source) => return self.change_contract(source).await,
            Line::Help => {
                self.note(help(&CLASSIC_COMMANDS));
                Ok(())
            }
            Line::Quit => return Done::Quit,
            Line::State => {
                let state = self
                    .state()
                    .map_or_else(|| "no state".to_owned(), |state| format!("state {state}"));
                self.note(state);
                Ok(())
            }
            Line::Trace(is_on) => {
                self.is_tracing.store(is_on, Ordering::Relaxed);
                Ok(())
            }
            Line::Wait(count) => return self.wait(count).await,
            Line::Fail(_) | Line::Service(_) | Line::Status | Line::Versions => {
                debug_assert!(false, "these are not among the commands here");
                Ok(())
            }
        };
        match outcome {
            Ok(()) => Done::Good,
            Err(error) => Done::Bad(failed(&error)),
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        let Self { client, mut events_shown, .. } = self;
        client.close(CLOSE_TIME).await;
        // Its events are all shown when the task that does so has ended.
        while events_shown.changed().await.is_ok() {}
    }

    async fn ask(&mut self, request: Term) -> Result<(), CallError> {
        let (response, _state) = answer(self.client.call(request).await)?;
        let response = response.to_string();
        remember(&self.words, &response);
        self.show(Shown::Data(response));
        self.complete_requests();
        Ok(())
    }

    async fn start(&mut self, service: &str, argument: Term) -> Result<(), CallError> {
        let started = self.client.start(service.to_owned(), argument).await?;
        self.show(Shown::Data(started.response().to_string()));
        // What was known was of another service, or of the meta level.
        self.client.hold_to(None);
        self.contract = None;
        self.complete_requests();
        Ok(())
    }

    /// `:contract`: asks the server, reads a file, or checks nothing any more.
    async fn change_contract(&mut self, source: Option<&str>) -> Done {
        let held = match source {
            Some("off") => None,
            Some(path) => match Held::of_file(path) {
                Ok(held) => Some(Held::of_stock(held.contract())),
                Err(report) => return Done::Bad(report),
            },
            None => match self.client.ask_contract().await {
                Ok(contract) => Some(Held::of_stock(Arc::new(contract))),
                Err(error) => {
                    let report = Report::new(crate::ui::reason::causes(&error));
                    return Done::Bad(
                        report.with_hint(Some(":contract FILE reads one from a file")),
                    );
                }
            },
        };
        self.client.hold_to(held.as_ref().map(Held::contract));
        let said = held.as_ref().map(Held::described);
        self.note(said.unwrap_or_else(|| "requests are not checked".to_owned()));
        self.contract = held;
        self.complete_requests();
        Done::Good
    }

    /// The requests of the state are there to be completed.
    fn complete_requests(&self) {
        let state = self.state();
        let requests = self.contract.as_ref().map(|held| held.requests(state.as_deref(), None));
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.requests = requests.unwrap_or_default();
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

    fn term(&self, text: &str) -> Result<Term, Report> {
        let term = network::term(text)?;
        remember(&self.words, text);
        Ok(term)
    }

    pub(crate) fn note(&self, text: String) {
        self.show(Shown::Note(text));
    }

    fn show(&self, shown: Shown) {
        (self.screen)(shown);
    }
}

/// Shows events as they come.
async fn show_all(
    mut events: ClassicEvents,
    screen: Screen,
    words: Arc<Mutex<Words>>,
    shown: watch::Sender<u64>,
) {
    while let Some(incoming) = events.recv().await {
        match incoming {
            ClassicIncoming::Event(event) => {
                let text = event.event().to_string();
                remember(&words, &text);
                screen(Shown::Data(format!("event {text}")));
                shown.send_modify(|shown| *shown += 1);
            }
            ClassicIncoming::Missed(count) => {
                screen(Shown::Note(format!("{count} events are missing")));
            }
            _ => {}
        }
    }
}

fn builder(
    args: &Repl,
    screen: &Screen,
    palette: Palette,
    is_tracing: &Arc<AtomicBool>,
) -> Builder {
    let limits = args.connect.limits.limits();
    let trace = Mutex::new(WireTrace::classic(limits, palette));
    let (traces, is_tracing) = (Arc::clone(screen), Arc::clone(is_tracing));
    let builder = Client::builder()
        .limits(limits)
        .call_time(args.timeout)
        .connect_time(args.timeout)
        .keep_events()
        .on_wire(move |traffic| {
            // Looked at even while nothing is shown: packets may be cut anywhere.
            let lines = trace.lock().unwrap_or_else(PoisonError::into_inner).lines(traffic);
            if is_tracing.load(Ordering::Relaxed) && !lines.is_empty() {
                traces(Shown::Note(lines.trim_end().to_owned()));
            }
        });
    let targets = args.addresses.iter();
    let builder = targets.fold(builder, |builder, target| builder.address(target.to_string()));
    args.connect.with_tls(builder, &args.addresses)
}
