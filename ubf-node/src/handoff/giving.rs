//! The node that gives: what the machine of ubf-state says, done.
#![expect(clippy::wildcard_enum_match_arm, reason = "what does not answer a question is refused")]

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout_at};
use tracing::{info, warn};
use ubf_codec::NextIp;
use ubf_service::copy::{self, CopySize};
use ubf_service::server::{OrderError, Suspended};
use ubf_state::handoff::{
    Attempt, CopyHash, Giver, GiverInput, GiverOutput, GiverStage, HandoffRecord, Message, Taker,
};
use ubf_state::{Page, ShardRecord, UnseenEvents};
use ubf_store::StoreError;

use super::peer::Peer;
use super::shift::{Shift, wall_clock};
use super::words::{Answer, Asked, Request};
use super::{MAX_BYTES, Own};
use crate::fault;
use crate::rows::{Causes, in_packets};

/// The bytes of rows of one packet, but for those of its last row. Chosen: as the largest value.
const PACKET_BYTES: usize = 1 << 20;
/// Packets that are on their way to the other node at a time.
const PACKETS_AT_ONCE: usize = 8;
/// For an answer behind the commit point, before it is asked for again.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// To tell the other node that nothing comes of it. If it does not hear that, it asks.
const WORD_TIME: Duration = Duration::from_secs(1);

/// One way of the rows to another node.
struct Drive<'s> {
    shift: &'s Shift,
    own: &'s Own,
    /// Where nodes speak to the other one.
    to: String,
    peer: Option<Peer>,
    /// Where clients find the other one.
    next_ip: String,
    size: CopySize,
    /// Why nothing came of it.
    why: Option<String>,
}

impl Shift {
    /// Hands the rows off to another node. Returns when that serves them, or when nothing came of
    /// it, and why.
    pub(super) async fn give(
        &self,
        own: &Own,
        to: &str,
        within: Duration,
        name: u64,
    ) -> Result<(), String> {
        let _turn = self.turn.try_lock().map_err(|_| "a hand-off of these rows is under way")?;
        let epoch = self.kept().epoch().ok_or("the rows are not owned here")?;
        if self.kept().is_shared() {
            let attempt = Attempt { epoch, number: 1, name };
            return self.give_owner(own, to, within, attempt).await;
        }
        let size = self.kept().size().await.map_err(|error| Causes(&error).to_string())?;
        if size.bytes > MAX_BYTES {
            return Err(too_much(size.bytes));
        }
        let peer = Peer::connect(own, to).await?;
        self.progress().begin(self.service(), "giver", to);
        info!(service = self.service(), to, rows = size.rows, bytes = size.bytes, "handing off");
        let now = self.now();
        {
            let mut giver = self.giver();
            *giver = Giver::started(None, now).with_attempt_time(within);
            giver.handle(GiverInput::Give { epoch, name }, now);
        }
        let mut drive = Drive {
            shift: self,
            own,
            to: to.to_owned(),
            peer: Some(peer),
            next_ip: String::new(),
            size,
            why: None,
        };
        drive.run().await
    }

    /// The other node has the same store: it is told to claim the rows when everything is
    /// committed. The claim is the commit point: whoever has it, commits (T5).
    async fn give_owner(
        &self,
        own: &Own,
        to: &str,
        within: Duration,
        attempt: Attempt,
    ) -> Result<(), String> {
        let peer = Peer::connect(own, to).await?;
        let until = tokio::time::Instant::now() + within;
        let (service, progress) = (self.service(), self.progress());
        progress.begin(service, "giver", to);
        info!(service, to, "handing off");
        progress.reach("suspending");
        let request = Request { service: service.to_owned(), attempt, what: Asked::Claim };
        let claim = async {
            // The other node reads the rows where they are.
            let suspended = self.kept().suspend().await;
            let unseen = suspended.map_err(|error| Causes(&error).to_string())?.unseen;
            progress.reach("suspended");
            fault::at("a-suspended");
            send_events(&peer, service, attempt, unseen, within).await?;
            match peer.ask(&request, within).await? {
                Answer::Active { next_ip, .. } => Ok(next_ip),
                other => Err(refusal(other)),
            }
        };
        let claimed = timeout_at(until, claim).await;
        let claimed = claimed.unwrap_or_else(|_| Err("it took too long".to_owned()));
        let next_ip = match claimed {
            Ok(next_ip) => next_ip,
            Err(why) => {
                // If it has claimed them after all, nothing is committed here any more.
                self.kept().go_on();
                progress.reach("back");
                progress.fail(&why);
                warn!(service, to, why, "not handed off");
                return Err(why);
            }
        };
        fault::at("a-active");
        progress.reach("moved");
        self.leave_to(&next_ip).await?;
        progress.reach("given");
        info!(service, to, next_ip, "handed off");
        Ok(())
    }

