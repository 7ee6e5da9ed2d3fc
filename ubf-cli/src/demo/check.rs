//! The promises, checked: what the clients were told against what the servers wrote down. Evidence
//! in, promises out; nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::journal::{CallName, Executed};
use super::ledger::{self, LedgerEvidence};
use crate::ui::text::counted;
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
    /// Calls to A and B that ended badly: there all work was planned.
    pub(crate) bad_in_planned_work: u64,
    /// Of the server that keeps accounts in rows.
    pub(crate) ledger: LedgerEvidence,
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
    /// Of which nobody told the client whether they ran.
    pub(crate) indeterminate: u64,
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
                if client == 0 {
                    format!("; the first is transfer {number}")
                } else {
                    format!("; the first is call {number} of client {client}")
                }
            })
            .unwrap_or_default()
    }
}

/// What is wrong with calls, of A, B and C together.
#[derive(Default)]
struct Wrong {
    lost: Found,
    twice: Found,
    doubt: Found,
    stray: Found,
}

/// Judges.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let (mut verdict, mut wrong) = (Verdict::default(), Wrong::default());
    let records = judge_journals(evidence, &mut verdict, &mut wrong);
    judge_rows(&evidence.ledger, &mut verdict, &mut wrong);
    let Wrong { lost, twice, doubt, stray } = wrong;
    (verdict.lost, verdict.executed_twice) = (lost.count, twice.count);
    let transfers = evidence.ledger.rows.len() as u64;

    let saw =
        lost.or_else(|| format!("{}, each with its record", counted(verdict.answered, "answer")));
    verdict.promise("lost", lost.count == 0, saw);
    let saw = twice.or_else(|| {
        let records = counted(records, "record");
        format!("{records}, no two alike; {}, each of one call", counted(transfers, "transfer"))
    });
    verdict.promise("executed_twice", twice.count == 0, saw);
    let saw = doubt.or_else(|| "none, also after kill -9".to_owned());
    verdict.promise("none_indeterminate", doubt.count == 0, saw);
    let saw = stray.or_else(|| "no such record, and no such transfer".to_owned());
    verdict.promise("nothing_else_executed", stray.count == 0, saw);
    promise_negotiation(evidence, &mut verdict);
    promise_ledger(&evidence.ledger, &mut verdict);
    let is_clean = evidence.exits.iter().all(|(_, status)| *status == Some(0));
    let exits: Vec<_> =
        evidence.exits.iter().map(|(name, status)| format!("{name} {}", exit(*status))).collect();
    let saw = format!("exit status: {}", exits.join(", "));
    verdict.promise("servers_end_cleanly", is_clean && !exits.is_empty(), saw);
    verdict
}

/// What clients of A and B were told, against the journals. Gives how many records there are.
fn judge_journals(evidence: &Evidence, verdict: &mut Verdict, wrong: &mut Wrong) -> u64 {
    let Evidence { told, executed, .. } = evidence;
    for (client, outcomes) in (1..).zip(told) {
        for (number, outcome) in (1..).zip(outcomes) {
            let call = CallName { client, number };
            let has_run = executed.contains_key(&call);
            verdict.sent += 1;
            if *outcome == Outcome::Answered && has_run {
                verdict.answered += 1;
            } else if *outcome == Outcome::Indeterminate {
                verdict.indeterminate += 1;
                wrong.doubt.add(call);
            } else {
                // The client was told a lie, or nothing, or that it failed.
                wrong.lost.add(call);
                if has_run && outcome.has_not_run() {
                    wrong.stray.add(call);
                }
            }
        }
    }
    for (&call, &times) in executed {
        if times > 1 {
            wrong.twice.add(call);
        }
        let calls = usize::try_from(call.client - call.client.min(1))
            .ok()
            .and_then(|index| told.get(index));
        let is_known = call.client > 0
            && calls.is_some_and(|calls| (1..=calls.len() as u64).contains(&call.number));
        if !is_known {
            wrong.stray.add(call);
        }
    }
    executed.values().copied().map(u64::from).sum()
}

