//! Contracts from files: read, and all that is wrong with them said.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ubf_contract::{
    Checker, Contract, ContractLimits, Diagnostic, LibraryError, NodeId, ReadError, Reader, Strings,
};

use crate::args::contract::SourceArgs;
use crate::packets::input;
use crate::ui::excerpt::Excerpt;
use crate::ui::output::Output;
use crate::ui::reason::reason;
use crate::ui::report::Report;
use crate::ui::status::Status;

/// The text of a contract.
pub(super) struct Source {
    /// What people call it.
    pub(super) name: String,
    pub(super) text: Vec<u8>,
    /// Where its libraries are.
    folder: PathBuf,
}

impl Source {
    /// Reads a file, or stdin, up to the limit of contracts and one byte more.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let most = u64::from(ContractLimits::new().max_text_bytes) + 1;
        let mut text = Vec::new();
        if input::is_stdin(path) {
            io::stdin().lock().take(most).read_to_end(&mut text)?;
        } else {
            std::fs::File::open(path)?.take(most).read_to_end(&mut text)?;
        }
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { name: input::name(path), text, folder })
    }

    /// What a server has told.
    pub(super) fn told(address: &str, text: Vec<u8>) -> Self {
        Self { name: address.to_owned(), text, folder: PathBuf::new() }
    }

    pub(super) fn read(&self, args: &SourceArgs) -> Result<Contract, ReadError> {
        let imports = args.imports.iter().flat_map(|imports| imports.0.clone());
        let reader = Reader::new().with_dialect(args.dialect);
        let libraries = reader.clone();
        reader.with_imports(imports).read_with(&self.text, |name| {
            let file = self.folder.join(format!("{}.con", name.to_latin1()));
            let text = std::fs::read(&file)
                .map_err(|error| LibraryError::from(format!("{}: {error}", file.display())))?;
            Ok(libraries.read(text)?)
        })
    }

    /// The message of an error: its place, the line, a caret, and what was expected.
    pub(super) fn report(&self, diagnostic: &Diagnostic) -> Report {
        let message = format!("{}:{}: {diagnostic}", self.name, diagnostic.start);
        let start = diagnostic.span.start as usize;
        let before = self.text.get(..start).unwrap_or(&self.text);
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.text.get(line_start..).unwrap_or_default();
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut excerpt = Excerpt::of_text(line.trim_ascii_end(), start - line_start);
        if diagnostic.start.line == diagnostic.end.line {
            // A token is marked as a whole, as far as it is shown.
            let width = (diagnostic.end.column - diagnostic.start.column) as usize;
            let room = excerpt.line.chars().count().saturating_sub(excerpt.caret);
            excerpt.width = width.clamp(1, room.max(1));
        }
        Report::new(message).with_excerpt(excerpt)
    }

    /// Says all that is wrong.
    pub(super) fn report_all(&self, error: &ReadError, output: &mut Output) -> io::Result<()> {
        error.diagnostics().try_for_each(|diagnostic| output.report(&self.report(diagnostic)))
    }

    /// Says a warning, which is no error.
    pub(super) fn warn(&self, diagnostic: &Diagnostic, output: &mut Output) {
        output.note(format_args!("warning: {}:{}: {diagnostic}", self.name, diagnostic.start));
    }
}

/// Opens a file and reads it; says what is wrong with either. Without a contract there is the
/// status that says so.
pub(super) fn contract(
    path: &Path,
    args: &SourceArgs,
    output: &mut Output,
) -> io::Result<Result<(Source, Contract), Status>> {
    let source = match open(path, output)? {
        Ok(source) => source,
        Err(status) => return Ok(Err(status)),
    };
    match source.read(args) {
        Ok(contract) => Ok(Ok((source, contract))),
        Err(error) => {
            source.report_all(&error, output)?;
            Ok(Err(Status::Trouble))
        }
    }
}

pub(super) fn open(path: &Path, output: &mut Output) -> io::Result<Result<Source, Status>> {
    match Source::open(path) {
        Ok(source) => Ok(Ok(source)),
        Err(error) => {
            let name = input::name(path);
            output.report(&Report::new(format!("cannot read {name}: {}", reason(&error))))?;
            Ok(Err(Status::Trouble))
        }
    }
}

/// A contract's checker, and the node of one of its types; says what is wrong with either.
pub(super) fn type_of(
    path: &Path,
    args: &SourceArgs,
    strings: Strings,
    type_name: &str,
    output: &mut Output,
) -> io::Result<Result<(Checker, NodeId), Status>> {
    let (source, contract) = match contract(path, args, output)? {
        Ok(read) => read,
        Err(status) => return Ok(Err(status)),
    };
    let checker = Checker::with_strings(contract, strings);
    // Names are Latin-1 in contracts.
    let name: Vec<u8> = type_name
        .strip_suffix("()")
        .unwrap_or(type_name)
        .chars()
        .map(|char| u8::try_from(char).unwrap_or(b'?'))
        .collect();
    match checker.graph().named(&name) {
        Some(node) => Ok(Ok((checker, node))),
        None => {
            let known: Vec<String> = checker
                .contract()
                .types()
                .iter()
                .map(|definition| definition.name.to_latin1())
                .collect();
            let hint = format!("its types are {}", known.join(", "));
            let message = format!("{} has no type {type_name}", source.name);
            output.report(&Report::new(message).with_hint(Some(hint)))?;
            Ok(Err(Status::Trouble))
        }
    }
}
