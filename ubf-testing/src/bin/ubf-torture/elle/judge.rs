//! A judge of histories as Elle is one, for tests: it reads the written text alone.
//!
//! It knows nothing of the ledger and of our checker. From the lists that reads saw it takes the
//! order of the appends to each key, and from that who must come before whom: an append before the
//! next one and before whoever saw it, a read before the first append that it did not see, and
//! whatever had ended before whatever began then. In what can have come about there is no circle.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy's settings for tests reach `#[test]` functions alone, not what they call"
)]

use std::collections::{BTreeMap, BTreeSet};

/// A value of EDN, as far as histories have them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edn {
    Nil,
    Number(u64),
    Keyword(String),
    Vector(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

/// What was not read yet.
struct Text<'t>(&'t str);

impl Text<'_> {
    fn value(&mut self) -> Edn {
        self.0 = self.0.trim_start_matches([' ', ',']);
        if self.takes('[') {
            return Edn::Vector(self.values(']'));
        }
        if self.takes('{') {
            let values = self.values('}');
            let pairs = values.chunks_exact(2);
            assert!(pairs.remainder().is_empty(), "a map has pairs");
            return Edn::Map(pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect());
        }
        let end = self.0.find([' ', ',', ']', '}']).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        match word.strip_prefix(':') {
            Some(keyword) => Edn::Keyword(keyword.to_owned()),
            None if word == "nil" => Edn::Nil,
            None => Edn::Number(word.parse().unwrap_or_else(|_| panic!("{word:?} is no number"))),
        }
    }

    fn values(&mut self, end: char) -> Vec<Edn> {
        let mut values = Vec::new();
        loop {
            self.0 = self.0.trim_start_matches([' ', ',']);
            if self.takes(end) {
                return values;
            }
            values.push(self.value());
        }
    }

    fn takes(&mut self, mark: char) -> bool {
        let rest = self.0.strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

impl Edn {
    fn get(&self, key: &str) -> &Self {
        let Self::Map(pairs) = self else { panic!("{self:?} is no map") };
        let is_key = |(name, _): &&(Self, Self)| matches!(name, Self::Keyword(name) if name == key);
        &pairs.iter().find(is_key).unwrap_or_else(|| panic!("no {key}: {self:?}")).1
    }

    fn number(&self) -> u64 {
        let Self::Number(number) = self else { panic!("{self:?} is no number") };
        *number
    }

    fn vector(&self) -> &[Self] {
        let Self::Vector(values) = self else { panic!("{self:?} is no vector") };
        values
    }

    fn keyword(&self) -> &str {
        let Self::Keyword(keyword) = self else { panic!("{self:?} is no keyword") };
        keyword
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    Fail,
    Info,
}

/// A transaction, from its invocation to its completion.
#[derive(Debug)]
struct Op {
    begun: usize,
    /// The index of its completion, if it is known to have happened.
    ended: usize,
    outcome: Outcome,
    appends: Vec<(u64, u64)>,
    reads: Vec<(u64, Vec<u64>)>,
}

/// Joins the halves of each transaction.
fn operations(history: &str) -> Vec<Op> {
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let mut ops: Vec<Op> = Vec::new();
    for (index, line) in history.lines().enumerate() {
        let line = Text(line).value();
        assert_eq!(line.get("index").number(), index as u64);
        let process = line.get("process").number();
        let outcome = match line.get("type").keyword() {
            "invoke" => {
                let (appends, reads) = (Vec::new(), Vec::new());
                let before = open.insert(process, ops.len());
                assert_eq!(before, None, "a process makes one call after the other");
                ops.push(Op {
                    begun: index,
                    ended: usize::MAX,
                    outcome: Outcome::Info,
                    appends,
                    reads,
                });
                continue;
            }
            "ok" => Outcome::Ok,
            "fail" => Outcome::Fail,
            "info" => Outcome::Info,
            other => panic!("{other}"),
        };
        let op = &mut ops[open.remove(&process).expect("it was invoked")];
        op.outcome = outcome;
        if outcome == Outcome::Ok {
            op.ended = index;
        }
        for micro in line.get("value").vector() {
            let [kind, key, value] = micro.vector() else { panic!("{micro:?}") };
            match kind.keyword() {
                "append" => op.appends.push((key.number(), value.number())),
                "r" => {
                    let seen = value.vector().iter().map(Edn::number).collect();
                    op.reads.push((key.number(), seen));
                }
                other => panic!("{other}"),
            }
        }
    }
    ops
}

/// Whether a history can have come about, as one in which all see one order in real time.
pub(super) fn judge(history: &str) -> Result<(), String> {
    let ops = operations(history);
    let orders = orders(&ops)?;
    let mut appenders: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for (index, op) in ops.iter().enumerate() {
        appenders.extend(op.appends.iter().map(|append| (*append, index)));
    }
    for (key, order) in &orders {
        for element in order {
            match appenders.get(&(*key, *element)).map(|op| ops[*op].outcome) {
                None => return Err(format!("nobody has appended {element} to {key}")),
                Some(Outcome::Fail) => return Err(format!("{element} had failed, and is there")),
                Some(Outcome::Ok | Outcome::Info) => {}
            }
        }
    }
    let mut after: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); ops.len()];
    for (key, order) in &orders {
        for pair in order.windows(2) {
            after[appenders[&(*key, pair[0])]].insert(appenders[&(*key, pair[1])]);
        }
    }
    for (index, op) in ops.iter().enumerate() {
        for (key, seen) in &op.reads {
            if let Some(last) = seen.last() {
                after[appenders[&(*key, *last)]].insert(index);
            }
            if let Some(next) = orders.get(key).and_then(|order| order.get(seen.len())) {
                after[index].insert(appenders[&(*key, *next)]);
            }
            // What was appended and nobody saw comes behind all that was seen.
            let order = orders.get(key).map_or(&[][..], Vec::as_slice);
            let unseen = appenders.iter().filter(|((of, element), by)| {
                of == key && !order.contains(element) && ops[**by].outcome == Outcome::Ok
            });
            after[index].extend(unseen.map(|(_, by)| *by));
        }
    }
    for (first, op) in ops.iter().enumerate() {
        let later = ops.iter().enumerate().filter(|(_, later)| later.begun > op.ended);
        after[first].extend(later.map(|(later, _)| later));
    }
    no_circle(&after)
}