/// What clients of C were told, against its rows.
fn judge_rows(ledger: &LedgerEvidence, verdict: &mut Verdict, wrong: &mut Wrong) {
    let requests = ledger::requests();
    let mut of_calls = BTreeSet::from_iter(ledger.shown);
    for (client, (outcomes, numbers)) in (1..).zip(ledger.told.iter().zip(&ledger.numbers)) {
        let numbers = numbers.iter().copied().chain(std::iter::repeat(0));
        for (number, (outcome, transfer)) in (1..).zip(outcomes.iter().zip(numbers)) {
            let call = CallName { client, number };
            verdict.sent += 1;
            match outcome {
                Outcome::Answered => {
                    // The row is that of this call, and of no other one.
                    let is_there = ledger.rows.get(&transfer).is_some_and(|(from, to, cents)| {
                        let row = ubf_codec::ubf!({
                            transfer, (from.as_str()), (to.as_str()), (*cents)
                        });
                        row == requests.term(client, number)
                    });
                    if is_there && of_calls.insert(transfer) {
                        verdict.answered += 1;
                    } else {
                        wrong.lost.add(call);
                    }
                }
                Outcome::Indeterminate | Outcome::Late | Outcome::Cut => {
                    verdict.indeterminate += 1;
                    wrong.doubt.add(call);
                }
                Outcome::Open
                | Outcome::WrongReply
                | Outcome::Failed
                | Outcome::NotSent
                | Outcome::Refused
                | Outcome::Crashed
                | Outcome::NoCommonVersion
                | Outcome::TooLarge
                | Outcome::NotTaken
                | _ => wrong.lost.add(call),
            }
        }
    }
    // Transfers that nobody was told of: a call that was made twice has one more.
    for &transfer in ledger.rows.keys().filter(|transfer| !of_calls.contains(transfer)) {
        wrong.twice.add(CallName { client: 0, number: transfer });
    }
}

fn promise_negotiation(evidence: &Evidence, verdict: &mut Verdict) {
    let planned = evidence.bad_in_planned_work;
    let saw = format!("bad ends: {planned}");
    verdict.promise("planned_work_fails_no_call", planned == 0, saw);
    for (name, versions, wanted) in [
        ("agreed_on_10", &evidence.agreed, 10),
        ("fell_back_to_3", &evidence.agreed_after_crash, 3),
    ] {
        verdict.promise(name, versions.keys().eq([&wanted]), in_words(versions));
    }
}

fn promise_ledger(ledger: &LedgerEvidence, verdict: &mut Verdict) {
    let ledger::Sum { accounts, cents, made, transfers } = ledger.sum;
    let is_kept = accounts == ledger.accounts && cents == ledger.put && made == ledger.put;
    let is_counted = transfers == ledger.rows.len() as u64
        && ledger.rows.keys().copied().eq(1..=transfers)
        && ledger.shown.is_some();
    let saw = format!("{} of {} cents, {}", cents, ledger.put, counted(transfers, "transfer"));
    verdict.promise("money_is_kept", is_kept && is_counted, saw);
    let saw = format!("{} resumed", counted(ledger.resumed, "session"));
    verdict.promise("cuts_lose_no_call", ledger.resumed > 0, saw);
    let [old, new, back, last] = ledger.written;
    let saw = format!("state version {old} before and {new} after");
    verdict.promise("upgraded_in_place", old > 0 && new == old, saw);
    let saw = format!("the release before serves again, in state version {back}");
    let saw = if ledger.is_rolled_back { saw } else { "it is gone".to_owned() };
    verdict.promise("rolled_back_by_itself", ledger.is_rolled_back && back == new, saw);
    let ledger::Handed { rows, sessions, followed: [followed, clients], pause_us } = ledger.handed;
    let is_whole = rows > 0 && sessions >= clients && clients > 0 && followed == clients;
    let saw = format!(
        "{} and {} in {} ms; {followed} of {} followed",
        counted(rows, "row"),
        counted(sessions, "session"),
        pause_us.unwrap_or(0) / 1_000,
        counted(clients, "client")
    );
    verdict.promise("handed_off", is_whole && pause_us.is_some(), saw);
    verdict.promise("survives_kills", ledger.kills > 0, counted(ledger.kills, "kill"));
    let saw = format!("state version {back} became {last}");
    verdict.promise("finalized", last == back + 1, saw);
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
