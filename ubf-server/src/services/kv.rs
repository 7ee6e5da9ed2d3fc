//! `kv`: a store of values by key, whose contract has changed twice.
//!
//! | request | 1 | 2 | 3 |
//! |---|---|---|---|
//! | `{get,Key}` | `{value,Value}` or `{error,not_found}` | `{value,Value}`, absent: `?` | `{value,Value,Revision}` |
//! | `{put,Key,Value}` | `ok` | `ok`; a value `?` deletes | `{ok,Revision}` |
//! | `{delete,Key}` | `ok` or `{error,not_found}` | `ok` | `{ok,Revision}` |
//! | `{cas,Key,Old,New}` | | `ok` or `{conflict,Value}` | `{ok,Revision}` or `{conflict,Value,Revision}` |
//! | `{scan,After,Count}` | | | `{page,[{Key,Value,Revision}],Next}` |
//!
//! All else is answered `clientBrokeContract`, with what the version knows. The state is always `start`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use ubf_codec::{Term, TermRef, Version, View, ubf};
use ubf_proto::Versions;

use crate::handler::{Call, Client, Handler, Reply};

/// The most keys that are kept (L1).
const MAX_KEYS: usize = 1 << 20;
/// The most keys in a page.
const MAX_PAGE: usize = 1000;

/// A store in memory, shared by all clients. The module's source has a table of its three versions.
///
/// | version | requests |
/// |---|---|
/// | 1 | `{get,Key}`, `{put,Key,Value}`, `{delete,Key}` |
/// | 2 | also `{cas,Key,Old,New}`; an absent value is `?`, to read and to write |
/// | 3 | also `{scan,After,Count}`; replies say the revision of what they are about |
#[derive(Debug)]
pub struct Kv {
    versions: Versions,
    store: Mutex<Store>,
}

#[derive(Debug, Default)]
struct Store {
    values: BTreeMap<Term, Stored>,
    /// Counts changes.
    revision: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    value: Term,
    revision: u64,
}

/// The version of the contract, as far as this service is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Contract {
    One,
    Two,
    Three,
}

impl Kv {
    /// All versions of the contract: 1, 2 and 3.
    pub const VERSIONS: [u32; 3] = [1, 2, 3];

    /// An empty store in those of `versions` that the contract has.
    #[must_use]
    pub fn new(versions: &Versions) -> Self {
        let known = Versions::of(Self::VERSIONS);
        let versions = versions.iter().filter(|&version| known.contains(version)).collect();
        Self { versions, store: Mutex::default() }
    }

    fn answer(&self, version: Version, request: TermRef<'_>) -> Option<Term> {
        let contract = match version.get() {
            1 => Contract::One,
            2 => Contract::Two,
            _ => Contract::Three,
        };
        let View::Tuple(parts) = request.view() else { return None };
        let name = parts.get(0)?;
        // What is kept must not hold on to the buffer that it was read into: it is copied.
        let part = |index| parts.get(index).map(|term| term.to_term());
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        match parts.len() {
            2 if name.is_atom("get") => Some(store.get(contract, &part(1)?)),
            2 if name.is_atom("delete") => Some(store.delete(contract, &part(1)?)),
            3 if name.is_atom("put") => store.put(contract, part(1)?, part(2)?),
            4 if name.is_atom("cas") && contract >= Contract::Two => {
                Some(store.compare_and_swap(contract, part(1)?, &part(2)?, part(3)?))
            }
            3 if name.is_atom("scan") && contract >= Contract::Three => store.scan(&part(1)?, parts.get(2)?.as_i64()?),
            _ => None,
        }
    }
}

impl Store {
    fn get(&self, contract: Contract, key: &Term) -> Term {
        let stored = self.values.get(key).cloned();
        match (contract, stored) {
            (Contract::One, None) => ubf!({error, not_found}),
            (Contract::One, Some(stored)) => ubf!({value, (stored.value)}),
            (Contract::Two, stored) => ubf!({value, (stored.map(|stored| stored.value))}),
            (Contract::Three, stored) => {
                let (value, revision) = apart(stored);
                ubf!({value, (value), (revision)})
            }
        }
    }

    /// `None` if version 1 is asked for what it has no word for.
    fn put(&mut self, contract: Contract, key: Term, value: Term) -> Option<Term> {
        let is_sayable = contract > Contract::One || value != Term::Undefined;
        is_sayable.then(|| self.write(contract, key, value))
    }

    fn delete(&mut self, contract: Contract, key: &Term) -> Term {
        if contract == Contract::One && !self.values.contains_key(key) {
            return ubf!({error, not_found});
        }
        self.write(contract, key.clone(), Term::Undefined)
    }

    fn compare_and_swap(&mut self, contract: Contract, key: Term, old: &Term, new: Term) -> Term {
        let (value, revision) = apart(self.values.get(&key).cloned());
        match contract {
            _ if value == *old => self.write(contract, key, new),
            Contract::One | Contract::Two => ubf!({conflict, (value)}),
            Contract::Three => ubf!({conflict, (value), (revision)}),
        }
    }

