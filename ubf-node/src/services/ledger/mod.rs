//! `ledger`: accounts and transfers between them. Money is neither made nor lost, whichever release
//! owns the rows, and everyone can add it up.
//!
//! | request | version 1 | version 2 | version 3 |
//! |---|---|---|---|
//! | `{open,Account,Cents}` | `ok` | the same | the same |
//! | `{transfer,From,To,Cents}` | `{ok,Number}` | the same | the same |
//! | `{transfer,From,To,Cents,Memo}` | | | `{ok,Number}` |
//! | `{limit,Account,Cents}` | | `ok` | the same |
//! | `{balance,Account}` | `{balance,Cents}` | `{balance,Cents,Limit}` | `{balance,Cents,Limit,Moves}` |
//! | `sum` | `{sum,Accounts,Cents,Made,Transfers}` | the same | the same |
//! | `{accounts,After,Count}` | `{accounts,[{Account,Cents}],Next}` | the same | the same |
//! | `{transfers,After,Count}` | `{transfers,[{Number,From,To,Cents}],Next}` | the same | also Memo |
//!
//! What cannot be done is answered `{error,Why}`. In `sum`, Cents is what is on all accounts, added
//! up for this reply, and Made is what was put on them when they were opened: they are equal.
//! Transfers are numbered from 1 without a gap.
//!
//! Version 1 needs state version 32, version 2 needs 33, and version 3 needs 35; what a row holds in
//! which state version stands in [`rows`].

mod rows;
mod words;

use std::ops::Bound;

use ubf_codec::{Text, Version};
use ubf_service::{Caller, Do, StatefulService, Tx, tables};

use self::rows::{ACCOUNTS, Account, TOTAL, TRANSFERS, Transfer};
use self::words::{Entry, Reply, Request, Why};

/// The most accounts (L1). Chosen: `sum` reads them all in one call.
const MAX_ACCOUNTS: u64 = 8_000;
/// The transfers that are kept: of those before, only the number is known.
const MAX_TRANSFERS: u64 = 4_000_000;
/// The most bytes of an account's name.
const MAX_NAME_BYTES: usize = 64;
/// The most bytes of a memo.
const MAX_MEMO_BYTES: usize = 256;

/// Accounts, and transfers between them: in three versions of its contract, over four state
/// versions.
///
/// # Limits
/// It has 8,000 accounts, and keeps the last four million transfers. A name has 1 to 64 bytes, a
/// memo at most 256, both in UTF-8. No amount is above 10^14. A page has 1,000 entries.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    max_accounts: u64,
    max_transfers: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { max_accounts: MAX_ACCOUNTS, max_transfers: MAX_TRANSFERS }
    }
}

impl StatefulService for Ledger {
    type Request = Request;
    type Reply = Reply;
    type Timer = ();
    const STATE: (u32, u32) = rows::STATE;
    tables!(ACCOUNTS, TRANSFERS, TOTAL);

    /// Version 2 of the contract speaks of limits, version 3 of memos.
    fn needs(version: Version) -> u32 {
        match version.get() {
            1 => 32,
            2 => 33,
            _ => 35,
        }
    }

    fn apply(&self, _: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        crate::fault::at("ledger");
        match request {
            Request::Open(account, cents) => self.open(tx, &account, cents),
            Request::Limit(account, cents) => {
                let Some((name, before)) = account_of(tx, &account)? else {
                    return Ok(Reply::Not(Why::NoAccount));
                };
                if before.cents < -cents {
                    return Ok(Reply::Not(Why::NoCover));
                }
                tx.put(&ACCOUNTS, &name, &Account { limit: cents, ..before })?;
                Ok(Reply::Ok)
            }
            Request::Transfer { from, to, cents, memo } => {
                self.transfer(tx, &from, &to, cents, &memo)
            }
            Request::Balance(account) => Ok(match account_of(tx, &account)? {
                Some((_, Account { cents, limit, moves })) => {
                    Reply::Balance { cents, limit, moves }
                }
                None => Reply::Not(Why::NoAccount),
            }),
            Request::Sum => sum(tx),
            Request::Accounts { after, count } => accounts(tx, after.as_ref(), count),
            Request::Transfers { after, count } => transfers(tx, after, count),
        }
    }
}

