//! The statements.

/// Made once a connection. Locks and forgotten transactions end by themselves, and a commit is on
/// the disk when it is told.
pub(super) fn settings(lock_ms: u128, statement_ms: u128) -> String {
    format!(
        "SET lock_timeout = {lock_ms}; \
         SET statement_timeout = {statement_ms}; \
         SET idle_in_transaction_session_timeout = {statement_ms}; \
         SET synchronous_commit = on"
    )
}

/// Makes the tables, if they are not there. The lock keeps two nodes from making them at once.
pub(super) const TABLES: &str = "\
BEGIN;
SELECT pg_advisory_xact_lock(7593463);
CREATE TABLE IF NOT EXISTS ubf_about (format bigint NOT NULL);
INSERT INTO ubf_about SELECT 1 WHERE NOT EXISTS (SELECT FROM ubf_about);
CREATE TABLE IF NOT EXISTS ubf_shards (shard bigint PRIMARY KEY, epoch bigint NOT NULL);
CREATE TABLE IF NOT EXISTS ubf_rows (
    shard bigint NOT NULL,
    key bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (shard, key)
);
CREATE TABLE IF NOT EXISTS ubf_nodes (
    shard bigint NOT NULL,
    node text NOT NULL,
    oldest bigint NOT NULL,
    newest bigint NOT NULL,
    format bigint NOT NULL,
    said timestamptz NOT NULL,
    PRIMARY KEY (shard, node)
);
COMMIT;";

/// The format of the tables.
pub(super) const FORMAT: &str = "SELECT format FROM ubf_about";

pub(super) const EPOCH: &str = "SELECT epoch FROM ubf_shards WHERE shard = $1";

/// The first claim of a shard.
pub(super) const CLAIM_FIRST: &str = "\
INSERT INTO ubf_shards VALUES ($1, 1) ON CONFLICT DO NOTHING RETURNING epoch";

/// Any other claim. It waits for commits that hold the row's lock (T4).
pub(super) const CLAIM: &str = "\
UPDATE ubf_shards SET epoch = epoch + 1 WHERE shard = $1 AND epoch = $2 RETURNING epoch";

/// A batch: shard, epoch, keys, their values, keys to be taken away. One statement is one
/// transaction, and one journey to the server.
///
/// T5: the row of the shard is locked until the commit. Without `FOR SHARE` the statement would see
/// the epoch of its beginning, and a claim could come between that and the commit.
pub(super) const COMMIT: &str = "\
WITH owner AS (
    SELECT shard FROM ubf_shards WHERE shard = $1 AND epoch = $2 FOR SHARE
), put AS (
    INSERT INTO ubf_rows
    SELECT owner.shard, row.key, row.value
    FROM owner, unnest($3::bytea[], $4::bytea[]) AS row (key, value)
    ON CONFLICT (shard, key) DO UPDATE SET value = excluded.value
), gone AS (
    DELETE FROM ubf_rows USING owner, unnest($5::bytea[]) AS row (key)
    WHERE ubf_rows.shard = owner.shard AND ubf_rows.key = row.key
)
SELECT count(*) FROM owner";

/// T6: what a node knows of a shard. Nodes that nobody has heard of for a day are forgotten.
pub(super) const ANNOUNCE: &str = "\
WITH gone AS (
    DELETE FROM ubf_nodes
    WHERE shard = $1 AND node <> $2 AND said < clock_timestamp() - interval '1 day'
)
INSERT INTO ubf_nodes VALUES ($1, $2, $3, $4, $5, clock_timestamp())
ON CONFLICT (shard, node) DO UPDATE SET
    oldest = excluded.oldest, newest = excluded.newest, format = excluded.format,
    said = excluded.said";

pub(super) const ANNOUNCED: &str = "\
SELECT node, oldest, newest, format,
    (extract(epoch FROM clock_timestamp() - said) * 1000)::bigint
FROM ubf_nodes
WHERE shard = $1 AND said >= clock_timestamp() - interval '1 day'
ORDER BY node";

/// What is read after it is of one moment.
pub(super) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(super) const GET: &str = "SELECT value FROM ubf_rows WHERE shard = $1 AND key = $2";

pub(super) const SCAN: &str = "\
SELECT key, value FROM ubf_rows WHERE shard = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4";

pub(super) const SCAN_BACK: &str = "\
SELECT key, value FROM ubf_rows WHERE shard = $1 AND key >= $2 AND key < $3 \
ORDER BY key DESC LIMIT $4";
