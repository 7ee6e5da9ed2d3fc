//! What clients saw, call by call, and what the rows tell at the end.
//!
//! The ledger is a register of lists, too: a transfer from the account of a client to an account
//! that stands for a key appends its cents to the list of that key, and the number of the transfer
//! is its place in the one order in which all of them were executed. So one service shows both that
//! no money is made or lost, and that each append has run once.

/// The client whose account the money of an append comes from.
pub(crate) type ClientNumber = u64;

/// One call, from its making to its answer.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) client: ClientNumber,
    /// Which of its client's callers has made it: each makes one call after the other.
    pub(crate) lane: u64,
    /// Microseconds after the beginning of the run.
    pub(crate) begun_us: u64,
    pub(crate) ended_us: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Append(Append, End),
    /// All appends behind this number, as one call has seen them.
    Read {
        after: u64,
        keys: Vec<u64>,
        seen: Vec<Entry>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Append {
    pub(crate) key: u64,
    /// No two appends of a run have the same one, and of those of a client the later one is greater.
    pub(crate) element: u64,
}

/// What became of an append, as its caller knows it.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// It was executed, under this number.
    Done(u64),
    /// It was certainly not executed.
    NotRun(String),
    /// Nobody knows.
    InDoubt,
}

/// An append as the rows have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) client: ClientNumber,
    pub(crate) append: Append,
}

/// The name of the account of a client.
pub(crate) fn client_account(client: ClientNumber) -> String {
    format!("c{client}")
}

/// The name of the account that stands for a key.
pub(crate) fn key_account(key: u64) -> String {
    format!("k{key}")
}

/// The number in the name of an account.
pub(crate) fn number_of(account: &str) -> Option<u64> {
    account.get(1..)?.parse().ok()
}
