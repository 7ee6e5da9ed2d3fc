//! `ubf admin`: look at a server and steer it, by its control socket.

mod rows;
mod show;
mod wait;

use std::io;
use std::thread;

use ubf_client::DialErrorKind;
use ubf_client::tls::{ClientTls, TlsError};
use ubf_node::control::{HandoffReport, Request, SessionReport, StatusReport};

use crate::admin::{Admin, AdminError, ControlPlace, Page};
use crate::args::admin::{AdminArgs, Command, Drain, Move, StatusArgs, StoreArgs, StoreCommand};
use crate::ui::output::Output;
use crate::ui::reason::causes;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &AdminArgs, output: &mut Output) -> io::Result<Status> {
    if let Command::Store(StoreArgs { command: StoreCommand::Restore(restore) }) = &args.command {
        return rows::restore(args, restore, output);
    }
    if args.control.is_empty() {
        output.report(&Report::new("which server?").with_hint(Some(
            "--control names its control socket, or the environment variable UBF_CONTROL",
        )))?;
        return Ok(Status::Trouble);
    }
    if let Command::Load(load) = &args.command
        && let Err(text) = load.check()
    {
        output.report(&Report::new(text).with_hint(Some(
            "clients are sent away above --high, until the load is below --low",
        )))?;
        return Ok(Status::Trouble);
    }
    if let Command::Finalize(change) | Command::Lower(change) = &args.command
        && !change.yes
        && !rows::is_meant(&args.command, &change.rows.which(), output)?
    {
        return Ok(Status::Trouble);
    }
    let Command::Status(StatusArgs { watch: Some(interval) }) = &args.command else {
        return show(args, &ask_all(args), output);
    };
    loop {
        let answers = ask_all(args);
        output.next_page()?;
        // A server that is gone may come back: that is what is watched.
        let _seen = show(args, &answers, output)?;
        output.flush()?;
        thread::sleep(*interval);
    }
}

/// Whether it shows a list of its own for each server.
const fn is_list(command: &Command) -> bool {
    matches!(
        command,
        Command::Connections(_)
            | Command::Sessions(_)
            | Command::Rows(_)
            | Command::Finalize(_)
            | Command::Lower(_)
            | Command::Migrate(_)
            | Command::HandOff(_)
            | Command::Store(_)
    )
}

type Answered = Result<Answer, AdminError>;

/// Asks all servers at the same time: one that does not answer keeps nobody waiting.
fn ask_all(args: &AdminArgs) -> Vec<Answered> {
    thread::scope(|scope| {
        let asked: Vec<_> =
            args.control.iter().map(|place| scope.spawn(|| answer(args, place))).collect();
        let lost = || AdminError::Lost(io::Error::other("the thread that asks has ended"));
        asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| Err(lost()))).collect()
    })
}

fn show(args: &AdminArgs, answers: &[Answered], output: &mut Output) -> io::Result<Status> {
    let named = || args.control.iter().map(ToString::to_string).zip(answers);
    let is_one = answers.len() == 1;
    let is_table = !is_one && !args.json && !is_list(&args.command);
    if is_table {
        show::servers(named(), output)?;
    }
    let mut worst = Status::Good;
    for (name, answer) in named() {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let report = Report::new(format!("{name}: {error}")).with_hint(hint(error));
                output.report(&report)?;
                worst = worst.max(match error {
                    AdminError::Refused(_) | AdminError::TooOld(_) | AdminError::Unfinished(_) => {
                        Status::WrongInput
                    }
                    AdminError::Connect(_)
                    | AdminError::Dial(_)
                    | AdminError::Lost(_)
                    | AdminError::Stranger(_) => Status::Trouble,
                });
                continue;
            }
        };
        if args.json {
            output.line(document(answer, (!is_one).then_some(&name))?)?;
        } else if !is_table {
            if !is_one {
                output.line(format_args!("{name}:"))?;
            }
            match answer {
                Answer::Status(status, hand_offs) => {
                    show::status(status, output)?;
                    rows::show_hand_offs(hand_offs, output)?;
                }
                Answer::Connections(connections) => show::connections(connections, output)?,
                Answer::Sessions(page) => show::sessions(page, output)?,
                Answer::Rows(rows) => rows::show(rows, output)?,
                Answer::Ended => output.line("the server has ended")?,
            }
        }
    }
    Ok(worst)
}

/// One line of JSON. With several servers it says which one it is about.
fn document(answer: &Answer, control: Option<&String>) -> io::Result<String> {
    let mut document = match answer {
        Answer::Status(status, hand_offs) => {
            let mut document = serde_json::to_value(status)?;
            if let (false, Some(fields)) = (hand_offs.is_empty(), document.as_object_mut()) {
                fields.insert("hand_offs".to_owned(), serde_json::to_value(hand_offs)?);
            }
            document
        }
        Answer::Connections(connections) => serde_json::to_value(connections)?,
        Answer::Sessions(page) => serde_json::to_value(page)?,
        Answer::Rows(rows) => rows::document(rows)?,
        Answer::Ended => serde_json::json!({"phase": "stopped"}),
    };
    if let (Some(control), Some(fields)) = (control, document.as_object_mut()) {
        fields.insert("control".to_owned(), control.clone().into());
    }
    Ok(document.to_string())
}

