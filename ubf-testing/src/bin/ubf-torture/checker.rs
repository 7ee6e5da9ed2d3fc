//! Whether a history can have come about: pure functions of what was recorded.

use std::collections::{BTreeMap, HashMap};

use super::history::{Append, Call, ClientNumber, End, Entry, What};

/// The most breaks that are told. Chosen: the first ones tell the most.
const MAX_BREAKS: usize = 20;

/// What the rows are at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// All transfers, by number.
    pub(crate) log: Vec<Entry>,
    /// What is on the account of each client.
    pub(crate) clients: BTreeMap<ClientNumber, u64>,
    /// What is on the account of each key.
    pub(crate) keys: BTreeMap<u64, u64>,
}

/// What came of a check.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) appends: u64,
    pub(crate) reads: u64,
    pub(crate) not_run: u64,
    pub(crate) in_doubt: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    /// What cannot have come about, in words.
    pub(crate) breaks: Vec<String>,
}

impl Verdict {
    fn broke(&mut self, what: impl FnOnce() -> String) {
        if self.breaks.len() < MAX_BREAKS {
            self.breaks.push(what());
        }
    }
}

/// Holds what clients saw against the rows. `opened` is what was on the account of each client.
pub(crate) fn check(calls: &[Call], rows: &Rows, opened: u64) -> Verdict {
    let mut verdict = Verdict::default();
    let places = places(rows, &mut verdict);
    each_append_once(calls, rows, &places, &mut verdict);
    sessions_in_order(rows, &mut verdict);
    real_time(calls, &mut verdict);
    reads(calls, rows, &places, &mut verdict);
    money(rows, opened, &mut verdict);
    verdict
}

/// The number of each element; and the log has no gap.
fn places(rows: &Rows, verdict: &mut Verdict) -> HashMap<u64, Entry> {
    let mut places = HashMap::new();
    for (entry, expected) in rows.log.iter().zip(1..) {
        if entry.number != expected {
            verdict.broke(|| format!("transfer {expected} is missing: {} follows", entry.number));
            break;
        }
    }
    for entry in &rows.log {
        if let Some(before) = places.insert(entry.append.element, *entry) {
            verdict.twice += 1;
            let (first, second) = (before.number, entry.number);
            verdict.broke(|| {
                format!(
                    "twice: element {} has the numbers {first} and {second}",
                    entry.append.element
                )
            });
        }
    }
    places
}

/// What was answered is there, as it was answered; what has not run is not; and nothing else is.
fn each_append_once(
    calls: &[Call],
    rows: &Rows,
    places: &HashMap<u64, Entry>,
    verdict: &mut Verdict,
) {
    let mut made = HashMap::new();
    for call in calls {
        let What::Append(append, end) = &call.what else { continue };
        verdict.appends += 1;
        made.insert(append.element, (call.client, *append));
        let Append { element, .. } = append;
        let place = places.get(element).map(|entry| entry.number);
        match (end, place) {
            (End::Done(number), Some(place)) if *number == place => {}
            (End::Done(number), Some(place)) => verdict.broke(|| {
                format!("element {element} was answered as {number}, and has the number {place}")
            }),
            (End::Done(number), None) => {
                verdict.lost += 1;
                verdict.broke(|| format!("lost: element {element}, answered as {number}"));
            }
            (End::NotRun(why), place) => {
                verdict.not_run += 1;
                if let Some(place) = place {
                    verdict.broke(|| {
                        format!("element {element} was refused ({why}), and has the number {place}")
                    });
                }
            }
            (End::InDoubt, _) => verdict.in_doubt += 1,
        }
    }
    for entry in &rows.log {
        if made.get(&entry.append.element) != Some(&(entry.client, entry.append)) {
            verdict.broke(|| format!("nobody has made what the rows have: {entry:?}"));
        }
    }
}

/// The appends of a session were executed in the order in which they were made.
fn sessions_in_order(rows: &Rows, verdict: &mut Verdict) {
    let mut last: HashMap<ClientNumber, u64> = HashMap::new();
    for Entry { client, append, number } in &rows.log {
        let before = last.insert(*client, append.element);
        if let Some(before) = before.filter(|before| *before > append.element) {
            verdict.broke(|| {
                let element = append.element;
                format!(
                    "order: client {client} made {element} before {before}; its number is {number}"
                )
            });
        }
    }
}

