//! What is said to the ledger and what it answers, in three versions of its contract.

use ubf_codec::{Term, TermRef, Text, Version, Versioned, VersionedError, View, ubf};

/// The most cents of an account when it is opened, of a limit and of a transfer. Chosen: the sum of
/// all accounts has room in 64 bits, and so has each account.
pub(super) const MAX_CENTS: i64 = 100_000_000_000_000;
/// The most entries of a page.
pub(super) const MAX_PAGE: i64 = 1_000;

/// What is asked.
#[derive(Clone, PartialEq, Debug)]
pub enum Request {
    /// An account is opened, with so many cents on it.
    Open(Text, i64),
    /// How far below zero an account may go.
    Limit(Text, i64),
    /// Cents go from one account to another one.
    Transfer {
        /// The account that has less afterwards.
        from: Text,
        /// The one that has more.
        to: Text,
        /// How much.
        cents: i64,
        /// What for.
        memo: Text,
    },
    /// What is on an account.
    Balance(Text),
    /// What is on all accounts together.
    Sum,
    /// A page of the accounts after one; `?` is before all.
    Accounts {
        /// The last account of the page before.
        after: Option<Text>,
        /// The most entries.
        count: usize,
    },
    /// A page of the transfers after one; 0 is before all.
    Transfers {
        /// The number of the last one of the page before.
        after: u64,
        /// The most entries.
        count: usize,
    },
}

/// What is answered.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// It is done.
    Ok,
    /// The number of a transfer.
    Done(u64),
    /// What is on an account.
    Balance {
        /// How much.
        cents: i64,
        /// How far below zero it may go.
        limit: i64,
        /// How many transfers it has had a part in, as far as rows could hold it.
        moves: u64,
    },
    /// What is on all accounts together.
    Sum {
        /// How many accounts there are.
        accounts: u64,
        /// What is on them, added up for this reply.
        cents: i64,
        /// What was put on them when they were opened.
        made: i64,
        /// How many transfers there have been.
        transfers: u64,
    },
    /// Accounts with what is on them, and where the next page begins.
    Accounts(Vec<(String, i64)>, Option<String>),
    /// Transfers by number, and where the next page begins.
    Transfers(Vec<Entry>, Option<u64>),
    /// Why it is not done.
    Not(Why),
}

/// A transfer in a page.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// The account that has less since.
    pub from: String,
    /// The one that has more.
    pub to: String,
    /// How much.
    pub cents: i64,
    /// What for.
    pub memo: String,
}

/// Why something is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// A name has 1 to 64 bytes of UTF-8.
    BadName,
    /// A memo has at most 256 bytes of UTF-8.
    BadMemo,
    /// The account is there already.
    Exists,
    /// There is no room for another account.
    Full,
    /// There is no such account.
    NoAccount,
    /// The account would go further below zero than it may.
    NoCover,
    /// Both accounts are the same one.
    SameAccount,
}

impl Why {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BadName => "bad_name",
            Self::BadMemo => "bad_memo",
            Self::Exists => "exists",
            Self::Full => "full",
            Self::NoAccount => "no_account",
            Self::NoCover => "no_cover",
            Self::SameAccount => "same_account",
        }
    }
}

/// The versions of the contract: 1, 2 and 3.
const VERSIONS: [Version; 3] = [version(1), version(2), version(3)];

pub(super) const fn version(number: u32) -> Version {
    match Version::new(number) {
        Some(version) => version,
        None => Version::MIN,
    }
}

impl Versioned for Request {
    const VERSIONS: &'static [Version] = &VERSIONS;

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        let since = match self {
            Self::Limit(..) => 2,
            Self::Transfer { memo, .. } if !memo.as_bytes().is_empty() => 3,
            Self::Open(..)
            | Self::Transfer { .. }
            | Self::Balance(_)
            | Self::Sum
            | Self::Accounts { .. }
            | Self::Transfers { .. } => 1,
        };
        if version.get() < since {
            return Err(VersionedError::no_form(version));
        }
        let string = Term::String;
        Ok(match self.clone() {
            Self::Open(account, cents) => ubf!({open, (string(account)), (cents)}),
            Self::Limit(account, cents) => ubf!({limit, (string(account)), (cents)}),
            Self::Transfer { from, to, cents, memo } if memo.as_bytes().is_empty() => {
                ubf!({transfer, (string(from)), (string(to)), (cents)})
            }
            Self::Transfer { from, to, cents, memo } => {
                ubf!({transfer, (string(from)), (string(to)), (cents), (string(memo))})
            }
            Self::Balance(account) => ubf!({balance, (string(account))}),
            Self::Sum => ubf!(sum),
            Self::Accounts { after, count } => {
                ubf!({accounts, (after.map_or(Term::Undefined, string)), (count as u64)})
            }
            Self::Transfers { after, count } => ubf!({transfers, (after), (count as u64)}),
        })
    }

    fn from_term(version: Version, term: TermRef<'_>) -> Result<Self, VersionedError> {
        read(version, term).ok_or_else(|| {
            VersionedError::unreadable(
                version,
                match version.get() {
                    1 => {
                        "{open,Account,0..100000000000000}, {transfer,From,To,1..100000000000000}, {balance,Account}, sum, {accounts,After,1..1000} or {transfers,After,1..1000} is expected"
                    }
                    2 => {
                        "{open,Account,0..100000000000000}, {limit,Account,0..100000000000000}, {transfer,From,To,1..100000000000000}, {balance,Account}, sum, {accounts,After,1..1000} or {transfers,After,1..1000} is expected"
                    }
                    _ => {
                        "{open,Account,0..100000000000000}, {limit,Account,0..100000000000000}, {transfer,From,To,1..100000000000000}, with Memo or without, {balance,Account}, sum, {accounts,After,1..1000} or {transfers,After,1..1000} is expected"
                    }
                },
            )
        })
    }
}