    /// Clients are sent there from here on.
    async fn leave_to(&self, next_ip: &str) -> Result<(), String> {
        let next_ip = next_ip.parse::<NextIp>().map_err(|error| {
            format!("the other node serves at {next_ip}, where no client can be sent: {error}")
        })?;
        let kept = std::sync::Arc::clone(self.kept());
        let left = tokio::task::spawn_blocking(move || kept.leave(&next_ip)).await;
        if let Ok(Err(error)) = left {
            warn!(error = %Causes(&error), "the store did not close in good order");
        }
        Ok(())
    }

    /// The rows were given away by an earlier process of this node: the other one is told until it
    /// says that it serves them.
    pub(super) async fn pursue(&self, own: &Own) {
        let _turn = self.turn.lock().await;
        let Some(record) = self.moved().clone() else { return };
        self.progress().begin(self.service(), "giver", &record.node);
        self.progress().reach("moved");
        warn!(service = self.service(), to = record.node, "the rows are another node's");
        let HandoffRecord { node: to, next_ip, .. } = record;
        let size = CopySize::default();
        let mut drive = Drive { shift: self, own, to, peer: None, next_ip, size, why: None };
        // It has one way only.
        let _is_given = drive.run().await.is_ok();
    }
}

impl Drive<'_> {
    async fn run(&mut self) -> Result<(), String> {
        loop {
            let output = self.shift.giver().poll_output();
            if let Some(output) = output {
                self.obey(output).await;
                continue;
            }
            let (stage, at) = {
                let giver = self.shift.giver();
                (giver.stage(), giver.poll_timeout())
            };
            match (stage, at) {
                (GiverStage::Given { .. }, _) => return Ok(()),
                (GiverStage::Serving, _) => {
                    let why = self.why.take();
                    return Err(why.unwrap_or_else(|| "it took too long".to_owned()));
                }
                (_, Some(at)) => {
                    sleep_until(self.shift.instant(at)).await;
                    self.tell(GiverInput::Tick);
                }
                (_, None) => return Err("the machine of the hand-off waits for nothing".to_owned()),
            }
        }
    }

    fn tell(&self, input: GiverInput) {
        let now = self.shift.now();
        self.shift.giver().handle(input, now);
    }

    fn fail(&mut self, why: String) {
        self.shift.progress().fail(&why);
        self.why.get_or_insert(why);
    }

    async fn obey(&mut self, output: GiverOutput) {
        match output {
            GiverOutput::Suspend => self.suspend().await,
            GiverOutput::Send(message) => self.send(message).await,
            GiverOutput::StoreMoved(row) => {
                fault::at("a-prepared");
                let (node, next_ip) = (self.to.clone(), self.next_ip.clone());
                let record = HandoffRecord { row, node, next_ip, since: wall_clock() };
                self.store_moved(record).await;
            }
            GiverOutput::GoOn => {
                self.shift.kept().go_on();
                self.shift.progress().reach("back");
                let why = self.why.as_deref().unwrap_or("it took too long");
                warn!(service = self.shift.service(), to = self.to, why, "not handed off");
            }
            GiverOutput::NameTaker => self.name_taker().await,
            other => {
                debug_assert!(false, "an output that this program does not know: {other:?}");
            }
        }
    }

    /// Offers the rows, suspends the shard, and sends them all.
    async fn suspend(&mut self) {
        let (stage, at) = {
            let giver = self.shift.giver();
            (giver.stage(), giver.poll_timeout())
        };
        let (GiverStage::Suspending { attempt, .. }, Some(at)) = (stage, at) else { return };
        let until = self.shift.instant(at);
        match timeout_at(until, self.send_rows(attempt)).await {
            Ok(Ok(hash)) => self.tell(GiverInput::Suspended { hash }),
            Ok(Err(why)) => {
                self.fail(why);
                self.tell(GiverInput::CannotSend);
            }
            Err(_) => {
                self.fail("not all rows could be sent in time: --within gives it more".to_owned());
                self.tell(GiverInput::Tick);
            }
        }
    }

    async fn send_rows(&mut self, attempt: Attempt) -> Result<CopyHash, String> {
        let Some(peer) = self.peer.clone() else { return Err("nobody to send to".to_owned()) };
        let node = self.own.node_for(&self.to)?;
        let own = self.own.next_ip().ok_or("clients know no address of this node: --advertise")?;
        let versions = self.shift.kept().versions().1.ok_or("the rows are not owned here")?;
        let (bytes, next_ip) = (self.size.bytes, own.to_string());
        let offer = Asked::Offer { versions, bytes, node, next_ip };
        match peer.ask(&self.request(attempt, offer), ANSWER_TIME).await? {
            Answer::Ready { next_ip } => self.next_ip = next_ip,
            other => return Err(refusal(other)),
        }
        let progress = self.shift.progress();
        progress.reach("suspending");
        let suspended = self.shift.kept().suspend().await;
        let mut suspended = suspended.map_err(|error| Causes(&error).to_string())?;
        progress.reach("suspended");
        fault::at("a-suspended");
        // A disk that is slow for one packet has the time of the whole attempt.
        let left = self.shift.giver().poll_timeout().map_or(ANSWER_TIME, |at| {
            self.shift.instant(at).saturating_duration_since(tokio::time::Instant::now())
        });
        let unseen = std::mem::take(&mut suspended.unseen);
        send_events(&peer, self.shift.service(), attempt, unseen, left).await?;
        let (packets, mut to_send) = mpsc::channel(PACKETS_AT_ONCE);
        let reading = tokio::task::spawn_blocking(move || read_all(suspended, &packets));
        let mut sent = FuturesUnordered::new();
        let mut place = 0;
        while let Some(rows) = to_send.recv().await {
            let request = self.request(attempt, Asked::Rows { place, rows });
            place += 1;
            let peer = peer.clone();
            sent.push(async move { peer.ask(&request, left).await });
            if sent.len() >= PACKETS_AT_ONCE
                && let Some(answer) = sent.next().await
            {
                is_ok(answer?)?;
            }
        }
        while let Some(answer) = sent.next().await {
            is_ok(answer?)?;
        }
        let read = reading.await.map_err(|error| error.to_string())?;
        let (hash, size) = read.map_err(|error| Causes(&error).to_string())?;
        if size.bytes > MAX_BYTES {
            return Err(too_much(size.bytes));
        }
        self.size = size;
        progress.count(size);
        progress.reach("sent");
        fault::at("a-sent");
        Ok(hash)
    }

    async fn send(&mut self, message: Message) {
        match message {
            Message::Copy { attempt, hash } => self.send_copy(attempt, hash).await,
            Message::Activate { attempt } => self.activate(attempt).await,
            Message::Aborted { attempt } => {
                let request = self.request(attempt, Asked::Aborted);
                if let Some(peer) = &self.peer
                    && let Err(why) = peer.ask(&request, WORD_TIME).await
                {
                    info!(why, "the other node is not told that nothing comes of it: it will ask");
                }
            }
            Message::Prepared { .. } | Message::Active { .. } | Message::Ask { .. } => {
                debug_assert!(false, "only the taker says that");
            }
        }
    }

    async fn send_copy(&mut self, attempt: Attempt, hash: CopyHash) {
        let Some(peer) = self.peer.clone() else { return };
        let at = self.shift.giver().poll_timeout();
        let within = at.map_or(WORD_TIME, |at| {
            self.shift.instant(at).saturating_duration_since(tokio::time::Instant::now())
        });
        match peer.ask(&self.request(attempt, Asked::Copy { hash }), within).await {
            Ok(Answer::Prepared { attempt, hash }) => {
                self.shift.progress().reach("prepared");
                self.tell(GiverInput::Heard(Message::Prepared { attempt, hash }));
            }
            Ok(other) => {
                self.fail(refusal(other));
                self.tell(GiverInput::CannotSend);
            }
            // Whatever the other node has done, it asks what came of it.
            Err(why) => {
                self.fail(why);
                self.tell(GiverInput::CannotSend);
            }
        }
    }

    /// The commit point.
    async fn store_moved(&mut self, record: HandoffRecord) {
        match self.shift.kept().give(record.clone()).await {
            Ok(()) => {
                *self.shift.moved() = Some(record);
                self.shift.progress().reach("moved");
                fault::at("a-moved");
                self.tell(GiverInput::Stored { is_durable: true });
            }
            Err(OrderError::NotNow | OrderError::Busy) => {
                self.fail("the store did not take that the rows are given away".to_owned());
                self.tell(GiverInput::Stored { is_durable: false });
            }
            // The keeper has ended, and this process does: the next one finds what is stored.
            Err(_) => std::future::pending().await,
        }
    }

    async fn activate(&mut self, attempt: Attempt) {
        let peer = match self.peer.take() {
            Some(peer) => Ok(peer),
            None => Peer::connect(self.own, &self.to).await,
        };
        let peer = match peer {
            Ok(peer) => peer,
            Err(why) => return self.shift.progress().fail(&why),
        };
        match peer.ask(&self.request(attempt, Asked::Activate), ANSWER_TIME).await {
            Ok(Answer::Active { attempt, next_ip }) => {
                self.next_ip = next_ip;
                fault::at("a-active");
                self.tell(GiverInput::Heard(Message::Active { attempt }));
                self.peer = Some(peer);
            }
            Ok(other) => self.shift.progress().fail(&refusal(other)),
            Err(why) => self.shift.progress().fail(&why),
        }
    }

    /// The other node serves: clients are sent there.
    async fn name_taker(&self) {
        if let Err(why) = self.shift.leave_to(&self.next_ip).await {
            return warn!(why, "not all is told to clients");
        }
        // The rows may come back.
        let now = self.shift.now();
        self.shift.taking.lock().await.taker = Taker::started(None, false, now);
        self.shift.progress().reach("given");
        let (to, next_ip) = (&self.to, &self.next_ip);
        info!(service = self.shift.service(), to, next_ip, "handed off");
    }

    fn request(&self, attempt: Attempt, what: Asked) -> Request {
        Request { service: self.shift.service().to_owned(), attempt, what }
    }
}