impl Ledger {
    fn open(&self, tx: &mut Tx<'_>, account: &Text, cents: i64) -> Do<Reply> {
        let Some(name) = name(account) else { return Ok(Reply::Not(Why::BadName)) };
        if tx.get(&ACCOUNTS, &name)?.is_some() {
            return Ok(Reply::Not(Why::Exists));
        }
        let mut total = tx.get(&TOTAL, &())?.unwrap_or_default();
        if total.accounts >= self.max_accounts {
            return Ok(Reply::Not(Why::Full));
        }
        total.accounts += 1;
        total.made += cents;
        tx.put(&ACCOUNTS, &name, &Account { cents, limit: 0, moves: 0 })?;
        tx.put(&TOTAL, &(), &total)?;
        Ok(Reply::Ok)
    }

    fn transfer(
        &self,
        tx: &mut Tx<'_>,
        from: &Text,
        to: &Text,
        cents: i64,
        memo: &Text,
    ) -> Do<Reply> {
        let memo = match memo.as_str() {
            Some(memo) if memo.len() <= MAX_MEMO_BYTES => memo.to_owned(),
            Some(_) | None => return Ok(Reply::Not(Why::BadMemo)),
        };
        if from == to {
            return Ok(Reply::Not(Why::SameAccount));
        }
        let Some((from, mut source)) = account_of(tx, from)? else {
            return Ok(Reply::Not(Why::NoAccount));
        };
        let Some((to, mut target)) = account_of(tx, to)? else {
            return Ok(Reply::Not(Why::NoAccount));
        };
        if source.cents - cents < -source.limit {
            return Ok(Reply::Not(Why::NoCover));
        }
        source.cents -= cents;
        target.cents += cents;
        source.moves += 1;
        target.moves += 1;
        let mut total = tx.get(&TOTAL, &())?.unwrap_or_default();
        total.transfers += 1;
        let number = total.transfers;
        tx.put(&ACCOUNTS, &from, &source)?;
        tx.put(&ACCOUNTS, &to, &target)?;
        tx.put(&TRANSFERS, &number, &Transfer { from, to, cents, memo })?;
        tx.put(&TOTAL, &(), &total)?;
        if let Some(outdated) = number.checked_sub(self.max_transfers) {
            tx.delete(&TRANSFERS, &outdated)?;
        }
        Ok(Reply::Done(number))
    }
}

/// A name that an account can have.
fn name(text: &Text) -> Option<String> {
    let name = text.as_str()?;
    (1..=MAX_NAME_BYTES).contains(&name.len()).then(|| name.to_owned())
}

fn account_of(tx: &mut Tx<'_>, account: &Text) -> Do<Option<(String, Account)>> {
    let Some(name) = name(account) else { return Ok(None) };
    Ok(tx.get(&ACCOUNTS, &name)?.map(|account| (name, account)))
}

/// Adds up all accounts: what is counted elsewhere would prove nothing.
fn sum(tx: &mut Tx<'_>) -> Do<Reply> {
    let total = tx.get(&TOTAL, &())?.unwrap_or_default();
    let rows = tx.range(&ACCOUNTS, .., usize::MAX)?;
    let accounts = rows.len() as u64;
    let cents = rows.into_iter().map(|(_, account)| account.cents).sum();
    Ok(Reply::Sum { accounts, cents, made: total.made, transfers: total.transfers })
}

fn accounts(tx: &mut Tx<'_>, after: Option<&Text>, count: usize) -> Do<Reply> {
    let after = match after.map(|after| after.as_str()) {
        None => Bound::Unbounded,
        Some(Some(after)) => Bound::Excluded(after.to_owned()),
        Some(None) => return Ok(Reply::Not(Why::BadName)),
    };
    let rows = tx.range(&ACCOUNTS, (after, Bound::Unbounded), count)?;
    let is_last = rows.len() < count;
    let page: Vec<_> = rows.into_iter().map(|(name, account)| (name, account.cents)).collect();
    let next = page.last().filter(|_| !is_last).map(|(name, _)| name.clone());
    Ok(Reply::Accounts(page, next))
}

fn transfers(tx: &mut Tx<'_>, after: u64, count: usize) -> Do<Reply> {
    let rows = tx.range(&TRANSFERS, (Bound::Excluded(after), Bound::Unbounded), count)?;
    let is_last = rows.len() < count;
    let entry =
        |(number, Transfer { from, to, cents, memo })| Entry { number, from, to, cents, memo };
    let page: Vec<_> = rows.into_iter().map(entry).collect();
    let next = page.last().filter(|_| !is_last).map(|entry| entry.number);
    Ok(Reply::Transfers(page, next))
}

#[cfg(test)]
mod tests;
