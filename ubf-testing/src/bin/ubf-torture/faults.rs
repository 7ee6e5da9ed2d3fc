//! What is done to the nodes. Each function leaves a cluster that serves, or says what is broken.

use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal;
use tokio::time::sleep;
use ubf_testing::random::Random;

use super::changes::takeover_step;
use super::cluster::{Cluster, FAULT_TIME, NODES};
use super::counts::KILLS;

/// So many calls are answered before the next fault.
pub(crate) const GOES_ON: u64 = 25;
/// The steps of a commit at which a process is killed. `late` lets calls come meanwhile.
const COMMIT_STEPS: [&str; 5] = [
    "abort:c-committing",
    "abort:c-committed",
    "abort:c-committed",
    "late:c-committing",
    "late:c-committed",
];
/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// The owner is killed at a step of a commit.
    Kill,
    /// It is killed when a batch has run and is not committed, and answers could have left.
    KillUncommitted,
    /// It is killed between a commit and its answers.
    KillCommitted,
    /// It is killed at any moment.
    KillAnywhere,
    /// The process behind a killed one is killed when it has claimed the rows.
    KillTwice,
    /// The rows go to another node.
    HandOff,
    /// Either node is killed meanwhile.
    HandOffKilled,
    /// Another process takes the place of the owner's.
    Upgrade,
    /// Either process is killed meanwhile.
    UpgradeKilled,
    /// The successor is killed when it has said that it is ready: the predecessor must go on.
    UpgradeKilledReady,
    /// The successor has no room for all descriptors: the predecessor must go on.
    UpgradeTruncated,
    /// The write version goes up, or down.
    StateVersion,
    /// It is to go up to one that no node knows.
    StateVersionTooHigh,
    /// A connection of before comes back with an older turn.
    LateTurn,
    /// The owner is stopped for a while.
    Stop,
    /// All of its connections are cut.
    Cut,
    /// Its link passes nothing for a while, or nobody can connect.
    Link,
    /// Its disk is full.
    DiskFull,
    /// The database ends, and comes back.
    Database,
    /// A commit waits in the database while another node claims the rows.
    FenceRace,
}

impl Fault {
    /// What is done in a run with this store, each as often as it is here.
    pub(crate) fn of(is_shared: bool) -> Vec<Self> {
        let with_files = [
            (Self::Kill, 9),
            (Self::KillUncommitted, 1),
            (Self::KillCommitted, 1),
            (Self::KillAnywhere, 1),
            (Self::KillTwice, 1),
            (Self::HandOff, 6),
            (Self::HandOffKilled, 2),
            (Self::Upgrade, 1),
            (Self::UpgradeKilled, 1),
            (Self::UpgradeTruncated, 1),
            (Self::StateVersion, 1),
            (Self::LateTurn, 1),
            (Self::Stop, 1),
            (Self::Cut, 2),
            (Self::Link, 1),
            (Self::DiskFull, 1),
        ];
        let with_database = [
            (Self::Kill, 3),
            (Self::KillAnywhere, 1),
            (Self::HandOff, 3),
            (Self::HandOffKilled, 2),
            (Self::Upgrade, 1),
            (Self::UpgradeKilled, 1),
            (Self::StateVersion, 1),
            (Self::LateTurn, 1),
            (Self::Stop, 1),
            (Self::Cut, 1),
            (Self::Link, 1),
            (Self::Database, 1),
            (Self::FenceRace, 1),
        ];
        let weights = if is_shared { &with_database[..] } else { &with_files[..] };
        weights.iter().flat_map(|&(fault, times)| std::iter::repeat_n(fault, times)).collect()
    }
}

impl Cluster {
    /// Does one thing to the nodes, and waits until calls go on.
    pub(crate) async fn suffer(&mut self, fault: Fault, random: &mut Random) -> Result<(), String> {
        let said = |why: String| format!("{fault:?}: {why}");
        self.all_live().map_err(said)?;
        let suffered = match fault {
            Fault::Kill => {
                let step = random.choose(&COMMIT_STEPS).copied().unwrap_or("abort:c-committed");
                self.kill_at(step).await
            }
            Fault::KillUncommitted => {
                let is_any = random.once_in(2);
                self.kill_at(if is_any { "late:c-committing" } else { "late:c-committing-50th" })
                    .await
            }
            Fault::KillCommitted => self.kill_at("abort:c-committed").await,
            Fault::KillAnywhere => self.kill_anywhere(random).await,
            Fault::KillTwice => self.kill_twice().await,
            Fault::HandOff => self.hand_off(self.other(random.below(NODES))).await,
            Fault::HandOffKilled => self.hand_off_killed(random).await,
            Fault::Upgrade => self.upgrade().await,
            Fault::UpgradeKilled => self.upgrade_killed(takeover_step(random)).await,
            Fault::UpgradeKilledReady => self.upgrade_killed("s-ready").await,
            Fault::UpgradeTruncated => self.upgrade_truncated().await,
            Fault::StateVersion => self.change_state_version().await,
            Fault::StateVersionTooHigh => self.finalize_too_high().await,
            Fault::LateTurn => self.late_turn(random).await,
            Fault::Stop => self.stop(random).await,
            Fault::Cut => {
                self.counts.add("cuts of all connections");
                self.link(self.owner).map(super::proxy::Proxy::cut_all)
            }
            Fault::Link => self.break_link(random).await,
            Fault::DiskFull => self.fill_disk().await,
            Fault::Database => self.restart_database(random).await,
            Fault::FenceRace => self.race_for_fence().await,
        };
        suffered.map_err(said)?;
        self.world.goes_on(GOES_ON).await.map_err(said)
    }

