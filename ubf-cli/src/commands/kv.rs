//! `ubf kv`: all values of a server, as a client sees them.

use std::io;
use std::path::PathBuf;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use ubf_client::{CallError, Client};
use ubf_codec::{Term, TermRef, View, ubf};

use super::inputs::each_term;
use crate::args::kv::{Kv, KvArgs, KvCommand, KvLoad};
use crate::network;
use crate::packets::input;
use crate::packets::passage::Passage;
use crate::packets::terms::term_of;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;
use crate::ui::text::counted;

/// Keys of a page. Chosen: half of what the server takes.
const PAGE: u64 = 500;
/// Values that are on their way at once. Chosen: one commit of a store takes all of them.
const IN_FLIGHT: usize = 64;

pub(crate) fn run(args: &Kv, output: &mut Output) -> io::Result<Status> {
    let connection = match &args.command {
        KvCommand::Dump(args) => args,
        KvCommand::Load(args) => &args.kv,
    };
    // The version that has pages.
    let versions = matches!(args.command, KvCommand::Dump(_)).then_some(3);
    let (runtime, client) = match connect(connection, versions) {
        Ok(connected) => connected,
        Err(report) => {
            output.report(&report)?;
            return Ok(Status::Trouble);
        }
    };
    let done = match &args.command {
        KvCommand::Dump(_) => dump(&runtime, &client, output)?,
        KvCommand::Load(args) => load(&runtime, &client, args, output)?,
    };
    runtime.block_on(client.close(super::call::CLOSE_TIME));
    match done {
        Ok(()) => Ok(Status::Good),
        Err(Failed { report, status }) => {
            output.report(&report)?;
            Ok(status)
        }
    }
}

/// Why something is not copied to its end.
struct Failed {
    report: Report,
    status: Status,
}

impl Failed {
    const fn wrong(report: Report) -> Self {
        Self { report, status: Status::WrongInput }
    }

    fn call(error: &CallError) -> Self {
        Self::wrong(Report::new(error.to_string()).with_hint(network::call_hint(error)))
    }
}

/// One thread, on which calls are made in the order in which they are given.
fn connect(args: &KvArgs, version: Option<u32>) -> Result<(Runtime, Client), Report> {
    let runtime = network::single_thread()?;
    let mut builder =
        args.connect.builder(&args.addresses).call_time(args.timeout).connect_within(args.timeout);
    if args.connect.service.is_none() {
        builder = builder.service("kv");
    }
    if let Some(version) = version {
        builder = builder.versions([version]);
    }
    let client = runtime.block_on(builder.connect());
    let client = client.map_err(|error| network::cannot_connect(&error))?;
    Ok((runtime, client))
}

fn dump(runtime: &Runtime, client: &Client, output: &mut Output) -> io::Result<Result<(), Failed>> {
    let (mut after, mut count) = (Term::Undefined, 0_u64);
    loop {
        let reply = client.call(ubf!({scan, (after), (PAGE)})).idempotent();
        let reply = match runtime.block_on(reply.into_future()) {
            Ok(reply) => reply,
            Err(error) => return Ok(Err(Failed::call(&error))),
        };
        let Some((page, next)) = page(reply.response()) else {
            let text = format!("the service is no kv: it answers {}", reply.response());
            return Ok(Err(Failed::wrong(Report::new(text))));
        };
        for (key, value) in page {
            count += 1;
            output.line(format_args!("{{put,{key},{value}}}"))?;
        }
        if next.is_undefined() {
            break;
        }
        after = next.to_term();
    }
    // Whoever has the text sees that it is whole.
    output.line(format_args!("% {}", counted(count, "value")))?;
    Ok(Ok(()))
}

/// Keys and values of `{page,[{Key,Value,Revision}],Next}`, and where the next page begins.
fn page(response: TermRef<'_>) -> Option<(Vec<(TermRef<'_>, TermRef<'_>)>, TermRef<'_>)> {
    let View::Tuple(tuple) = response.view() else { return None };
    let [name, entries, next] = tuple.to_array()?;
    let View::List(entries) = entries.view() else { return None };
    let entries = entries.into_iter().map(entry).collect::<Option<Vec<_>>>()?;
    name.is_atom("page").then_some((entries, next))
}

fn entry(entry: TermRef<'_>) -> Option<(TermRef<'_>, TermRef<'_>)> {
    let View::Tuple(entry) = entry.view() else { return None };
    let [key, value, _revision] = entry.to_array()?;
    Some((key, value))
}

fn load(
    runtime: &Runtime,
    client: &Client,
    args: &KvLoad,
    output: &mut Output,
) -> io::Result<Result<(), Failed>> {
    let mut loading = Loading { runtime, client, calls: JoinSet::new(), stored: 0, failed: None };
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files[..] };
    for file in files {
        let name = input::name(file);
        let read = each_term(file, output, &mut |passage: &Passage, _| {
            match term_of(passage, Some(&name)).and_then(|term| put(term, &name)) {
                Ok(term) => loading.put(term),
                Err(report) => loading.failed = Some(Failed::wrong(report)),
            }
            Ok(loading.failed.is_none())
        })?;
        if let Err(report) = read {
            loading.failed = Some(Failed { report, status: Status::Trouble });
        }
        if loading.failed.is_some() {
            break;
        }
    }
    loading.wait(0);
    let Loading { stored, failed, .. } = loading;
    if args.json {
        output.line(format_args!("{{\"values\":{stored}}}"))?;
    } else {
        output.line(format_args!("{} stored", counted(stored, "value")))?;
    }
    Ok(failed.map_or(Ok(()), Err))
}

/// `{put,Key,Value}`, and nothing else.
fn put(term: Term, name: &str) -> Result<Term, Report> {
    if let Some([name, _, _]) = term.as_tuple()
        && name.is_atom("put")
    {
        return Ok(term);
    }
    let text = format!("{name}: {{put,Key,Value}} is expected, and not {term}");
    Err(Report::new(text).with_hint(Some("ubf kv dump writes such a file")))
}

/// Values on their way.
struct Loading<'a> {
    runtime: &'a Runtime,
    client: &'a Client,
    calls: JoinSet<Result<(), Failed>>,
    stored: u64,
    failed: Option<Failed>,
}

impl Loading<'_> {
    fn put(&mut self, term: Term) {
        let client = self.client.clone();
        let call = async move {
            let reply = client.call(term).idempotent().await;
            let reply = reply.map_err(|error| Failed::call(&error))?;
            let response = reply.response();
            let is_done = response.is_atom("ok")
                || matches!(response.view(), View::Tuple(it) if it.get(0).is_some_and(|ok| ok.is_atom("ok")));
            if is_done {
                return Ok(());
            }
            Err(Failed::wrong(Report::new(format!("the server says {response}"))))
        };
        self.calls.spawn_on(call, self.runtime.handle());
        self.wait(IN_FLIGHT - 1);
    }

    /// Waits until so many are left. Of several that fail, the first one is told.
    fn wait(&mut self, left: usize) {
        while self.calls.len() > left {
            match self.runtime.block_on(self.calls.join_next()) {
                Some(Ok(Ok(()))) => self.stored += 1,
                Some(Ok(Err(failed))) => {
                    self.failed.get_or_insert(failed);
                }
                Some(Err(panicked)) => {
                    let report = Report::new(format!("a call has ended: {panicked}"));
                    self.failed.get_or_insert(Failed::wrong(report));
                }
                None => return,
            }
        }
    }
}
