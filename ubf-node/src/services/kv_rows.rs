//! `kv` on rows: the same contract in three versions, over two state versions, in a store.
//!
//! | state version | a value's row | what can be said of it |
//! |---|---|---|
//! | 1 | `{'value',Value}` | versions 1 and 2 of the contract |
//! | 2 | `{'value',Value,Revision}` | version 3, too |
//!
//! While state version 1 is written, revisions are lost, and version 3 is not offered. What is the
//! same as in [`kv`](super::kv) stands there: the table of requests and answers.

use std::ops::Bound;

use serde::{Deserialize, Serialize};
use ubf_codec::{Encoder, Term, TermRef, Version, Versioned, VersionedError, View, ubf};
use ubf_service::{Caller, Do, Lost, Row, StatefulService, Step, Table, Tx, tables};

/// The most that is kept (L1), in bytes as [`cost`] counts them.
const MAX_BYTES: u64 = 256 << 20;
/// What a key costs beside its bytes and those of its value.
const ENTRY_BYTES: u64 = 256;
/// The most bytes of a key as it is written: a key of a row has 1,024, and bytes that are 0 take
/// two.
const MAX_KEY_BYTES: usize = 500;
/// The most keys in a page.
const MAX_PAGE: i64 = 1_000;
/// A page that costs so much ends, whatever count was asked for.
const MAX_PAGE_BYTES: u64 = 1 << 20;
/// Rows that are read at once for a page. Chosen: values may be large, and few pages have more.
const SCANNED_AT_ONCE: usize = 32;

/// A value, in state version 1.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "value")]
struct Value1 {
    value: Term,
}

/// A value, and the count of changes after its last one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "value")]
struct Value {
    value: Term,
    revision: u64,
}

/// What all values cost, in state version 1.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "total")]
struct Total1 {
    bytes: u64,
}

/// What all values cost, and the count of changes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename = "total")]
struct Total {
    bytes: u64,
    revision: u64,
}

impl Row for Value1 {
    const VERSION: u32 = 1;
    type Before = ();
}
impl Row for Value {
    const VERSION: u32 = 2;
    type Before = Value1;
}
impl Row for Total1 {
    const VERSION: u32 = 1;
    type Before = ();
}
impl Row for Total {
    const VERSION: u32 = 2;
    type Before = Total1;
}

impl Step<Value> for Value1 {
    fn up(self) -> Value {
        Value { value: self.value, revision: 0 }
    }

    fn down(new: &Value, lost: &mut Lost) -> Self {
        if new.revision != 0 {
            lost.field("revision");
        }
        Self { value: new.value.clone() }
    }
}

impl Step<Total> for Total1 {
    fn up(self) -> Total {
        Total { bytes: self.bytes, revision: 0 }
    }

    fn down(new: &Total, lost: &mut Lost) -> Self {
        if new.revision != 0 {
            lost.field("revision");
        }
        Self { bytes: new.bytes }
    }
}

/// Values by their keys, as they are encoded.
static VALUES: Table<Vec<u8>, Value> = Table::new("values");
static TOTAL: Table<(), Total> = Table::new("total");

/// A store of values by key that survives the process: in three versions of its contract.
///
/// # Limits
/// It keeps 256 MiB, where each key counts 256 bytes, and what it and its value have encoded. What
/// does not fit is answered `{error,full}`, and so is a key of more than 500 bytes. A page has
/// 1,000 keys, and ends at 1 MiB if it has one. Pages are in the order of the encoded keys.
#[derive(Clone, Copy, Debug)]
pub struct KvRows {
    max_bytes: u64,
}

impl Default for KvRows {
    fn default() -> Self {
        Self { max_bytes: MAX_BYTES }
    }
}

/// What is asked.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// The value of a key.
    Get(Term),
    /// Write a value; `?` deletes it.
    Put(Term, Term),
    /// Delete a value.
    Delete(Term),
    /// Write a value if the old one is as it is said to be.
    CompareAndSwap {
        /// Of the value.
        key: Term,
        /// What it is said to be.
        old: Term,
        /// What it is to be.
        new: Term,
    },
    /// A page of the keys after one; `?` is before all.
    Scan {
        /// The last key of the page before.
        after: Term,
        /// The most keys.
        count: usize,
    },
}

