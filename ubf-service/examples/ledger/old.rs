//! The ledger's first release, as far as it matters here: it knows state version 1 alone.

use ubf_service::{Caller, Do, StatefulService, Table, Tx, tables};

use crate::ledger::{Account1, Reply, Request};

pub(crate) static OLD_ACCOUNTS: Table<String, Account1> = Table::new("accounts");

pub(crate) struct OldLedger;

impl StatefulService for OldLedger {
    type Request = Request;
    type Reply = Reply;
    type Timer = ();
    const STATE: (u32, u32) = (1, 1);
    tables!(OLD_ACCOUNTS);

    fn apply(&self, _: &Caller<'_>, request: Request, tx: &mut Tx<'_>) -> Do<Reply> {
        let Request::Open { account, cents } = request else {
            return tx.refuse("this release opens accounts");
        };
        tx.put(&OLD_ACCOUNTS, &account, &Account1 { cents })?;
        Ok(Reply::Left(cents))
    }
}
