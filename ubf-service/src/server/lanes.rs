//! What waits behind a message that is being prepared: the messages of a connection keep their
//! order, and those of others do not wait.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ubf_server::OwnerLink;

use super::links::place;
use super::prepare::Asked;
use super::work::Work;

/// What has come on a connection since a message that waits, that one included.
#[derive(Debug)]
struct Lane<R> {
    link: Arc<OwnerLink>,
    works: VecDeque<Work<R>>,
}

/// Connections of which a message waits.
#[derive(Debug)]
pub(super) struct Lanes<R>(HashMap<usize, Lane<R>>);

impl<R> Default for Lanes<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R> Lanes<R> {
    /// Whether something of this connection waits.
    pub(super) fn has(&self, link: &Arc<OwnerLink>) -> bool {
        !self.0.is_empty() && self.0.contains_key(&place(link))
    }

    /// What has come on a connection, behind all that waits there.
    pub(super) fn push(&mut self, link: &Arc<OwnerLink>, work: Work<R>) {
        let lane = || Lane { link: Arc::clone(link), works: VecDeque::new() };
        self.0.entry(place(link)).or_insert_with(lane).works.push_back(work);
    }

    /// A message of a connection is prepared. What may be run by now, in order.
    pub(super) fn prepared(
        &mut self,
        at: usize,
        ticket: u64,
        asked: Asked<R>,
    ) -> Vec<(Arc<OwnerLink>, Work<R>)> {
        let Some(lane) = self.0.get_mut(&at) else { return Vec::new() };
        let is_it = |work: &&mut Work<R>| {
            let Work::Message(todo) = work else { return false };
            matches!(&todo.request, Asked::Prepared(task) if task.ticket == ticket)
        };
        if let Some(Work::Message(todo)) = lane.works.iter_mut().find(is_it) {
            todo.request = asked;
        }
        let mut ready = Vec::new();
        while lane.works.front().is_some_and(|work| !work.is_waiting())
            && let Some(work) = lane.works.pop_front()
        {
            ready.push((Arc::clone(&lane.link), work));
        }
        if lane.works.is_empty() {
            self.0.remove(&at);
        }
        ready
    }

    /// A connection is gone: what has not begun never will (S3).
    pub(super) fn remove(&mut self, link: &Arc<OwnerLink>) {
        self.0.remove(&place(link));
    }

    /// All that waits, and nothing does any more.
    pub(super) fn take_works(&mut self) -> Vec<(Arc<OwnerLink>, Work<R>)> {
        let of = |lane: Lane<R>| {
            let Lane { link, works } = lane;
            works.into_iter().map(move |work| (Arc::clone(&link), work))
        };
        self.0.drain().flat_map(|(_, lane)| of(lane)).collect()
    }

    /// All connections are cut.
    pub(super) fn take_all(&mut self) -> Vec<Arc<OwnerLink>> {
        self.0.drain().map(|(_, lane)| lane.link).collect()
    }
}