/// What is answered.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// A value, `?` if there is none, and its revision.
    Value(Term, u64),
    /// It is written: the count of changes after it.
    Done(u64),
    /// There was nothing to delete, which version 1 tells.
    NotFound,
    /// There is no room.
    Full,
    /// The value is another one.
    Conflict(Term, u64),
    /// Keys, values and revisions; and where the next page begins, `?` if there is none.
    Page(Vec<(Term, Term, u64)>, Term),
}

/// The versions of the contract: 1, 2 and 3.
const VERSIONS: [Version; 3] = [version(1), version(2), version(3)];

const fn version(number: u32) -> Version {
    match Version::new(number) {
        Some(version) => version,
        None => Version::MIN,
    }
}

impl Versioned for Request {
    const VERSIONS: &'static [Version] = &VERSIONS;

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        let since = match self {
            Self::Put(_, Term::Undefined) | Self::CompareAndSwap { .. } => 2,
            Self::Scan { .. } => 3,
            Self::Get(_) | Self::Put(..) | Self::Delete(_) => 1,
        };
        if version.get() < since {
            return Err(VersionedError::no_form(version));
        }
        Ok(match self.clone() {
            Self::Get(key) => ubf!({get, (key)}),
            Self::Put(key, value) => ubf!({put, (key), (value)}),
            Self::Delete(key) => ubf!({delete, (key)}),
            Self::CompareAndSwap { key, old, new } => ubf!({cas, (key), (old), (new)}),
            Self::Scan { after, count } => ubf!({scan, (after), (count as u64)}),
        })
    }

    fn from_term(version: Version, term: TermRef<'_>) -> Result<Self, VersionedError> {
        read(version, term).ok_or_else(|| {
            VersionedError::unreadable(
                version,
                match version.get() {
                    1 => "{get,Key}, {put,Key,Value} or {delete,Key} is expected",
                    2 => "{get,Key}, {put,Key,Value}, {delete,Key} or {cas,Key,Old,New} is expected",
                    _ => {
                        "{get,Key}, {put,Key,Value}, {delete,Key}, {cas,Key,Old,New} or {scan,After,1..1000} is expected"
                    }
                },
            )
        })
    }
}

fn read(version: Version, term: TermRef<'_>) -> Option<Request> {
    let View::Tuple(parts) = term.view() else { return None };
    let (name, version) = (parts.get(0)?, version.get());
    // What is kept must not hold on to the buffer that it was read into: it is copied.
    let part = |index| parts.get(index).map(|term| term.to_term());
    // Peers without `?` write it as an atom, and contracts know no difference.
    let slot =
        |index| part(index).map(|one| if one.is_atom("undefined") { Term::Undefined } else { one });
    match parts.len() {
        2 if name.is_atom("get") => Some(Request::Get(part(1)?)),
        2 if name.is_atom("delete") => Some(Request::Delete(part(1)?)),
        3 if name.is_atom("put") => {
            let value = slot(2)?;
            // Version 1 has no word for what is not there.
            let is_sayable = version > 1 || value != Term::Undefined;
            is_sayable.then_some(Request::Put(part(1)?, value))
        }
        4 if name.is_atom("cas") && version >= 2 => {
            Some(Request::CompareAndSwap { key: part(1)?, old: slot(2)?, new: slot(3)? })
        }
        3 if name.is_atom("scan") && version >= 3 => {
            let count = parts.get(2)?.as_i64().filter(|count| (1..=MAX_PAGE).contains(count))?;
            Some(Request::Scan { after: slot(1)?, count: usize::try_from(count).ok()? })
        }
        _ => None,
    }
}

impl Versioned for Reply {
    const VERSIONS: &'static [Version] = &VERSIONS;

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        let is_third = version.get() >= 3;
        Ok(match self.clone() {
            Self::Value(Term::Undefined, _) if version.get() == 1 => ubf!({error, not_found}),
            Self::Value(value, revision) if is_third => ubf!({value, (value), (revision)}),
            Self::Value(value, _) => ubf!({value, (value)}),
            Self::Done(revision) if is_third => ubf!({ok, (revision)}),
            Self::Done(_) => ubf!(ok),
            Self::NotFound => ubf!({error, not_found}),
            Self::Full => ubf!({error, full}),
            Self::Conflict(value, revision) if is_third => ubf!({conflict, (value), (revision)}),
            Self::Conflict(value, _) => ubf!({conflict, (value)}),
            Self::Page(entries, next) => {
                let entry = |(key, value, revision)| ubf!({(key), (value), (revision)});
                let page = Term::list(entries.into_iter().map(entry));
                ubf!({page, (page), (next)})
            }
        })
    }

    /// Clients read replies, and this is no client.
    fn from_term(version: Version, _: TermRef<'_>) -> Result<Self, VersionedError> {
        Err(VersionedError::no_form(version))
    }
}

