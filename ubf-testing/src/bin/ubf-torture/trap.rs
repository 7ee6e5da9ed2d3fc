//! A commit that stays in the database until it is let go (T5).
//!
//! A trigger on the table of rows has the first commit wait that writes more than a heartbeat. It
//! waits in the statement, after the epoch was looked at and before a row is written, and by
//! sleeping: the store's bound for locks does not count, and that for statements is ten seconds.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};
use ubf_state::Heartbeat;
use ubf_store::testing::TestPostgres;

/// Between two looks at the database.
const LOOK: Duration = Duration::from_millis(10);

/// 1401 is held for as long as the trap is set, and 1402 by the transaction that is in it.
const SET: &str = "\
SELECT pg_advisory_lock(1401);
CREATE OR REPLACE FUNCTION ubf_torture_trap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_lock_shared(1401) THEN
        PERFORM pg_advisory_unlock_shared(1401);
    ELSIF pg_try_advisory_xact_lock(1402) THEN
        WHILE NOT pg_try_advisory_lock_shared(1401) LOOP
            PERFORM pg_sleep(0.005);
        END LOOP;
        PERFORM pg_advisory_unlock_shared(1401);
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS ubf_torture_trap ON ubf_rows;
CREATE TRIGGER ubf_torture_trap BEFORE INSERT ON ubf_rows FOR EACH ROW
WHEN (NEW.key <> decode('BEAT', 'hex')) EXECUTE FUNCTION ubf_torture_trap();";

const CAUGHT: &str = "SELECT count(*) FROM pg_locks \
WHERE locktype = 'advisory' AND objid = 1402 AND granted";

/// A claim that waits for the lock of a commit.
const CLAIM_WAITS: &str = "SELECT count(*) FROM pg_stat_activity \
WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE ubf_shards%'";

/// What is done to a commit that is in the trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HowToEnd {
    /// Its statement is cancelled: it is refused.
    Cancel,
    /// Its connection is ended: nobody knows.
    Terminate,
}

/// The trap, and the connection that it is set from.
pub(crate) struct Trap {
    client: Client,
    connection: JoinHandle<()>,
}

impl Trap {
    /// From here on the next commit stays.
    pub(crate) async fn set(database: &TestPostgres) -> Result<Self, String> {
        let connected = tokio_postgres::connect(&database.connection(), NoTls).await;
        let (client, connection) = connected.map_err(failed)?;
        // Whoever asks is told of its end.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let beat: String = Heartbeat::key().iter().map(|byte| format!("{byte:02x}")).collect();
        client.batch_execute(&SET.replace("BEAT", &beat)).await.map_err(failed)?;
        Ok(Self { client, connection })
    }

    async fn counts(&self, what: &str) -> Result<bool, String> {
        let row = self.client.query_one(what, &[]).await.map_err(failed)?;
        row.try_get::<_, i64>(0).map(|count| count > 0).map_err(failed)
    }

    /// Whether a commit is in it.
    pub(crate) async fn holds(&self) -> Result<bool, String> {
        self.counts(CAUGHT).await
    }

    /// Whether a claim waits for what is in it.
    pub(crate) async fn keeps_a_claim_waiting(&self) -> Result<bool, String> {
        self.counts(CLAIM_WAITS).await
    }

    /// Waits until a commit is in it.
    pub(crate) async fn catches_within(&self, time: Duration) -> Result<bool, String> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if self.holds().await? {
                return Ok(true);
            }
            sleep(LOOK).await;
        }
        Ok(false)
    }

    /// Ends what is in it.
    pub(crate) async fn end(&self, how: HowToEnd) -> Result<(), String> {
        let end = match how {
            HowToEnd::Cancel => "pg_cancel_backend",
            HowToEnd::Terminate => "pg_terminate_backend",
        };
        let end = format!(
            "SELECT {end}(pid) FROM pg_locks \
             WHERE locktype = 'advisory' AND objid = 1402 AND granted"
        );
        self.client.batch_execute(&end).await.map_err(failed)
    }

    /// Lets go what is in it, waits for its end, and takes the trap away.
    pub(crate) async fn let_go(self) -> Result<(), String> {
        let freed = self.client.batch_execute("SELECT pg_advisory_unlock(1401)").await;
        freed.map_err(failed)?;
        while self.holds().await? {
            sleep(LOOK).await;
        }
        let gone = self.client.batch_execute("DROP TRIGGER ubf_torture_trap ON ubf_rows").await;
        gone.map_err(failed)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        // With its connection the trap has no lock any more, and lets everything pass.
        self.connection.abort();
    }
}

#[allow(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn failed(error: tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("the trap in the database: {error}{}", cause.unwrap_or_default())
}