fn read(version: Version, term: TermRef<'_>) -> Option<Request> {
    if term.is_atom("sum") {
        return Some(Request::Sum);
    }
    let View::Tuple(parts) = term.view() else { return None };
    let (name, version) = (parts.get(0)?, version.get());
    let string = |index| match parts.get(index)?.view() {
        // What is kept must not hold on to the buffer that it was read into: it is copied.
        View::String(text) => Some(text.to_text()),
        View::Atom(_)
        | View::Integer(_)
        | View::Binary(_)
        | View::Tuple(_)
        | View::List(_)
        | View::Tagged(..)
        | View::Undefined => None,
    };
    let cents = |index, least| {
        parts.get(index)?.as_i64().filter(|cents| (least..=MAX_CENTS).contains(cents))
    };
    let count = || {
        let count = parts.get(2)?.as_i64().filter(|count| (1..=MAX_PAGE).contains(count))?;
        usize::try_from(count).ok()
    };
    match parts.len() {
        2 if name.is_atom("balance") => Some(Request::Balance(string(1)?)),
        3 if name.is_atom("open") => Some(Request::Open(string(1)?, cents(2, 0)?)),
        3 if name.is_atom("limit") && version >= 2 => {
            Some(Request::Limit(string(1)?, cents(2, 0)?))
        }
        3 if name.is_atom("accounts") => {
            let after = parts.get(1)?;
            // Peers without `?` write it as an atom.
            let is_first = after.is_undefined() || after.is_atom("undefined");
            let after = if is_first { None } else { Some(string(1)?) };
            Some(Request::Accounts { after, count: count()? })
        }
        3 if name.is_atom("transfers") => {
            let after = parts.get(1)?.as_u64()?;
            Some(Request::Transfers { after, count: count()? })
        }
        4 | 5 if name.is_atom("transfer") => {
            let memo = match parts.len() {
                5 if version >= 3 => string(4)?,
                5 => return None,
                _ => Text::default(),
            };
            let (from, to) = (string(1)?, string(2)?);
            Some(Request::Transfer { from, to, cents: cents(3, 1)?, memo })
        }
        _ => None,
    }
}

impl Versioned for Reply {
    const VERSIONS: &'static [Version] = &VERSIONS;

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        let version = version.get();
        let string = |text: &str| Term::string(text);
        Ok(match self {
            Self::Ok => ubf!(ok),
            Self::Done(number) => ubf!({ok, (*number)}),
            Self::Balance { cents, .. } if version == 1 => ubf!({balance, (*cents)}),
            Self::Balance { cents, limit, .. } if version == 2 => {
                ubf!({balance, (*cents), (*limit)})
            }
            Self::Balance { cents, limit, moves } => {
                ubf!({balance, (*cents), (*limit), (*moves)})
            }
            Self::Sum { accounts, cents, made, transfers } => {
                ubf!({sum, (*accounts), (*cents), (*made), (*transfers)})
            }
            Self::Accounts(accounts, next) => {
                let entry = |(account, cents): &(String, i64)| ubf!({(string(account)), (*cents)});
                let next = next.as_deref().map_or(Term::Undefined, string);
                ubf!({accounts, (Term::list(accounts.iter().map(entry))), (next)})
            }
            Self::Transfers(entries, next) => {
                let entry = |entry: &Entry| {
                    let Entry { number, from, to, cents, memo } = entry;
                    let (from, to) = (string(from), string(to));
                    if version < 3 {
                        ubf!({(*number), (from), (to), (*cents)})
                    } else {
                        ubf!({(*number), (from), (to), (*cents), (string(memo))})
                    }
                };
                let next = next.map_or(Term::Undefined, |next| ubf!((next)));
                ubf!({transfers, (Term::list(entries.iter().map(entry))), (next)})
            }
            Self::Not(why) => ubf!({error, (Term::atom(why.as_str()))}),
        })
    }

    /// Clients read replies, and this is no client.
    fn from_term(version: Version, _: TermRef<'_>) -> Result<Self, VersionedError> {
        Err(VersionedError::no_form(version))
    }
}
