//! Services on the bench: calls, timers, sessions, faults, releases.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use serde::{Deserialize, Serialize};
use ubf_codec::{Version, Versioned};
use ubf_service::{
    Bench, Caller, Do, Index, Lost, MineTable, Reason, Row, SessionKey, StatefulService, Step,
    Table, Time, Tx, known, tables,
};

/// A queue of jobs: whoever takes one has 30 s for it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Job {
    body: String,
    due_ms: u64,
    taken_by: Option<u8>,
}
impl Row for Job {
    const VERSION: u32 = 1;
    type Before = ();
}
static FREE: Index<u64, Job, Time> =
    Index::new("free", 1, |_, job| job.taken_by.is_none().then(|| Time::from_millis(job.due_ms)));
static JOBS: Table<u64, Job> = Table::new("jobs").indexed_by(&[&FREE]);

/// How many jobs a session has taken.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Taken(u64);
impl Row for Taken {
    const VERSION: u32 = 1;
    type Before = ();
}

#[derive(Versioned, Serialize, Deserialize)]
#[version(1..=2, Self)]
enum Request {
    Add(u64, String),
    Take,
    Done(u64),
    Crash,
}

#[derive(Versioned, Serialize, Deserialize, PartialEq, Debug)]
#[version(1..=2, Self)]
enum Reply {
    Nothing,
    Job(u64, String),
    Taken(u64),
}

struct Queue;

fn free(tx: &mut Tx<'_>, id: u64) -> Do<()> {
    if let Some(job) = tx.get(&JOBS, &id)? {
        tx.put(&JOBS, &id, &Job { taken_by: None, ..job })?;
    }
    Ok(())
}

impl StatefulService for Queue {
    type Request = Request;
    type Reply = Reply;
    type Timer = u64;
    const STATE: (u32, u32) = (1, 1);
    tables!(JOBS, MineTable::<Taken>::new());

    async fn prepare(&self, request: Request) -> Request {
        match request {
            Request::Add(id, body) => Request::Add(id, body.to_uppercase()),
            Request::Take | Request::Done(_) | Request::Crash => request,
        }
    }

    fn apply(&self, caller: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        match request {
            Request::Add(id, body) => {
                let due_ms = tx.now().as_millis();
                tx.put(&JOBS, &id, &Job { body, due_ms, taken_by: None })?;
                Ok(Reply::Nothing)
            }
            Request::Take => {
                let now = tx.now();
                let Some((id, job)) = tx.by(&JOBS, &FREE, ..=now, 1)?.pop() else {
                    return Ok(Reply::Nothing);
                };
                let taken_by = caller.session.map(|session| session.to_bytes()[0]);
                tx.put(&JOBS, &id, &Job { taken_by, ..job.clone() })?;
                tx.at(Time::from_millis(now.as_millis() + 30_000), &id)?;
                let taken = tx.mine::<Taken>()?.map_or(0, |taken| taken.0) + 1;
                tx.set_mine(&Taken(taken))?;
                if let Some(session) = caller.session {
                    tx.emit(session, format!("{taken}$").into())?;
                }
                Ok(Reply::Job(id, job.body))
            }
            Request::Done(id) => {
                tx.cancel(&id)?;
                match tx.delete(&JOBS, &id)? {
                    Some(_) => Ok(Reply::Taken(tx.mine::<Taken>()?.map_or(0, |taken| taken.0))),
                    None => tx.refuse("there is no such job"),
                }
            }
            Request::Crash => {
                tx.delete(&JOBS, &1)?;
                assert!(caller.session.is_some(), "a fault of the code");
                Ok(Reply::Nothing)
            }
        }
    }

    fn timer(&self, id: u64, tx: &mut Tx<'_>) -> Do<()> {
        free(tx, id)
    }

    fn gone(&self, session: SessionKey, tx: &mut Tx<'_>) -> Do<()> {
        for (id, job) in tx.range(&JOBS, .., 100)? {
            if job.taken_by == Some(session.to_bytes()[0]) {
                free(tx, id)?;
            }
        }
        Ok(())
    }
}

fn job(id: u64) -> Reply {
    Reply::Job(id, format!("JOB {id}"))
}

fn queue(jobs: u64) -> Bench<Queue> {
    let mut bench = Bench::new(Queue);
    for id in 1..=jobs {
        bench.call(Request::Add(id, format!("job {id}"))).unwrap();
    }
    bench
}

#[test]
fn t2_prepare_runs_before_the_call_and_the_sessions_state_is_its_own() {
    let mut bench = queue(2);
    assert_eq!(bench.call_in(1, Request::Take), Ok(job(1)));
    assert_eq!(bench.call_in(2, Request::Take), Ok(job(2)));
    assert_eq!(bench.call_in(2, Request::Take), Ok(Reply::Nothing));
    assert_eq!(bench.call_in(1, Request::Done(1)), Ok(Reply::Taken(1)));
    let refused = Err(Reason::Refused("there is no such job".into()));
    assert_eq!(bench.call_in(1, Request::Done(1)), refused);
    let events = bench.events();
    assert_eq!(events[0], (Bench::<Queue>::session(1), "1$".into()));
    assert_eq!(events.len(), 2);
}

#[test]
fn t2_a_timer_rings_at_its_time_also_after_a_restart() {
    let mut bench = queue(1);
    bench.call_in(1, Request::Take).unwrap();
    bench.advance(29_999);
    assert_eq!(bench.call_in(2, Request::Take), Ok(Reply::Nothing));
    bench.restart();
    bench.advance(1);
    assert_eq!(bench.call_in(2, Request::Take), Ok(job(1)));
    bench.call_in(2, Request::Done(1)).unwrap();
    bench.advance(60_000);
    assert_eq!(bench.rows(|tx| tx.get(&JOBS, &1)), Ok(None), "a cancelled timer does not ring");
}

