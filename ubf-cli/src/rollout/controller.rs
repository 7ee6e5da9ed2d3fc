//! A controller: what the machine wants, done one thing after the other, and stored before it is.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use ubf_agent_core::Hash;
use ubf_fleet::{Input, Output as Wanted, Record, Rollout};

use super::plan::Fleet;
use super::sample::{Look, compare, look_at_all};
use super::steps::{self, Trouble};
use super::store::Store;
use super::words;
use crate::ui::output::Output;
use crate::ui::units::time;

/// Between two looks at what operators want.
const LOOK: Duration = Duration::from_millis(100);

/// How the work of a controller ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing more is to be done, or nothing before an operator wants something.
    Idle,
    /// Another controller goes on with it.
    Fenced,
    /// Ctrl-C, or whatever ends programs. It can be gone on with.
    Interrupted,
}

enum Event {
    /// A step is over, and what is to be known of it.
    Step(Input, Vec<String>),
    Interrupted,
}

/// One controller, from its first look at the record on.
struct Controller<'a> {
    fleet: Arc<Fleet>,
    store: Store,
    rollout: Rollout,
    output: &'a mut Output,
    began: Instant,
    /// When the step at a node began.
    step: Instant,
    has_claimed: bool,
    /// What was shown last.
    shown: Option<Record>,
    marks: Vec<Result<Look, String>>,
    /// Why a step at this node was not done, as it was said last: it is tried again and again.
    told: Option<(usize, String)>,
    events: Sender<Event>,
}

/// Goes on with a rollout until nothing can be done, showing each step.
///
/// # Errors
/// The record cannot be read or written, or stdout is gone: the rollout is where it was.
pub(crate) fn drive(
    fleet: Fleet,
    store: Store,
    record: Record,
    output: &mut Output,
) -> io::Result<(Ended, Record)> {
    let (events, heard) = channel();
    attend_signals(events.clone())?;
    let (began, step) = (Instant::now(), Instant::now());
    let mut controller = Controller {
        fleet: Arc::new(fleet),
        store,
        rollout: Rollout::new(record),
        output,
        began,
        step,
        has_claimed: false,
        shown: None,
        marks: Vec::new(),
        told: None,
        events,
    };
    let ended = controller.run(&heard)?;
    Ok((ended, controller.rollout.record().clone()))
}

/// They are heard by a thread of their own: whatever is under way does not hold them up.
fn attend_signals(events: Sender<Event>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(guard);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        // A controller that has ended needs no word.
        let _is_heard = events.send(Event::Interrupted).is_ok();
    });
    Ok(())
}

