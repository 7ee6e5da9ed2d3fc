//! `ubf call --classic`: calls of servers that know no versions.

use std::io::{self, Write as _};
use std::sync::Mutex;

use tokio::time::{Instant, timeout};
use ubf_client::Target;
use ubf_client::classic::{CallError, ClassicClient};
use ubf_codec::Term;
use ubf_codec::json::Json;

use super::call::{CLOSE_TIME, Trouble, breaks_contract};
use crate::args::Call;
use crate::network::classic::{answer, cannot_connect, failed, kind};
use crate::network::wire_trace::WireTrace;
use crate::ui::json::Text;
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::status::Status;

/// A session.
pub(super) struct ClassicCaller<'a> {
    args: &'a Call,
    client: ClassicClient,
}

impl<'a> ClassicCaller<'a> {
    /// Connects, and begins the session of the service that is wanted.
    pub(super) async fn connect(args: &'a Call, targets: &[Target]) -> Result<Self, Trouble> {
        let bad = |report| Trouble::before_it_was_sent("bad_request", report, Status::WrongInput);
        let start = args.classic.start().map_err(bad)?;
        let client = connected(args, targets).await?;
        if let Some((service, argument)) = start {
            let started = client.start(service.to_owned(), argument).await;
            started.map_err(|error| trouble(&error))?;
        }
        Ok(Self { args, client })
    }

    /// Makes a call, and shows what came of it.
    pub(super) async fn call(&mut self, term: Term, output: &mut Output) -> io::Result<Status> {
        if self.args.event {
            return match self.client.cast(term).await {
                Ok(()) if self.args.json => {
                    output.line(r#"{"sent":true}"#)?;
                    Ok(Status::Good)
                }
                Ok(()) => {
                    output.note(format_args!("sent to {}", self.address()));
                    Ok(Status::Good)
                }
                Err(error) => trouble(&error).show(self.args.json, output),
            };
        }
        match answer(self.client.call(term).await) {
            Ok((response, state)) => self.show(&response, state.as_ref(), output),
            Err(error) => trouble(&error).show(self.args.json, output),
        }
    }

    fn show(
        &self,
        response: &Term,
        state: Option<&Term>,
        output: &mut Output,
    ) -> io::Result<Status> {
        let address = self.address();
        if self.args.json {
            let state =
                state.map_or_else(|| "null".to_owned(), |state| Json(state.as_ref()).to_string());
            let (response, address) = (Json(response.as_ref()), Text(&address));
            output.line(format_args!(
                r#"{{"response":{response},"state":{state},"address":{address}}}"#
            ))?;
        } else {
            output.line(response)?;
            output.flush()?;
            let state =
                state.map_or_else(|| "no state".to_owned(), |state| format!("state {state}"));
            output.note(format_args!("{state}, at {address}"));
        }
        let is_broken = self.args.fail && breaks_contract(response.as_ref());
        Ok(if is_broken { Status::WrongInput } else { Status::Good })
    }

    fn address(&self) -> String {
        self.client.status().borrow().target.to_string()
    }

    pub(super) async fn close(self) {
        self.client.close(CLOSE_TIME).await;
    }
}

/// A connection, made again and again for as long as `--wait` says.
async fn connected(args: &Call, targets: &[Target]) -> Result<ClassicClient, Trouble> {
    let patience = args.wait.unwrap_or_default();
    let start = Instant::now();
    loop {
        let mut builder = ubf_client::Client::builder()
            .limits(args.connect.limits.limits())
            .call_time(args.timeout)
            .connect_time(args.timeout);
        for target in targets {
            builder = builder.address(target.to_string());
        }
        builder = args.connect.with_tls(builder, targets);
        if args.trace {
            let (limits, palette) = (args.connect.limits.limits(), Palette::new(true));
            let trace = Mutex::new(WireTrace::classic(limits, palette));
            builder = builder.on_wire(move |traffic| {
                if let Ok(mut trace) = trace.lock() {
                    // What cannot be said on stderr is lost: there is nobody to tell.
                    anstream::stderr().write_all(trace.lines(traffic).as_bytes()).ok();
                }
            });
        }
        let error = match args.classic.dressed(builder, args.timeout).connect().await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if start.elapsed() >= patience {
            let report = cannot_connect(&error);
            return Err(Trouble::before_it_was_sent("unreachable", report, Status::Trouble));
        }
        // A server that is being started listens soon.
        let pause = std::time::Duration::from_millis(100).min(patience);
        let _elapsed = timeout(pause, std::future::pending::<()>()).await.is_err();
    }
}

fn trouble(error: &CallError) -> Trouble {
    Trouble {
        kind: kind(error),
        report: Box::new(failed(error)),
        may_have_run: error.may_have_run(),
        status: Status::WrongInput,
    }
}
