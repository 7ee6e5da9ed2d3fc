//! What the author of a service with state writes.

use std::future::{Future, ready};

use bytes::Bytes;
use ubf_codec::{Encoder, Term, TermRef, Text, Version, Versioned};
use ubf_state::{AnyTable, Do, Key, Reason, SessionKey, Tx, TxLimits};

/// A service whose state outlives connections, processes and releases.
///
/// All of its state is rows in tables, and each call is one function from a request to a reply over
/// a transaction. It has no input but its arguments, so that it can be run again when a row was not
/// in memory. What it writes is committed before its reply leaves.
///
/// `?` passes on why a call goes no further; `tx.refuse("…")` refuses it by a rule of the service.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ubf_codec::Versioned;
/// use ubf_service::{Bench, Caller, Do, Row, StatefulService, Table, Tx, tables};
///
/// #[derive(Clone, PartialEq, Serialize, Deserialize)]
/// struct Visits { count: u64 }
/// impl Row for Visits { const VERSION: u32 = 1; type Before = (); }
/// static VISITS: Table<String, Visits> = Table::new("visits");
///
/// #[derive(Versioned, Serialize, Deserialize)]
/// #[version(1, Self)]
/// #[serde(rename = "visit")]
/// struct Visit { page: String }
///
/// #[derive(Versioned, Serialize, Deserialize, PartialEq, Debug)]
/// #[version(1, Self)]
/// struct Count(u64);
///
/// struct Counter;
/// impl StatefulService for Counter {
///     type Request = Visit;
///     type Reply = Count;
///     type Timer = ();
///     const STATE: (u32, u32) = (1, 1);
///     tables!(VISITS);
///
///     fn apply(&self, _: &Caller<'_>, Visit { page }: Visit, tx: &mut Tx<'_>) -> Do<Count> {
///         let count = tx.get(&VISITS, &page)?.map_or(0, |visits| visits.count) + 1;
///         tx.put(&VISITS, &page, &Visits { count })?;
///         Ok(Count(count))
///     }
/// }
///
/// let mut bench = Bench::new(Counter);
/// assert_eq!(bench.call(Visit { page: "a".into() }), Ok(Count(1)));
/// bench.restart();
/// assert_eq!(bench.call(Visit { page: "a".into() }), Ok(Count(2)));
/// ```
pub trait StatefulService: Send + Sync + Sized + 'static {
    /// What is asked, in all versions of the contract.
    type Request: Versioned + Send;

    /// What is answered.
    type Reply: Versioned;

    /// What timers are for; `()` if there are none.
    type Timer: Key;

    /// The state versions that this program can read and write: the oldest and the newest.
    const STATE: (u32, u32);

    /// All tables, for the sweeper: those of rows, and
    /// [`MineTable`](ubf_state::MineTable) if sessions have state. [`tables!`](crate::tables)
    /// writes it.
    fn tables() -> &'static [&'static dyn AnyTable];

    /// The state version that a version of the contract needs: it is offered only while rows can
    /// hold what it can say (T6). The oldest one by default.
    fn needs(version: Version) -> u32 {
        let _whatever_it_is = version;
        Self::STATE.0
    }

    /// What one call may take (L1): by default [`TxLimits::default`].
    #[must_use]
    fn limits() -> TxLimits {
        TxLimits::default()
    }

    /// What must wait or ask others, before the call: a look-up elsewhere, the hash of a password.
    /// It sees no rows, may run again, and passes its result on in the request.
    ///
    /// Behind a server it runs on the server's runtime. While it waits, the messages behind it on
    /// its connection wait, too, and those of other connections do not. If it panics the call is
    /// `refused 'crash'`; if it takes too long, `failed 'call_time'`.
    fn prepare(&self, request: Self::Request) -> impl Future<Output = Self::Request> + Send {
        ready(request)
    }

    /// One call.
    ///
    /// # Errors
    /// Why it goes no further. What it wrote is taken back.
    fn apply(
        &self,
        caller: &Caller<'_>,
        request: Self::Request,
        tx: &mut Tx<'_>,
    ) -> Do<Self::Reply>;

    /// An event of a client, which has no answer: the term in `{'event_in',Term}`. By default it is
    /// ignored.
    ///
    /// It is a transaction as a call is, and its number is stored with what it writes, so it runs
    /// once. Types read it: `Typing::from_term(caller.version, event)`.
    ///
    /// # Errors
    /// Why it goes no further. What it wrote is taken back; nobody is told.
    fn event(&self, caller: &Caller<'_>, event: TermRef<'_>, tx: &mut Tx<'_>) -> Do<()> {
        let (_caller, _event, _tx) = (caller, event, tx);
        Ok(())
    }

    /// The name of the state in the sense of UBF(C) that the caller's session is in, for its
    /// replies: `start` by default.
    ///
    /// # Errors
    /// Why it cannot be said. The call is taken back.
    fn state_name(&self, caller: &Caller<'_>, tx: &mut Tx<'_>) -> Do<Text> {
        let (_caller, _tx) = (caller, tx);
        Ok(Text::from_static("start"))
    }

    /// A timer rings: once, at its time or after a restart.
    ///
    /// # Errors
    /// Why it goes no further. What it wrote is taken back, and the timer is gone.
    fn timer(&self, timer: Self::Timer, tx: &mut Tx<'_>) -> Do<()> {
        let (_timer, _tx) = (timer, tx);
        Ok(())
    }

    /// A session is over: it ended, or was without a connection for too long.
    ///
    /// # Errors
    /// Why it goes no further. What it wrote is taken back; the session is over nevertheless.
    fn gone(&self, session: SessionKey, tx: &mut Tx<'_>) -> Do<()> {
        let (_session, _tx) = (session, tx);
        Ok(())
    }
}