impl Controller<'_> {
    fn run(&mut self, heard: &Receiver<Event>) -> io::Result<Ended> {
        loop {
            // Before a step begins: whoever wants a pause wants it before that.
            for wish in self.store.wishes()? {
                self.rollout.handle(Input::Steered(wish), self.began.elapsed());
            }
            while let Some(wanted) = self.rollout.poll_output() {
                if !self.obey(wanted)? {
                    return Ok(Ended::Fenced);
                }
            }
            if self.rollout.is_idle() {
                return Ok(Ended::Idle);
            }
            self.output.flush()?;
            let left =
                self.rollout.poll_timeout().map(|at| at.saturating_sub(self.began.elapsed()));
            match heard.recv_timeout(left.unwrap_or(LOOK).min(LOOK)) {
                Ok(Event::Step(input, remarks)) => {
                    self.show_step(&input, &remarks)?;
                    self.rollout.handle(input, self.began.elapsed());
                }
                Ok(Event::Interrupted) => return Ok(Ended::Interrupted),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.rollout.handle(Input::Tick, self.began.elapsed());
        }
    }

    /// `false`: somebody else has the rollout.
    fn obey(&mut self, wanted: Wanted) -> io::Result<bool> {
        match wanted {
            Wanted::Store(record) => return self.keep(*record),
            Wanted::Prepare { node } => {
                let (store, epoch) = (self.store.clone(), self.rollout.record().epoch);
                self.begin(node, move |fleet, place| {
                    let is_mine = || store.is_held_by(epoch);
                    let (runs, remarks) = steps::prepare(fleet, place, &is_mine)?;
                    Ok((Input::Prepared { node, runs: runs.to_string() }, remarks))
                });
            }
            Wanted::Change { node } => self.begin(node, move |fleet, place| {
                steps::change(fleet, place)?;
                Ok((Input::Done { node }, Vec::new()))
            }),
            Wanted::Restore { node, runs } => self.begin(node, move |fleet, place| {
                let runs = runs.as_deref().map(hash).transpose()?;
                steps::restore(fleet, place, runs)?;
                Ok((Input::Done { node }, Vec::new()))
            }),
            Wanted::Finalize { node } => {
                let before = self.rollout.record().before.get(node).cloned();
                self.begin(node, move |fleet, place| {
                    let before = before.as_deref().map(hash).transpose()?;
                    let remarks = steps::finalize(fleet, place, before)?;
                    Ok((Input::Done { node }, remarks))
                });
            }
            Wanted::Mark => self.marks = look_at_all(&self.fleet),
            Wanted::Observe { until } => self.observe(until)?,
        }
        Ok(true)
    }

    fn keep(&mut self, record: Record) -> io::Result<bool> {
        let claims = !self.has_claimed;
        if !self.store.store(&record, claims)? {
            self.rollout.handle(Input::Fenced, self.began.elapsed());
            return Ok(false);
        }
        self.has_claimed = true;
        let is_new = self.shown.as_ref().is_none_or(|shown| shown.stage != record.stage);
        // A claim changes nothing that is to be seen.
        if is_new
            && !claims
            && let Some(line) = words::begins(&record)
        {
            self.output.line(line)?;
            self.output.flush()?;
        }
        self.shown = Some(record);
        self.rollout.handle(Input::Stored, self.began.elapsed());
        Ok(true)
    }

    /// A step is done by a thread, so that operators are heard meanwhile.
    fn begin(
        &mut self,
        node: usize,
        step: impl FnOnce(&Fleet, &super::plan::NodePlace) -> Result<(Input, Vec<String>), Trouble>
        + Send
        + 'static,
    ) {
        self.step = Instant::now();
        let (fleet, events) = (Arc::clone(&self.fleet), self.events.clone());
        thread::spawn(move || {
            let done = match fleet.nodes.get(node) {
                Some(place) => step(&fleet, place),
                None => Err("the plan has no such node".to_owned().into()),
            };
            let failed =
                |trouble: Trouble| (Input::Failed { node, why: trouble.to_string() }, Vec::new());
            let (input, remarks) = done.unwrap_or_else(failed);
            // A controller that has ended has stored that this step may be done.
            let _is_heard = events.send(Event::Step(input, remarks)).is_ok();
        });
    }

    fn observe(&mut self, until: usize) -> io::Result<()> {
        let looks = look_at_all(&self.fleet);
        let (changed, others, remarks) = compare(&self.fleet, until, &self.marks, &looks);
        for remark in remarks {
            self.output.line(format_args!("  {remark}"))?;
        }
        self.output.line(words::sample("changed", &changed))?;
        if others.nodes > 0 {
            self.output.line(words::sample("unchanged", &others))?;
        } else {
            self.output.line(words::sample("before", &self.rollout.record().baseline))?;
        }
        self.rollout.handle(Input::Observed { changed, others }, self.began.elapsed());
        Ok(())
    }

    fn show_step(&mut self, input: &Input, remarks: &[String]) -> io::Result<()> {
        for remark in remarks {
            self.output.line(format_args!("  {remark}"))?;
        }
        let took = time(self.step.elapsed());
        match input {
            Input::Failed { node, why } => {
                let trouble = Some((*node, why.clone()));
                if trouble != self.told {
                    self.output.line(format_args!("  not done: {why}"))?;
                    self.told = trouble;
                }
            }
            Input::Done { .. } | Input::Prepared { .. } => {
                self.told = None;
                self.output.line(format_args!("  done in {took}"))?;
            }
            Input::Stored
            | Input::Fenced
            | Input::Observed { .. }
            | Input::Steered(_)
            | Input::Tick => {}
        }
        self.output.flush()
    }
}

fn hash(text: &str) -> Result<Hash, Trouble> {
    text.parse().map_err(|error| format!("{text}: {error}").into())
}