impl KvRows {
    /// Stores a value, or deletes it if it is undefined.
    fn write(&self, tx: &mut Tx<'_>, key: &Term, value: Term) -> Do<Reply> {
        let key = encoded(key);
        if key.len() > MAX_KEY_BYTES {
            return Ok(Reply::Full);
        }
        let mut total = tx.get(&TOTAL, &())?.unwrap_or_default();
        let before = tx.get(&VALUES, &key)?;
        let others = total
            .bytes
            .saturating_sub(before.as_ref().map_or(0, |before| cost(&key, &before.value)));
        if value == Term::Undefined {
            if before.is_some() {
                tx.delete(&VALUES, &key)?;
                total = Total { bytes: others, revision: total.revision + 1 };
                tx.put(&TOTAL, &(), &total)?;
            }
            return Ok(Reply::Done(total.revision));
        }
        let cost = cost(&key, &value);
        if cost > self.max_bytes.saturating_sub(others) {
            return Ok(Reply::Full);
        }
        total = Total { bytes: others + cost, revision: total.revision + 1 };
        tx.put(&VALUES, &key, &Value { value, revision: total.revision })?;
        tx.put(&TOTAL, &(), &total)?;
        Ok(Reply::Done(total.revision))
    }
}

impl StatefulService for KvRows {
    type Request = Request;
    type Reply = Reply;
    type Timer = ();
    const STATE: (u32, u32) = (1, 2);
    tables!(VALUES, TOTAL);

    /// Version 3 of the contract tells revisions.
    fn needs(version: Version) -> u32 {
        if version.get() < 3 { 1 } else { 2 }
    }

    fn apply(&self, caller: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        match request {
            Request::Get(key) => {
                let (value, revision) = apart(value_of(tx, &key)?);
                Ok(Reply::Value(value, revision))
            }
            Request::Put(key, value) => self.write(tx, &key, value),
            Request::Delete(key) => {
                if caller.version.get() == 1 && value_of(tx, &key)?.is_none() {
                    return Ok(Reply::NotFound);
                }
                self.write(tx, &key, Term::Undefined)
            }
            Request::CompareAndSwap { key, old, new } => {
                let (value, revision) = apart(value_of(tx, &key)?);
                if value == old {
                    self.write(tx, &key, new)
                } else {
                    Ok(Reply::Conflict(value, revision))
                }
            }
            Request::Scan { after, count } => scan(tx, &after, count),
        }
    }
}

fn encoded(key: &Term) -> Vec<u8> {
    Encoder::new().encode(key)
}

/// A value and its revision: undefined and 0, if there is none.
fn apart(value: Option<Value>) -> (Term, u64) {
    value.map_or((Term::Undefined, 0), |value| (value.value, value.revision))
}

fn value_of(tx: &mut Tx<'_>, key: &Term) -> Do<Option<Value>> {
    let key = encoded(key);
    // No row has a key so long.
    if key.len() > MAX_KEY_BYTES { Ok(None) } else { tx.get(&VALUES, &key) }
}

fn cost(key: &[u8], value: &Term) -> u64 {
    ENTRY_BYTES + (key.len() + encoded(value).len()) as u64
}

/// A page of the keys after `after`; `?` is the beginning, and as the next one the end.
fn scan(tx: &mut Tx<'_>, after: &Term, count: usize) -> Do<Reply> {
    let start =
        if *after == Term::Undefined { Bound::Unbounded } else { Bound::Excluded(encoded(after)) };
    let (mut page, mut bytes, mut start) = (Vec::new(), 0, start);
    loop {
        let rows = tx.range(&VALUES, (start, Bound::Unbounded), SCANNED_AT_ONCE)?;
        let is_last = rows.len() < SCANNED_AT_ONCE;
        start = rows.last().map_or(Bound::Unbounded, |(key, _)| Bound::Excluded(key.clone()));
        for (key, Value { value, revision }) in rows {
            let cost = cost(&key, &value);
            // One entry has room in any case: else nobody could read on.
            let has_room = page.is_empty() || bytes + cost <= MAX_PAGE_BYTES;
            if page.len() == count || !has_room {
                let next = page.last().map(|(key, ..): &(Term, _, _)| key.clone());
                return Ok(Reply::Page(page, next.unwrap_or(Term::Undefined)));
            }
            bytes += cost;
            let Ok(document) = ubf_codec::decode(&key[..]) else {
                return tx.refuse("a key is broken");
            };
            page.push((document.root().to_term(), value, revision));
        }
        if is_last {
            return Ok(Reply::Page(page, Term::Undefined));
        }
    }
}

