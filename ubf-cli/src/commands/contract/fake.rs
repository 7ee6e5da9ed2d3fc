//! `ubf contract fake`: random terms of a type.

use std::io;

use ubf_contract::Faker;

use super::source;
use crate::args::contract::FakeTerms;
use crate::ui::output::Output;
use crate::ui::report::Report;
use crate::ui::status::Status;

pub(crate) fn run(args: &FakeTerms, output: &mut Output) -> io::Result<Status> {
    let strings = args.strings.strings();
    let found = source::type_of(&args.file, &args.source, strings, &args.type_name, output)?;
    let (checker, node) = match found {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let mut faker = Faker::new(&checker, args.seed);
    for _ in 0..args.count {
        let Some(term) = faker.term(node) else {
            let message = format!("no term of type {} can be made", args.type_name);
            let report = Report::new(message)
                .with_hint(Some("no term is of this type, or none that is not huge"));
            output.report(&report)?;
            return Ok(Status::WrongInput);
        };
        output.line(term.as_ref())?;
    }
    Ok(Status::Good)
}
