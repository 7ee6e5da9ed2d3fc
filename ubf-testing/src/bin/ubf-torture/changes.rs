//! Changes while clients call: hand-off, upgrade in place, state versions; and kills meanwhile.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};
use ubf_testing::random::Random;

use super::cluster::{Cluster, FAULT_TIME, NODES};
use super::counts::{CHANGES, KILLS};
use super::faults::GOES_ON;
use super::node::ask_at;
use super::stock::Stock;

/// For a hand-off up to its commit point: a loaded machine needs more than the two seconds that are the
/// default.
const WITHIN_MS: u64 = 10_000;
const TAKEOVER_STEPS: [&str; 10] = [
    "p-suspended",
    "p-given",
    "p-going",
    "p-gone",
    "s-warm",
    "s-given",
    "s-opened",
    "s-ready",
    "s-told",
    "s-serving",
];
/// With stores of their own.
const HANDOFF_STEPS: [&str; 11] = [
    "a-suspended",
    "a-sent",
    "a-prepared",
    "a-moved",
    "a-active",
    "b-offered",
    "b-copied",
    "b-prepared",
    "b-activating",
    "b-owned",
    "b-active",
];
/// With one database.
const SHARED_STEPS: [&str; 5] = ["a-suspended", "a-active", "b-claiming", "b-claimed", "c-claimed"];

/// A step of a take-over at which either process is killed.
pub(crate) fn takeover_step(random: &mut Random) -> &'static str {
    random.choose(&TAKEOVER_STEPS).copied().unwrap_or("p-given")
}

fn hand_off_request(control: &Path) -> String {
    format!("{{'hand_off''all'\"unix:{}\"{WITHIN_MS}}}", control.display())
}

