//! What is done to the nodes. Each function leaves a cluster that serves, or says what is broken.

use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};
use ubf_store::testing::HowToEnd;
use ubf_testing::random::Random;

use super::changes::takeover_step;
use super::cluster::{Cluster, FAULT_TIME, NODES};
use super::counts::KILLS;
use super::disks::{self, SMALL_DISKS};
use super::trap::{self, Trap};

/// So many calls are answered before the next fault.
pub(crate) const GOES_ON: u64 = 25;
/// The steps of a commit at which a process is killed. `late` lets calls come meanwhile.
/// How long a commit is kept in the database: less than a statement may take.
const CAUGHT_TIME: Duration = Duration::from_secs(8);
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
    /// Its file cannot grow (EFBIG).
    DiskFull,
    /// There is no space on its disk (ENOSPC).
    NoSpace,
    /// The database ends, and comes back.
    Database,
    /// A commit waits in the database while another node claims the rows.
    FenceRace,
    /// A commit, or the connection that it is made on, is ended in the database.
    CommitEnded,
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
            (Self::Upgrade, 3),
            (Self::UpgradeKilled, 1),
            (Self::UpgradeTruncated, 1),
            (Self::StateVersion, 1),
            (Self::LateTurn, 1),
            (Self::Stop, 1),
            (Self::Cut, 2),
            (Self::Link, 1),
            (Self::DiskFull, 1),
            (Self::NoSpace, 1),
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
            (Self::CommitEnded, 2),
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
            Fault::DiskFull => self.fill_file().await,
            Fault::NoSpace => self.fill_disk(random).await,
            Fault::Database => self.restart_database(random).await,
            Fault::FenceRace => self.race_for_fence().await,
            Fault::CommitEnded => self.end_commit(random).await,
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

    /// There is no space on the disk of the owner, which is one of those that have small disks.
    async fn fill_disk(&mut self, random: &mut Random) -> Result<(), String> {
        if !disks::are_here() {
            self.counts.add("skipped: disks without space");
            return Ok(());
        }
        if self.owner >= SMALL_DISKS {
            self.hand_off(random.below(SMALL_DISKS)).await?;
        }
        if self.owner >= SMALL_DISKS {
            // That was given up.
            return Ok(());
        }
        let owner = self.owner;
        let disk = self.node(owner)?.data();
        disks::fill(&disk)?;
        let ended = self.process(owner)?.ends_within(Duration::from_secs(3)).await;
        self.counts.add("disks without space");
        if ended.is_some() {
            self.counts.add("ended by a disk without space");
            // Whoever watches over it starts it again at once, and nothing has changed.
            self.start_again(owner)?;
            self.process(owner)?.ends_within(Duration::from_secs(1)).await;
        }
        disks::free(&disk)?;
        // It may end with the next commit.
        if self.process(owner)?.ends_within(Duration::from_millis(500)).await.is_some() {
            self.start_again(owner)?;
        }
        self.find_owner().await
    }

    /// The file with the rows cannot grow.
    async fn fill_file(&mut self) -> Result<(), String> {
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
        // Whoever starts without its database ends, and says so.
        self.all_answer().await?;
        let Some(database) = &mut self.database else { return Ok(()) };
        let how = if random.once_in(2) { HowToEnd::Crash } else { HowToEnd::Fast };
        tokio::task::block_in_place(|| database.restart(how))
            .map_err(|error| format!("the database is not restarted: {error}"))?;
        self.counts.add("database restarted");
        self.find_owner().await
    }

    /// T5: a commit of the owner stays in the database while the owner is stopped, and another node
    /// claims the rows. With its lock the claim waits; without it that node reads the rows, serves,
    /// and is then overwritten.
    async fn race_for_fence(&mut self) -> Result<(), String> {
        let Some(database) = &self.database else { return Ok(()) };
        let trap = Trap::set(database).await?;
        let owner = self.owner;
        if !trap.catches_within(FAULT_TIME).await? {
            return Err(format!("node {owner} commits nothing"));
        }
        self.process(owner)?.signal(Signal::STOP);
        // Its clients look for another one.
        self.link(owner)?.cut();
        let raced = self.race_behind(&trap).await;
        let let_go = trap.let_go().await;
        self.process(owner)?.signal(Signal::CONT);
        self.link(owner)?.open();
        let_go?;
        self.counts.add(raced?);
        self.find_owner().await
    }

    /// T4: a commit of the owner is refused, or nobody knows what came of it.
    async fn end_commit(&mut self, random: &mut Random) -> Result<(), String> {
        let Some(database) = &self.database else { return Ok(()) };
        let trap = Trap::set(database).await?;
        let is_caught = trap.catches_within(FAULT_TIME).await?;
        let how =
            if random.once_in(2) { trap::HowToEnd::Cancel } else { trap::HowToEnd::Terminate };
        // Who commits again is not to be caught again.
        let ended = trap.end(how).await;
        trap.let_go().await?;
        ended?;
        if !is_caught {
            return Err(format!("node {} commits nothing", self.owner));
        }
        self.counts.add(match how {
            trap::HowToEnd::Cancel => "commits cancelled",
            trap::HowToEnd::Terminate => "connections ended in a commit",
        });
        self.find_owner().await
    }

    /// Waits for what the other nodes do while a commit of the owner stays. How that ended.
    async fn race_behind(&self, trap: &Trap) -> Result<&'static str, String> {
        let until = Instant::now() + CAUGHT_TIME;
        let mut goal = None;
        while Instant::now() < until && trap.holds().await? {
            if trap.keeps_a_claim_waiting().await? {
                return Ok("claims that waited for a commit");
            }
            if goal.is_none() && self.another_owns().await {
                goal = Some(self.world.answered() + GOES_ON);
            }
            if goal.is_some_and(|goal| self.world.answered() >= goal) {
                return Ok("claims that did not wait for a commit");
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok("commits that nobody raced")
    }

    /// S5: a resume with an older turn changes nothing.
    async fn late_turn(&mut self, random: &mut Random) -> Result<(), String> {
        let mut came = super::turns::late_turn(self.node(self.owner)?, random).await;
        if came.is_err() && self.is_shared() {
            // Another node may have claimed the rows meanwhile (U6).
            self.find_owner().await?;
            came = super::turns::late_turn(self.node(self.owner)?, random).await;
        }
        came?;
        self.counts.add("late turns");
        Ok(())
    }
}
