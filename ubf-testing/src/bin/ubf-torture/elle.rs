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
mod tests {
    use super::*;
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
}
