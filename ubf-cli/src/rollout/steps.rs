//! What is done at a node: each step may be done again, whoever has begun it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::thread;
use std::time::{Duration, Instant};

use ubf_agent_core::{Hash, Phase, Refusal, Reply, Request, Status};
use ubf_client::Service;
use ubf_fleet::Way;
use ubf_node::control::Which;

use super::agent::{Agent, AgentError, not_meant};
use super::plan::{Fleet, NodePlace};
use super::preflight;
use crate::admin::{Admin, AdminError, ControlPlace};

/// How long an agent may take to answer what it does at once.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long an agent may be away before a step has failed. Chosen: the system starts it again.
const AWAY_TIME: Duration = Duration::from_secs(10);
/// Between two looks at what is under way.
const LOOK: Duration = Duration::from_millis(50);
/// The bytes of a binary in one packet: the most that an agent takes.
const CHUNK_BYTES: u64 = 1 << 20;

/// Why a step is not done, for people.
#[derive(Debug)]
pub(crate) struct Trouble(String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<AgentError> for Trouble {
    fn from(error: AgentError) -> Self {
        Self(error.to_string())
    }
}

impl From<AdminError> for Trouble {
    fn from(error: AdminError) -> Self {
        Self(error.to_string())
    }
}

pub(crate) fn agent(
    fleet: &Fleet,
    node: &NodePlace,
    within: Duration,
) -> Result<Agent, AgentError> {
    Agent::connect(&node.agent, fleet.tls.as_ref(), within)
}

pub(crate) fn control(
    fleet: &Fleet,
    place: &ControlPlace,
    within: Duration,
) -> Result<Admin, Trouble> {
    match (place, &fleet.tls) {
        (ControlPlace::Socket(socket), _) => Ok(Admin::connect(socket, within)?),
        (ControlPlace::Network(address), Some(tls)) => Ok(Admin::connect_by(tls, address, within)?),
        (ControlPlace::Network(_), None) => Err("the plan has no certificates".to_owned().into()),
    }
}

/// Whether all agents can be spoken to, before anything is begun.
pub(crate) fn reach(fleet: &Fleet) -> Result<(), String> {
    fleet.nodes.iter().try_for_each(|node| {
        let asked = agent(fleet, node, ANSWER_TIME).and_then(|mut agent| agent.status());
        asked.map(drop).map_err(|error| format!("{}: {error}", node.name))
    })
}

/// Checks a node, and sends it the release. `is_mine`: nobody has overtaken the controller; whoever
/// was overtaken sends nothing more. What the node runs, and what is to be known.
pub(crate) fn prepare(
    fleet: &Fleet,
    node: &NodePlace,
    is_mine: &dyn Fn() -> bool,
) -> Result<(Hash, Vec<String>), Trouble> {
    let status = settled(fleet, node)?;
    let (Phase::Running, Some(runs)) = (status.phase, status.current) else {
        return Err(format!("nothing runs there: it is {}", status.phase).into());
    };
    let remarks = if runs == fleet.manifest.hash {
        vec!["it runs the release already".to_owned()]
    } else {
        preflight::check(fleet, node, &status, runs)?
    };
    send(fleet, node, is_mine)?;
    Ok((runs, remarks))
}

fn send(fleet: &Fleet, node: &NodePlace, is_mine: &dyn Fn() -> bool) -> Result<(), Trouble> {
    let mut agent = agent(fleet, node, ANSWER_TIME)?;
    let put = Request::Put(fleet.signed.clone());
    let cannot = |error: io::Error| Trouble(format!("{}: {error}", fleet.binary.display()));
    let mut file = File::open(&fleet.binary).map_err(cannot)?;
    let mut reply = agent.ask(&put)?;
    loop {
        if reply == Reply::Stored {
            return Ok(());
        }
        let Reply::At(at) = reply else { return Err(not_meant(&reply).into()) };
        if !is_mine() {
            return Err("another controller goes on with the rollout".to_owned().into());
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(at)).map_err(cannot)?;
        (&file).take(CHUNK_BYTES).read_to_end(&mut bytes).map_err(cannot)?;
        reply = match agent.ask(&Request::Chunk(fleet.manifest.hash, at, bytes.into())) {
            // Somebody else sends it, too: it says where to go on.
            Err(AgentError::Refused(Refusal::Offset, _)) => agent.ask(&put)?,
            answered => answered?,
        };
    }
}

/// Makes a node run the release that it has.
pub(crate) fn change(fleet: &Fleet, node: &NodePlace) -> Result<(), Trouble> {
    run(fleet, node, fleet.manifest.hash)
}

/// Makes a node run what it ran before, and removes the release if that is another one.
pub(crate) fn restore(fleet: &Fleet, node: &NodePlace, runs: Option<Hash>) -> Result<(), Trouble> {
    let release = fleet.manifest.hash;
    match runs {
        Some(runs) if runs == release => return run(fleet, node, runs),
        Some(runs) => run(fleet, node, runs)?,
        None => {}
    }
    match agent(fleet, node, ANSWER_TIME)?.ask(&Request::Drop(release)) {
        Ok(Reply::Dropped) => Ok(()),
        // It has not been asked what it runs: this one, then, and it was not sent.
        Err(AgentError::Refused(Refusal::InUse, _)) if runs.is_none() => Ok(()),
        Ok(other) => Err(not_meant(&other).into()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a node run a release, from whatever it is about.
fn run(fleet: &Fleet, node: &NodePlace, release: Hash) -> Result<(), Trouble> {
    let until = Instant::now() + fleet.within;
    let mut refusals = 0;
    loop {
        let status = settled(fleet, node)?;
        let runs = status.phase == Phase::Running;
        if runs && status.current == Some(release) {
            return Ok(());
        }
        let request = match fleet.plan.way {
            Way::InPlace if runs && refusals == 0 => Request::Switch(release),
            Way::InPlace | Way::Restart if runs => Request::Stop,
            Way::InPlace | Way::Restart => Request::Start(release),
        };
        match agent(fleet, node, fleet.within).and_then(|mut agent| agent.ask(&request)) {
            Ok(_) => {}
            // On the way back only: what hangs gives its place to nobody.
            Err(AgentError::Refused(Refusal::NotSwitched, why)) => {
                if release == fleet.manifest.hash {
                    return Err(why.into());
                }
                refusals += 1;
            }
            // Somebody else's order is under way, or the agent is gone and comes back.
            Err(AgentError::Refused(Refusal::Busy, _) | AgentError::Lost(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() > until {
            return Err("it takes too long".to_owned().into());
        }
    }
}

/// What an agent is about when nothing is under way. It may be away for a moment.
fn settled(fleet: &Fleet, node: &NodePlace) -> Result<Status, Trouble> {
    let (until, mut away) = (Instant::now() + fleet.within, Instant::now() + AWAY_TIME);
    loop {
        match agent(fleet, node, ANSWER_TIME).and_then(|mut agent| agent.status()) {
            Ok(status) => match status.phase {
                Phase::Idle | Phase::Waiting | Phase::Running => return Ok(status),
                Phase::Starting | Phase::Switching | Phase::Stopping => {
                    away = Instant::now() + AWAY_TIME;
                }
            },
            Err(AgentError::Lost(_)) if Instant::now() < away => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() > until {
            return Err("what is under way there takes too long".to_owned().into());
        }
        thread::sleep(LOOK);
    }
}

/// Removes what a node ran before, and lets it write its rows in the newest form, which a release
/// that was dropped is not there to read.
pub(crate) fn finalize(
    fleet: &Fleet,
    node: &NodePlace,
    before: Option<Hash>,
) -> Result<Vec<String>, Trouble> {
    let mut agent = agent(fleet, node, ANSWER_TIME)?;
    if let Some(before) = before.filter(|&before| before != fleet.manifest.hash) {
        let reply = agent.ask(&Request::Drop(before))?;
        if reply != Reply::Dropped {
            return Err(not_meant(&reply).into());
        }
    }
    let (Some(place), false) = (&node.control, fleet.manifest.rows.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut remarks = Vec::new();
    let mut admin = control(fleet, place, ANSWER_TIME)?;
    for report in admin.rows(Which::All)? {
        let newest = report.known.1;
        let (service, mut write) = (report.service, report.versions.write);
        let which = Which::One(Service::named(&*service));
        while write < newest {
            // One version at a time, and rows have two versions at most: those of the one before
            // are rewritten first.
            let raised = match admin.finalize(which.clone()) {
                Ok(raised) => raised,
                Err(AdminError::Refused(why)) => {
                    admin.migrate(which)?;
                    return Err(format!("{service}: {why}; rows are being rewritten").into());
                }
                Err(error) => return Err(error.into()),
            };
            write = raised.first().map_or(newest, |report| report.versions.write);
            remarks.push(format!("{service}: rows are written in state version {write}"));
        }
        admin.migrate(which)?;
    }
    Ok(remarks)
}