/// An event as [`Tx::emit`] takes it, in a version of the contract that its client speaks.
///
/// ```
/// use ubf_codec::{Version, ubf};
///
/// let joins = ubf_service::event(Version::new(3).unwrap(), ubf!({joins, "Joe"}));
/// assert_eq!(&joins[..], b"3 {'event_out'{'joins'\"Joe\"}}$");
/// ```
#[must_use]
pub fn event(version: Version, event: Term) -> Bytes {
    let packet = Encoder::new().encode(&Term::tuple([Term::atom("event_out"), event]));
    [format!("{version} ").as_bytes(), &packet].concat().into()
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Caller<'a> {
    /// The caller's session, if it has one.
    pub session: Option<SessionKey>,
    /// The version of the contract.
    pub version: Version,
    /// Who the caller is known to be.
    pub identity: Option<&'a str>,
}

impl<'a> Caller<'a> {
    /// A caller of whom nothing is known but the version that it speaks.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self { session: None, version, identity: None }
    }

    /// The caller with a session.
    #[must_use]
    pub const fn in_session(self, session: SessionKey) -> Self {
        Self { session: Some(session), ..self }
    }

    /// The caller's session, for calls that are for clients with one.
    ///
    /// # Errors
    /// There is none: the call is `refused 'no_session'`.
    pub fn has_session(&self) -> Do<SessionKey> {
        Ok(self.session.ok_or(Reason::NoSession)?)
    }

    /// The caller with a name.
    #[must_use]
    pub const fn known_as(self, identity: &'a str) -> Self {
        Self { identity: Some(identity), ..self }
    }
}

/// Writes [`StatefulService::tables`]: the names of the `static` tables.
#[macro_export]
macro_rules! tables {
    ($($table:expr),* $(,)?) => {
        fn tables() -> &'static [&'static dyn $crate::AnyTable] {
            static TABLES: &[&dyn $crate::AnyTable] = &[$(&$table),*];
            TABLES
        }
    };
}

/// Writes [`Row`](crate::Row) for the forms of a row: in which state version each came, the oldest
/// first. Between two neighbours stands a [`Step`](crate::Step), which the author writes.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ubf_service::{Lost, Row, Step, forms};
///
/// #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
/// struct Account1 { cents: i64 }
/// #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
/// struct Account { cents: i64, limit: i64 }
///
/// forms!(1 => Account1, 4 => Account);
/// impl Step<Account> for Account1 {
///     fn up(self) -> Account { Account { cents: self.cents, limit: 0 } }
///     fn down(new: &Account, lost: &mut Lost) -> Self {
///         lost.field_if(new.limit != 0, "limit");
///         Self { cents: new.cents }
///     }
/// }
///
/// let (account, mut lost) = (Account { cents: 7, limit: 3 }, Lost::default());
/// let old = account.write_at(3, &mut lost)?;
/// assert_eq!((old.version, lost.fields()), (1, &["limit"][..]));
/// assert_eq!(Account::read(old.version, &old.packet)?.limit, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! forms {
    (@after $before:ty $(,)?) => {};
    (@after $before:ty, $version:literal => $form:ty $(, $($newer:tt)+)?) => {
        impl $crate::Row for $form {
            const VERSION: u32 = $version;
            type Before = $before;
        }
        $($crate::forms!(@after $form, $($newer)+);)?
    };
    ($version:literal => $form:ty $(, $($newer:tt)*)?) => {
        impl $crate::Row for $form {
            const VERSION: u32 = $version;
            type Before = ();
        }
        $($crate::forms!(@after $form, $($newer)*);)?
    };
}
