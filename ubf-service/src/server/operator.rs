//! What people want of a keeper is done on its thread, between the calls.

use std::error::Error as _;
use std::time::Instant;

use tracing::{info, warn};
use ubf_state::shard::{Input, Life, To};
use ubf_state::{Known, Progress, Session, ShardVersions, Stop};
use ubf_store::Ask;

use super::failure::KeeperError;
use super::orders::{Answer, Migration, Order, OrderError};
use super::parting::Parting;
use super::worker::{ORDERS, Worker, wall_clock};
use crate::service::StatefulService;

impl<S: StatefulService> Worker<S> {
    /// Does what people want, or begins to.
    pub(super) fn order(&mut self, order: Order) -> Result<(), KeeperError> {
        match order {
            Order::Part(part) => self.part(part)?,
            // What the store shows next is for whoever hands the rows off.
            Order::Read(reading) if matches!(self.parting, Parting::Showing(_)) => {
                reading.fail(OrderError::Busy);
            }
            Order::Read(reading) => {
                if self.desk.wants(reading) {
                    self.ask(Ask::Snapshot { shard: self.config.shard })?;
                }
            }
            Order::Migrate(answer) => {
                let versions = self.host.shard().record().versions;
                self.desk.is_migrating = !versions.state.is_swept();
                let Progress { seen, rewritten, .. } = self.host.progress();
                let failed = self.desk.failed.take();
                // Whoever has stopped to wait has its reasons.
                answer.send(Migration { versions, seen, rewritten, failed }).ok();
            }
            Order::Finalize(nodes, answer) => self.finalize(nodes, answer),
            Order::Lower(answer) => self.lower(answer),
            Order::Sessions { after, at_most, answer } => {
                let mut sessions = self.sessions.list(after, at_most, Instant::now());
                for session in &mut sessions {
                    let kept = self.host.shard().session(session.key);
                    session.kept_bytes = kept.map_or(0, Session::kept_bytes);
                }
                answer.send(sessions).ok();
            }
        }
        Ok(())
    }

    fn finalize(&mut self, nodes: Vec<Known>, answer: Answer<ShardVersions>) {
        let raised = self.host.shard().record().versions.finalize(&nodes);
        let raised = raised.map_err(OrderError::CannotFinalize);
        self.write_in(raised, Input::Finalize { nodes }, answer, "finalized");
    }

    fn lower(&mut self, answer: Answer<ShardVersions>) {
        let shard = self.host.shard();
        let versions = shard.record().versions;
        // What needs more was withdrawn before.
        let (format, needed) = (versions.format.write, None);
        let lowered = versions.lower(&shard.config().known, format, needed);
        let lowered = lowered.map_err(OrderError::CannotLower);
        self.write_in(lowered, Input::Lower { format, needed }, answer, "lowered");
    }

    /// Tells the shard in which version rows are written from here on, if it may be.
    fn write_in(
        &mut self,
        versions: Result<ShardVersions, OrderError>,
        input: Input,
        answer: Answer<ShardVersions>,
        what: &str,
    ) {
        let is_serving = matches!(self.host.shard().life(), Life::Serving { .. });
        match versions {
            Ok(versions) if is_serving => {
                self.host.handle(input);
                let mark = self.desk.finalize(versions, answer);
                // It is answered when it is stored.
                self.host.shard_mut().hold(To::Connection(ORDERS), mark);
                info!(state_version = versions.state.write, "{what}");
            }
            Ok(_) => {
                answer.send(Err(OrderError::NotNow)).ok();
            }
            Err(why) => {
                answer.send(Err(why)).ok();
            }
        }
    }

    /// T8: rewrites some rows, if that is wanted.
    pub(super) fn sweep(&mut self) -> Result<(), KeeperError> {
        if !self.desk.is_migrating || self.is_closing {
            self.desk.is_migrating = false;
            return Ok(());
        }
        let swept = self.host.sweep(&self.rows, wall_clock());
        match self.done(swept)? {
            // It waits for the store.
            None => {}
            Some(Ok(is_more)) => {
                self.desk.is_migrating = is_more;
                if !is_more {
                    info!(rewritten = self.host.progress().rewritten, "all rows are rewritten");
                }
            }
            Some(Err(reason)) => {
                let stop = Stop::from(reason);
                let cause = stop.source().map(|cause| format!(": {cause}"));
                let why = format!("{stop}{}", cause.unwrap_or_default());
                warn!(why, "rows cannot be rewritten");
                self.desk.is_migrating = false;
                self.desk.failed = Some(why);
            }
        }
        Ok(())
    }
}
