//! The node that takes: what the machine of ubf-state says, done.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::sleep_until;
use tracing::{error, info, warn};
use ubf_proto::Time;
use ubf_service::copy::{self, CopyWriter};
use ubf_state::handoff::{
    Attempt, CopyHash, Giver, HandoffRecord, HandoffRow, Message, Standing, Taker, TakerInput,
    TakerOutput, TakerStage,
};
use ubf_state::{Page, ShardVersions, UnseenEvents};
use ubf_store::{Store, StoreError};

use super::peer::Peer;
use super::shift::{Shift, wall_clock};
use super::words::{Answer, Asked, Request};
use super::{MAX_BYTES, MAX_EVENT_BYTES, Own, is_elsewhere};
use crate::fault;
use crate::rows::{Causes, contained};

/// For an answer to a question, before it is asked again.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// A copy of which nothing has come for so long is not waited for.
const SILENCE: Duration = Duration::from_secs(30);

/// What comes to this node of a service.
pub(super) struct Taking {
    pub(super) taker: Taker,
    coming: Option<Coming>,
    /// Of a whole copy: whose it is.
    record: Option<HandoffRecord>,
    /// Open while a copy comes.
    store: Option<Box<dyn Store>>,
    unseen: Unseen,
}

/// Events that clients may not have seen, of the attempt that they belong to. They are in memory
/// alone, as they were at the other node.
#[derive(Default)]
struct Unseen {
    attempt: Option<Attempt>,
    events: Vec<UnseenEvents>,
    bytes: usize,
}

impl Unseen {
    /// Some more of them. Beyond [`MAX_EVENT_BYTES`] the rest stays behind, which is told to
    /// clients.
    fn add(&mut self, attempt: Attempt, events: Vec<UnseenEvents>) {
        if self.attempt != Some(attempt) {
            *self = Self { attempt: Some(attempt), ..Self::default() };
        }
        for of in events {
            self.bytes += of.bytes();
            if self.bytes > MAX_EVENT_BYTES {
                return;
            }
            self.events.push(of);
        }
    }

    /// Those of this attempt. None are left.
    fn take(&mut self, attempt: Attempt) -> Vec<UnseenEvents> {
        let taken = std::mem::take(self);
        if taken.attempt == Some(attempt) { taken.events } else { Vec::new() }
    }
}

/// What another node wants to give.
struct Offer {
    versions: ShardVersions,
    bytes: u64,
    /// Where nodes speak to it.
    node: String,
    /// Where clients find it.
    next_ip: String,
}

/// Rows that are on their way.
struct Coming {
    attempt: Attempt,
    node: String,
    next_ip: String,
    /// It is away while it writes.
    writer: Option<CopyWriter>,
    places: HashSet<u64>,
    touched: Instant,
}

impl Taking {
    pub(super) fn started(prepared: Option<HandoffRecord>, is_here: bool) -> Self {
        let row = prepared.as_ref().map(|record| record.row);
        let taker = Taker::started(row, is_here, Time::ZERO);
        Self { taker, coming: None, record: prepared, store: None, unseen: Unseen::default() }
    }

    /// Does something with the store, in a thread that may wait.
    async fn with_store<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, String> {
        let mut store = self.store.take().ok_or("the store is not open")?;
        let acted = spawn_blocking(move || {
            let acted = act(&mut *store);
            (store, acted)
        });
        let (store, acted) = contained(acted.await);
        self.store = Some(store);
        acted.map_err(|error| Causes(&error).to_string())
    }

    /// Lets go of rows that are on their way. What of them is stored, nobody owns.
    async fn drop_coming(&mut self) {
        self.coming = None;
        self.close().await;
    }

    async fn close(&mut self) {
        let Some(store) = self.store.take() else { return };
        if let Err(error) = contained(spawn_blocking(move || store.close()).await) {
            warn!(error = %Causes(&error), "the store did not close in good order");
        }
    }
}

