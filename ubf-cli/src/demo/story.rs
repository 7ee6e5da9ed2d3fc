//! The phases of a demo: those of version negotiation and of drains here, those of a server with
//! rows in `ledger`.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use ubf_client::{Notice, SessionPlan, Versions};
use ubf_codec::{Address, NextIp, Version};
use ubf_node::control::Request;
use ubf_server::LoadUnit;

use super::Settings;
use super::check::{ByVersion, Evidence, judge};
use super::folder::Folder;
use super::journal;
use super::ledger::{LedgerEvidence, Sum};
use super::node::{Place, SERVER_VERSIONS};
use super::report::{Ended, Totals};
use super::screen::Screen;
use super::stage::{PATIENCE, Stage, Stop};
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::text::counted;
use ubf_load::load::{Load, Plan, Requests, Summary};

/// What the clients speak, as in Armstrong's example of 2003.
const CLIENT_VERSIONS: [u32; 7] = [1, 2, 3, 6, 8, 10, 11];
pub(super) const PHASES: usize = 11;
/// Calls in flight of one client at most. Chosen: some, so that order matters.
const DEPTH: usize = 4;
/// For a call. Longer than the machine can be busy with other things.
const CALL_TIME: Duration = Duration::from_secs(60);
/// For the clients of a server that is drained, and for their calls after that.
const GRACE: Duration = Duration::from_secs(60);
const HARD_STOP: Duration = Duration::from_secs(10);
/// Attempts to connect all clients: each of them tries its address once.
const MAX_STARTS: u32 = 5;
/// Notices that wait to be looked at.
const MAX_NOTICES: usize = 1 << 16;
/// R5: clients wait so long before a second move.
const MOVE_INTERVAL: Duration = Duration::from_secs(1);

/// A demo, between two phases.
struct Story<'a> {
    stage: Stage<'a>,
    settings: &'a Settings,
    start: Instant,
    at_a: Address,
    at_b: Address,
    at_c: Address,
    at_d: Address,
    evidence: Evidence,
}

/// Plays all of it.
pub(crate) async fn play(settings: &Settings, output: &mut Output) -> Result<Ended, Stop> {
    let start = Instant::now();
    let folder = Folder::new(settings.keep.as_deref())?;
    let stage = Stage::new(Screen::new(output, settings.json), folder);
    let cannot = |error: std::io::Error| {
        Report::new(format!("no port is free: {}", crate::ui::reason::reason(&error)))
    };
    // Held to the end: between two servers the ports stay ours.
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(Place::find().map_err(cannot)?);
    }
    let addresses: Vec<Address> = places.iter().map(|place| place.address.clone()).collect();
    let [at_a, at_b, at_c, at_d] = <[Address; 4]>::try_from(addresses)
        .map_err(|_| Report::new("there are not four servers"))?;
    let evidence = Evidence::default();
    let mut story = Story { stage, settings, start, at_a, at_b, at_c, at_d, evidence };
    let [a1, b1] = story.negotiate().await?;
    story.fall_back().await?;
    let moved_at = story.drain_a(a1).await?;
    let a2 = story.share_load(b1, moved_at).await?;
    let echoed = story.end_echo([a2, b1]).await?;
    let of_ledger = [&story.at_c, &story.at_d];
    let (seen, ended, last) = super::ledger::play(&mut story.stage, settings, of_ledger).await?;
    for server in ended {
        ended_as_told(&story.stage, server, &mut story.evidence)?;
    }
    story.prove(echoed, seen, last).await
}