/// What had ended before another one was made comes before it.
fn real_time(calls: &[Call], verdict: &mut Verdict) {
    let done = |call: &Call| match call.what {
        What::Append(_, End::Done(number)) => Some((call.begun_us, call.ended_us, number)),
        What::Append(..) | What::Read { .. } => None,
    };
    let mut by_begin: Vec<_> = calls.iter().filter_map(done).collect();
    let mut by_end = by_begin.clone();
    by_begin.sort_unstable();
    by_end.sort_unstable_by_key(|(_, ended, _)| *ended);
    let mut ended = by_end.into_iter().peekable();
    let mut newest = 0;
    for (begun, _, number) in by_begin {
        while let Some((_, _, before)) = ended.next_if(|(_, end, _)| *end < begun) {
            newest = newest.max(before);
        }
        if number < newest {
            verdict.broke(|| {
                format!("order: {number} was made when {newest} had been answered already")
            });
        }
    }
}

/// A read is the log from its beginning to a moment between its making and its answer.
fn reads(calls: &[Call], rows: &Rows, places: &HashMap<u64, Entry>, verdict: &mut Verdict) {
    // The numbers of all appends by the time of their answers, each with the highest until then.
    let answered = |call: &Call| match call.what {
        What::Append(_, End::Done(number)) => Some((call.ended_us, number)),
        What::Append(..) | What::Read { .. } => None,
    };
    let mut newest: Vec<(u64, u64)> = calls.iter().filter_map(answered).collect();
    newest.sort_unstable();
    let mut highest = 0;
    for (_, number) in &mut newest {
        highest = highest.max(*number);
        *number = highest;
    }
    let made = |call: &Call| match call.what {
        What::Append(append, _) => Some((append.element, call.begun_us)),
        What::Read { .. } => None,
    };
    let made: HashMap<u64, u64> = calls.iter().filter_map(made).collect();
    for call in calls {
        let What::Read { after, seen, .. } = &call.what else { continue };
        verdict.reads += 1;
        let from = usize::try_from(*after).unwrap_or(usize::MAX);
        let expected = rows.log.get(from..from.saturating_add(seen.len())).unwrap_or_default();
        if expected != seen.as_slice() {
            verdict.broke(|| format!("a read behind {after} saw what the rows do not have"));
            continue;
        }
        let end = seen.last().map_or(*after, |entry| entry.number);
        let before = newest.partition_point(|(ended, _)| *ended < call.begun_us);
        let due = before.checked_sub(1).and_then(|last| newest.get(last)).map_or(0, |(_, it)| *it);
        if end < due {
            verdict
                .broke(|| format!("stale: a read saw {end}, and {due} had been answered before"));
        }
        let last = seen.last().and_then(|entry| places.get(&entry.append.element));
        let begun = last.and_then(|entry| made.get(&entry.append.element));
        if begun.is_some_and(|begun| *begun > call.ended_us) {
            verdict.broke(|| format!("a read saw {end}, which was not made yet"));
        }
    }
}