#[test]
fn t2_the_end_of_a_session_is_told() {
    let mut bench = queue(1);
    bench.call_in(1, Request::Take).unwrap();
    bench.end(1);
    assert_eq!(bench.call_in(2, Request::Take), Ok(job(1)));
    bench.restart();
    assert_eq!(bench.call_in(1, Request::Take), Ok(Reply::Nothing), "a new session of that key");
}

#[test]
fn t9_a_call_that_panics_is_taken_back_alone() {
    let mut bench = queue(2);
    let Err(Reason::Crashed(what)) = bench.call(Request::Crash) else { panic!("it crashes") };
    assert_eq!(what, "a fault of the code");
    assert_eq!(bench.call_in(1, Request::Take), Ok(job(1)), "what it deleted is there");
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Price1(u64);
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Price(u64, String);
impl Row for Price1 {
    const VERSION: u32 = 1;
    type Before = ();
}
impl Row for Price {
    const VERSION: u32 = 2;
    type Before = Price1;
}
impl Step<Price> for Price1 {
    fn up(self) -> Price {
        assert!(self.0 != 13, "this row is poison");
        Price(self.0, "EUR".into())
    }
    fn down(new: &Price, lost: &mut Lost) -> Self {
        if new.1 != "EUR" {
            lost.field("currency");
        }
        Self(new.0)
    }
}
static OLD_PRICES: Table<u64, Price1> = Table::new("prices");
static PRICES: Table<u64, Price> = Table::new("prices");

#[derive(Versioned, Serialize, Deserialize, PartialEq, Debug)]
#[version(1..=2, Self)]
struct Words(u64, String);

struct OldShop;
impl StatefulService for OldShop {
    type Request = Words;
    type Reply = Words;
    type Timer = ();
    const STATE: (u32, u32) = (1, 1);
    tables!(OLD_PRICES);

    fn apply(&self, _: &Caller<'_>, Words(key, text): Words, tx: &mut Tx<'_>) -> Do<Words> {
        tx.put(&OLD_PRICES, &key, &Price1(key))?;
        Ok(Words(key, text))
    }
}

struct Shop;
impl StatefulService for Shop {
    type Request = Words;
    type Reply = Words;
    type Timer = ();
    const STATE: (u32, u32) = (1, 2);
    tables!(PRICES);

    fn needs(version: Version) -> u32 {
        version.get()
    }

    fn apply(&self, _: &Caller<'_>, Words(key, currency): Words, tx: &mut Tx<'_>) -> Do<Words> {
        let before = tx.get(&PRICES, &key)?.map_or(String::new(), |price| price.1);
        if !currency.is_empty() {
            tx.put(&PRICES, &key, &Price(key, currency))?;
        }
        Ok(Words(key, before))
    }
}

fn words(key: u64, text: &str) -> Words {
    Words(key, text.into())
}

/// A shop that the old release has filled.
fn shop() -> Bench<Shop> {
    let mut old = Bench::new(OldShop);
    for key in [7, 13] {
        old.call(words(key, "")).unwrap();
    }
    old.release(Shop).unwrap()
}

#[test]
fn t6_a_contract_is_offered_while_rows_can_hold_it() {
    let mut bench = shop();
    let offered =
        |bench: &Bench<Shop>| bench.offered().into_iter().map(Version::get).collect::<Vec<_>>();
    assert_eq!(offered(&bench), [1]);
    assert!(bench.finalize(&[known::<OldShop>()]).is_err());
    bench.finalize(&[]).unwrap();
    assert_eq!(offered(&bench), [1, 2]);
    assert!(bench.lower(None).is_err(), "rows of both versions are there");
}

#[test]
fn t7_a_loss_is_counted_and_a_step_that_crashes_is_a_fault_of_the_row() {
    let mut bench = shop();
    assert_eq!(bench.call(words(7, "USD")), Ok(words(7, "EUR")));
    assert_eq!(bench.call(words(7, "")), Ok(words(7, "EUR")), "the old form has no currency");
    assert_eq!(bench.losses(), 1);
    assert_eq!(bench.call(words(13, "")), Err(Reason::StepCrashed("prices")));
    bench.finalize(&[]).unwrap();
    assert_eq!(bench.sweep(), Err(Reason::StepCrashed("prices")), "the sweep says which table");
    assert_eq!(bench.call(words(8, "USD")), Ok(words(8, "")), "others do not notice");
}

#[test]
fn t6_an_aborted_upgrade_equals_none_byte_for_byte() {
    let rows = |bench: &mut Bench<OldShop>| bench.rows(|tx| tx.range(&OLD_PRICES, .., 9)).unwrap();
    let mut old = Bench::new(OldShop);
    old.call(words(7, "")).unwrap();
    let before = rows(&mut old);
    let mut new = old.release(Shop).unwrap();
    new.call(words(7, "EUR")).unwrap();
    let mut old = new.release(OldShop).unwrap();
    assert_eq!(rows(&mut old), before);
}

#[test]
fn t6_a_release_that_does_not_know_the_rows_does_not_claim() {
    let mut bench = Bench::new(Shop);
    bench.call(words(7, "USD")).unwrap();
    bench.finalize(&[]).unwrap();
    bench.sweep().unwrap();
    let why = bench.release(OldShop).unwrap_err().to_string();
    assert_eq!(why, "the shard has state version 2, and this program knows 1 to 1");
}