impl Shift {
    /// Answers another node.
    pub(super) async fn hear(&self, own: &Own, request: Request) -> Answer {
        let Request { attempt, what, .. } = request;
        if what == Asked::Ask {
            return match self.giver().answer_to(attempt) {
                Some(Message::Activate { attempt }) => Answer::Activate { attempt },
                Some(_) => Answer::Aborted { attempt },
                None => Answer::Undecided,
            };
        }
        if what == Asked::Claim {
            return self.claimed(own, attempt).await.unwrap_or_else(Answer::Refused);
        }
        let mut taking = self.taking.lock().await;
        let heard = match what {
            Asked::Offer { versions, bytes, node, next_ip } => {
                let offer = Offer { versions, bytes, node, next_ip };
                let offered = self.offered(own, &mut taking, attempt, offer);
                offered.await.and_then(|()| {
                    let next_ip = own.next_ip().ok_or("clients know no address of this node")?;
                    Ok(Answer::Ready { next_ip: next_ip.to_string() })
                })
            }
            Asked::Rows { place, rows } => {
                self.rows(&mut taking, attempt, place, rows).await.map(|()| Answer::Ok)
            }
            Asked::Events { unseen } => {
                taking.unseen.add(attempt, unseen);
                Ok(Answer::Ok)
            }
            Asked::Copy { hash } => self.copied(&mut taking, attempt, hash).await,
            Asked::Activate => {
                fault::at("b-activating");
                let said = self.heard(own, &mut taking, Message::Activate { attempt }).await;
                // Rows that were served here, and have gone on since, are not missed either.
                let is_past =
                    matches!(taking.taker.stage(), TakerStage::Empty) && self.moved().is_some();
                let is_active = is_past || said.contains(&Message::Active { attempt });
                let next_ip = own.next_ip().map(|next_ip| next_ip.to_string());
                Ok(match next_ip.filter(|_| is_active) {
                    Some(next_ip) => Answer::Active { attempt, next_ip },
                    None => Answer::Undecided,
                })
            }
            Asked::Aborted => {
                if taking.coming.as_ref().is_some_and(|coming| coming.attempt == attempt) {
                    taking.drop_coming().await;
                }
                self.heard(own, &mut taking, Message::Aborted { attempt }).await;
                Ok(Answer::Ok)
            }
            Asked::Ask | Asked::Claim => Ok(Answer::Undecided),
        };
        self.changed.notify_one();
        heard.unwrap_or_else(Answer::Refused)
    }

    /// The owner of a store that both nodes have wants this one to own the rows.
    async fn claimed(&self, own: &Own, attempt: Attempt) -> Result<Answer, String> {
        if !self.kept().is_shared() {
            return Err("it has a store of its own".to_owned());
        }
        if self.kept().is_here() {
            return Err("it owns the rows already".to_owned());
        }
        let next_ip = own.next_ip().ok_or("clients know no address of this node")?.to_string();
        fault::at("b-claiming");
        let unseen = self.taking.lock().await.unseen.take(attempt);
        self.claim(own, unseen).await?;
        fault::at("b-claimed");
        Ok(Answer::Active { attempt, next_ip })
    }

    /// Another node wants to give rows.
    async fn offered(
        &self,
        own: &Own,
        taking: &mut Taking,
        attempt: Attempt,
        offer: Offer,
    ) -> Result<(), String> {
        let Offer { versions, bytes, node, next_ip } = offer;
        let kept = self.kept();
        if bytes > MAX_BYTES {
            return Err(format!("{bytes} bytes are more than {MAX_BYTES}"));
        }
        versions.may_be_owned_by(&kept.versions().0).map_err(|error| error.to_string())?;
        if is_elsewhere(&node) {
            // In doubt, it is asked there: better to know now that it can be.
            let reached = Peer::connect(own, &node).await;
            drop(reached.map_err(|why| format!("it could not ask this node: {why}"))?);
        }
        match taking.taker.stage() {
            TakerStage::Empty => {}
            // A offers again only when it has given up what it had offered before.
            TakerStage::Prepared { row, .. }
                if row.attempt < attempt
                    && taking.record.as_ref().is_some_and(|record| record.node == node) =>
            {
                self.forget(taking).await?;
            }
            TakerStage::Prepared { .. } => {
                return Err("a copy of another hand-off is in doubt here".to_owned());
            }
            TakerStage::Preparing { .. } | TakerStage::Activating { .. } => {
                return Err("rows are coming already".to_owned());
            }
            TakerStage::Active { .. } => {
                return Err("it has rows of this service, and serves them".to_owned());
            }
        }
        if let Some(coming) = &taking.coming
            && coming.node != node
            && coming.touched.elapsed() < SILENCE
        {
            return Err("rows are coming already".to_owned());
        }
        if self.has_moved() {
            return Err("it has just handed them off itself".to_owned());
        }
        taking.drop_coming().await;
        self.progress().begin(self.service(), "taker", &node);
        let opened = {
            let kept = Arc::clone(kept);
            contained(spawn_blocking(move || kept.open_store()).await)
        };
        taking.store = Some(opened.map_err(|error| error.to_string())?);
        let shard = kept.shard();
        let writer = taking.with_store(move |store| CopyWriter::begin(store, shard)).await?;
        let (writer, places, touched) = (Some(writer), HashSet::new(), Instant::now());
        taking.coming = Some(Coming { attempt, node, next_ip, writer, places, touched });
        fault::at("b-offered");
        Ok(())
    }