impl Story<'_> {
    /// Starts both servers and the clients. Gives A and B.
    async fn negotiate(&mut self) -> Result<[usize; 2], Stop> {
        let Self { stage, settings, at_a, at_b, evidence, .. } = self;
        stage.begin(
            "negotiate",
            PHASES,
            "Negotiate: clients and servers agree on a version",
            "Not all programs are of the same age. Each client names its versions, the server its own, and the highest that both have is used.",
        )?;
        let a1 = stage.start("A", at_a, at_b).await?;
        let b1 = stage.start("B", at_b, at_a).await?;
        let pids = [stage.actor(a1)?.node.pid(), stage.actor(b1)?.node.pid()];
        stage.event(&format!(
            "servers A (process {}) and B (process {}) are up; they speak {SERVER_VERSIONS}",
            pids[0], pids[1]
        ))?;
        connect(stage, settings, at_a).await?;
        stage
            .until("all clients are ready", |stage| stage.is_calm() && !stage.clients.is_empty())
            .await?;
        evidence.agreed = stage.by_version();
        let ours = Versions::of(CLIENT_VERSIONS);
        stage.event(&format!(
            "{} with {ours} are connected to A; agreed version: {}",
            counted(settings.clients, "client"),
            words(&evidence.agreed)
        ))?;
        stage.dwell(settings.dwell).await?;
        Ok([a1, b1])
    }

    /// N6, N4.
    async fn fall_back(&mut self) -> Result<(), Stop> {
        let Self { stage, settings, evidence, .. } = self;
        stage.begin(
            "fall back",
            PHASES,
            "Fall back: the clients' code for version 10 crashes",
            "The next message goes out in 8, which the servers lack. They refuse it, both sides negotiate again, and the call is sent in 3.",
        )?;
        if let Some(version) = Version::new(10)
            && let Some(load) = &stage.load
        {
            load.crash(version);
        }
        let fell =
            |stage: &Stage<'_>| stage.clients.iter().all(|client| client.statistics.fallbacks > 0);
        stage
            .until("all clients have fallen back", |stage| fell(stage) && in_force(stage, 3))
            .await?;
        evidence.agreed_after_crash = stage.by_version();
        for line in first_clients_way(&stage.first_client) {
            stage.event(&line)?;
        }
        let refused = counted(stage.told().refused, "call");
        let versions = words(&evidence.agreed_after_crash);
        stage.event(&format!(
            "version in use: {versions}; {refused} refused, not executed, and sent again"
        ))?;
        stage.dwell(settings.dwell).await
    }

    /// R8. Gives the moment when all had moved.
    async fn drain_a(&mut self, a1: usize) -> Result<Instant, Stop> {
        let Self { stage, settings, at_b, evidence, .. } = self;
        stage.begin(
            "drain",
            PHASES,
            "Drain: an operator takes server A out of service",
            "From now on each of A's replies names B as the address of the next message. Clients finish what is in flight at A, go on at B, and A ends.",
        )?;
        drain(stage, a1, at_b).await?;
        stage
            .until("all clients are at B", |stage| {
                stage.is_calm() && stage.clients_at(at_b).len() == stage.clients.len()
            })
            .await?;
        let moved_at = Instant::now();
        ended(stage, a1, evidence)?;
        stage.dwell(settings.dwell).await?;
        Ok(moved_at)
    }

    /// R9. Gives the second A.
    async fn share_load(&mut self, b1: usize, moved_at: Instant) -> Result<usize, Stop> {
        let Self { stage, settings, at_a, at_b, .. } = self;
        stage.begin(
            "share load",
            PHASES,
            "Share load: A is back, and B sends it some of its clients",
            "Above its high mark a server names another one in its replies, until its load is below the low mark.",
        )?;
        let a2 = stage.start("A", at_a, at_b).await?;
        // R5: a client that has just moved waits before it moves again. That wait over, they go one
        // after the other.
        stage.dwell(MOVE_INTERVAL.saturating_sub(moved_at.elapsed())).await?;
        let everyone = counted(settings.clients, "client");
        let (high, low) = (settings.clients * 3 / 4, settings.clients / 2);
        stage.event(&format!(
            "A is back; B has {everyone}: its high mark is {high}, its low mark {low}"
        ))?;
        let goal = NextIp::from(at_a.clone());
        stage
            .order(b1, move |admin| {
                admin.order(&Request::SetLoadMarks {
                    unit: LoadUnit::Sessions,
                    low,
                    high,
                    next_ip: Some(goal),
                })
            })
            .await?;
        stage
            .until("B has fewer clients than its low mark", |stage| {
                let status = stage.actor(b1).ok().and_then(super::stage::Actor::status);
                status.is_some_and(|status| {
                    !status.overloaded && status.load_marks.is_some() && status.connections < low
                })
            })
            .await?;
        stage.order(b1, |admin| admin.order(&Request::ClearLoadMarks)).await?;
        // Who was told to go, and has not gone, hears that it may stay.
        let all = (1..=settings.clients).collect();
        stage.until_answered(&all, DEPTH as u64 + 1).await?;
        stage.until("all clients have arrived", Stage::is_calm).await?;
        let [count_a, count_b] = [stage.clients_at(at_a).len(), stage.clients_at(at_b).len()];
        stage.event(&format!("{count_a} clients moved to A, {count_b} stayed at B"))?;
        stage.dwell(settings.dwell).await?;
        Ok(a2)
    }

    /// Takes down what the clients of A and B were told, and ends both.
    async fn end_echo(&mut self, servers: [usize; 2]) -> Result<Summary, Stop> {
        let Self { stage, evidence, .. } = self;
        let Some(load) = stage.load.take() else {
            return Err(Report::new("there are no clients").into());
        };
        let summary = load.finish(PATIENCE).await;
        evidence.told.clone_from(&summary.journals);
        evidence.bad_in_planned_work = summary.results.counts.bad();
        for server in servers {
            stage.actor_mut(server)?.may_end = true;
            let shut_down = Request::ShutDown { hard_stop: Some(HARD_STOP) };
            stage.order(server, move |admin| admin.order(&shut_down)).await?;
            stage
                .until("it has ended", |stage| {
                    stage.actor(server).is_ok_and(|actor| actor.node.ended.is_some())
                })
                .await?;
            ended_as_told(stage, server, evidence)?;
        }
        Ok(summary)
    }

    /// All journals and all rows against all clients.
    async fn prove(
        &mut self,
        echoed: Summary,
        mut seen: LedgerEvidence,
        last: usize,
    ) -> Result<Ended, Stop> {
        let Self { stage, settings, evidence, at_d, .. } = self;
        stage.begin(
            "proof",
            PHASES,
            "Proof: what clients were told, against what servers wrote down",
            "A and B wrote each call into a journal before they executed it. D shows its rows: everyone can add up the accounts, and find each transfer.",
        )?;
        let moved = super::ledger::settle(stage, at_d, last, &mut seen).await?;
        ended_as_told(stage, last, evidence)?;
        let mut records = 0;
        for actor in stage.actors.iter().filter(|actor| actor.node.has_journal()) {
            records += journal::read(&actor.node.journal, false, &mut evidence.executed)?;
        }
        evidence.ledger = seen;
        let verdict = judge(evidence);
        let journals = stage.actors.iter().filter(|actor| actor.node.has_journal()).count();
        stage.event(&format!(
            "{} of clients, {} in {journals} journals, {} in rows",
            counted(verdict.sent, "record"),
            counted(records, "record"),
            counted(evidence.ledger.rows.len() as u64, "transfer")
        ))?;
        let Sum { accounts, cents, made, .. } = evidence.ledger.sum;
        stage.event(&format!(
            "on {accounts} accounts are {} cents, and {} were put on them",
            crate::ui::text::thousands(cents.unsigned_abs()),
            crate::ui::text::thousands(made.unsigned_abs())
        ))?;
        stage.end_phase()?;
        stage.screen.finish()?;
        let refused = echoed.clients.iter().map(|client| client.statistics.refused).sum();
        let totals = Totals {
            clients: settings.clients,
            seed: settings.seed,
            took: self.start.elapsed(),
            refused,
        };
        let mut results = echoed.results;
        results.add_all(&moved.results);
        let kept = stage.folder.kept().map(std::path::Path::to_owned);
        Ok(Ended::new(verdict, &totals, &results, std::mem::take(&mut stage.phases), kept))
    }
}

