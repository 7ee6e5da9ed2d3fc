//! The ledger without sockets, clock or disk.

use proptest::prelude::*;
use ubf_codec::{Term, Versioned as _};
use ubf_service::{Bench, Caller, Lost, Reason, Row, Step as _, Table, known};

use super::rows::{Account32, Account33, STATE, Transfer32};
use super::words::version;
use super::*;

/// Asks in a version, in Erlang's notation; `none` if the request is not of the contract.
fn ask<S>(ledger: &mut Bench<S>, number: u32, request: &str) -> String
where
    S: StatefulService<Request = Request, Reply = Reply>,
{
    let request: Term = request.parse().unwrap();
    let version = version(number);
    let Ok(request) = Request::from_term(version, request.as_ref()) else { return "none".into() };
    let reply = ledger.call_as(&Caller::new(version), request).unwrap();
    reply.to_term(version).unwrap().to_string()
}

/// With rows in that state version.
fn new(state: u32) -> Bench<Ledger> {
    let mut ledger = Bench::new(Ledger::default());
    while ledger.versions().state.write < state {
        ledger.finalize(&[]).unwrap();
        ledger.sweep().unwrap();
    }
    ledger
}

fn with_accounts(state: u32) -> Bench<Ledger> {
    let mut ledger = new(state);
    assert_eq!(ask(&mut ledger, 1, r#"{open,"Joe",300}"#), "ok");
    assert_eq!(ask(&mut ledger, 1, r#"{open,"Mike",700}"#), "ok");
    ledger
}

#[test]
fn version_one_opens_accounts_and_moves_money_between_them() {
    let mut ledger = with_accounts(32);
    for (request, reply) in [
        (r#"{open,"Joe",1}"#, "{error,exists}"),
        (r#"{open,"",1}"#, "{error,bad_name}"),
        (r#"{transfer,"Joe","Mike",100}"#, "{ok,1}"),
        (r#"{transfer,"Joe","Mike",201}"#, "{error,no_cover}"),
        (r#"{transfer,"Joe","Mike",200}"#, "{ok,2}"),
        (r#"{transfer,"Joe","Robert",1}"#, "{error,no_account}"),
        (r#"{transfer,"Mike","Mike",1}"#, "{error,same_account}"),
        (r#"{balance,"Joe"}"#, "{balance,0}"),
        (r#"{balance,"Robert"}"#, "{error,no_account}"),
        ("sum", "{sum,2,1000,1000,2}"),
        ("{accounts,?,1}", r#"{accounts,[{"Joe",0}],"Joe"}"#),
        (r#"{accounts,"Joe",2}"#, r#"{accounts,[{"Mike",1000}],?}"#),
        ("{transfers,1,9}", r#"{transfers,[{2,"Joe","Mike",200}],?}"#),
        ("{transfers,0,1}", r#"{transfers,[{1,"Joe","Mike",100}],1}"#),
        // Not in this version, or not at all.
        (r#"{limit,"Joe",1}"#, "none"),
        (r#"{transfer,"Joe","Mike",1,"for nothing"}"#, "none"),
        (r#"{transfer,"Joe","Mike",0}"#, "none"),
        (r#"{transfer,"Joe","Mike",100000000000001}"#, "none"),
        ("{transfers,0,1001}", "none"),
    ] {
        assert_eq!(ask(&mut ledger, 1, request), reply, "{request}");
    }
}

#[test]
fn version_two_knows_limits_and_version_three_memos_and_moves() {
    let mut ledger = with_accounts(35);
    assert_eq!(ask(&mut ledger, 2, r#"{limit,"Joe",50}"#), "ok");
    assert_eq!(ask(&mut ledger, 3, r#"{transfer,"Joe","Mike",350,"a book"}"#), "{ok,1}");
    assert_eq!(ask(&mut ledger, 2, r#"{limit,"Joe",49}"#), "{error,no_cover}");
    assert_eq!(ask(&mut ledger, 2, r#"{balance,"Joe"}"#), "{balance,-50,50}");
    assert_eq!(ask(&mut ledger, 3, r#"{balance,"Joe"}"#), "{balance,-50,50,1}");
    let page = r#"{transfers,[{1,"Joe","Mike",350,"a book"}],?}"#;
    assert_eq!(ask(&mut ledger, 3, "{transfers,0,9}"), page);
    let long = format!(r#"{{transfer,"Mike","Joe",1,"{}"}}"#, "x".repeat(MAX_MEMO_BYTES + 1));
    assert_eq!(ask(&mut ledger, 3, &long), "{error,bad_memo}");
}

#[test]
fn limits_are_kept_at_them_and_beyond() {
    let mut ledger = Bench::new(Ledger { max_accounts: 2, max_transfers: 2 });
    let name = "x".repeat(MAX_NAME_BYTES);
    assert_eq!(ask(&mut ledger, 1, &format!(r#"{{open,"{name}x",9}}"#)), "{error,bad_name}");
    assert_eq!(ask(&mut ledger, 1, &format!(r#"{{open,"{name}",9}}"#)), "ok");
    assert_eq!(ask(&mut ledger, 1, r#"{open,"b",0}"#), "ok");
    assert_eq!(ask(&mut ledger, 1, r#"{open,"c",0}"#), "{error,full}");
    for number in 1..=3 {
        let done = ask(&mut ledger, 1, &format!(r#"{{transfer,"{name}","b",{number}}}"#));
        assert_eq!(done, format!("{{ok,{number}}}"));
    }
    let kept = ask(&mut ledger, 1, "{transfers,0,9}");
    assert!(kept.starts_with("{transfers,[{2,") && kept.ends_with(",\"b\",3}],?}"), "{kept}");
    assert_eq!(ask(&mut ledger, 1, "sum"), "{sum,2,9,9,3}");
}

/// All accounts that there can be are added up in one call.
#[test]
fn the_sum_has_room_for_all_accounts() {
    let mut ledger = new(32);
    let rows = |tx: &mut Tx<'_>, from: u64| {
        for number in from..from + 500 {
            let account = Account { cents: words::MAX_CENTS, limit: 0, moves: 0 };
            tx.put(&ACCOUNTS, &format!("{number}"), &account)?;
        }
        Ok(())
    };
    for from in (0..MAX_ACCOUNTS).step_by(500) {
        ledger.rows(|tx| rows(tx, from)).unwrap();
    }
    assert_eq!(ask(&mut ledger, 1, "sum"), "{sum,8000,800000000000000000,0,0}");
}

#[test]
fn t6_contract_versions_come_when_the_rows_can_hold_what_they_say() {
    let mut ledger = Bench::new(Ledger::default());
    let offered =
        |ledger: &Bench<Ledger>| ledger.offered().into_iter().map(Version::get).collect::<Vec<_>>();
    for (state, versions) in [(32, &[1][..]), (33, &[1, 2]), (34, &[1, 2]), (35, &[1, 2, 3])] {
        assert_eq!((ledger.versions().state.write, &offered(&ledger)[..]), (state, versions));
        if state < STATE.1 {
            ledger.finalize(&[]).unwrap();
            ledger.sweep().unwrap();
        }
    }
}

/// Releases that know less: the same service with the tables of that time.
macro_rules! release {
    ($name:ident, $newest:literal, $account:ty, $open:expr) => {
        struct $name;

        impl $name {
            const ACCOUNTS: &'static Table<String, $account> = {
                static ACCOUNTS: Table<String, $account> = Table::new("accounts");
                &ACCOUNTS
            };
        }

        impl StatefulService for $name {
            type Request = Request;
            type Reply = Reply;
            type Timer = ();
            const STATE: (u32, u32) = (32, $newest);

            fn tables() -> &'static [&'static dyn ubf_service::AnyTable] {
                static TRANSFERS: Table<u64, Transfer32> = Table::new("transfers");
                static ALL: &[&dyn ubf_service::AnyTable] = &[$name::ACCOUNTS, &TRANSFERS, &TOTAL];
                ALL
            }

            fn apply(&self, _: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
                let Request::Open(account, cents) = request else {
                    return tx.refuse("this release opens accounts");
                };
                let account = account.as_str().unwrap_or_default().to_owned();
                tx.put(Self::ACCOUNTS, &account, &$open(cents))?;
                Ok(Reply::Ok)
            }
        }
    };
}

release!(Release32, 32, Account32, |cents| Account32 { cents });
release!(Release33, 33, Account33, |cents| Account32 { cents }.up());

#[test]
fn t6_before_finalizing_an_old_release_goes_on_without_loss() {
    let mut old = Bench::new(Release32);
    assert_eq!(old.call(Request::Open("Joe".into(), 300)), Ok(Reply::Ok));
    let mut new = old.release(Ledger::default()).unwrap();
    assert_eq!(ask(&mut new, 1, r#"{open,"Mike",700}"#), "ok");
    assert_eq!(ask(&mut new, 1, r#"{transfer,"Joe","Mike",10}"#), "{ok,1}");
    // Moves are of a later state version: that they are not kept is declared, and counted.
    assert!(new.losses() > 0);
    let mut old = new.release(Release32).unwrap();
    let rows = old.rows(|tx| tx.range(Release32::ACCOUNTS, .., 9)).unwrap();
    let cents: Vec<_> = rows.into_iter().map(|(_, account)| account.cents).collect();
    assert_eq!(cents, [290, 710]);
}

#[test]
fn t6_a_release_that_is_versions_behind_does_not_own_the_rows() {
    let why = new(35).release(Release32).err().unwrap();
    let expected = "the shard has state version 35, and this program knows 32 to 32";
    assert_eq!(why.to_string(), expected);
    // One version behind, and a node of it may still own them: not finalized.
    let mut ledger = new(33);
    let why = ledger.finalize(&[known::<Release33>()]).unwrap_err();
    assert_eq!(
        why.to_string(),
        "a node that may own the shard knows state version 33 at most, not 34"
    );
    assert!(ledger.release(Release33).is_ok());
}

#[test]
fn t7_the_way_back_loses_what_it_says() {
    let mut ledger = with_accounts(35);
    assert_eq!(ask(&mut ledger, 3, r#"{transfer,"Joe","Mike",5,"a book"}"#), "{ok,1}");
    assert_eq!(ledger.losses(), 0);
    for (state, losses) in [(34, 1), (33, 3)] {
        ledger.lower(None).unwrap();
        ledger.sweep().unwrap();
        assert_eq!((ledger.versions().state.write, ledger.losses()), (state, losses));
    }
    assert_eq!(ask(&mut ledger, 1, "sum"), "{sum,2,1000,1000,1}");
    assert!(ledger.release(Release33).is_ok());
}

#[test]
fn a_request_that_is_taken_back_leaves_nothing() {
    let mut ledger = with_accounts(32);
    let taken_back: Result<(), Reason> = ledger.rows(|tx| {
        let (name, account) = account_of(tx, &"Joe".into())?.unwrap();
        tx.put(&ACCOUNTS, &name, &Account { cents: 0, ..account })?;
        tx.refuse("no")
    });
    assert!(taken_back.is_err());
    assert_eq!(ask(&mut ledger, 1, "sum"), "{sum,2,1000,1000,0}");
}

proptest! {
    /// Whatever is asked, in whatever state version, and whichever release comes next.
    #[test]
    fn money_is_neither_made_nor_lost(
        state in 32_u32..=35,
        steps in prop::collection::vec((0_u8..6, 0_usize..4, 0_usize..4, 1_i64..400), 1..40),
    ) {
        let names = ["a", "b", "c", "d"];
        let (mut ledger, mut made, mut number) = (new(state), 0, 0);
        for (what, from, to, cents) in steps {
            let (from, to) = (Text::from(names[from]), Text::from(names[to]));
            let request = match what {
                0 => Request::Open(from, cents),
                1 => Request::Limit(from, cents),
                2 => { ledger.restart(); continue }
                _ => Request::Transfer { from, to, cents, memo: Text::default() },
            };
            let is_open = matches!(request, Request::Open(..));
            let reply = ledger.call(request).unwrap();
            if reply == Reply::Ok && is_open {
                made += cents;
            } else if let Reply::Done(done) = reply {
                number += 1;
                prop_assert_eq!(done, number);
            }
            let Reply::Sum { cents, made: told, transfers, .. } = ledger.call(Request::Sum).unwrap()
            else { panic!("a sum") };
            prop_assert_eq!((cents, told, transfers), (made, made, number));
        }
    }

    #[test]
    fn t7_steps_lose_what_they_declare(cents: i64, limit: i64, moves: u64, memo in "[a-z]{0,3}") {
        let account = Account { cents, limit, moves };
        let transfer = Transfer { from: "a".into(), to: "b".into(), cents, memo };
        for state in STATE.0..=STATE.1 {
            let mut lost = Lost::default();
            let written = account.write_at(state, &mut lost).unwrap();
            let read = Account::read(written.version, &written.packet).unwrap();
            prop_assert_eq!(read == account, lost.fields().is_empty());
            let mut lost = Lost::default();
            let written = transfer.write_at(state, &mut lost).unwrap();
            let read = Transfer::read(written.version, &written.packet).unwrap();
            prop_assert_eq!(read == transfer, lost.fields().is_empty());
        }
    }
}