    async fn rows(
        &self,
        taking: &mut Taking,
        attempt: Attempt,
        place: u64,
        rows: Page,
    ) -> Result<(), String> {
        let coming = taking.coming.as_mut().filter(|coming| coming.attempt == attempt);
        let coming = coming.ok_or("no rows of this attempt are awaited")?;
        coming.touched = Instant::now();
        if !coming.places.insert(place) {
            return Ok(());
        }
        let mut writer = coming.writer.take().ok_or("rows of this attempt were lost")?;
        let bytes: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        if writer.size().bytes + bytes as u64 > MAX_BYTES {
            return Err(format!("more than {MAX_BYTES} bytes have come"));
        }
        let written = taking.with_store(move |store| {
            for (key, value) in rows {
                writer.row(store, key, value)?;
            }
            Ok(writer)
        });
        let writer = written.await?;
        if let Some(coming) = &mut taking.coming {
            coming.writer = Some(writer);
        }
        Ok(())
    }

    /// All rows have come. The copy is made whole, if it is what was sent.
    async fn copied(
        &self,
        taking: &mut Taking,
        attempt: Attempt,
        hash: CopyHash,
    ) -> Result<Answer, String> {
        let row = HandoffRow { attempt, hash };
        if matches!(taking.taker.stage(), TakerStage::Prepared { row: ours, .. } if ours == row) {
            return Ok(Answer::Prepared { attempt, hash });
        }
        let coming = taking.coming.take().filter(|coming| coming.attempt == attempt);
        let coming = coming.ok_or("no rows of this attempt are awaited")?;
        let Coming { node, next_ip, writer, .. } = coming;
        let mut writer = writer.ok_or("rows of this attempt were lost")?;
        fault::at("b-copied");
        let read = taking.with_store(move |store| {
            let stored = writer.hash(store)?;
            Ok((writer, stored))
        });
        let (writer, stored) = read.await?;
        if stored != hash {
            taking.close().await;
            return Err("what has come is not what was sent".to_owned());
        }
        taking.taker.handle(TakerInput::Heard(Message::Copy { attempt, hash }), self.now());
        let Some(TakerOutput::StorePrepared(row)) = taking.taker.poll_output() else {
            return Err("rows are coming already".to_owned());
        };
        let record = HandoffRecord { row, node, next_ip, since: wall_clock() };
        let whole = {
            let record = record.clone();
            taking.with_store(move |store| writer.finish(store, &record)).await
        };
        match whole {
            Ok(size) => {
                self.progress().count(size);
                self.progress().reach("prepared");
                fault::at("b-prepared");
                info!(service = self.service(), rows = size.rows, "a copy is whole");
                taking.record = Some(record);
                self.kept().hold();
                taking.taker.handle(TakerInput::Stored, self.now());
            }
            Err(why) => {
                taking.close().await;
                taking.taker.handle(TakerInput::NotStored, self.now());
                return Err(why);
            }
        }
        match taking.taker.poll_output() {
            Some(TakerOutput::Send(Message::Prepared { attempt, hash })) => {
                Ok(Answer::Prepared { attempt, hash })
            }
            _ => Err("the copy is not awaited any more".to_owned()),
        }
    }

    /// The giver has said something. What is to be said to it.
    async fn heard(&self, own: &Own, taking: &mut Taking, message: Message) -> Vec<Message> {
        taking.taker.handle(TakerInput::Heard(message), self.now());
        let mut said = Vec::new();
        while let Some(output) = taking.taker.poll_output() {
            match output {
                TakerOutput::StoreActive(_) => {
                    let input = match self.serve(own, taking).await {
                        Ok(()) => TakerInput::Stored,
                        Err(why) => {
                            error!(service = self.service(), why, "the rows cannot be served");
                            self.progress().fail(&why);
                            TakerInput::NotStored
                        }
                    };
                    taking.taker.handle(input, self.now());
                }
                TakerOutput::Send(message) => said.push(message),
                TakerOutput::Forget => {
                    if let Err(why) = self.forget(taking).await {
                        error!(service = self.service(), why, "a copy cannot be given up");
                    }
                }
                TakerOutput::Serve => {}
                TakerOutput::StorePrepared(_) | _ => {
                    debug_assert!(false, "copies come with their rows");
                }
            }
        }
        said
    }

