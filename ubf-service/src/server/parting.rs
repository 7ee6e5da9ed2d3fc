//! A shard that goes to another node (U5): it is suspended and shown, and then it goes on here or is
//! given away.

use std::sync::Arc;

use tracing::{error, info};
use ubf_codec::{NextIp, Term, Version};
use ubf_proto::server::SessionAnswer;
use ubf_proto::session::NoSession;
use ubf_server::{OwnerInput, OwnerLink};
use ubf_state::handoff::HandoffRecord;
use ubf_state::shard::{End, Input, Life};
use ubf_state::{Batch, Epoch, NotCommitted, ShardRecord, UnseenEvents};
use ubf_store::{Ask, Snapshot, StoreError};

use super::failure::KeeperError;
use super::orders::{Answer, OrderError};
use super::work::Work;
use super::worker::Worker;
use crate::service::StatefulService;

/// The number of the batch that gives the rows away. Those of the shard are counted from 1.
const MOVED: u64 = u64::MAX;

/// A shard that is suspended: everything that was taken is committed, and nothing runs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Suspended {
    /// Its rows.
    pub rows: Box<dyn Snapshot>,
    /// The epoch under which it is owned.
    pub epoch: Epoch,
    /// Its record.
    pub record: ShardRecord,
    /// Events that clients may not have seen, which are in no row.
    pub unseen: Vec<UnseenEvents>,
}

/// How far it is.
#[derive(Debug, Default)]
pub(super) enum Parting {
    /// It is not.
    #[default]
    Staying,
    /// What was taken is being committed.
    Suspending(Answer<Suspended>),
    /// The store is to show the rows.
    Showing(Answer<Suspended>),
    Suspended,
    /// The rows are being given away, durably.
    Moving(Answer<()>),
    /// They are another node's. Clients wait until it serves them.
    Moved,
}

/// What whoever hands a shard off wants of its keeper.
#[derive(Debug)]
pub(super) enum Part {
    Suspend(Answer<Suspended>),
    GoOn,
    Give(Box<HandoffRecord>, Answer<()>),
    Leave(NextIp),
}

impl<S: StatefulService> Worker<S> {
    pub(super) fn part(&mut self, part: Part) -> Result<(), KeeperError> {
        match part {
            Part::Suspend(answer) => self.suspend(answer),
            Part::GoOn => {
                if matches!(
                    self.parting,
                    Parting::Suspending(_) | Parting::Showing(_) | Parting::Suspended
                ) {
                    self.parting = Parting::Staying;
                    self.host.handle(Input::GoOn);
                }
            }
            Part::Give(record, answer) => return self.give(&record, answer),
            Part::Leave(next_ip) => {
                // In a store that other nodes have, too, another one has claimed the rows.
                let is_claimed = self.heart.is_some() && matches!(self.parting, Parting::Suspended);
                if is_claimed || matches!(self.parting, Parting::Moved) {
                    self.tell_moved(&next_ip);
                    self.is_closed = true;
                }
            }
        }
        Ok(())
    }

    fn suspend(&mut self, answer: Answer<Suspended>) {
        let is_serving = matches!(self.host.shard().life(), Life::Serving { .. });
        let why = if self.desk.is_waiting() {
            OrderError::Busy
        } else if !is_serving || self.is_closing || !matches!(self.parting, Parting::Staying) {
            OrderError::NotNow
        } else {
            self.parting = Parting::Suspending(answer);
            return self.host.handle(Input::Suspend);
        };
        // Whoever has stopped to wait has its reasons.
        answer.send(Err(why)).ok();
    }

    /// Everything that was taken is committed.
    pub(super) fn suspended(&mut self) -> Result<(), KeeperError> {
        match std::mem::take(&mut self.parting) {
            Parting::Suspending(answer) => {
                self.parting = Parting::Showing(answer);
                self.ask(Ask::Snapshot { shard: self.config.shard })
            }
            // That is what a keeper does last.
            Parting::Staying
            | Parting::Showing(_)
            | Parting::Suspended
            | Parting::Moving(_)
            | Parting::Moved => {
                self.shared.set_unseen(self.unseen());
                self.is_closed = true;
                Ok(())
            }
        }
    }

    fn unseen(&self) -> Vec<UnseenEvents> {
        self.host.shard().unseen_events(self.config.max_unseen_event_bytes)
    }

    /// The store shows the rows, to whoever waits for them.
    pub(super) fn shown(&mut self, snapshot: Result<Box<dyn Snapshot>, StoreError>) {
        let answer = match std::mem::take(&mut self.parting) {
            Parting::Showing(answer) => answer,
            other @ (Parting::Staying
            | Parting::Suspending(_)
            | Parting::Suspended
            | Parting::Moving(_)
            | Parting::Moved) => {
                self.parting = other;
                return self.desk.shown(snapshot);
            }
        };
        self.parting = Parting::Suspended;
        let Life::Suspended { epoch } = self.host.shard().life() else {
            return debug_assert!(false, "whoever is shown the rows is suspended");
        };
        let (record, unseen) = (*self.host.shard().record(), self.unseen());
        let shown = snapshot.map(|rows| Suspended { rows, epoch, record, unseen });
        if answer.send(shown.map_err(OrderError::Store)).is_err() {
            // Nobody waits any more.
            self.parting = Parting::Staying;
            self.host.handle(Input::GoOn);
        }
    }

