//! The promises, checked: what the clients were told against what the servers wrote down. Evidence
//! in, promises out; nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::journal::{CallName, Executed};
use super::survival::Survival;
use crate::ui::text::counted;
use crate::ui::units::count;
use ubf_load::load::Outcome;

/// How many clients use which version. 0 stands for those that have agreed on none.
pub(crate) type ByVersion = BTreeMap<u32, u64>;

/// All that is known when a demo is over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// How each call ended, for the clients that know: client 1 first, and of each call 1 first.
    pub(crate) told: Vec<Vec<Outcome>>,
    /// What stands in the journals of all servers together.
    pub(crate) executed: Executed,
    /// Calls that ended badly before connections were cut, while all work was planned.
    pub(crate) bad_in_planned_work: u64,
    /// Connections that were broken, and whose sessions went on; and calls that ended badly by
    /// then.
    pub(crate) resumed: u64,
    pub(crate) bad_after_cuts: u64,
    /// Of the server that was killed and has rows.
    pub(crate) survival: Survival,
    /// Clients that were at the node that was killed, at that time.
    pub(crate) at_killed: BTreeSet<u64>,
    /// A client has no more calls in flight.
    pub(crate) max_in_flight: usize,
    /// The versions in use before, and after, the clients' code crashed.
    pub(crate) agreed: ByVersion,
    pub(crate) agreed_after_crash: ByVersion,
    /// The exit statuses of the servers that were told to go.
    pub(crate) exits: Vec<(String, Option<i32>)>,
}

/// What the evidence comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// Of which nobody told the client whether they ran, and how many of them had.
    pub(crate) indeterminate: u64,
    pub(crate) indeterminate_that_had_run: u64,
    /// Calls without a good end.
    pub(crate) lost: u64,
    pub(crate) executed_twice: u64,
    pub(crate) promises: Vec<Promise>,
}

/// A promise, and whether it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Promise {
    /// For programs; does not change.
    pub(crate) name: &'static str,
    pub(crate) kept: bool,
    /// What was seen.
    pub(crate) saw: String,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.promises.iter().all(|promise| promise.kept)
    }

    fn promise(&mut self, name: &'static str, kept: bool, saw: impl Into<String>) {
        self.promises.push(Promise { name, kept, saw: saw.into() });
    }
}

/// What may not be, and the first call of which it is true.
#[derive(Default)]
struct Found {
    count: u64,
    first: Option<CallName>,
}

impl Found {
    fn add(&mut self, call: CallName) {
        self.count += 1;
        self.first.get_or_insert(call);
    }

    /// How many, and the first; or, if there is none, something better.
    fn or_else(&self, good: impl FnOnce() -> String) -> String {
        if self.count == 0 { good() } else { format!("{}{}", self.count, self.words()) }
    }

    /// `; the first is call 7 of client 3`.
    fn words(&self) -> String {
        self.first
            .map(|CallName { client, number }| {
                format!("; the first is call {number} of client {client}")
            })
            .unwrap_or_default()
    }
}

/// Judges.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let Evidence { told, executed, at_killed, .. } = evidence;
    let mut verdict = Verdict::default();
    let (mut lost, mut twice, mut stray) = (Found::default(), Found::default(), Found::default());
    let (mut unexplained, mut foreign) = (Found::default(), Found::default());
    for (client, outcomes) in (1..).zip(told) {
        let mut in_flight = 0;
        for (number, outcome) in (1..).zip(outcomes) {
            let call = CallName { client, number };
            let has_run = executed.contains_key(&call);
            verdict.sent += 1;
            if *outcome == Outcome::Answered && has_run {
                verdict.answered += 1;
            } else if *outcome == Outcome::Indeterminate {
                verdict.indeterminate += 1;
                verdict.indeterminate_that_had_run += u64::from(has_run);
                in_flight += 1;
                if !at_killed.contains(&client) || in_flight > evidence.max_in_flight {
                    unexplained.add(call);
                }
            } else {
                // The client was told a lie, or nothing, or that it failed.
                lost.add(call);
                if has_run && outcome.has_not_run() {
                    stray.add(call);
                }
            }
        }
    }
    for (&call, &times) in executed {
        if times > 1 {
            twice.add(call);
        }
        let calls = usize::try_from(call.client - call.client.min(1))
            .ok()
            .and_then(|index| told.get(index));
        let is_known = call.client > 0
            && calls.is_some_and(|calls| (1..=calls.len() as u64).contains(&call.number));
        if !is_known {
            foreign.add(call);
        }
    }
    verdict.lost = lost.count;
    verdict.executed_twice = twice.count;

    let records: u64 = executed.values().copied().map(u64::from).sum();
    let saw =
        lost.or_else(|| format!("{}, each with its record", counted(verdict.answered, "answer")));
    verdict.promise("lost", lost.count == 0, saw);
    let saw = twice.or_else(|| format!("{}, no two alike", counted(records, "record")));
    verdict.promise("executed_twice", twice.count == 0, saw);
    let planned = evidence.bad_in_planned_work;
    let saw = format!("bad ends: {planned}");
    verdict.promise("planned_work_fails_no_call", planned == 0, saw);
    let (resumed, bad) = (evidence.resumed, evidence.bad_after_cuts);
    let saw = format!("{} resumed; bad ends: {bad}", counted(resumed, "session"));
    verdict.promise("cuts_lose_no_call", resumed > 0 && bad == 0, saw);
    let saw = match (unexplained.count, verdict.indeterminate) {
        (0, 0) => "none was in flight".to_owned(),
        (0, all) => format!("in flight at the kill: {all} of {all}", all = count(all)),
        (others, _) => format!("{others} were not{}", unexplained.words()),
    };
    verdict.promise("indeterminate_only_after_the_kill", unexplained.count == 0, saw);
    let Survival { kills, answered, not_answered, .. } = evidence.survival;
    let saw = format!(
        "{}, {}, {} in doubt",
        counted(kills, "kill"),
        counted(answered, "call"),
        count(not_answered)
    );
    verdict.promise("survives_kills", evidence.survival.is_good(), saw);
    let mut refused = stray;
    refused.count += foreign.count;
    refused.first = refused.first.or(foreign.first);
    let saw = refused.or_else(|| "no such record".to_owned());
    verdict.promise("nothing_else_executed", refused.count == 0, saw);
    for (name, versions, wanted) in [
        ("agreed_on_10", &evidence.agreed, 10),
        ("fell_back_to_3", &evidence.agreed_after_crash, 3),
    ] {
        verdict.promise(name, versions.keys().eq([&wanted]), in_words(versions));
    }
    let is_clean = evidence.exits.iter().all(|(_, status)| *status == Some(0));
    let exits: Vec<_> =
        evidence.exits.iter().map(|(name, status)| format!("{name} {}", exit(*status))).collect();
    let saw = format!("exit status: {}", exits.join(", "));
    verdict.promise("servers_end_cleanly", is_clean && !exits.is_empty(), saw);
    verdict
}

/// `10 in 97 clients, 3 in 3 clients`.
fn in_words(versions: &ByVersion) -> String {
    let words = versions.iter().map(|(version, clients)| {
        let version = if *version == 0 { "none".to_owned() } else { version.to_string() };
        format!("{version} in {}", counted(*clients, "client"))
    });
    words.collect::<Vec<_>>().join(", ")
}

fn exit(status: Option<i32>) -> String {
    status.map_or_else(|| "by a signal".to_owned(), |status| status.to_string())
}

#[cfg(test)]
mod tests;
