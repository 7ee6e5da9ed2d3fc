//! `ubf call`: calls, and their responses.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use ubf_client::{CallError, Client, ConnectError, Reply, State, Target};
use ubf_codec::json::Json;
use ubf_codec::{Term, TermRef, Version, View};
use ubf_load::load::Outcome;

use super::classic_call::ClassicCaller;
use super::inputs::each_term;
use crate::args::Call;
use crate::args::call::Source;
use crate::network::wire_trace::WireTrace;
use crate::network::{self, shown_address};
use crate::packets::input;
use crate::packets::passage::Passage;
use crate::packets::terms::term_of;
use crate::ui::json::Text;
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// To say goodbye. Chosen: the responses are there, and nobody wants to wait.
pub(super) const CLOSE_TIME: Duration = Duration::from_millis(500);
/// What the last part of a call's time is at least: a connection was made, and an answer is near.
const MIN_TIME: Duration = Duration::from_millis(100);

/// What came of a call.
enum Ended {
    Reply(Reply),
    Taken(Version),
}

/// What is wrong, for people and for programs.
pub(super) struct Trouble {
    /// A name for programs, which does not change.
    pub(super) kind: &'static str,
    pub(super) report: Box<Report>,
    pub(super) may_have_run: bool,
    pub(super) status: Status,
}

impl Trouble {
    pub(super) fn before_it_was_sent(kind: &'static str, report: Report, status: Status) -> Self {
        Self { kind, report: Box::new(report), may_have_run: false, status }
    }

    pub(super) fn show(&self, is_json: bool, output: &mut Output) -> io::Result<Status> {
        if is_json {
            let hint = self
                .report
                .hint()
                .map_or_else(String::new, |hint| format!(r#","hint":{}"#, Text(hint)));
            output.line(format_args!(
                r#"{{"error":{{"kind":"{}","message":{}{hint},"may_have_run":{}}}}}"#,
                self.kind,
                Text(self.report.message()),
                self.may_have_run
            ))?;
        } else {
            output.report(&self.report)?;
        }
        Ok(self.status)
    }
}

pub(crate) fn run(args: &Call, output: &mut Output) -> io::Result<Status> {
    let prepared = prepare(args).and_then(|(targets, requests)| {
        let runtime = network::runtime(false)
            .map_err(|report| Trouble::before_it_was_sent("no_threads", report, Status::Trouble))?;
        let caller = if args.classic.classic {
            AnyCaller::Classic(runtime.block_on(ClassicCaller::connect(args, &targets))?)
        } else {
            AnyCaller::Versioned(runtime.block_on(Caller::connect(args, targets))?)
        };
        Ok((runtime, caller, requests))
    });
    let (runtime, mut caller, requests) = match prepared {
        Ok(prepared) => prepared,
        Err(trouble) => return trouble.show(args.json, output),
    };
    let mut status = Status::Good;
    for request in requests {
        status = match request {
            Request::Term(term) => runtime.block_on(caller.call(term, output))?,
            Request::File(path) => {
                let mut last = Status::Good;
                let name = input::name(&path);
                let read = each_term(&path, output, &mut |passage: &Passage, output| {
                    last = match term_of(passage, Some(&name)) {
                        Ok(term) => runtime.block_on(caller.call(term, output))?,
                        Err(report) => {
                            Trouble::before_it_was_sent("bad_request", report, Status::WrongInput)
                                .show(args.json, output)?
                        }
                    };
                    output.flush()?;
                    Ok(last == Status::Good)
                })?;
                match read {
                    Ok(()) => last,
                    Err(report) => Trouble::before_it_was_sent("no_input", report, Status::Trouble)
                        .show(args.json, output)?,
                }
            }
        };
        if status != Status::Good {
            break;
        }
    }
    runtime.block_on(caller.close());
    Ok(status)
}

/// A request of the command line, or a file that has some.
enum Request {
    Term(Term),
    File(PathBuf),
}

/// Nothing is sent if one of the arguments is wrong.
fn prepare(args: &Call) -> Result<(Vec<Target>, Vec<Request>), Trouble> {
    let (targets, sources) = args
        .targets_and_sources()
        .map_err(|report| Trouble::before_it_was_sent("bad_arguments", report, Status::Trouble))?;
    args.connect
        .tls(&targets)
        .map_err(|report| Trouble::before_it_was_sent("bad_arguments", report, Status::Trouble))?;
    let read = |source| match source {
        Source::Text(text) => network::term(&text).map(Request::Term),
        Source::File(path) => Ok(Request::File(path)),
    };
    let requests =
        sources.into_iter().map(read).collect::<Result<_, _>>().map_err(|report| {
            Trouble::before_it_was_sent("bad_request", report, Status::WrongInput)
        })?;
    Ok((targets, requests))
}

/// A client of either kind.
enum AnyCaller<'a> {
    Versioned(Caller<'a>),
    Classic(ClassicCaller<'a>),
}

impl AnyCaller<'_> {
    async fn call(&mut self, term: Term, output: &mut Output) -> io::Result<Status> {
        match self {
            Self::Versioned(caller) => caller.call(term, output).await,
            Self::Classic(caller) => caller.call(term, output).await,
        }
    }

    async fn close(self) {
        match self {
            Self::Versioned(caller) => caller.client.close(CLOSE_TIME).await,
            Self::Classic(caller) => caller.close().await,
        }
    }
}

/// A client, and how long its next call may take.
struct Caller<'a> {
    args: &'a Call,
    targets: Vec<Target>,
    client: Client,
    time: Duration,
}

impl<'a> Caller<'a> {
    async fn connect(args: &'a Call, targets: Vec<Target>) -> Result<Self, Trouble> {
        let places = u32::try_from(targets.len()).unwrap_or(u32::MAX).max(1);
        let mut builder = args
            .connect
            .builder(&targets)
            .call_time(args.timeout)
            // A host that does not answer leaves time for the next one.
            .connect_time(args.timeout / places)
            .connect_within(args.timeout);
        if args.trace {
            let trace =
                Mutex::new(WireTrace::new(args.connect.limits.limits(), Palette::new(true)));
            builder = builder.on_wire(move |traffic| {
                if let Ok(mut trace) = trace.lock() {
                    // What cannot be said on stderr is lost: there is nobody to tell.
                    anstream::stderr().write_all(trace.lines(traffic).as_bytes()).ok();
                }
            });
        }
        let unreachable = |error: ConnectError| {
            let report = network::cannot_connect(&error);
            Trouble::before_it_was_sent("unreachable", report, Status::Trouble)
        };
        let Some(patience) = args.wait else {
            let start = Instant::now();
            let client = builder.connect().await.map_err(unreachable)?;
            let time = args.timeout.saturating_sub(start.elapsed()).max(MIN_TIME);
            return Ok(Self { args, targets, client, time });
        };
        let client = builder.start().map_err(unreachable)?;
        let mut status = client.status();
        let ready = status.wait_for(|status| status.state == State::Ready);
        if timeout(patience, ready).await.is_err() {
            let loss = status.borrow().last_loss.as_deref().map(network::loss_in_words);
            let why = loss.map_or_else(String::new, |loss| format!(": {loss}"));
            let report = Report::new(format!("no server came in time{why}"))
                .with_hint(Some("--wait gives it more time"));
            return Err(Trouble::before_it_was_sent("unreachable", report, Status::Trouble));
        }
        Ok(Self { args, targets, client, time: args.timeout })
    }

