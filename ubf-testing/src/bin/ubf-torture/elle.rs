//! The history as Elle reads it: operations of the list-append model, one a line, in EDN.
//!
//! `elle-cli --model list-append history.edn` judges it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::history::{Call, End, What};

/// A half of an operation, at its moment.
struct Half<'c> {
    at_us: u64,
    /// Of two at the same moment, an answer is written behind what is made: so no order is told
    /// that may not be.
    is_end: bool,
    call: &'c Call,
}

/// Writes a history. A caller whose call is in doubt is another process from there on, as Elle
/// wants it.
pub(crate) fn write(calls: &[Call], lanes: u64, mut to: impl Write) -> io::Result<()> {
    let mut halves: Vec<Half<'_>> = Vec::with_capacity(calls.len() * 2);
    for call in calls {
        halves.push(Half { at_us: call.begun_us, is_end: false, call });
        halves.push(Half { at_us: call.ended_us, is_end: true, call });
    }
    halves.sort_by_key(|half| (half.at_us, half.is_end));
    let mut processes: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut next = calls.iter().map(|call| call.client + 1).max().unwrap_or(0) * lanes;
    for (index, Half { at_us, is_end, call }) in halves.into_iter().enumerate() {
        let lane = (call.client, call.lane);
        let process = *processes.entry(lane).or_insert(call.client * lanes + call.lane);
        let (kind, value) = if is_end { ended(call) } else { ("invoke", begun(call)) };
        if kind == "info" {
            processes.insert(lane, next);
            next += 1;
        }
        writeln!(
            to,
            "{{:index {index}, :time {}, :type :{kind}, :process {process}, :f :txn, :value [{value}]}}",
            at_us * 1_000,
        )?;
    }
    to.flush()
}

fn begun(call: &Call) -> String {
    match &call.what {
        What::Append(append, _) => format!("[:append {} {}]", append.key, append.element),
        What::Read { keys, .. } => {
            let reads = keys.iter().map(|key| format!("[:r {key} nil]"));
            reads.collect::<Vec<_>>().join(" ")
        }
    }
}

fn ended(call: &Call) -> (&'static str, String) {
    match &call.what {
        What::Append(_, End::Done(_)) => ("ok", begun(call)),
        What::Append(_, End::NotRun(_)) => ("fail", begun(call)),
        What::Append(_, End::InDoubt) => ("info", begun(call)),
        What::Read { keys, seen, .. } => {
            let read = |key: &u64| {
                let of_key = seen.iter().filter(|entry| entry.append.key == *key);
                let elements: Vec<_> = of_key.map(|it| it.append.element.to_string()).collect();
                format!("[:r {key} [{}]]", elements.join(" "))
            };
            ("ok", keys.iter().map(read).collect::<Vec<_>>().join(" "))
        }
    }
}