async fn connect(
    stage: &mut Stage<'_>,
    settings: &Settings,
    address: &Address,
) -> Result<(), Stop> {
    let (notices, noticed) = mpsc::channel(MAX_NOTICES);
    stage.listen(noticed);
    // The other address they learn from A, as its peer (R4).
    let mut plan = Plan::new([address.clone()]);
    plan.versions = Versions::of(CLIENT_VERSIONS);
    plan.requests = Requests::Numbered;
    plan.connections = usize::try_from(settings.clients).unwrap_or(usize::MAX);
    plan.depth = DEPTH;
    plan.rate = Some(settings.calls_per_second);
    plan.call_time = CALL_TIME;
    plan.expects_echo = true;
    plan.keeps_journal = true;
    plan.session = SessionPlan::wanted();
    plan.seed = settings.seed;
    plan.notices = Some(notices);
    let mut attempt = 1;
    loop {
        match Load::start(plan.clone()).await {
            Ok(load) => {
                stage.load = Some(load);
                return stage.look();
            }
            Err(error) if attempt == MAX_STARTS => {
                return Err(crate::commands::cannot_start(&error).into());
            }
            Err(_) => attempt += 1,
        }
    }
}

/// Drains a server to an address, and waits for its end.
async fn drain(stage: &mut Stage<'_>, index: usize, to: &Address) -> Result<(), Stop> {
    let name = stage.actor(index)?.node.name();
    stage.event(&format!("operator: drain {name} to {to}"))?;
    stage.actor_mut(index)?.may_end = true;
    let to = NextIp::from(to.clone());
    let drain = Request::Drain {
        next_ip: Some(to),
        grace: Some(GRACE),
        hard_stop: Some(HARD_STOP),
        stays: false,
    };
    stage.order(index, move |admin| admin.order(&drain)).await?;
    stage
        .until("it has ended", |stage| {
            stage.actor(index).is_ok_and(|actor| actor.node.ended.is_some())
        })
        .await
}

