//! What an operator wants of services with rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ubf_server::Peer;
use ubf_service::server::{OrderError, OwnedSession};

use super::request::Which;
use super::response::{Refusal, Response};
use super::rows::{BackupReport, FinalizedReport, MigrationReport, RowsReport, TableReport};
use super::{Control, Request, SessionReport, millis, name};
use crate::handoff::Handoffs;
use crate::rows::{Causes, KeptService};

/// Sessions of services with rows have numbers from here on, and from twice of it for the second
/// such service: others have smaller ones.
const FIRST_NUMBER: u64 = 1_000_000_000_000;

impl Control {
    /// Does what concerns rows. `None`: it does not.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other requests are others' work")]
    pub(super) async fn try_rows(&self, request: &Request) -> Option<Result<Response, Refusal>> {
        Some(match request {
            Request::Rows(which) => self.rows(which).await,
            Request::Migrate(which) => self.migrate(which).await,
            Request::Finalize(which) => self.finalize(which).await,
            Request::Lower(which) => self.lower(which).await,
            Request::BackUp { which, path } => self.back_up(which, Path::new(path)).await,
            Request::HandOff { which, to, within } => self.hand_off(which, to, *within).await,
            Request::LastHandOffs => Ok(Response::HandOffs(self.last_hand_offs())),
            _ => return None,
        })
    }

    fn meant(&self, which: &Which) -> Result<Vec<&Arc<dyn KeptService>>, Refusal> {
        let is_meant = |kept: &&Arc<dyn KeptService>| match which {
            Which::All => true,
            Which::One(name) => kept.names().contains(name),
        };
        let meant: Vec<_> = self.kept.iter().filter(is_meant).collect();
        if meant.is_empty() { Err(Refusal::NoRows) } else { Ok(meant) }
    }

    async fn rows(&self, which: &Which) -> Result<Response, Refusal> {
        let mut reports = Vec::new();
        for kept in self.meant(which)? {
            let counts = kept.count_rows().await.map_err(refusal)?;
            let (known, versions) = kept.versions();
            let table = |count: ubf_service::server::RowCount| TableReport {
                table: count.table,
                version: count.version,
                rows: count.rows,
            };
            reports.push(RowsReport {
                service: kept.service().to_owned(),
                versions: versions.map(Into::into).unwrap_or_default(),
                known: (known.oldest, known.newest),
                tables: counts.into_iter().map(table).collect(),
            });
        }
        Ok(Response::Rows(reports))
    }

    async fn migrate(&self, which: &Which) -> Result<Response, Refusal> {
        let mut reports = Vec::new();
        for kept in self.meant(which)? {
            let migration = kept.migrate().await.map_err(refusal)?;
            reports.push(MigrationReport {
                service: kept.service().to_owned(),
                versions: migration.versions.into(),
                seen: migration.seen,
                rewritten: migration.rewritten,
                failed: migration.failed,
            });
        }
        Ok(Response::Migration(reports))
    }

    async fn finalize(&self, which: &Which) -> Result<Response, Refusal> {
        let mut reports = Vec::new();
        let own = self.handoffs.as_ref().map(Handoffs::node_name).unwrap_or_default();
        for kept in self.meant(which)? {
            let versions = kept.finalize(&own).await.map_err(refusal)?;
            // What the rows can hold from here on is offered.
            kept.offer(&self.server);
            let service = kept.service().to_owned();
            reports.push(FinalizedReport { service, versions: versions.into() });
        }
        Ok(Response::Finalized(reports))
    }

    async fn lower(&self, which: &Which) -> Result<Response, Refusal> {
        let mut reports = Vec::new();
        for kept in self.meant(which)? {
            let versions = kept.lower(&self.server).await.map_err(refusal)?;
            let service = kept.service().to_owned();
            reports.push(FinalizedReport { service, versions: versions.into() });
        }
        Ok(Response::Lowered(reports))
    }

    async fn back_up(&self, which: &Which, path: &Path) -> Result<Response, Refusal> {
        let meant = self.meant(which)?;
        let [kept] = meant[..] else { return Err(Refusal::NoRows) };
        let size = kept.back_up(PathBuf::from(path)).await.map_err(refusal)?;
        let service = kept.service().to_owned();
        let (rows, bytes) = (size.rows, size.bytes);
        Ok(Response::BackedUp(BackupReport { service, rows, bytes }))
    }

    /// U5: one service after the other: each waits as short as can be.
    async fn hand_off(
        &self,
        which: &Which,
        to: &str,
        within: Option<Duration>,
    ) -> Result<Response, Refusal> {
        let handoffs = self.handoffs.as_ref().ok_or(Refusal::NoRows)?;
        let mut reports = Vec::new();
        for kept in self.meant(which)? {
            let report = handoffs.hand_off(kept.names(), to, within).await;
            reports.push(report.map_err(Refusal::Rows)?);
        }
        Ok(Response::HandOffs(reports))
    }

    /// The sessions of services with rows, behind those of the server itself.
    pub(super) async fn add_kept_sessions(
        &self,
        after: u64,
        at_most: usize,
        to: &mut Vec<SessionReport>,
    ) {
        for (first, kept) in (1..).map(|place| place * FIRST_NUMBER).zip(self.kept.iter()) {
            let room = at_most.saturating_sub(to.len());
            if room == 0 || after >= first.saturating_add(FIRST_NUMBER) {
                continue;
            }
            // A keeper that has ended has none.
            let sessions = kept.sessions(after.saturating_sub(first), room).await;
            let service = kept.service();
            to.extend(
                sessions.unwrap_or_default().into_iter().map(|it| session(first, service, it)),
            );
        }
    }
}

fn session(first: u64, service: &str, session: OwnedSession) -> SessionReport {
    SessionReport {
        number: first + session.number,
        // Of its key in the store, if nobody has told its Id to this process.
        name: session.name.unwrap_or_else(|| {
            let key = format!("{:?}", session.key);
            key.trim_start_matches("SessionKey(").trim_end_matches(')').to_owned()
        }),
        service: session.service.map_or_else(|| Some(service.to_owned()), |it| name(&it)),
        peer: session.peer.as_ref().map_or_else(|| "?".to_owned(), Peer::to_string),
        connection: session.connection.unwrap_or(0),
        age_ms: millis(session.age),
        parked: session.is_parked,
        resumes: session.resumes,
        kept: session.kept_bytes as u64,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn refusal(error: OrderError) -> Refusal {
    Refusal::Rows(Causes(&error).to_string())
}
