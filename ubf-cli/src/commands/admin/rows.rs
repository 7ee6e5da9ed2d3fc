//! What concerns the rows of services.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ubf_codec::Address;
use ubf_node::control::{
    BackupReport, FinalizedReport, HandoffReport, MigrationReport, RowsReport, Which,
};

use super::show::table;
use super::{Answer, Answered};
use crate::admin::{Admin, AdminError, ControlPlace};
use crate::args::admin::{AdminArgs, Backup, Command, HandOff, Migrate, Restore, StoreCommand};
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;
use crate::ui::text::{counted, thousands};

/// Between two looks at how far rows are rewritten.
const LOOK: Duration = Duration::from_millis(100);

/// An answer about rows.
pub(super) enum Rows {
    Counts(Vec<RowsReport>),
    Migration(Vec<MigrationReport>),
    Finalized(Vec<FinalizedReport>),
    BackedUp(BackupReport),
    HandedOff(Vec<HandoffReport>),
}

/// Asks what concerns rows. `None`: it does not.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are others' work")]
pub(super) fn answer(args: &AdminArgs, admin: &mut Admin) -> Option<Answered> {
    let answer = match &args.command {
        Command::Rows(rows) => admin.rows(rows.which()).map(Rows::Counts),
        Command::Finalize(finalize) => admin.finalize(finalize.rows.which()).map(Rows::Finalized),
        Command::Lower(lower) => admin.lower(lower.rows.which()).map(Rows::Finalized),
        Command::Migrate(args) => migrate(admin, args).map(Rows::Migration),
        Command::HandOff(args) => hand_off(admin, args).map(Rows::HandedOff),
        Command::Store(store) => match &store.command {
            StoreCommand::Backup(backup) => back_up(admin, backup).map(Rows::BackedUp),
            StoreCommand::Restore(_) => return None,
        },
        _ => return None,
    };
    Some(answer.map(Answer::Rows))
}

fn back_up(admin: &mut Admin, backup: &Backup) -> Result<BackupReport, AdminError> {
    // The server's folder is another one.
    let file = std::path::absolute(&backup.file)
        .map_err(|error| AdminError::Refused(format!("{}: {error}", backup.file.display())))?;
    admin.back_up(backup.rows.which(), &file)
}

fn hand_off(admin: &mut Admin, args: &HandOff) -> Result<Vec<HandoffReport>, AdminError> {
    let Some(to) = args.to.as_ref().filter(|_| !args.show) else {
        return admin.last_hand_offs();
    };
    let to = match to {
        ControlPlace::Network(_) => to.to_string(),
        // The server says what is wrong with it.
        ControlPlace::Socket(path) if is_address(path) => path.display().to_string(),
        // The server's folder is another one.
        ControlPlace::Socket(path) => {
            let path = std::path::absolute(path)
                .map_err(|error| AdminError::Refused(format!("{}: {error}", path.display())))?;
            format!("unix:{}", path.display())
        }
    };
    admin.hand_off(args.rows.which(), to, args.within)
}

/// Whether it is an address without TLS, and no file.
fn is_address(path: &Path) -> bool {
    let address = path.to_str().and_then(|text| text.parse::<Address>().ok());
    address.is_some() && !path.exists()
}

