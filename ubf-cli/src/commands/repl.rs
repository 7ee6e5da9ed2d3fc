//! `ubf repl`: a conversation with a server.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::{Arc, mpsc};

use tokio::runtime::Runtime;
use tokio::signal::ctrl_c;

use super::inputs::each_term;
use crate::args::Repl;
use crate::network;
use crate::packets::input;
use crate::packets::passage::{Passage, Split as _};
use crate::packets::terms::TermSplitter;
use crate::repl::{Done, Screen, Shown, Talk, Terminal, Typed, command_hint};
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &Repl, output: &mut Output) -> io::Result<Status> {
    let ended = network::runtime(false).and_then(|runtime| {
        Ok(if input::stdin_is_terminal() && io::stdout().is_terminal() {
            talk(args, &runtime, output)?
        } else {
            script(args, &runtime, output)
        })
    });
    match ended {
        Ok(ended) => ended,
        Err(report) => {
            output.report(&report)?;
            Ok(Status::Trouble)
        }
    }
}

/// Someone types.
fn talk(args: &Repl, runtime: &Runtime, output: &mut Output) -> Result<io::Result<Status>, Report> {
    let palette = output.palette();
    let trouble = |error: rustyline::error::ReadlineError| {
        Report::new(format!("cannot use the terminal: {error}"))
    };
    let (mut terminal, screen) = Terminal::open(palette, !args.no_history).map_err(trouble)?;
    let mut session = runtime.block_on(Talk::connect(args, Arc::clone(&screen), palette))?;
    terminal.help_with(session.words(), palette, session.commands());
    screen(Shown::Note(":help lists the commands, Ctrl-D leaves".to_owned()));
    'lines: loop {
        let text = match terminal.read(&session.prompt()).map_err(trouble)? {
            Typed::Lines(text) => text,
            Typed::Interrupted => continue,
            Typed::End => break,
        };
        // What was pasted may be several lines. Each is carried out as if it had been typed.
        for passage in passages(&text) {
            let done = match passage.utf8(None) {
                Ok(line) => runtime.block_on(obey_unless_interrupted(&mut session, line)),
                Err(report) => Some(Done::Bad(report)),
            };
            match done {
                Some(Done::Good) => {}
                Some(Done::Bad(report)) => show_on(&screen, &report, palette),
                Some(Done::Quit) => break 'lines,
                None => {
                    show_on(&screen, &Report::new("given up; what was sent may have run"), palette);
                    break;
                }
            }
        }
    }
    runtime.block_on(session.close());
    Ok(Ok(Status::Good))
}

/// `None` if Ctrl-C was pressed first.
async fn obey_unless_interrupted(session: &mut Talk<'_>, line: &str) -> Option<Done> {
    tokio::select! {
        done = session.obey(line) => {
            if let Some(hint) = command_hint(line, session.commands()) {
                session.note(hint);
            }
            Some(done)
        }
        _ = ctrl_c() => None,
    }
}

fn show_on(screen: &Screen, report: &Report, palette: Palette) {
    screen(Shown::Data(report.render(palette).trim_end().to_owned()));
}

/// The lines of a text. A line goes on until its brackets are closed.
fn passages(text: &str) -> impl Iterator<Item = Passage> {
    let mut splitter = TermSplitter::new();
    splitter.buffer().extend_from_slice(text.as_bytes());
    std::iter::from_fn(move || splitter.next(true))
}

/// What is on stdin is carried out.
fn script(args: &Repl, runtime: &Runtime, output: &mut Output) -> io::Result<Status> {
    // Others may not write to stdout: what they have to show waits here until a line is done.
    let (sender, shown) = mpsc::channel();
    let connecting = Talk::connect(
        args,
        Arc::new(move |shown| {
            // Nobody looks any more when the script is over.
            sender.send(shown).ok();
        }),
        // Stderr takes colours out where they do not belong.
        output.palette(),
    );
    let mut session = match runtime.block_on(connecting) {
        Ok(session) => session,
        Err(report) => {
            output.report(&report)?;
            return Ok(Status::Trouble);
        }
    };
    let mut worst = Status::Good;
    let mut obey = |passage: &Passage, output: &mut Output| -> io::Result<bool> {
        let done = match passage.utf8(Some("stdin")) {
            Ok(text) => runtime.block_on(session.obey(text)),
            Err(report) => Done::Bad(report),
        };
        show(&shown, output)?;
        match done {
            Done::Good => Ok(true),
            Done::Bad(report) => {
                worst = Status::WrongInput;
                output.report(
                    &report.with_remark(format!("line {} of the script", first_line(passage))),
                )?;
                Ok(true)
            }
            Done::Quit => Ok(false),
        }
    };
    let ended = each_term(Path::new("-"), output, &mut obey);
    runtime.block_on(session.close());
    show(&shown, output)?;
    match ended? {
        Ok(()) => Ok(worst),
        Err(report) => {
            output.report(&report)?;
            Ok(Status::Trouble)
        }
    }
}

/// The line on which a passage's text begins: blank lines may stand before it.
fn first_line(passage: &Passage) -> u64 {
    let blank = passage
        .text
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .filter(|&&byte| byte == b'\n')
        .count();
    passage.start.line + blank as u64
}

fn show(shown: &mpsc::Receiver<Shown>, output: &mut Output) -> io::Result<()> {
    for shown in shown.try_iter() {
        match shown {
            Shown::Data(text) => output.line(text)?,
            Shown::Note(text) => {
                output.flush()?;
                output.note(text);
            }
        }
    }
    Ok(())
}
