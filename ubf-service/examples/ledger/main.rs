//! An account ledger in three state versions, and what becomes of it in the years: money is neither
//! made nor lost, whatever release owns the rows.
//!
//! ```text
//! cargo run -p ubf-service --example ledger
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

mod ledger;
mod old;

use ubf_service::{Bench, known};

use crate::ledger::{ACCOUNTS, Ledger, Reply, Request};
use crate::old::{OLD_ACCOUNTS, OldLedger};

fn transfer(from: &str, to: &str, cents: i64) -> Request {
    Request::Transfer { from: from.into(), to: to.into(), cents }
}

/// All the money there is.
fn sum(bench: &mut Bench<Ledger>) -> i64 {
    let rows = bench.rows(|tx| tx.range(&ACCOUNTS, .., 1_000)).expect("rows can be read");
    rows.into_iter().map(|(_, account)| account.cents).sum()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The first release knows state version 1 alone.
    let mut old = Bench::new(OldLedger);
    for (account, cents) in [("Joe", 300), ("Mike", 700)] {
        old.call(Request::Open { account: account.into(), cents }).expect("an account is opened");
    }

    // A newer release over the same rows: it writes what the old one can read.
    let mut new = old.release(Ledger)?;
    assert_eq!(new.call(transfer("Joe", "Mike", 50)), Ok(Reply::Left(250)));
    assert!(new.call(transfer("Joe", "Mike", 900)).is_err(), "there is no cover");
    println!("a release later: {} cents, versions offered: {:?}", sum(&mut new), new.offered());

    // It is taken back, without loss.
    let mut old = new.release(OldLedger)?;
    let joe = old.rows(|tx| tx.get(&OLD_ACCOUNTS, &"Joe".to_owned())).expect("rows can be read");
    println!("and back: Joe has {:?} cents", joe.map(|account| account.cents));

    // While a node with the old release may own the rows, nothing is finalized.
    let mut new = old.release(Ledger)?;
    let why = new.finalize(&[known::<OldLedger>()]).expect_err("the old node does not know it");
    println!("not finalized: {why}");
    for _ in 1..3 {
        new.finalize(&[])?;
        new.sweep().expect("rows can be rewritten");
    }
    println!("finalized twice: {:?}, offered: {:?}", new.versions().state, new.offered());
    let owner = "Joe".to_owned();
    new.call(Request::Own { account: "Mike".into(), owner: owner.clone() }).expect("it is his");
    assert_eq!(new.call(Request::Of { owner }), Ok(Reply::Accounts(vec!["Mike".into()])));
    new.restart();
    assert_eq!(sum(&mut new), 1_000, "money is neither made nor lost");

    // From here on the old release cannot own the rows.
    let why = new.release(OldLedger).expect_err("it does not know what is in them");
    println!("the old release: {why}");
    Ok(())
}