/// Reads all rows in packets, in the order of their keys.
fn read_all(
    suspended: Suspended,
    packets: &mpsc::Sender<Page>,
) -> Result<(CopyHash, CopySize), StoreError> {
    let Suspended { mut rows, record, .. } = suspended;
    let (mut hash, mut size) = (CopyHash::EMPTY, CopySize::default());
    let (mut packet, mut packet_bytes) = (Page::new(), 0);
    copy::read(&mut *rows, |mut page| {
        // The record has the first key. A service in which nothing was ever written has none yet,
        // and goes along with the one that it would get.
        if size.rows == 0 && page.first().is_none_or(|(key, _)| *key != ShardRecord::key()) {
            page.insert(0, (ShardRecord::key(), record.to_value()));
        }
        for (key, value) in page {
            hash = hash.with(&key, &value);
            size.add(&key, &value);
            packet_bytes += key.len() + value.len();
            packet.push((key, value));
            if packet_bytes >= PACKET_BYTES {
                packet_bytes = 0;
                if packets.blocking_send(std::mem::take(&mut packet)).is_err() {
                    // The attempt was given up.
                    return false;
                }
            }
        }
        size.bytes <= MAX_BYTES
    })?;
    // The error is that the attempt was given up.
    packets.blocking_send(packet).ok();
    Ok((hash, size))
}

/// Sends the events that clients may not have seen. To a release that does not know of them nothing
/// is sent, and clients are told how many they have lost.
async fn send_events(
    peer: &Peer,
    service: &str,
    attempt: Attempt,
    unseen: Vec<UnseenEvents>,
    within: Duration,
) -> Result<(), String> {
    if !peer.knows_events() {
        return Ok(());
    }
    for unseen in in_packets(unseen) {
        let what = Asked::Events { unseen };
        is_ok(peer.ask(&Request { service: service.to_owned(), attempt, what }, within).await?)?;
    }
    Ok(())
}

fn is_ok(answer: Answer) -> Result<(), String> {
    if answer == Answer::Ok { Ok(()) } else { Err(refusal(answer)) }
}

fn refusal(answer: Answer) -> String {
    match answer {
        Answer::Refused(why) => format!("the other node refuses: {why}"),
        other => format!("the other node says what does not fit: {}", other.to_term()),
    }
}

fn too_much(bytes: u64) -> String {
    format!(
        "{bytes} bytes of rows are more than the {MAX_BYTES} that are handed off: clients would \
         wait too long. Back them up and restore them there, or keep them in a database that both \
         nodes have (--store)"
    )
}