    fn give(&mut self, record: &HandoffRecord, answer: Answer<()>) -> Result<(), KeeperError> {
        let Life::Suspended { epoch } = self.host.shard().life() else {
            answer.send(Err(OrderError::NotNow)).ok();
            return Ok(());
        };
        if !matches!(self.parting, Parting::Suspended) {
            answer.send(Err(OrderError::NotNow)).ok();
            return Ok(());
        }
        let writes = record.moved(self.host.shard().record());
        self.parting = Parting::Moving(answer);
        let batch = Batch { shard: self.config.shard, epoch, number: MOVED, writes };
        self.ask(Ask::Commit(Arc::new(batch)))
    }

    /// Whether a batch is the one that gives the rows away; then what has become of it is noted.
    pub(super) fn is_given(
        &mut self,
        batch: &Batch,
        why: Option<NotCommitted>,
    ) -> Result<bool, KeeperError> {
        if batch.number != MOVED {
            return Ok(false);
        }
        let Parting::Moving(answer) = std::mem::take(&mut self.parting) else {
            return Err(KeeperError::fault("rows were given away that nobody wanted"));
        };
        match why {
            None => {
                info!("the rows are another node's from here on");
                self.parting = Parting::Moved;
                answer.send(Ok(())).ok();
                Ok(true)
            }
            Some(NotCommitted::Refused) => {
                self.parting = Parting::Suspended;
                answer.send(Err(OrderError::NotNow)).ok();
                Ok(true)
            }
            Some(NotCommitted::Fenced { epoch }) => {
                Err(KeeperError::ended(End::Fenced(epoch), None))
            }
            // T4: nobody is answered. Whoever opens the store next finds what is in it.
            Some(NotCommitted::Unknown | NotCommitted::Broken | _) => {
                Err(KeeperError::ended(End::Broken, None))
            }
        }
    }

    /// T4: a batch was lost while the shard was being suspended.
    pub(super) fn not_suspended(&mut self) {
        if let Parting::Suspending(answer) = std::mem::take(&mut self.parting) {
            answer.send(Err(OrderError::NotNow)).ok();
        }
    }

    /// S2: whoever waits here is told who has the rows.
    fn tell_moved(&mut self, next_ip: &NextIp) {
        let queue = std::mem::take(&mut self.queue);
        for (link, work) in queue.into_iter().chain(self.lanes.take_works()) {
            match work {
                Work::Message(todo) => {
                    let Todo { packet, number, version } = Todo::of(&todo.message);
                    turn_away_message(&link, packet, number, version, Some(next_ip));
                }
                Work::Other(input) => turn_away(&link, &input, Some(next_ip)),
            }
        }
        for link in self.links.take_all() {
            link.moved(Some(next_ip.clone()));
        }
    }
}

/// What counts of a message that is not run.
struct Todo {
    packet: u64,
    number: Option<u64>,
    version: Version,
}

impl Todo {
    const fn of(message: &ubf_proto::server::Message) -> Self {
        Self { packet: message.packet, number: message.number, version: message.version }
    }
}

/// S2: answers what a connection says to a service whose rows are owned elsewhere. With `next_ip`
/// its client is sent there, and nothing is lost; without, it hears that nothing is to be had here
/// now.
pub fn turn_away(link: &OwnerLink, input: &OwnerInput, next_ip: Option<&NextIp>) {
    match input {
        OwnerInput::Message { message, .. } => {
            let Todo { packet, number, version } = Todo::of(message);
            turn_away_message(link, packet, number, version, next_ip);
        }
        OwnerInput::Open { .. } => link.moved(next_ip.cloned()),
        OwnerInput::Resume(_) => match next_ip {
            Some(next_ip) => link.moved(Some(next_ip.clone())),
            None => link.session(SessionAnswer::NoSession(NoSession::NotNow)),
        },
        // U2: it is where the rows are.
        OwnerInput::Adopt { .. } => link.cut(),
        OwnerInput::Seen { .. } | OwnerInput::End | OwnerInput::Closed => {}
        other => error!(?other, "an input that is not known here"),
    }
}

fn turn_away_message(
    link: &OwnerLink,
    packet: u64,
    number: Option<u64>,
    version: Version,
    next_ip: Option<&NextIp>,
) {
    // A session is told with all of it.
    link.moved(next_ip.cloned());
    if number.is_some() {
        return;
    }
    let why = if next_ip.is_some() {
        // N4: its client asks for the version again where it is sent, and sends the call there.
        Term::tuple([Term::atom("version"), Term::from(version.get())])
    } else {
        Term::atom("not_now")
    };
    link.refused(packet, why);
}
