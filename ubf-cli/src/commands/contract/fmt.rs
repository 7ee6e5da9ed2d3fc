//! `ubf contract fmt`: the canonical form.

use std::io;

use super::source;
use crate::args::contract::FmtContract;
use crate::packets::input;
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &FmtContract, output: &mut Output) -> io::Result<Status> {
    let mut worst = Status::Good;
    for path in input::named(&args.files) {
        let source = match source::open(&path, output)? {
            Ok(source) => source,
            Err(status) => {
                worst = worst.max(status);
                continue;
            }
        };
        let contract = match source.read(&args.source) {
            Ok(contract) => contract,
            Err(error) => {
                source.report_all(&error, output)?;
                worst = worst.max(Status::WrongInput);
                continue;
            }
        };
        let printed = contract.print();
        if args.check {
            if printed != source.text {
                let report = Report::new(format!("{}: not in this form", source.name))
                    .with_hint(Some("ubf contract fmt --write writes it in this form"));
                output.report(&report)?;
                worst = worst.max(Status::WrongInput);
            }
        } else if args.write && !input::is_stdin(&path) {
            // A file that is in this form already keeps its time.
            if printed != source.text
                && let Err(error) = std::fs::write(&path, &printed)
            {
                let message = format!("cannot write {}: {}", source.name, reason(&error));
                output.report(&Report::new(message))?;
                worst = worst.max(Status::Trouble);
            }
        } else {
            output.bytes(&printed)?;
        }
    }
    Ok(worst)
}
