//! Rows in a database that several nodes share (feature `postgres`).

mod sql;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use ubf_state::{Base, Batch, Epoch, Known, NotCommitted, Order, Page, Scan, ShardId};

use crate::store::{Announced, Cause, ClaimError, CommitError, Snapshot, Store, StoreError};

/// The format of the tables.
const FORMAT: i64 = 1;

/// How long the database may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresTimes {
    /// To make a connection.
    pub connect: Duration,
    /// To get a lock that another owner holds: a claim waits for a commit, and a commit for a
    /// claim.
    pub lock: Duration,
    /// For a statement, on the server.
    pub statement: Duration,
    /// For an answer, on this side: longer than the server may take. After that the connection is
    /// given up, and the outcome of a commit is not known.
    pub answer: Duration,
}

impl Default for PostgresTimes {
    /// 5 s to connect, 2 s for a lock, 10 s for a statement, 15 s for an answer. Chosen: a commit
    /// takes milliseconds, and an owner is suspected after a second.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            lock: Duration::from_secs(2),
            statement: Duration::from_secs(10),
            answer: Duration::from_secs(15),
        }
    }
}

/// A store in PostgreSQL, version 15 or later, on one connection.
///
/// The connection is made when it is needed, and made again when it was lost. It is not encrypted:
/// use a Unix socket or a network that you trust.
///
/// The tables `ubf_about`, `ubf_shards`, `ubf_rows` and `ubf_nodes` are made in the schema that the user's
/// `search_path` names first.
///
/// ```no_run
/// use ubf_state::{Epoch, ShardId};
/// use ubf_store::{Postgres, Store as _};
///
/// let mut store = Postgres::open("host=/run/postgresql user=ubf dbname=ubf")?;
/// let epoch = store.epoch(ShardId(1))?;
/// store.claim(ShardId(1), epoch)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Postgres {
    config: Config,
    times: PostgresTimes,
    runtime: Own,
    session: Option<Session>,
    /// It shows one moment, and another connection would show another one.
    is_snapshot: bool,
    #[cfg(any(test, feature = "mutants"))]
    has_no_lock: bool,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold a password.
        let is_connected = self.session.is_some();
        f.debug_struct("Postgres").field("is_connected", &is_connected).finish_non_exhaustive()
    }
}

/// The event queue of a store. A store may be dropped where another one runs, where it is not
/// allowed to wait: what goes on here is given up.
struct Own(Option<Runtime>);

impl Own {
    fn new() -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| StoreError::new("the system has no event queue", error))?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for something.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        let runtime = self.0.as_ref().expect("it is there until it is dropped");
        runtime.block_on(future)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A connection with its statements.
struct Session {
    client: Client,
    commit: Statement,
    get: Statement,
    scan: Statement,
    scan_back: Statement,
}

/// Why something did not come about on a connection.
enum Failure {
    /// The server has said so. Nothing was changed.
    Refused(tokio_postgres::Error),
    /// The connection broke, or the server ended it: nobody knows.
    Broken(Cause),
}

impl Failure {
    fn into_cause(self) -> Cause {
        match self {
            Self::Refused(error) => error.into(),
            Self::Broken(cause) => cause,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        // A server that shuts down may end a connection after it has committed.
        let ends =
            [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT];
        match error.code() {
            Some(code) if !ends.contains(code) => Self::Refused(error),
            _ => Self::Broken(error.into()),
        }
    }
}

impl Postgres {
    /// Opens a store, with a connection string as `psql` takes them.
    ///
    /// # Errors
    /// The string is none, the database cannot be reached, or its tables are in a format that this
    /// program does not know.
    pub fn open(connection: &str) -> Result<Self, StoreError> {
        Self::open_with(connection, PostgresTimes::default())
    }

    /// Opens a store with other times.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(connection: &str, times: PostgresTimes) -> Result<Self, StoreError> {
        let mut config: Config = connection.parse().map_err(|error: tokio_postgres::Error| {
            StoreError::new("it is no connection string", error)
        })?;
        config.connect_timeout(times.connect).application_name("ubf-store");
        let runtime = Own::new()?;
        let mut store = Self {
            config,
            times,
            runtime,
            session: None,
            is_snapshot: false,
            #[cfg(any(test, feature = "mutants"))]
            has_no_lock: false,
        };
        store.connect().map_err(failed("the database cannot be opened"))?;
        Ok(store)
    }

