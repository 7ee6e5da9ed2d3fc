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
//! The atom `undefined` as a value counts as `?`.
//!
//! All else is answered `clientBrokeContract`, with what the version knows. The state is always
//! `start`. The atom `undefined` counts as `?`, as in contracts. What does not fit any longer is
//! answered `{error,full}`, and a page ends early when it has [`MAX_PAGE_BYTES`].
//!
//! It is kept in memory, and by this process alone (`kv_rows` is the one that survives it): when
//! the server ends, all of it is gone, also when clients are moved to a successor or to another
//! server.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ubf_codec::{Summary, Term, TermRef, Version, View, ubf};
use ubf_proto::Versions;
use ubf_server::{Call, Client, Failure, Handler, Reply};

/// The most that is kept (L1), in bytes as [`cost`] counts them.
const MAX_BYTES: u64 = 256 << 20;
/// What a key costs beside what is in it and in its value: its place in the store.
const ENTRY_BYTES: u64 = 256;
/// What a term costs beside its text: its place among others, and perhaps elements of its own.
const NODE_BYTES: u64 = 64;
/// The most keys in a page.
const MAX_PAGE: usize = 1000;
/// A page that costs so much ends, whatever count was asked for: a request must not cost a reply of
/// gigabytes.
const MAX_PAGE_BYTES: u64 = 1 << 20;

/// A store in memory, shared by all clients. The module's source has a table of its three versions.
///
/// | version | requests |
/// |---|---|
/// | 1 | `{get,Key}`, `{put,Key,Value}`, `{delete,Key}` |
/// | 2 | also `{cas,Key,Old,New}`; an absent value is `?`, to read and to write |
/// | 3 | also `{scan,After,Count}`; replies say the revision of what they are about |
///
/// # Limits
/// It keeps 256 MiB, where each key counts 256 bytes and what its `put` or `cas` has when registers
/// are written out: 64 bytes a term, and its texts. What does not fit is answered `{error,full}`. A
/// page has 1,000 keys, and ends at 1 MiB if it has one.
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
    /// The costs of all values, never above `max_bytes`.
    bytes: u64,
    max_bytes: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    value: Term,
    revision: u64,
    cost: u64,
}