/// Takes down how a server ended that was told to.
fn ended_as_told(stage: &Stage<'_>, index: usize, evidence: &mut Evidence) -> Result<(), Stop> {
    let node = &stage.actor(index)?.node;
    evidence.exits.push((node.name(), node.ended.and_then(|ended| ended.code())));
    Ok(())
}

/// Says how a server ended that was told to.
fn ended(stage: &mut Stage<'_>, index: usize, evidence: &mut Evidence) -> Result<(), Stop> {
    let node = &stage.actor(index)?.node;
    let status = node.ended.and_then(|ended| ended.code());
    let exit = status
        .map_or_else(|| "by a signal".to_owned(), |status| format!("with exit status {status}"));
    let text = format!("{} (process {}) ended {exit}", node.place, node.pid());
    evidence.exits.push((node.name(), status));
    let moved = stage.told().moved;
    let clients =
        if moved == 0 { String::new() } else { format!("{} moved; ", counted(moved, "client")) };
    stage.event(&format!("{clients}{text}"))
}

/// Whether all clients use this version.
fn in_force(stage: &Stage<'_>, version: u32) -> bool {
    stage.is_calm() && stage.clients.iter().all(|client| client.version == Version::new(version))
}

fn words(versions: &ByVersion) -> String {
    let words: Vec<_> = versions
        .keys()
        .map(|version| if *version == 0 { "none".into() } else { version.to_string() })
        .collect();
    words.join(", ")
}

/// What happened to the first client, step by step.
fn first_clients_way(notices: &[Notice]) -> Vec<String> {
    let mut lines = Vec::new();
    for notice in notices {
        if let Notice::FellBack { from, to: Some(to), .. } = notice {
            lines.push(format!(
                "client 1: its code for {from} crashes; the next message is in {to}"
            ));
        } else if let Notice::Refused { why, .. } = notice
            && lines.len() == 1
        {
            lines.push(format!(
                "client 1: the server refuses that, {}; it was not executed",
                why.as_ref()
            ));
        } else if let Notice::Agreed { version, spoken, .. } = notice {
            lines.push(format!("client 1: the server speaks {spoken}; agreed version: {version}"));
        }
    }
    lines
}