    /// The owner is killed at a step that it comes to by itself.
    async fn kill_at(&mut self, fault: &str) -> Result<(), String> {
        let owner = self.owner;
        let process = self.process(owner)?;
        process.aim(fault)?;
        if process.ends_within(FAULT_TIME).await.is_none() {
            process.spare();
            self.find_owner().await?;
            if self.owner == owner {
                return Err(format!("node {owner} does not come to {fault}"));
            }
            // Another node has claimed the rows meanwhile (U6), and is left in peace.
            return Ok(());
        }
        self.after_kill(owner, fault).await
    }

    async fn kill_anywhere(&mut self, random: &mut Random) -> Result<(), String> {
        let owner = self.owner;
        sleep(Duration::from_millis(random.below(100) as u64)).await;
        self.process(owner)?.kill();
        self.after_kill(owner, "kill anywhere").await
    }

    /// Its next process is killed as soon as it owns the rows.
    async fn kill_twice(&mut self) -> Result<(), String> {
        let owner = self.owner;
        self.process(owner)?.kill();
        self.counts.add(KILLS);
        let process = self.node(owner)?.spawn(&["--standby"], Some("abort:c-claimed"))?;
        self.node(owner)?.process = Some(process);
        if self.process(owner)?.ends_within(FAULT_TIME).await.is_none() {
            return Err(format!("node {owner} does not claim its rows"));
        }
        self.after_kill(owner, "abort:c-claimed").await
    }

    pub(crate) async fn after_kill(&mut self, number: usize, how: &str) -> Result<(), String> {
        self.killed(number, how)?;
        self.find_owner().await
    }

    /// The owner says nothing for a while: once in ten times for as long as thirty seconds.
    async fn stop(&mut self, random: &mut Random) -> Result<(), String> {
        let owner = self.owner;
        let most = if random.once_in(10) { 30_000 } else { 2_500 };
        let time = Duration::from_millis(100 + random.below(most) as u64);
        self.process(owner)?.signal(Signal::STOP);
        sleep(time).await;
        self.process(owner)?.signal(Signal::CONT);
        self.counts.add("stops");
        self.find_owner().await
    }

    async fn break_link(&mut self, random: &mut Random) -> Result<(), String> {
        let owner = self.owner;
        let time = Duration::from_millis(100 + random.below(4_000) as u64);
        let link = self.link(owner)?;
        if random.once_in(2) {
            link.stall();
        } else {
            link.cut();
        }
        sleep(time).await;
        link.open();
        self.counts.add("links broken");
        self.find_owner().await
    }

    /// The file with the rows cannot grow.
    async fn fill_disk(&mut self) -> Result<(), String> {
        let owner = self.owner;
        let file = self.node(owner)?.rows_file();
        let size = std::fs::metadata(&file).map_err(|error| format!("{file:?}: {error}"))?.len();
        let process = self.process(owner)?;
        process.limit_files(Some(size))?;
        let ended = process.ends_within(Duration::from_secs(2)).await;
        process.limit_files(None).or_else(|why| ended.map(drop).ok_or(why))?;
        self.counts.add("full disks");
        // It may end with the next commit.
        if self.process(owner)?.ends_within(Duration::from_millis(500)).await.is_some() {
            self.counts.add("ended by a full disk");
            self.start_again(owner)?;
        }
        self.find_owner().await
    }

    async fn restart_database(&mut self, random: &mut Random) -> Result<(), String> {
        let Some(database) = &mut self.database else { return Ok(()) };
        let crashes = random.once_in(2);
        tokio::task::block_in_place(|| database.restart(crashes))?;
        self.counts.add("database restarted");
        self.find_owner().await
    }

    /// T5: a commit of the owner waits for a lock while the owner cannot be reached any more.
    async fn race_for_fence(&mut self) -> Result<(), String> {
        let Some(database) = &self.database else { return Ok(()) };
        let mut held = database.hold_rows(5)?;
        let owner = self.owner;
        // Its next commit waits from here on.
        sleep(Duration::from_millis(600)).await;
        self.process(owner)?.signal(Signal::STOP);
        let waited = tokio::task::block_in_place(|| held.wait());
        waited.map_err(|error| error.to_string())?;
        self.find_owner().await?;
        self.process(owner)?.signal(Signal::CONT);
        self.counts.add("races for the fence");
        self.find_owner().await
    }

    /// S5: a resume with an older turn changes nothing.
    async fn late_turn(&mut self, random: &mut Random) -> Result<(), String> {
        super::turns::late_turn(self.node(self.owner)?, random).await?;
        self.counts.add("late turns");
        Ok(())
    }
}