/// Each account holds what the transfers say.
fn money(rows: &Rows, opened: u64, verdict: &mut Verdict) {
    let (mut spent, mut got): (BTreeMap<u64, u64>, BTreeMap<u64, u64>) = Default::default();
    for Entry { client, append, .. } in &rows.log {
        *spent.entry(*client).or_default() += append.element;
        *got.entry(append.key).or_default() += append.element;
    }
    for (client, cents) in &rows.clients {
        let expected = opened.checked_sub(spent.get(client).copied().unwrap_or_default());
        if expected != Some(*cents) {
            verdict.broke(|| format!("money: c{client} has {cents}, and {expected:?} is right"));
        }
    }
    for (key, cents) in &rows.keys {
        let expected = got.get(key).copied().unwrap_or_default();
        if expected != *cents {
            verdict.broke(|| format!("money: k{key} has {cents}, and {expected} is right"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: u64 = 1_000;

    fn append(client: u64, element: u64, begun_us: u64, end: End) -> Call {
        let what = What::Append(Append { key: 7, element }, end);
        Call { client, lane: 0, begun_us, ended_us: begun_us + 5, what }
    }

    fn entry(number: u64, client: u64, element: u64) -> Entry {
        Entry { number, client, append: Append { key: 7, element } }
    }

    fn read(after: u64, begun_us: u64, seen: Vec<Entry>) -> Call {
        let what = What::Read { after, keys: vec![7], seen };
        Call { client: 0, lane: 1, begun_us, ended_us: begun_us + 5, what }
    }

    /// Three appends of two clients, one after the other, and a read after the second one.
    fn good() -> (Vec<Call>, Rows) {
        let log = vec![entry(1, 0, 1), entry(2, 1, 2), entry(3, 0, 3)];
        let calls = vec![
            append(0, 1, 10, End::Done(1)),
            append(1, 2, 20, End::Done(2)),
            read(0, 30, log[..2].to_vec()),
            append(0, 3, 40, End::Done(3)),
        ];
        let clients = [(0, OPENED - 4), (1, OPENED - 2)].into();
        (calls, Rows { log, clients, keys: [(7, 6)].into() })
    }

    fn breaks(change: impl FnOnce(&mut Vec<Call>, &mut Rows)) -> String {
        let (mut calls, mut rows) = good();
        change(&mut calls, &mut rows);
        check(&calls, &rows, OPENED).breaks.join("; ")
    }

    #[test]
    fn a_history_without_a_break_has_none() {
        assert_eq!(breaks(|_, _| {}), "");
        let (calls, rows) = good();
        let Verdict { appends, reads, lost, twice, .. } = check(&calls, &rows, OPENED);
        assert_eq!((appends, reads, lost, twice), (3, 1, 0, 0));
    }

    #[test]
    fn what_was_answered_and_is_not_there_is_lost() {
        let found = breaks(|calls, _| calls.push(append(1, 4, 50, End::Done(4))));
        assert!(found.contains("lost: element 4, answered as 4"), "{found}");
    }

    #[test]
    fn what_is_there_twice_is_found() {
        let found = breaks(|_, rows| rows.log.push(entry(4, 0, 3)));
        assert!(found.contains("twice: element 3 has the numbers 3 and 4"), "{found}");
    }

    #[test]
    fn another_number_than_the_answered_one_is_found() {
        let found = breaks(|calls, _| {
            calls[3].what = What::Append(Append { key: 7, element: 3 }, End::Done(4));
        });
        assert!(found.contains("element 3 was answered as 4, and has the number 3"), "{found}");
    }

    #[test]
    fn what_has_not_run_must_not_be_there_and_what_is_in_doubt_may_be() {
        let ends = |end| {
            breaks(|calls, _| calls[3].what = What::Append(Append { key: 7, element: 3 }, end))
        };
        let found = ends(End::NotRun("state".into()));
        assert!(found.contains("was refused (state), and has the number 3"), "{found}");
        assert_eq!(ends(End::InDoubt), "");
    }

    #[test]
    fn what_nobody_made_is_found() {
        let found = breaks(|calls, _| calls.truncate(3));
        assert!(found.contains("nobody has made"), "{found}");
    }

    #[test]
    fn a_gap_in_the_numbers_is_found() {
        let found = breaks(|_, rows| rows.log.retain(|entry| entry.number != 2));
        assert!(found.contains("transfer 2 is missing: 3 follows"), "{found}");
    }

    #[test]
    fn a_session_whose_calls_changed_places_is_found() {
        let found = breaks(|calls, rows| {
            rows.log = vec![entry(1, 0, 3), entry(2, 1, 2), entry(3, 0, 1)];
            calls[0].what = What::Append(Append { key: 7, element: 1 }, End::Done(3));
            calls[3].what = What::Append(Append { key: 7, element: 3 }, End::Done(1));
        });
        assert!(found.contains("order: client 0 made 1 before 3"), "{found}");
        // And it was executed before what had been answered before it was made.
        assert!(found.contains("order: 1 was made when 3 had been answered"), "{found}");
    }

    #[test]
    fn a_read_that_misses_what_was_answered_is_stale() {
        let found = breaks(|calls, rows| calls[2] = read(0, 30, rows.log[..1].to_vec()));
        assert!(found.contains("stale: a read saw 1, and 2 had been answered"), "{found}");
    }

    #[test]
    fn a_read_of_what_is_not_in_the_rows_is_found() {
        let found = breaks(|calls, _| calls[2] = read(0, 30, vec![entry(1, 0, 1), entry(2, 1, 9)]));
        assert!(found.contains("a read behind 0 saw what the rows do not have"), "{found}");
        let found = breaks(|calls, rows| calls[2] = read(0, 30, rows.log.clone()));
        assert!(found.contains("a read saw 3, which was not made yet"), "{found}");
    }

    #[test]
    fn money_that_is_made_or_lost_is_found() {
        let found = breaks(|_, rows| {
            rows.clients.insert(0, OPENED);
        });
        assert!(found.contains("money: c0 has 1000, and Some(996) is right"), "{found}");
        let found = breaks(|_, rows| {
            rows.keys.insert(7, 5);
        });
        assert!(found.contains("money: k7 has 5, and 6 is right"), "{found}");
    }
}