    /// Makes a connection, if there is none.
    fn connect(&mut self) -> Result<&Session, Failure> {
        // A connection that the server has closed meanwhile is seen when its task runs.
        self.runtime.block_on(tokio::task::yield_now());
        if self.session.as_ref().is_some_and(|session| session.client.is_closed()) {
            self.session = None;
        }
        if self.session.is_none() && self.is_snapshot {
            return Err(Failure::Broken("the connection that saw the rows is lost".into()));
        }
        if self.session.is_none() {
            let commit = self.commit_statement();
            let (config, times) = (self.config.clone(), self.times);
            let open = async move {
                let (client, connection) = config.connect(NoTls).await?;
                // The task ends with the client, or with the connection; calls then fail.
                tokio::spawn(connection);
                let settings = sql::settings(times.lock.as_millis(), times.statement.as_millis());
                client.batch_execute(&settings).await?;
                client.batch_execute(sql::TABLES).await?;
                let format: i64 = client.query_one(sql::FORMAT, &[]).await?.try_get(0)?;
                if format != FORMAT {
                    let what = "the tables have a format that is not known here";
                    return Err(Failure::Broken(what.into()));
                }
                let commit = client.prepare(&commit).await?;
                let get = client.prepare(sql::GET).await?;
                let scan = client.prepare(sql::SCAN).await?;
                let scan_back = client.prepare(sql::SCAN_BACK).await?;
                Ok(Session { client, commit, get, scan, scan_back })
            };
            self.session = Some(self.runtime.block_on(bounded(times.answer, open))?);
        }
        self.session.as_ref().ok_or_else(|| Failure::Broken("there is no connection".into()))
    }

    /// Takes the lock out of the fence, to see that tests miss it.
    #[cfg(any(test, feature = "mutants"))]
    pub fn without_lock(&mut self) {
        self.has_no_lock = true;
        self.session = None;
    }

    #[cfg(not(any(test, feature = "mutants")))]
    fn commit_statement(&self) -> String {
        sql::COMMIT.to_owned()
    }

    #[cfg(any(test, feature = "mutants"))]
    fn commit_statement(&self) -> String {
        if self.has_no_lock { sql::COMMIT.replace("FOR SHARE", "") } else { sql::COMMIT.to_owned() }
    }

    /// Asks the database for something, within the time for an answer. After a failure of which
    /// nobody knows the outcome the connection is given up.
    fn ask<T>(
        &mut self,
        ask: impl AsyncFnOnce(&Session) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        let answer = self.times.answer;
        self.connect()?;
        let Some(session) = &self.session else {
            return Err(Failure::Broken("there is no connection".into()));
        };
        let asked = async { Ok(ask(session).await?) };
        let result = self.runtime.block_on(bounded(answer, asked));
        if matches!(result, Err(Failure::Broken(_))) {
            self.session = None;
        }
        result
    }

    fn read_epoch(&mut self, shard: ShardId) -> Result<Epoch, Failure> {
        let shard = i64::from(shard.0);
        let row =
            self.ask(async |session| session.client.query_opt(sql::EPOCH, &[&shard]).await)?;
        row.map_or(Ok(Epoch(0)), |row| epoch(&row))
    }

    fn try_claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Option<Epoch>, Failure> {
        let (id, before) = (i64::from(shard.0), number(seen.0));
        let row = self.ask(async |session| match before {
            0 => session.client.query_opt(sql::CLAIM_FIRST, &[&id]).await,
            _ => session.client.query_opt(sql::CLAIM, &[&id, &before]).await,
        })?;
        row.map(|row| epoch(&row)).transpose()
    }
}

/// Within a time; what takes longer is taken for broken.
async fn bounded<T>(
    time: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match timeout(time, work).await {
        Ok(result) => result,
        Err(late) => Err(Failure::Broken(late.into())),
    }
}

fn failed(what: &'static str) -> impl Fn(Failure) -> StoreError {
    move |failure| StoreError::new(what, failure.into_cause())
}

fn epoch(row: &Row) -> Result<Epoch, Failure> {
    let epoch: i64 = row.try_get(0)?;
    Ok(Epoch(
        epoch
            .try_into()
            .map_err(|error: std::num::TryFromIntError| Failure::Broken(error.into()))?,
    ))
}

/// Epochs and limits as the database counts them.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn stored(row: &Row) -> Result<(Bytes, Bytes), Failure> {
    let (key, value): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    Ok((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)))
}

fn announced(row: &Row) -> Result<Announced, Failure> {
    let number = |at: usize| {
        let number: i64 = row.try_get(at)?;
        u32::try_from(number).map_err(|error| Failure::Broken(error.into()))
    };
    let known = Known { oldest: number(1)?, newest: number(2)?, format: number(3)? };
    let age: i64 = row.try_get(4)?;
    // A clock that was put back makes nobody older.
    let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
    Ok(Announced { node: row.try_get(0)?, known, age })
}

impl Store for Postgres {
    fn is_shared(&self) -> bool {
        true
    }

    fn epoch(&mut self, shard: ShardId) -> Result<Epoch, StoreError> {
        self.read_epoch(shard).map_err(failed("the epoch cannot be read"))
    }