/// What a request costs to keep. Registers share what they stand for, and it is written out in full
/// when it is read (W10), so that what counts is the expanded size.
const fn cost(request: Summary) -> u64 {
    ENTRY_BYTES + request.expanded_nodes.saturating_mul(NODE_BYTES) + request.expanded_bytes
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
        let store = Store { values: BTreeMap::new(), revision: 0, bytes: 0, max_bytes: MAX_BYTES };
        Self { versions, store: Mutex::new(store) }
    }

    fn answer(&self, version: Version, request: TermRef<'_>, cost: u64) -> Option<Term> {
        let contract = match version.get() {
            1 => Contract::One,
            2 => Contract::Two,
            _ => Contract::Three,
        };
        let View::Tuple(parts) = request.view() else { return None };
        let name = parts.get(0)?;
        // What is kept must not hold on to the buffer that it was read into: it is copied.
        let part = |index| parts.get(index).map(|term| term.to_term());
        // Peers without `?` write it as an atom, and contracts know no difference.
        let slot = |index| {
            part(index).map(|one| if one.is_atom("undefined") { Term::Undefined } else { one })
        };
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        match parts.len() {
            2 if name.is_atom("get") => Some(store.get(contract, &part(1)?)),
            2 if name.is_atom("delete") => Some(store.delete(contract, &part(1)?)),
            3 if name.is_atom("put") => store.put(contract, part(1)?, slot(2)?, cost),
            4 if name.is_atom("cas") && contract >= Contract::Two => {
                Some(store.compare_and_swap(contract, part(1)?, &slot(2)?, slot(3)?, cost))
            }
            3 if name.is_atom("scan") && contract >= Contract::Three => {
                store.scan(&part(1)?, parts.get(2)?.as_i64()?)
            }
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
    fn put(&mut self, contract: Contract, key: Term, value: Term, cost: u64) -> Option<Term> {
        let is_sayable = contract > Contract::One || value != Term::Undefined;
        is_sayable.then(|| self.write(contract, key, value, cost))
    }

    fn delete(&mut self, contract: Contract, key: &Term) -> Term {
        if contract == Contract::One && !self.values.contains_key(key) {
            return ubf!({error, not_found});
        }
        self.write(contract, key.clone(), Term::Undefined, 0)
    }

    fn compare_and_swap(
        &mut self,
        contract: Contract,
        key: Term,
        old: &Term,
        new: Term,
        cost: u64,
    ) -> Term {
        let (value, revision) = apart(self.values.get(&key).cloned());
        match contract {
            _ if value == *old => self.write(contract, key, new, cost),
            Contract::One | Contract::Two => ubf!({conflict, (value)}),
            Contract::Three => ubf!({conflict, (value), (revision)}),
        }
    }

    /// Stores a value, or deletes it if it is undefined.
    fn write(&mut self, contract: Contract, key: Term, value: Term, cost: u64) -> Term {
        let others = self.bytes - self.values.get(&key).map_or(0, |stored| stored.cost);
        if value == Term::Undefined {
            self.bytes = others;
            self.revision += u64::from(self.values.remove(&key).is_some());
        } else if cost > self.max_bytes - others {
            return ubf!({error, full});
        } else {
            self.bytes = others + cost;
            self.revision += 1;
            self.values.insert(key, Stored { value, revision: self.revision, cost });
        }
        match contract {
            Contract::One | Contract::Two => ubf!(ok),
            Contract::Three => ubf!({ok, (self.revision)}),
        }
    }

    /// A page of the keys after `after`, in the order of terms; `?` is the beginning, and as `Next`
    /// the end.
    fn scan(&self, after: &Term, count: i64) -> Option<Term> {
        let count = usize::try_from(count).ok().filter(|count| (1..=MAX_PAGE).contains(count))?;
        let start =
            if *after == Term::Undefined { Bound::Unbounded } else { Bound::Excluded(after) };
        let mut rest = self.values.range::<Term, _>((start, Bound::Unbounded)).peekable();
        let (mut page, mut bytes) = (Vec::new(), 0);
        // One entry has room in any case: else nobody could read on.
        while page.len() < count
            && let Some(entry) =
                rest.next_if(|(_, stored)| page.is_empty() || bytes + stored.cost <= MAX_PAGE_BYTES)
        {
            bytes += entry.1.cost;
            page.push(entry);
        }
        let next =
            if rest.peek().is_some() { page.last().map(|(key, _)| (*key).clone()) } else { None };
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

    /// Nothing is kept for a client alone. The values are this process's.
    fn export_state(&self, (): &()) -> Option<Bytes> {
        Some(Bytes::new())
    }

    fn import_state(&self, _: &Client, exported: Bytes) -> Option<()> {
        exported.is_empty().then_some(())
    }

    async fn request(&self, call: Call<()>) -> Result<Reply, Failure> {
        let cost = cost(call.body().summary());
        if let Some(response) = self.answer(call.version(), call.term(), cost) {
            return Ok(Reply::ok(response));
        }
        let known: &[&str] = match call.version().get() {
            1 => &["{get,Key}", "{put,Key,Value}", "{delete,Key}"],
            2 => &["{get,Key}", "{put,Key,Value}", "{delete,Key}", "{cas,Key,Old,New}"],
            _ => &[
                "{get,Key}",
                "{put,Key,Value}",
                "{delete,Key}",
                "{cas,Key,Old,New}",
                "{scan,After,1..1000}",
            ],
        };
        Ok(Reply::broken_contract(call.term(), known, "start"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks in version 1, 2 or 3, in Erlang's notation; `none` if the request is not of the
    /// contract.
    fn ask(kv: &Kv, version: u32, request: &str) -> String {
        ask_at(kv, version, request, 1)
    }

    /// The same, with what it costs to keep.
    fn ask_at(kv: &Kv, version: u32, request: &str, cost: u64) -> String {
        let request: Term = request.parse().unwrap();
        let response = kv.answer(Version::new(version).unwrap(), request.as_ref(), cost);
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
            ("{put,\"a\",undefined}", "none"),
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
            ("{cas,a,undefined,1}", "ok"),
            ("{put,a,undefined}", "ok"),
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

    #[test]
    fn l1_as_much_as_max_bytes_is_kept_and_what_is_more_is_answered_full() {
        let kv = Kv::new(&Versions::of([1, 3]));
        let half = MAX_BYTES / 2;
        assert_eq!(ask_at(&kv, 3, "{put,a,1}", half), "{ok,1}");
        assert_eq!(ask_at(&kv, 3, "{put,b,1}", half + 1), "{error,full}");
        assert_eq!(ask_at(&kv, 3, "{put,b,1}", half), "{ok,2}");
        assert_eq!(ask_at(&kv, 1, "{put,c,1}", 1), "{error,full}");
        assert_eq!(ask_at(&kv, 3, "{cas,c,?,1}", 1), "{error,full}");
        // What is replaced or deleted makes room.
        assert_eq!(ask_at(&kv, 3, "{put,b,2}", half + 1), "{error,full}");
        assert_eq!(ask_at(&kv, 3, "{put,b,2}", half - 1), "{ok,3}");
        assert_eq!(ask_at(&kv, 3, "{put,c,1}", 1), "{ok,4}");
        assert_eq!(ask_at(&kv, 3, "{delete,a}", u64::MAX), "{ok,5}");
        assert_eq!(ask_at(&kv, 3, "{put,d,1}", half), "{ok,6}");
        assert_eq!(ask_at(&kv, 3, "{put,e,1}", u64::MAX), "{error,full}");
    }

    #[test]
    fn l1_a_page_ends_at_max_page_bytes_and_has_one_entry_at_least() {
        let kv = Kv::new(&Versions::of([3]));
        for (key, cost) in [
            ("a", MAX_PAGE_BYTES / 2),
            ("b", MAX_PAGE_BYTES / 2),
            ("c", 1),
            ("d", MAX_PAGE_BYTES + 1),
        ] {
            ask_at(&kv, 3, &format!("{{put,{key},1}}"), cost);
        }
        assert_eq!(ask(&kv, 3, "{scan,?,9}"), "{page,[{a,1,1},{b,1,2}],b}");
        assert_eq!(ask(&kv, 3, "{scan,b,9}"), "{page,[{c,1,3}],c}");
        assert_eq!(ask(&kv, 3, "{scan,c,9}"), "{page,[{d,1,4}],?}");
    }

    #[test]
    fn w10_registers_cost_what_they_stand_for() {
        let cost = |packet: &[u8]| cost(ubf_codec::Decoder::new().check(packet).unwrap());
        let plain = cost(br#"{'put'1{"four""four"}}$"#);
        assert_eq!(plain, ENTRY_BYTES + 6 * NODE_BYTES + 3 + 2 * 4);
        assert_eq!(cost(br#""four">a{'put'1{aa}}$"#), plain);
    }
}