impl Cluster {
    pub(crate) async fn hand_off(&mut self, to: usize) -> Result<(), String> {
        // The one before may not have ended for the other node, or is in doubt there until the node
        // that has begun it is back and says.
        let mut report = String::new();
        for _ in 0..100 {
            report = self.ask_hand_off(to).await?;
            if self.is_shared() && report.contains("not owned") {
                // Another node has claimed the rows meanwhile (U6).
                self.find_owner().await?;
                if self.owner == to {
                    self.counts.add("hand-offs given up");
                    return Ok(());
                }
                continue;
            }
            let not_yet = ["just handed them off", "under way", "in doubt here"];
            if !not_yet.iter().any(|it| report.contains(it)) {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        if !report.contains("\"given\"") {
            // A loaded machine may need more time, and a node to which a killed one was giving rows
            // takes those of others after half a minute: nothing has happened then.
            if ["in time", "coming already"].iter().any(|it| report.contains(it)) {
                self.counts.add("hand-offs given up");
                return self.find_owner().await;
            }
            return Err(format!("not handed off: {report}"));
        }
        self.counts.add(CHANGES);
        self.counts.add("hand-off");
        self.owner = to;
        self.find_owner().await
    }

    async fn ask_hand_off(&mut self, to: usize) -> Result<String, String> {
        let request = hand_off_request(&self.node(to)?.control());
        self.node(self.owner)?.ask(&request).await
    }

    pub(crate) async fn hand_off_killed(&mut self, random: &mut Random) -> Result<(), String> {
        let steps: &[&str] = if self.is_shared() { &SHARED_STEPS } else { &HANDOFF_STEPS };
        let step = random.choose(steps).copied().unwrap_or("a-suspended");
        let (from, to) = (self.owner, self.other(random.below(NODES)));
        let aimed = if step.starts_with("a-") { from } else { to };
        self.process(aimed)?.aim(&format!("abort:{step}"))?;
        let request = hand_off_request(&self.node(to)?.control());
        // Whoever dies does not answer, and whoever waits for it answers late.
        let asked = tokio::spawn(ask_at(self.node(from)?.control(), request));
        let until = Instant::now() + FAULT_TIME;
        while Instant::now() < until {
            // Asked for before the process is looked at: who answers and dies has died.
            let is_answered = asked.is_finished();
            if self.process(aimed)?.ends_within(Duration::from_millis(20)).await.is_some() {
                asked.abort();
                return self.after_kill(aimed, step).await;
            }
            if is_answered {
                // It was refused, since the one before is not over: nobody came to this step.
                self.process(aimed)?.spare();
                self.counts.add("hand-offs given up");
                sleep(Duration::from_millis(200)).await;
                return self.find_owner().await;
            }
        }
        asked.abort();
        Err(format!("a hand-off does not end, and nobody died at {step}"))
    }

    /// A planned upgrade: stock clients keep their connections.
    pub(crate) async fn upgrade(&mut self) -> Result<(), String> {
        let owner = self.owner;
        let mut stock = Stock::some(3, self.node(owner)?.classic).await?;
        let mut successor = self.node(owner)?.spawn(&["--take-over", "--standby"], None)?;
        loop {
            if let Some(status) = self.process(owner)?.ended() {
                if !status.success() {
                    return Err(format!("the predecessor ended with {status}"));
                }
                self.node(owner)?.process = Some(successor);
                self.counts.add(CHANGES);
                self.counts.add("upgrade in place");
                break;
            }
            // A loaded machine may need more than the two seconds: nothing has happened then.
            if successor.ended().is_some() {
                self.counts.add("upgrades given up");
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        for client in &mut stock {
            client.call().await?;
        }
        Ok(())
    }

    pub(crate) async fn upgrade_killed(&mut self, step: &str) -> Result<(), String> {
        let owner = self.owner;
        let fault = format!("abort:{step}");
        let is_predecessor = step.starts_with("p-");
        if is_predecessor {
            self.process(owner)?.aim(&fault)?;
        }
        let aimed = Some(fault.as_str()).filter(|_| !is_predecessor);
        let mut successor = self.node(owner)?.spawn(&["--take-over", "--standby"], aimed)?;
        let ended = if is_predecessor {
            self.process(owner)?.ends_within(FAULT_TIME).await
        } else {
            successor.ends_within(FAULT_TIME).await
        };
        if ended.is_none() {
            return Err(format!("nobody comes to {step}"));
        }
        self.counts.add(KILLS);
        self.counts.add(step);
        if is_predecessor {
            self.process(owner)?.spare();
            self.node(owner)?.process = Some(successor);
            return self.goes_on_or_starts_again(owner).await;
        }
        // The predecessor goes on: nobody starts anything again.
        self.world.goes_on(GOES_ON).await?;
        match self.process(owner)?.ended() {
            None => Ok(()),
            // U4: the guard was over, and what died was the server.
            Some(_) if step == "s-serving" => self.start_again(owner),
            Some(status) => Err(format!("the predecessor ended with {status}")),
        }
    }

    /// The successor serves, or has ended with its predecessor: then whoever watches over it starts
    /// it again.
    async fn goes_on_or_starts_again(&mut self, number: usize) -> Result<(), String> {
        let goal = self.world.answered() + GOES_ON;
        loop {
            if self.process(number)?.ended().is_some() {
                self.start_again(number)?;
                return self.find_owner().await;
            }
            if self.world.answered() >= goal {
                return Ok(());
            }
            if self.is_shared() {
                return self.find_owner().await;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// U2: a message that lost its descriptors ends the attempt, and no connection breaks.
    pub(crate) async fn upgrade_truncated(&mut self) -> Result<(), String> {
        let owner = self.owner;
        let mut stock = Stock::some(6, self.node(owner)?.classic).await?;
        let stops = Some("stop:s-warm,stop:s-given");
        let mut successor = self.node(owner)?.spawn(&["--take-over", "--standby"], stops)?;
        if !successor.stops_within(FAULT_TIME).await {
            return Err("the successor does not come to s-warm".into());
        }
        // There is room for the listeners and the control socket, and for two of six connections.
        let room = successor.room_for_descriptors(5)?;
        successor.limit_descriptors(Some(room))?;
        successor.signal(Signal::CONT);
        if successor.stops_within(Duration::from_secs(5)).await {
            // It has taken what came for whole. It lacks nothing else.
            successor.limit_descriptors(None)?;
            successor.signal(Signal::CONT);
        }
        let ended = successor.ends_within(Duration::from_secs(8)).await;
        self.counts.add("truncated upgrades");
        for client in &mut stock {
            client.call().await?;
        }
        if ended.is_none() {
            return Err("a successor serves that has not got all descriptors".into());
        }
        Ok(())
    }

    /// Asks the owner as an operator. With one database another node may own the rows by now (U6).
    async fn ask_owner(&mut self, request: &str) -> Result<String, String> {
        for _ in 0..20 {
            let answer = self.node(self.owner)?.ask(request).await?;
            if !answer.contains("not owned at the moment") {
                return Ok(answer);
            }
            self.find_owner().await?;
        }
        Err("nobody owns the rows long enough to be asked".into())
    }

    /// The write version of the rows, and the oldest and newest that rows may have.
    async fn state_versions(&mut self) -> Result<[u64; 3], String> {
        let rows = self.ask_owner("{'rows''all'}").await?;
        let after = rows.split_once("\"ledger\"{").and_then(|(_, after)| after.split_once('}'));
        let numbers = after.map(|(numbers, _)| numbers.split(' ').map(str::parse).collect());
        match numbers {
            Some(Ok(numbers)) => {
                let numbers: Vec<u64> = numbers;
                numbers.try_into().map_err(|_| format!("not three versions: {rows}"))
            }
            _ => Err(format!("no versions: {rows}")),
        }
    }

    /// T6: up to 34, and back to 33.
    pub(crate) async fn change_state_version(&mut self) -> Result<(), String> {
        let [write, _, _] = self.state_versions().await?;
        if write >= 34 {
            self.finalize_too_high().await?;
        }
        let request = if write < 34 { "{'finalize''all'}" } else { "{'lower''all'}" };
        let answer = self.ask_owner(request).await?;
        for _ in 0..10_000 {
            let [after, lowest, highest] = self.state_versions().await?;
            if after == write {
                return Err(format!("state version {write} stays: {answer}"));
            }
            if lowest == highest {
                self.counts.add(CHANGES);
                self.counts.add("state version");
                return Ok(());
            }
            self.ask_owner("{'migrate''all'}").await?;
        }
        Err("rows are left in the state version of before".into())
    }

    /// T6: no node knows what comes behind 34.
    pub(crate) async fn finalize_too_high(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            let [write, lowest, highest] = self.state_versions().await?;
            if lowest == highest {
                self.ask_owner("{'finalize''all'}").await?;
            }
            if write < 34 {
                self.ask_owner("{'migrate''all'}").await?;
            }
        }
        let [write, ..] = self.state_versions().await?;
        if write > 34 {
            return Err(format!("rows are written in state version {write}, which no node knows"));
        }
        self.counts.add("finalizing refused");
        Ok(())
    }
}