enum Answer {
    /// And the last hand-off of each service, where that was asked for.
    Status(Box<StatusReport>, Vec<HandoffReport>),
    Connections(crate::admin::Connections),
    Sessions(Page<SessionReport>),
    Rows(rows::Rows),
    /// It did what it was asked for, and is gone.
    Ended,
}

/// Does what is asked for. What changes the server is answered with its status, so that it can be
/// seen.
fn answer(args: &AdminArgs, place: &ControlPlace) -> Answered {
    let mut admin = match place {
        ControlPlace::Socket(socket) => Admin::connect(socket, args.timeout)?,
        ControlPlace::Network(address) => {
            let tls = tls(args).map_err(|error| AdminError::Stranger(causes(&error)))?;
            Admin::connect_by(&tls, address, args.timeout)?
        }
    };
    if let Command::Connections(page) = &args.command {
        return admin.connections(page.after, page.limit).map(Answer::Connections);
    }
    if let Command::Sessions(page) = &args.command {
        return admin.sessions(page.after, page.limit).map(Answer::Sessions);
    }
    if let Some(answer) = rows::answer(args, &mut admin) {
        return answer;
    }
    let change = change(&args.command);
    if let (Command::Drain(Drain { wait: Some(at_most), stay, .. }), Some(drain)) =
        (&args.command, &change)
    {
        let status = wait::drain(&mut admin, drain, *stay, *at_most)?;
        return Ok(Answer::Status(Box::new(status), Vec::new()));
    }
    if let Some(change) = change {
        admin.order(&change)?;
    }
    let ends = matches!(args.command, Command::Drain(_) | Command::Shutdown(_));
    match admin.status() {
        Ok(status) => {
            let is_asked = matches!(args.command, Command::Status(_));
            // An older server knows of none.
            let hand_offs = is_asked.then(|| admin.last_hand_offs().unwrap_or_default());
            let hand_offs = hand_offs.unwrap_or_default();
            Ok(Answer::Status(Box::new(status), hand_offs))
        }
        // A server without clients ends at once.
        Err(AdminError::Lost(_) | AdminError::Refused(_)) if ends => Ok(Answer::Ended),
        Err(error) => Err(error),
    }
}

/// What makes TLS of connections to servers elsewhere.
fn tls(args: &AdminArgs) -> Result<ClientTls, TlsError> {
    let tls = args.ca.as_ref().map_or_else(ClientTls::of_system, ClientTls::trusting)?;
    match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => tls.showing(cert, key),
        (_, _) => Ok(tls),
    }
}

/// The request that a command stands for; `None`: it changes nothing.
fn change(command: &Command) -> Option<Request> {
    let change = match command {
        Command::Status(_)
        | Command::Connections(_)
        | Command::Sessions(_)
        | Command::Rows(_)
        | Command::Finalize(_)
        | Command::Lower(_)
        | Command::Migrate(_)
        | Command::HandOff(_)
        | Command::Store(_) => return None,
        Command::Drain(drain) => Request::Drain {
            next_ip: drain.address.clone(),
            grace: drain.grace,
            hard_stop: drain.hard_stop,
            stays: drain.stay,
        },
        Command::Kick(kick) => Request::Kick { number: kick.number, hard_stop: kick.hard_stop },
        Command::Move(Move { number, address, grace }) => {
            Request::Move { number: *number, next_ip: address.clone(), grace: *grace }
        }
        Command::LogLevel(level) => Request::SetLogFilter(level.filter.clone()),
        Command::Undrain => Request::Undrain,
        Command::Cordon(cordon) => Request::Cordon { next_ip: cordon.address.clone() },
        Command::Uncordon => Request::Uncordon,
        Command::Withdraw(version) => Request::Withdraw(version.which(), version.version),
        Command::Restore(version) => Request::Restore(version.which(), version.version),
        Command::Load(load) => load.high.map_or(Request::ClearLoadMarks, |high| {
            let (unit, low) = (load.unit.unit(), load.low(high));
            Request::SetLoadMarks { unit, low, high, next_ip: load.address.clone() }
        }),
        Command::Peers(peers) => Request::SetPeers(
            peers.addresses.as_ref().map_or_else(Vec::new, |peers| peers.addresses().to_vec()),
        ),
        Command::Shutdown(shutdown) => Request::ShutDown { hard_stop: shutdown.hard_stop },
    };
    Some(change)
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
        AdminError::Dial(error) if error.kind() == DialErrorKind::Tls => {
            Some("--ca names the authority of the server's certificate")
        }
        AdminError::Dial(_) => Some("a server listens there when it has --control-listen"),
        AdminError::Lost(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Some("the server closed the connection: it ended, or it serves 16 operators already")
        }
        // In TLS 1.3 what the server says of a certificate comes after the handshake.
        AdminError::Lost(error) if error.kind() == io::ErrorKind::InvalidData => {
            Some(crate::network::CERTIFICATE)
        }
        AdminError::Lost(_) => Some("--timeout gives it more time"),
        AdminError::Stranger(_) => Some("the file is to be the one of the server's --control"),
        AdminError::Refused(_) | AdminError::Unfinished(_) => None,
        AdminError::TooOld(_) => Some("a newer server, at the same control socket, has it"),
    }
}
