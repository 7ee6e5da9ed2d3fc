//! The rows of the ledger, in the forms that they had in four state versions.
//!
//! | state version | an account's row | a transfer's row |
//! |---|---|---|
//! | 32 | `{'account',Cents}` | `{'transfer',From,To,Cents}` |
//! | 33 | `{'account',Cents,Limit}` | |
//! | 34 | `{'account',Cents,Limit,Moves}` | |
//! | 35 | | `{'transfer',From,To,Cents,Memo}` |

use serde::{Deserialize, Serialize};
use ubf_service::{Lost, Row, Step, Table};

/// The oldest state version and the newest.
pub(super) const STATE: (u32, u32) = (32, 35);

/// State version 32: what is on the account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(super) struct Account32 {
    pub(super) cents: i64,
}

/// State version 33: how far below zero it may go.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(super) struct Account33 {
    cents: i64,
    limit: i64,
}

/// State version 34: how many transfers it has had a part in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(super) struct Account {
    pub(super) cents: i64,
    pub(super) limit: i64,
    pub(super) moves: u64,
}

/// State version 32: from where to where, and how much.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "transfer")]
pub(super) struct Transfer32 {
    from: String,
    to: String,
    cents: i64,
}

/// State version 35: what for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "transfer")]
pub(super) struct Transfer {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) cents: i64,
    pub(super) memo: String,
}

/// What has been so far: the accounts, what was put on them when they were opened, and the number of
/// the last transfer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename = "total")]
pub(super) struct Total {
    pub(super) accounts: u64,
    pub(super) made: i64,
    pub(super) transfers: u64,
}

impl Row for Account32 {
    const VERSION: u32 = 32;
    type Before = ();
}
impl Row for Account33 {
    const VERSION: u32 = 33;
    type Before = Account32;
}
impl Row for Account {
    const VERSION: u32 = 34;
    type Before = Account33;
}
impl Row for Transfer32 {
    const VERSION: u32 = 32;
    type Before = ();
}
impl Row for Transfer {
    const VERSION: u32 = 35;
    type Before = Transfer32;
}
impl Row for Total {
    const VERSION: u32 = 32;
    type Before = ();
}

impl Step<Account33> for Account32 {
    fn up(self) -> Account33 {
        Account33 { cents: self.cents, limit: 0 }
    }

    fn down(new: &Account33, lost: &mut Lost) -> Self {
        if new.limit != 0 {
            lost.field("limit");
        }
        Self { cents: new.cents }
    }
}

impl Step<Account> for Account33 {
    fn up(self) -> Account {
        Account { cents: self.cents, limit: self.limit, moves: 0 }
    }

    fn down(new: &Account, lost: &mut Lost) -> Self {
        if new.moves != 0 {
            lost.field("moves");
        }
        // T7: it says what it loses, unless this rule is taken away.
        let lie = if crate::fault::is_taken_away("down-lies") { new.cents & 1 } else { 0 };
        Self { cents: new.cents - lie, limit: new.limit }
    }
}

impl Step<Transfer> for Transfer32 {
    fn up(self) -> Transfer {
        Transfer { from: self.from, to: self.to, cents: self.cents, memo: String::new() }
    }

    fn down(new: &Transfer, lost: &mut Lost) -> Self {
        if !new.memo.is_empty() {
            lost.field("memo");
        }
        Self { from: new.from.clone(), to: new.to.clone(), cents: new.cents }
    }
}

pub(super) static ACCOUNTS: Table<String, Account> = Table::new("accounts");
/// By their numbers, from 1.
pub(super) static TRANSFERS: Table<u64, Transfer> = Table::new("transfers");
pub(super) static TOTAL: Table<(), Total> = Table::new("total");