    /// The rows are this node's: they are made so, and served.
    async fn serve(&self, own: &Own, taking: &mut Taking) -> Result<(), String> {
        let kept = self.kept();
        if taking.store.is_none() {
            let kept = Arc::clone(kept);
            let opened = contained(spawn_blocking(move || kept.open_store()).await);
            taking.store = Some(opened.map_err(|error| error.to_string())?);
        }
        let shard = kept.shard();
        taking.with_store(move |store| copy::own(store, shard)).await?;
        fault::at("b-owned");
        let store = taking.store.take().ok_or("the store is not open")?;
        let attempt = taking.record.as_ref().map(|record| record.row.attempt);
        let unseen = attempt.map(|attempt| taking.unseen.take(attempt)).unwrap_or_default();
        let served = {
            let kept = Arc::clone(kept);
            contained(spawn_blocking(move || kept.serve(store, unseen)).await)
        };
        served.map_err(|error| error.to_string())?;
        if let Some(server) = own.server.get() {
            kept.offer(server);
        }
        taking.record = None;
        *self.moved() = None;
        *self.giver() = Giver::started(None, self.now());
        self.progress().reach("active");
        info!(service = self.service(), "the rows of another node are served here");
        fault::at("b-active");
        Ok(())
    }

    /// Nothing came of a copy.
    async fn forget(&self, taking: &mut Taking) -> Result<(), String> {
        let kept = self.kept();
        if taking.store.is_none() {
            let kept = Arc::clone(kept);
            let opened = contained(spawn_blocking(move || kept.open_store()).await);
            taking.store = Some(opened.map_err(|error| error.to_string())?);
        }
        let shard = kept.shard();
        let forget = move |store: &mut dyn Store| {
            copy::forget(store, shard)?;
            copy::standing(store, shard)
        };
        // A copy of rows that were here before has left what says where they are.
        let moved = match taking.with_store(forget).await? {
            Standing::Moved(record) => Some(record),
            Standing::Empty | Standing::Own | Standing::Unfinished | Standing::Prepared(_) => None,
        };
        taking.close().await;
        taking.record = None;
        taking.taker = Taker::started(None, false, self.now());
        self.moved().clone_from(&moved);
        kept.stand_by(moved.and_then(|record| record.next_ip.parse().ok()));
        self.progress().fail("the other node has given it up");
        info!(service = self.service(), "a copy was given up");
        Ok(())
    }

    /// Asks about copies whose fate is not known, for as long as this node lives.
    pub(super) async fn take_all(&self, own: &Own) {
        loop {
            let at = self.taking.lock().await.taker.poll_timeout();
            let Some(at) = at else {
                self.changed.notified().await;
                continue;
            };
            tokio::select! {
                () = self.changed.notified() => continue,
                () = sleep_until(self.instant(at)) => {}
            }
            let asks = {
                let mut taking = self.taking.lock().await;
                taking.taker.handle(TakerInput::Tick, self.now());
                let output = taking.taker.poll_output();
                taking.record.clone().zip(output)
            };
            if let Some((record, TakerOutput::Send(Message::Ask { attempt }))) = asks {
                self.ask(own, &record, attempt).await;
            }
        }
    }

    async fn ask(&self, own: &Own, record: &HandoffRecord, attempt: Attempt) {
        let service = self.service();
        let age_s = wall_clock().as_millis().saturating_sub(record.since.as_millis()) / 1_000;
        warn!(
            service,
            from = record.node,
            age_s,
            "a copy is in doubt: the node that it came from is asked"
        );
        let request = Request { service: service.to_owned(), attempt, what: Asked::Ask };
        let answer = match Peer::connect(own, &record.node).await {
            Ok(peer) => peer.ask(&request, ANSWER_TIME).await,
            Err(why) => Err(why),
        };
        let message = match answer {
            Ok(Answer::Activate { attempt }) => Message::Activate { attempt },
            Ok(Answer::Aborted { attempt }) => Message::Aborted { attempt },
            Ok(_) => return,
            Err(why) => return warn!(service, why, "nothing is known of a copy"),
        };
        let mut taking = self.taking.lock().await;
        // The giver is told that the rows are served when it asks for that next.
        let _said = self.heard(own, &mut taking, message).await;
    }
}