    fn claim(&mut self, shard: ShardId, seen: Epoch) -> Result<Epoch, ClaimError> {
        let fail = |failure| ClaimError::Failed(failed("the claim cannot be written")(failure));
        match self.try_claim(shard, seen).map_err(fail)? {
            Some(epoch) => Ok(epoch),
            None => Err(ClaimError::Taken { epoch: self.read_epoch(shard).map_err(fail)? }),
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let (shard, epoch) = (i64::from(batch.shard.0), number(batch.epoch.0));
        let (mut keys, mut values, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for (key, value) in &batch.writes {
            match value {
                Some(value) => {
                    keys.push(&key[..]);
                    values.push(&value[..]);
                }
                None => gone.push(&key[..]),
            }
        }
        // Without a connection nothing was sent, so nothing was written.
        if let Err(failure) = self.connect() {
            return Err(CommitError::new(NotCommitted::Refused, failure.into_cause()));
        }
        let (keys, values, gone) = (&keys, &values, &gone);
        let owners = self.ask(async |session| {
            let row = session
                .client
                .query_one(&session.commit, &[&shard, &epoch, keys, values, gone])
                .await?;
            row.try_get::<_, i64>(0)
        });
        match owners {
            Ok(1) => Ok(()),
            Ok(_) => {
                // Somebody else owns the shard, whatever the epoch is by now.
                let present = self.read_epoch(batch.shard).unwrap_or_else(|_| batch.epoch.next());
                Err(CommitError::fenced(present))
            }
            Err(Failure::Refused(error)) => Err(CommitError::new(NotCommitted::Refused, error)),
            Err(Failure::Broken(cause)) => Err(CommitError::new(NotCommitted::Unknown, cause)),
        }
    }

    fn get(&mut self, shard: ShardId, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let shard = i64::from(shard.0);
        let row = self.ask(async |session| {
            let row = session.client.query_opt(&session.get, &[&shard, &key]).await?;
            row.map(|row| row.try_get::<_, Vec<u8>>(0)).transpose()
        });
        Ok(row.map_err(failed("a row cannot be read"))?.map(Bytes::from))
    }

    fn scan(&mut self, shard: ShardId, scan: &Scan) -> Result<Page, StoreError> {
        let shard = i64::from(shard.0);
        let (from, to) = (&scan.from[..], &scan.to[..]);
        let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
        let rows = self.ask(async |session| {
            let statement = match scan.order {
                Order::Upwards => &session.scan,
                Order::Downwards => &session.scan_back,
            };
            session.client.query(statement, &[&shard, &from, &to, &limit]).await
        });
        rows.and_then(|rows| rows.iter().map(stored).collect())
            .map_err(failed("rows cannot be read"))
    }

    fn base(&self, _: ShardId) -> Option<Box<dyn Base + Send>> {
        None
    }

    fn announce(&mut self, shard: ShardId, node: &str, known: Known) -> Result<(), StoreError> {
        let Known { oldest, newest, format } = known;
        let [shard, oldest, newest, format] = [shard.0, oldest, newest, format].map(i64::from);
        let said = self.ask(async |session| {
            let values: [&(dyn ToSql + Sync); 5] = [&shard, &node, &oldest, &newest, &format];
            session.client.execute(sql::ANNOUNCE, &values).await
        });
        said.map(drop).map_err(failed("what a node knows cannot be written"))
    }

    fn announced(&mut self, shard: ShardId) -> Result<Vec<Announced>, StoreError> {
        let shard = i64::from(shard.0);
        let rows = self.ask(async |session| session.client.query(sql::ANNOUNCED, &[&shard]).await);
        rows.and_then(|rows| rows.iter().map(announced).collect())
            .map_err(failed("what nodes know cannot be read"))
    }

    fn snapshot(&mut self, shard: ShardId) -> Result<Box<dyn Snapshot>, StoreError> {
        let runtime = Own::new()?;
        let (config, times) = (self.config.clone(), self.times);
        let mut store = Self {
            config,
            times,
            runtime,
            session: None,
            is_snapshot: false,
            #[cfg(any(test, feature = "mutants"))]
            has_no_lock: false,
        };
        // The moment is that of the first statement.
        let id = i64::from(shard.0);
        let begun = store.ask(async |session| {
            session.client.batch_execute(sql::BEGIN_SNAPSHOT).await?;
            session.client.query_opt(sql::EPOCH, &[&id]).await
        });
        begun.map_err(failed("rows cannot be read"))?;
        store.is_snapshot = true;
        Ok(Box::new(PostgresSnapshot { store, shard }))
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A connection with a transaction that sees one moment.
#[derive(Debug)]
struct PostgresSnapshot {
    store: Postgres,
    shard: ShardId,
}

impl Snapshot for PostgresSnapshot {
    fn scan(&mut self, scan: &Scan) -> Result<Page, StoreError> {
        self.store.scan(self.shard, scan)
    }
}