    /// Stores a value, or deletes it if it is undefined.
    fn write(&mut self, contract: Contract, key: Term, value: Term) -> Term {
        if value == Term::Undefined {
            self.revision += u64::from(self.values.remove(&key).is_some());
        } else if self.values.len() >= MAX_KEYS && !self.values.contains_key(&key) {
            return ubf!({error, full});
        } else {
            self.revision += 1;
            self.values.insert(key, Stored { value, revision: self.revision });
        }
        match contract {
            Contract::One | Contract::Two => ubf!(ok),
            Contract::Three => ubf!({ok, (self.revision)}),
        }
    }

    /// A page of the keys after `after`, in the order of terms; `?` is the beginning, and as `Next` the end.
    fn scan(&self, after: &Term, count: i64) -> Option<Term> {
        let count = usize::try_from(count).ok().filter(|count| (1..=MAX_PAGE).contains(count))?;
        let start = if *after == Term::Undefined { Bound::Unbounded } else { Bound::Excluded(after) };
        let mut rest = self.values.range::<Term, _>((start, Bound::Unbounded));
        let page: Vec<_> = rest.by_ref().take(count).collect();
        let next = if rest.next().is_some() { page.last().map(|(key, _)| (*key).clone()) } else { None };
        let entry = |(key, stored): (&Term, &Stored)| ubf!({(key.clone()), (stored.value.clone()), (stored.revision)});
        let page = Term::list(page.into_iter().map(entry));
        Some(ubf!({page, (page), (next)}))
    }
}

/// A value and its revision: undefined and 0, if there is none.
fn apart(stored: Option<Stored>) -> (Term, u64) {
    stored.map_or((Term::Undefined, 0), |stored| (stored.value, stored.revision))
}

impl Handler for Kv {
    type State = ();

    fn versions(&self) -> Versions {
        self.versions.clone()
    }

    fn connect(&self, _: &Client) {}

    async fn request(&self, call: Call<()>) -> Reply {
        if let Some(response) = self.answer(call.version(), call.term()) {
            return Reply::new(response, "start");
        }
        let known: &[&str] = match call.version().get() {
            1 => &["{get,Key}", "{put,Key,Value}", "{delete,Key}"],
            2 => &["{get,Key}", "{put,Key,Value}", "{delete,Key}", "{cas,Key,Old,New}"],
            _ => &["{get,Key}", "{put,Key,Value}", "{delete,Key}", "{cas,Key,Old,New}", "{scan,After,1..1000}"],
        };
        Reply::broken_contract(call.term(), known, "start")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks in version 1, 2 or 3, in Erlang's notation; `none` if the request is not of the contract.
    fn ask(kv: &Kv, version: u32, request: &str) -> String {
        let request: Term = request.parse().unwrap();
        let response = kv.answer(Version::new(version).unwrap(), request.as_ref());
        response.map_or_else(|| "none".into(), |response| response.to_string())
    }

    #[test]
    fn version_one_gets_puts_and_deletes() {
        let kv = Kv::new(&Versions::of(1..=9));
        assert_eq!(Handler::versions(&kv).to_string(), "1-3");
        for (request, response) in [
            ("{get,\"a\"}", "{error,not_found}"),
            ("{put,\"a\",7}", "ok"),
            ("{get,\"a\"}", "{value,7}"),
            ("{delete,\"a\"}", "ok"),
            ("{delete,\"a\"}", "{error,not_found}"),
            ("{put,\"a\",?}", "none"),
            ("{cas,\"a\",?,1}", "none"),
            ("{scan,?,1}", "none"),
            ("{get}", "none"),
            ("get", "none"),
        ] {
            assert_eq!(ask(&kv, 1, request), response, "{request}");
        }
    }

    #[test]
    fn version_two_swaps_and_has_a_word_for_absence() {
        let kv = Kv::new(&Versions::of([2]));
        for (request, response) in [
            ("{get,a}", "{value,?}"),
            ("{cas,a,?,1}", "ok"),
            ("{cas,a,?,2}", "{conflict,1}"),
            ("{cas,a,1,?}", "ok"),
            ("{get,a}", "{value,?}"),
            ("{delete,a}", "ok"),
            ("{scan,?,1}", "none"),
        ] {
            assert_eq!(ask(&kv, 2, request), response, "{request}");
        }
    }

    #[test]
    fn version_three_scans_in_pages_and_counts_revisions() {
        let kv = Kv::new(&Versions::of([3]));
        for (request, response) in [
            ("{put,a,1}", "{ok,1}"),
            ("{put,b,2}", "{ok,2}"),
            ("{put,c,3}", "{ok,3}"),
            ("{get,b}", "{value,2,2}"),
            ("{get,d}", "{value,?,0}"),
            ("{cas,b,1,4}", "{conflict,2,2}"),
            ("{scan,?,2}", "{page,[{a,1,1},{b,2,2}],b}"),
            ("{scan,b,2}", "{page,[{c,3,3}],?}"),
            ("{scan,?,0}", "none"),
            ("{scan,?,1001}", "none"),
            ("{delete,a}", "{ok,4}"),
            ("{delete,a}", "{ok,4}"),
        ] {
            assert_eq!(ask(&kv, 3, request), response, "{request}");
        }
    }
}
