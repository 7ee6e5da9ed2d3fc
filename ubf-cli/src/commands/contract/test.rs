//! `ubf contract test`: is a term of a type?

use std::io;
use std::path::Path;

use ubf_codec::Term;
use ubf_contract::{Checker, NodeId};

use super::source;
use crate::args::contract::TestTerms;
use crate::commands::inputs::each_term;
use crate::packets::passage::Passage;
use crate::packets::terms::term_of;
use crate::ui::output::Output;
use crate::ui::palette::Palette;
use crate::ui::status::Status;

pub(crate) fn run(args: &TestTerms, output: &mut Output) -> io::Result<Status> {
    let strings = args.strings.strings();
    let found = source::type_of(&args.file, &args.source, strings, &args.type_name, output)?;
    let (checker, node) = match found {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let mut worst = Status::Good;
    for text in &args.terms {
        match term_of(&Passage::of(text), None) {
            Ok(term) => worst = worst.max(answer(&checker, node, &term, output)?),
            Err(report) => {
                output.report(&report)?;
                worst = worst.max(Status::Trouble);
            }
        }
    }
    if args.terms.is_empty() {
        let read = each_term(Path::new("-"), output, &mut |passage, output| {
            match term_of(passage, Some("stdin")) {
                Ok(term) => worst = worst.max(answer(&checker, node, &term, output)?),
                Err(report) => {
                    output.report(&report)?;
                    worst = worst.max(Status::Trouble);
                }
            }
            Ok(true)
        })?;
        if let Err(report) = read {
            output.report(&report)?;
            worst = worst.max(Status::Trouble);
        }
    }
    Ok(worst)
}

/// One line: `yes`, or `no` and why not.
fn answer(checker: &Checker, node: NodeId, term: &Term, output: &mut Output) -> io::Result<Status> {
    let Palette { good, error, .. } = output.palette();
    match checker.check(node, term) {
        Ok(()) => {
            output.line(format_args!("{good}yes{good:#}"))?;
            Ok(Status::Good)
        }
        Err(mismatch) => {
            output.line(format_args!("{error}no{error:#} {mismatch}"))?;
            Ok(Status::WrongInput)
        }
    }
}