#[cfg(test)]
mod judge;

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "clippy's settings for tests reach `#[test]` functions alone, not what they call"
    )]

    use ubf_testing::random::Random;

    use super::judge::judge;
    use super::*;
    use crate::checker::{Rows, check};
    use crate::history::{Append, Entry};

    #[test]
    fn calls_are_written_in_the_order_in_which_they_began_and_ended() {
        let append = |client, element, begun_us, ended_us, end| Call {
            client,
            lane: 1,
            begun_us,
            ended_us,
            what: What::Append(Append { key: 5, element }, end),
        };
        let seen = vec![Entry { number: 1, client: 0, append: Append { key: 5, element: 1 } }];
        let read = What::Read { after: 0, keys: vec![5, 6], seen };
        let calls = [
            append(0, 1, 1, 4, End::Done(1)),
            append(1, 2, 2, 6, End::InDoubt),
            Call { client: 0, lane: 0, begun_us: 5, ended_us: 7, what: read },
            append(1, 3, 8, 9, End::NotRun("no".into())),
        ];
        let mut text = Vec::new();
        write(&calls, 2, &mut text).unwrap();
        let expected = "\
{:index 0, :time 1000, :type :invoke, :process 1, :f :txn, :value [[:append 5 1]]}
{:index 1, :time 2000, :type :invoke, :process 3, :f :txn, :value [[:append 5 2]]}
{:index 2, :time 4000, :type :ok, :process 1, :f :txn, :value [[:append 5 1]]}
{:index 3, :time 5000, :type :invoke, :process 0, :f :txn, :value [[:r 5 nil] [:r 6 nil]]}
{:index 4, :time 6000, :type :info, :process 3, :f :txn, :value [[:append 5 2]]}
{:index 5, :time 7000, :type :ok, :process 0, :f :txn, :value [[:r 5 [1]] [:r 6 []]]}
{:index 6, :time 8000, :type :invoke, :process 4, :f :txn, :value [[:append 5 3]]}
{:index 7, :time 9000, :type :fail, :process 4, :f :txn, :value [[:append 5 3]]}
";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    const OPENED: u64 = 1_000_000;
    const KEYS: usize = 2;

    /// What a run of four callers can have been: each call takes its place in the one order at some
    /// moment between its making and its answer. At the end all is read.
    fn honest(random: &mut Random) -> (Vec<Call>, Rows) {
        let (mut calls, mut rows) = (Vec::new(), Rows::default());
        // When each caller is free again.
        let mut free = [0; 4];
        for element in 1..=24 {
            // The moments at which calls take effect are 100 apart.
            let effect_us = element * 100;
            let lane = random.below(free.len());
            let begun_us = free[lane].max(effect_us - random.below(90) as u64);
            if begun_us > effect_us {
                continue;
            }
            let ended_us = effect_us + 1 + random.below(400) as u64;
            free[lane] = ended_us + 1;
            let what = if random.once_in(3) {
                read(&rows)
            } else {
                let append = Append { key: random.below(KEYS) as u64, element };
                let number = rows.log.len() as u64 + 1;
                rows.log.push(Entry { number, client: 0, append });
                What::Append(
                    append,
                    if random.once_in(9) { End::InDoubt } else { End::Done(number) },
                )
            };
            calls.push(Call { client: 0, lane: lane as u64, begun_us, ended_us, what });
        }
        calls.push(Call {
            client: 0,
            lane: 0,
            begun_us: 9_000,
            ended_us: 9_001,
            what: read(&rows),
        });
        settle(&mut rows);
        (calls, rows)
    }

    fn read(rows: &Rows) -> What {
        What::Read { after: 0, keys: (0..KEYS as u64).collect(), seen: rows.log.clone() }
    }

    /// The accounts hold what the log says, since money is not what Elle knows of.
    fn settle(rows: &mut Rows) {
        (rows.clients, rows.keys) = Default::default();
        for Entry { append, .. } in &rows.log {
            *rows.clients.entry(0).or_insert(OPENED) -= append.element;
            *rows.keys.entry(append.key).or_default() += append.element;
        }
    }

    /// Something that cannot have come about. `false`: this history has no place for it.
    fn spoil(kind: usize, calls: &mut [Call], rows: &mut Rows, random: &mut Random) -> bool {
        let done = |call: &Call| matches!(call.what, What::Append(_, End::Done(_)));
        let appends: Vec<usize> = (0..calls.len()).filter(|at| done(&calls[*at])).collect();
        let Some(&at) = random.choose(&appends) else { return false };
        let What::Append(append, _) = calls[at].what else { return false };
        let Some(last) = calls.last_mut() else { return false };
        match kind {
            // Lost, and all that is read at the end is without it.
            0 => rows.log.retain(|entry| entry.append != append),
            // Twice.
            1 => {
                let number = rows.log.len() as u64 + 1;
                rows.log.push(Entry { number, client: 0, append });
            }
            // Refused, and there.
            2 => {
                calls[at].what = What::Append(append, End::NotRun("no".into()));
                return true;
            }
            // The last read does not see the end.
            _ => {
                let What::Read { seen, .. } = &mut last.what else { return false };
                seen.pop();
                // What is in doubt may have come later.
                return rows.log.last().is_some_and(|entry| {
                    let is_it = |call: &Call| matches!(call.what, What::Append(it, End::Done(_)) if it == entry.append);
                    calls.iter().any(is_it)
                });
            }
        }
        for (entry, number) in rows.log.iter_mut().zip(1..) {
            entry.number = number;
        }
        settle(rows);
        last.what = read(rows);
        true
    }

    fn text(calls: &[Call]) -> String {
        let mut text = Vec::new();
        write(calls, 4, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Two who judge by different means: the checker holds calls against rows and numbers, the judge
    /// has the written text alone.
    #[test]
    fn what_is_written_is_judged_as_the_checker_judges_what_was_seen() {
        let mut spoilt = [0; 4];
        for seed in 0..400 {
            let mut random = Random::new(seed);
            let (mut calls, mut rows) = honest(&mut random);
            assert_eq!(check(&calls, &rows, OPENED).breaks, [""; 0], "seed {seed}");
            assert_eq!(judge(&text(&calls)), Ok(()), "seed {seed}");
            let kind = random.below(spoilt.len());
            if spoil(kind, &mut calls, &mut rows, &mut random) {
                spoilt[kind] += 1;
                assert_ne!(check(&calls, &rows, OPENED).breaks, [""; 0], "seed {seed}, {kind}");
                assert!(judge(&text(&calls)).is_err(), "seed {seed}, {kind}: {}", text(&calls));
            }
        }
        assert!(spoilt.iter().all(|count| *count > 20), "{spoilt:?}");
    }
}