/// The order of the appends to each key: all that was seen of it is a beginning of the longest.
fn orders(ops: &[Op]) -> Result<BTreeMap<u64, Vec<u64>>, String> {
    let mut orders: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let ok = |op: &&Op| op.outcome == Outcome::Ok;
    for (key, seen) in ops.iter().filter(ok).flat_map(|op| &op.reads) {
        let order = orders.entry(*key).or_default();
        let shared = order.len().min(seen.len());
        if order[..shared] != seen[..shared] {
            return Err(format!("{key} was seen as {order:?} and as {seen:?}"));
        }
        if seen.len() > order.len() {
            order.clone_from(seen);
        }
        if seen.iter().collect::<BTreeSet<_>>().len() < seen.len() {
            return Err(format!("{key} was seen with something twice: {seen:?}"));
        }
    }
    Ok(orders)
}

/// Takes away whatever nothing comes before, until nothing is left.
fn no_circle(after: &[BTreeSet<usize>]) -> Result<(), String> {
    let mut before = vec![0_usize; after.len()];
    after.iter().flatten().for_each(|later| before[*later] += 1);
    let mut free: Vec<usize> = (0..after.len()).filter(|op| before[*op] == 0).collect();
    let mut taken = 0;
    while let Some(op) = free.pop() {
        taken += 1;
        for later in &after[op] {
            before[*later] -= 1;
            if before[*later] == 0 {
                free.push(*later);
            }
        }
    }
    if taken == after.len() {
        Ok(())
    } else {
        Err(format!("{} ops are in circles", after.len() - taken))
    }
}