fn migrate(admin: &mut Admin, args: &Migrate) -> Result<Vec<MigrationReport>, AdminError> {
    let is_terminal = io::stderr().is_terminal();
    loop {
        let all = admin.migrate(args.rows.which())?;
        if let Some(why) = all.iter().find_map(|one| one.failed.as_deref()) {
            return Err(AdminError::Unfinished(format!("rows are left: {why}")));
        }
        if args.no_wait || all.iter().all(MigrationReport::is_done) {
            return Ok(all);
        }
        if is_terminal {
            let seen = all.iter().map(|one| one.seen).sum();
            // What cannot be said on stderr is lost: there is nobody to tell.
            write!(io::stderr(), "\r{} looked at", counted(seen, "row")).ok();
        }
        thread::sleep(LOOK);
        if is_terminal {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
}

/// Asks whoever is at the terminal whether that is meant. `false`: it is not.
pub(super) fn is_meant(command: &Command, which: &Which, output: &mut Output) -> io::Result<bool> {
    let whose = if let Which::One(service) = which {
        service.to_string()
    } else {
        "all services with rows".to_owned()
    };
    if !io::stdin().is_terminal() {
        let text = if matches!(command, Command::Lower(_)) {
            "what older rows cannot hold is lost, and nobody can be asked"
        } else {
            "finalizing has no way back without a loss, and nobody can be asked"
        };
        output.report(&Report::new(text).with_hint(Some("--yes says that it is meant")))?;
        return Ok(false);
    }
    if matches!(command, Command::Lower(_)) {
        output.aside(&format!(
            "Rows of {whose} are written in the state version before from here on. What it cannot \
             hold is lost, and what\nclients can say only in the present one is withdrawn. \
             Go on? [y/N] "
        ));
        return is_yes();
    }
    output.aside(&format!(
        "Rows of {whose} are written in the next state version from here on. Programs that do not \
         know it cannot use\nthe store any more, and there is no way back without a loss. \
         Go on? [y/N] "
    ));
    is_yes()
}

fn is_yes() -> io::Result<bool> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Makes a new store of a backup. No server takes part.
pub(super) fn restore(
    args: &AdminArgs,
    restore: &Restore,
    output: &mut Output,
) -> io::Result<Status> {
    let Restore { file, data, store, service } = restore;
    let place = data.as_ref().or(store.as_ref()).map_or("", String::as_str);
    match ubf_node::restore(service, place, Path::new(file)) {
        Ok(size) if args.json => {
            let document =
                serde_json::json!({"service": service, "rows": size.rows, "bytes": size.bytes});
            output.line(document)?;
            Ok(Status::Good)
        }
        Ok(size) => {
            let (rows, bytes) = (counted(size.rows, "row"), counted(size.bytes, "byte"));
            output.line(format_args!("{service} has {rows} of {bytes}, and no sessions"))?;
            Ok(Status::Good)
        }
        Err(error) => {
            output.report(&Report::new(error.to_string()).with_hint(Some(
                "a backup is restored where the service has no rows, and while no server is there",
            )))?;
            Ok(Status::WrongInput)
        }
    }
}

pub(super) fn show(rows: &Rows, output: &mut Output) -> io::Result<()> {
    match rows {
        Rows::Counts(all) => all.iter().try_for_each(|rows| counts(rows, output)),
        Rows::Migration(all) => all.iter().try_for_each(|one| {
            let MigrationReport { service, versions, seen, rewritten, .. } = one;
            let state = if one.is_done() {
                format!("all rows are in state version {}", versions.write)
            } else {
                format!("{} looked at, it goes on", counted(*seen, "row"))
            };
            output.line(format_args!("{service}: {state}, {} rewritten", thousands(*rewritten)))
        }),
        Rows::Finalized(all) => all.iter().try_for_each(|one| {
            let version = one.versions.write;
            output.line(format_args!(
                "{}: rows are written in state version {version}; `ubf admin migrate` rewrites the others",
                one.service
            ))
        }),
        Rows::BackedUp(backup) => {
            let (rows, bytes) = (counted(backup.rows, "row"), counted(backup.bytes, "byte"));
            output.line(format_args!("{}: {rows} of {bytes}", backup.service))
        }
        Rows::HandedOff(all) => all.iter().try_for_each(|one| handed_off(one, output)),
    }
}

/// Those of a server's status.
pub(super) fn show_hand_offs(all: &[HandoffReport], output: &mut Output) -> io::Result<()> {
    if !all.is_empty() {
        output.line("hand-offs")?;
    }
    all.iter().try_for_each(|one| handed_off(one, output))
}

fn handed_off(report: &HandoffReport, output: &mut Output) -> io::Result<()> {
    let HandoffReport { service, role, other, stage, rows, bytes, sessions, why, .. } = report;
    let size = format!(
        "{} of {}, {}",
        counted(*rows, "row"),
        counted(*bytes, "byte"),
        counted(*sessions, "session")
    );
    if let (Some(pause_us), None) = (report.pause_us(), why) {
        let pause = thousands(pause_us.div_ceil(1_000));
        return output.line(format_args!(
            "{service}: handed off to {other}: {size}; clients waited {pause} ms"
        ));
    }
    let preposition = if role == "giver" { "to" } else { "from" };
    let why = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    output.line(format_args!("{service}: {stage}, {preposition} {other}, {size}{why}"))
}

fn counts(rows: &RowsReport, output: &mut Output) -> io::Result<()> {
    let RowsReport { service, versions, known: (oldest, newest), tables, .. } = rows;
    let left =
        if versions.lowest == versions.highest { "" } else { ", and some are left in another one" };
    output.line(format_args!(
        "{service}: rows are written in state version {}{left}; the server knows {oldest} to {newest}",
        versions.write
    ))?;
    if tables.is_empty() {
        return Ok(());
    }
    let row = |it: &ubf_node::control::TableReport| {
        [it.table.clone(), it.version.to_string(), thousands(it.rows)]
    };
    table(["table", "state version", "rows"], &tables.iter().map(row).collect::<Vec<_>>(), output)
}

/// For programs.
pub(super) fn document(rows: &Rows) -> serde_json::Result<serde_json::Value> {
    Ok(match rows {
        Rows::Counts(all) => serde_json::json!({ "services": all }),
        Rows::Migration(all) => serde_json::json!({ "services": all }),
        Rows::Finalized(all) => serde_json::json!({ "services": all }),
        Rows::BackedUp(backup) => serde_json::to_value(backup)?,
        Rows::HandedOff(all) => serde_json::json!({ "services": all }),
    })
}