#[cfg(test)]
mod tests {
    use ubf_service::Bench;

    use super::*;

    /// Asks in version 1, 2 or 3, in Erlang's notation; `none` if the request is not of the
    /// contract.
    fn ask(kv: &mut Bench<KvRows>, number: u32, request: &str) -> String {
        let request: Term = request.parse().unwrap();
        let version = version(number);
        let Ok(request) = Request::from_term(version, request.as_ref()) else {
            return "none".into();
        };
        let reply = kv.call_as(&Caller::new(version), request).unwrap();
        reply.to_term(version).unwrap().to_string()
    }

    /// With rows in state version 2.
    fn new() -> Bench<KvRows> {
        let mut kv = Bench::new(KvRows::default());
        kv.finalize(&[]).unwrap();
        kv.sweep().unwrap();
        kv
    }

    #[test]
    fn version_one_gets_puts_and_deletes() {
        let mut kv = Bench::new(KvRows::default());
        assert_eq!(kv.offered(), VERSIONS[..2], "revisions are not kept");
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
            assert_eq!(ask(&mut kv, 1, request), response, "{request}");
        }
    }

    #[test]
    fn version_two_swaps_and_has_a_word_for_absence() {
        let mut kv = Bench::new(KvRows::default());
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
            assert_eq!(ask(&mut kv, 2, request), response, "{request}");
        }
    }

    #[test]
    fn version_three_scans_in_pages_and_counts_revisions() {
        let mut kv = new();
        assert_eq!(kv.offered(), VERSIONS);
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
            assert_eq!(ask(&mut kv, 3, request), response, "{request}");
        }
        kv.restart();
        assert_eq!(ask(&mut kv, 3, "{get,b}"), "{value,2,2}");
    }

    #[test]
    fn t6_values_of_state_version_1_have_revision_0_until_they_are_written_again() {
        let mut kv = Bench::new(KvRows::default());
        assert_eq!(ask(&mut kv, 2, "{put,a,1}"), "ok");
        assert!(kv.losses() > 0, "revisions are lost, and that is told");
        kv.finalize(&[]).unwrap();
        kv.sweep().unwrap();
        assert_eq!(ask(&mut kv, 3, "{get,a}"), "{value,1,0}");
        assert_eq!(ask(&mut kv, 3, "{put,a,2}"), "{ok,1}");
        assert_eq!(ask(&mut kv, 2, "{get,a}"), "{value,2}");
    }

    #[test]
    fn l1_a_key_of_a_row_is_bounded_and_a_page_is() {
        let mut kv = new();
        let long = "x".repeat(MAX_KEY_BYTES - 3);
        assert_eq!(ask(&mut kv, 3, &format!("{{put,\"{long}\",1}}")), "{ok,1}");
        assert_eq!(ask(&mut kv, 3, &format!("{{put,\"{long}x\",1}}")), "{error,full}");
        assert_eq!(ask(&mut kv, 3, &format!("{{get,\"{long}x\"}}")), "{value,?,0}");
        let half = "y".repeat(usize::try_from(MAX_PAGE_BYTES / 2).unwrap());
        for key in ["a", "b", "c"] {
            ask(&mut kv, 3, &format!("{{put,{key},\"{half}\"}}"));
        }
        let page = ask(&mut kv, 3, "{scan,?,9}");
        assert!(page.len() < 2 << 19 && page.ends_with(",a}"), "{}", page.len());
    }

    #[test]
    fn l1_as_much_as_max_bytes_is_kept_and_what_is_replaced_makes_room() {
        // `'a'$` and `7$`
        let max_bytes = 2 * (ENTRY_BYTES + 4 + 2);
        let mut kv = Bench::new(KvRows { max_bytes });
        for (request, response) in [
            ("{put,a,7}", "ok"),
            ("{put,b,77}", "{error,full}"),
            ("{put,b,7}", "ok"),
            ("{put,c,7}", "{error,full}"),
            ("{cas,c,?,7}", "{error,full}"),
            ("{put,b,77}", "{error,full}"),
            ("{put,b,8}", "ok"),
            ("{delete,a}", "ok"),
            ("{put,c,7}", "ok"),
        ] {
            assert_eq!(ask(&mut kv, 2, request), response, "{request}");
        }
    }
}