    /// Makes a call, and shows what came of it.
    async fn call(&mut self, term: Term, output: &mut Output) -> io::Result<Status> {
        let time = std::mem::replace(&mut self.time, self.args.timeout);
        match make(&self.client, self.args, term, time).await {
            Ok(ended) => self.show(&ended, output),
            Err(error) => self.failed(&error).show(self.args.json, output),
        }
    }

    fn failed(&self, error: &CallError) -> Trouble {
        let mut report = Report::new(error.to_string()).with_hint(network::call_hint(error));
        if let CallError::Deadline { .. } = error
            && let Some(loss) = &self.client.status().borrow().last_loss
        {
            report = report.with_remark(format!("last lost: {}", network::loss_in_words(loss)));
        }
        Trouble {
            kind: Outcome::of(error).name(),
            report: Box::new(report),
            may_have_run: error.may_have_run(),
            status: Status::WrongInput,
        }
    }

    fn show(&self, ended: &Ended, output: &mut Output) -> io::Result<Status> {
        let status = self.client.status();
        let address = status.borrow().address.as_ref().map(|at| shown_address(&self.targets, at));
        let address = address.unwrap_or_default();
        let mut is_broken = false;
        match ended {
            Ended::Reply(reply) => {
                is_broken = self.args.fail && breaks_contract(reply.response());
                if self.args.json {
                    show_json(reply, &address, output)?;
                } else {
                    output.line(reply.response())?;
                    output.flush()?;
                    let state = reply
                        .state()
                        .map_or_else(|| "no state".to_owned(), |state| format!("state {state}"));
                    let version = reply.version();
                    output.note(format_args!("{state}, in version {version}, at {address}"));
                }
            }
            Ended::Taken(version) if self.args.json => {
                let address = Text(&address);
                output.line(format_args!(
                    r#"{{"taken":true,"version":{version},"address":{address}}}"#
                ))?;
            }
            Ended::Taken(version) => {
                output.note(format_args!("taken, in version {version}, at {address}"));
            }
        }
        Ok(if is_broken { Status::WrongInput } else { Status::Good })
    }
}

async fn make(
    client: &Client,
    args: &Call,
    term: Term,
    time: Duration,
) -> Result<Ended, CallError> {
    if args.event {
        let cast = client.cast(term).within(time);
        let cast = if args.idempotent { cast.idempotent() } else { cast };
        return cast.taken().await.map(Ended::Taken);
    }
    let call = client.call(term).within(time);
    let call = if args.idempotent { call.idempotent() } else { call };
    call.await.map(Ended::Reply)
}

/// UBF(C): `{clientBrokeContract,Request,Expected}` and `{serverBrokeContract,Response,Expected}`.
pub(super) fn breaks_contract(response: TermRef<'_>) -> bool {
    let View::Tuple(parts) = response.view() else { return false };
    parts.get(0).is_some_and(|name| {
        name.is_atom("clientBrokeContract") || name.is_atom("serverBrokeContract")
    })
}

fn show_json(reply: &Reply, address: &str, output: &mut Output) -> io::Result<()> {
    let state = reply.state().map_or_else(|| "null".to_owned(), |state| Json(state).to_string());
    let (response, version) = (Json(reply.response()), reply.version());
    output.line(format_args!(
        r#"{{"response":{response},"state":{state},"version":{version},"address":{}}}"#,
        Text(address)
    ))
}
