//! The service: its rows, what is said to it, and what it does.
//!
//! The rows and what is said have versions of their own. A release that changes
//!
//! - *what a row holds* has one more form of it, a step between the two, and the next number in
//!   [`Counters::STATE`];
//! - *what can be said* has one more version in `#[version(…)]`, in the contract, and, if rows must
//!   hold it, in [`Counters::needs`](StatefulService::needs).
//!
//! The release before can own the rows again until an operator finalizes.

use serde::{Deserialize, Serialize};
use ubf_codec::Versioned;
use ubf_service::{Caller, Do, StatefulService, Table, Tx, forms, tables};

/// State version 1: what has been counted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename = "counter")]
struct Counter {
    value: i64,
}

// The next form comes behind it: forms!(1 => Counter1, 2 => Counter);
forms!(1 => Counter);

static COUNTERS: Table<String, Counter> = Table::new("counters");

/// What is asked: `{add,Name,By}`, `{get,Name}`.
#[derive(Versioned, Serialize, Deserialize, Clone, Debug)]
#[version(1, Self)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Adds to a counter.
    Add { name: String, by: i64 },
    /// Asks for it.
    Get { name: String },
}

/// What is answered: `{value,Value}`.
#[derive(Versioned, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[version(1, Self)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The value of the counter.
    Value(i64),
}

/// Options of this node, beside those that every node has.
#[derive(clap::Args, Clone, Debug)]
pub struct CounterLimits {
    /// The most bytes of the name of a counter
    #[arg(long, default_value_t = 64)]
    pub max_name_bytes: usize,
}

/// Counters by name.
#[derive(Debug)]
pub struct Counters {
    limits: CounterLimits,
}

impl Counters {
    /// The service within these limits.
    pub fn new(limits: CounterLimits) -> Self {
        Self { limits }
    }
}

impl StatefulService for Counters {
    type Request = Request;
    type Reply = Reply;
    type Timer = ();
    const STATE: (u32, u32) = (1, 1);
    tables!(COUNTERS);

    fn apply(&self, _: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        match request {
            Request::Add { name, by } => {
                if name.len() > self.limits.max_name_bytes {
                    return tx.refuse("the name is too long");
                }
                let Counter { value } = tx.get(&COUNTERS, &name)?.unwrap_or_default();
                let Some(value) = value.checked_add(by) else {
                    return tx.refuse("the counter is full");
                };
                tx.put(&COUNTERS, &name, &Counter { value })?;
                Ok(Reply::Value(value))
            }
            Request::Get { name } => {
                let Counter { value } = tx.get(&COUNTERS, &name)?.unwrap_or_default();
                Ok(Reply::Value(value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ubf_service::Bench;

    fn bench() -> Bench<Counters> {
        Bench::new(Counters::new(CounterLimits { max_name_bytes: 3 }))
    }

    fn add(name: &str, by: i64) -> Request {
        Request::Add { name: name.into(), by }
    }

    #[test]
    fn what_is_counted_survives_a_restart() {
        let mut bench = bench();
        assert_eq!(bench.call(add("a", 2)), Ok(Reply::Value(2)));
        assert_eq!(bench.call(add("a", 3)), Ok(Reply::Value(5)));
        bench.restart();
        assert_eq!(bench.call(Request::Get { name: "a".into() }), Ok(Reply::Value(5)));
        assert_eq!(bench.call(Request::Get { name: "b".into() }), Ok(Reply::Value(0)));
    }

    #[test]
    fn what_is_refused_counts_nothing() {
        let mut bench = bench();
        assert!(bench.call(add("long", 1)).is_err(), "a name has three bytes here");
        assert_eq!(bench.call(add("a", i64::MAX)), Ok(Reply::Value(i64::MAX)));
        assert!(bench.call(add("a", 1)).is_err());
        assert_eq!(bench.call(Request::Get { name: "a".into() }), Ok(Reply::Value(i64::MAX)));
    }
}
