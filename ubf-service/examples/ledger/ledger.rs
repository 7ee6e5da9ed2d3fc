//! The ledger: accounts in three state versions, and a contract in two.

use serde::{Deserialize, Serialize};
use ubf_codec::{Version, Versioned};
use ubf_service::{Caller, Do, Index, Lost, Row, StatefulService, Step, Table, Tx, tables};

/// State version 1: what is on the account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(crate) struct Account1 {
    pub(crate) cents: i64,
}

/// State version 2: how far below zero it may go.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(crate) struct Account2 {
    cents: i64,
    limit: i64,
}

/// State version 3: whose it is, with an index by owner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "account")]
pub(crate) struct Account {
    pub(crate) cents: i64,
    limit: i64,
    owner: Option<String>,
}

impl Row for Account1 {
    const VERSION: u32 = 1;
    type Before = ();
}
impl Row for Account2 {
    const VERSION: u32 = 2;
    type Before = Account1;
}
impl Row for Account {
    const VERSION: u32 = 3;
    type Before = Account2;
}
impl Step<Account2> for Account1 {
    fn up(self) -> Account2 {
        Account2 { cents: self.cents, limit: 0 }
    }
    fn down(new: &Account2, lost: &mut Lost) -> Self {
        if new.limit != 0 {
            lost.field("limit");
        }
        Self { cents: new.cents }
    }
}
impl Step<Account> for Account2 {
    fn up(self) -> Account {
        Account { cents: self.cents, limit: self.limit, owner: None }
    }
    fn down(new: &Account, lost: &mut Lost) -> Self {
        if new.owner.is_some() {
            lost.field("owner");
        }
        Self { cents: new.cents, limit: new.limit }
    }
}

static BY_OWNER: Index<String, Account, String> =
    Index::new("owner", 3, |_, account| account.owner.clone());
pub(crate) static ACCOUNTS: Table<String, Account> =
    Table::new("accounts").indexed_by(&[&BY_OWNER]);

#[derive(Versioned, Serialize, Deserialize)]
#[version(1..=2, Self)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Open { account: String, cents: i64 },
    Transfer { from: String, to: String, cents: i64 },
    Own { account: String, owner: String },
    Of { owner: String },
}

#[derive(Versioned, Serialize, Deserialize, PartialEq, Debug)]
#[version(1..=2, Self)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Left(i64),
    Accounts(Vec<String>),
}

pub(crate) struct Ledger;

impl StatefulService for Ledger {
    type Request = Request;
    type Reply = Reply;
    type Timer = ();
    const STATE: (u32, u32) = (1, 3);
    tables!(ACCOUNTS);

    /// Version 2 of the contract speaks of owners.
    fn needs(version: Version) -> u32 {
        if version.get() < 2 { 1 } else { 3 }
    }

    fn apply(&self, _: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        match request {
            Request::Open { account, cents } => {
                tx.put(&ACCOUNTS, &account, &Account { cents, limit: 0, owner: None })?;
                Ok(Reply::Left(cents))
            }
            Request::Transfer { from, to, cents } => {
                let Some(mut source) = tx.get(&ACCOUNTS, &from)? else {
                    return tx.refuse("no such account");
                };
                source.cents -= cents;
                let left = source.cents;
                tx.put(&ACCOUNTS, &from, &source)?;
                let Some(mut target) = tx.get(&ACCOUNTS, &to)? else {
                    return tx.refuse("no such account");
                };
                if cents < 0 || left < -source.limit {
                    return tx.refuse("no cover");
                }
                target.cents += cents;
                tx.put(&ACCOUNTS, &to, &target)?;
                Ok(Reply::Left(left))
            }
            Request::Own { account, owner } => {
                let Some(row) = tx.get(&ACCOUNTS, &account)? else {
                    return tx.refuse("no such account");
                };
                let row = Account { owner: Some(owner), ..row };
                tx.put(&ACCOUNTS, &account, &row)?;
                Ok(Reply::Left(row.cents))
            }
            Request::Of { owner } => {
                let rows = tx.by(&ACCOUNTS, &BY_OWNER, owner.clone()..=owner, 100)?;
                Ok(Reply::Accounts(rows.into_iter().map(|(account, _)| account).collect()))
            }
        }
    }
}
