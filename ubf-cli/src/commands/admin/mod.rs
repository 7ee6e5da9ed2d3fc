//! `ubf admin`: look at a server and steer it, by its control socket.

mod show;

use std::io;

use crate::admin::{Admin, AdminError};
use crate::args::admin::{AdminArgs, Command};
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &AdminArgs, output: &mut Output) -> io::Result<Status> {
    if let Command::Load(load) = &args.command
        && let Err(text) = load.check()
    {
        output.report(&Report::new(text).with_hint(Some(
            "clients are sent away above --high, until the load is below --low",
        )))?;
        return Ok(Status::Trouble);
    }
    match answer(args) {
        Ok(Answer::Status(status)) if args.json => output.line(json(&status)?)?,
        Ok(Answer::Sessions(sessions)) if args.json => output.line(json(&sessions)?)?,
        Ok(Answer::Status(status)) => show::status(&status, output)?,
        Ok(Answer::Sessions(sessions)) => show::sessions(&sessions, output)?,
        Ok(Answer::Ended) if args.json => output.line("{\"phase\":\"stopped\"}")?,
        Ok(Answer::Ended) => output.line("the server has ended")?,
        Err(error) => {
            let socket = args.socket.display();
            output.report(&Report::new(format!("{socket}: {error}")).with_hint(hint(&error)))?;
            return Ok(match error {
                AdminError::Refused(_) => Status::WrongInput,
                AdminError::Connect(_) | AdminError::Lost(_) | AdminError::Stranger(_) => {
                    Status::Trouble
                }
            });
        }
    }
    Ok(Status::Good)
}

enum Answer {
    Status(Box<crate::admin::Status>),
    Sessions(crate::admin::Sessions),
    /// It did what it was asked for, and is gone.
    Ended,
}

/// Does what is asked for. What changes the server is answered with its status, so that it can be
/// seen.
fn answer(args: &AdminArgs) -> Result<Answer, AdminError> {
    let mut admin = Admin::connect(&args.socket, args.timeout)?;
    match &args.command {
        Command::Status => {}
        Command::Sessions => return admin.sessions().map(Answer::Sessions),
        Command::Drain(drain) => {
            admin.drain(drain.address.as_ref(), drain.grace, drain.hard_stop)?;
        }
        Command::Undrain => admin.undrain()?,
        Command::Withdraw(version) => admin.withdraw(&version.which(), version.version)?,
        Command::Restore(version) => admin.restore(&version.which(), version.version)?,
        Command::Load(load) => match load.high {
            Some(high) => admin.set_load_marks(
                load.unit.unit(),
                load.low(high),
                high,
                load.address.as_ref(),
            )?,
            None => admin.clear_load_marks()?,
        },
        Command::Peers(peers) => admin.set_peers(peers.addresses.as_ref())?,
        Command::Shutdown(shutdown) => admin.shut_down(shutdown.hard_stop)?,
    }
    let ends = matches!(args.command, Command::Drain(_) | Command::Shutdown(_));
    match admin.status() {
        Ok(status) => Ok(Answer::Status(Box::new(status))),
        // A server without clients ends at once.
        Err(AdminError::Lost(_) | AdminError::Refused(_)) if ends => Ok(Answer::Ended),
        Err(error) => Err(error),
    }
}

fn hint(error: &AdminError) -> Option<&'static str> {
    match error {
        AdminError::Connect(error) if error.kind() == io::ErrorKind::NotFound => {
            Some("a server makes this file when it is started with --control PATH")
        }
        AdminError::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Some("the file is there, but its server is dead, or it is no socket")
        }
        AdminError::Connect(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("only the user that runs the server can connect")
        }
        AdminError::Connect(_) => None,
        AdminError::Lost(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Some("the server closed the connection: it ended, or it serves 16 operators already")
        }
        AdminError::Lost(_) => Some("--timeout gives it more time"),
        AdminError::Stranger(_) => Some("the file is to be the one of --control"),
        AdminError::Refused(_) => None,
    }
}

fn json(document: &impl serde::Serialize) -> io::Result<String> {
    serde_json::to_string(document).map_err(Into::into)
}
