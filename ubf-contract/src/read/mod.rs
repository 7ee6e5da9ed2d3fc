//! From text to contract.

mod comments;
mod cursor;
mod forms;
mod lexer;
mod token;
mod types;

use alloc::vec::Vec;
use core::mem;

use self::comments::Comments;
use self::cursor::Cursor;
use self::forms::{FormParser, Forms};
use self::types::TypeParser;
use crate::diagnostic::{Diagnostic, Problem, ReadError};
use crate::dialect::ContractDialect;
use crate::import::{Import, LibraryError};
use crate::limits::ContractLimits;
use crate::model::Contract;
use crate::span::{Lines, Span};
use crate::wellformed::{self, Known};
use crate::{builtin, import};

pub(crate) use self::lexer::is_bare_atom;

/// Reads contracts.
///
/// ```
/// use ubf_contract::{ContractDialect, Reader};
///
/// let text = "+NAME(\"m\"). +VSN(\"1\").
/// +TYPES a() = {a, b()}; c() = 5 7.
/// +ANYSTATE a() => nowhere().";
/// let error = Reader::new().with_dialect(ContractDialect::V1_16).read(text).unwrap_err();
/// let lines: Vec<String> = error
///     .diagnostics()
///     .map(|diagnostic| format!("{}: {diagnostic}", diagnostic.start))
///     .collect();
/// assert_eq!(lines, [
///     "2:32: expected '|', an annotation, ';' or '.', found '7'",
///     "2:18: type b() is not defined",
///     "3:18: type nowhere() is not defined",
/// ]);
/// # Ok::<(), ubf_contract::ReadError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reader {
    dialect: ContractDialect,
    limits: ContractLimits,
    imports: Vec<Import>,
}

impl Reader {
    /// A reader of the dialect 2.x, with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for another dialect.
    #[must_use]
    pub const fn with_dialect(mut self, dialect: ContractDialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The same with other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: ContractLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with these imports. They are no part of a contract's text: with existing
    /// implementations they stand in the Erlang module that names the contract.
    #[must_use]
    pub fn with_imports(mut self, imports: impl IntoIterator<Item = Import>) -> Self {
        self.imports.extend(imports);
        self
    }

    /// Reads a contract that imports nothing.
    ///
    /// # Errors
    /// All that is wrong with the text. If the reader has imports, each is such an error, since
    /// there is no loader for them.
    ///
    /// # Limits
    /// Those of [`ContractLimits`].
    pub fn read(&self, text: impl AsRef<[u8]>) -> Result<Contract, ReadError> {
        self.read_with(text, |_| Err("there is nothing to load it with".into()))
    }

    /// Reads a contract; `load` reads the libraries that it imports, by their names.
    ///
    /// ```
    /// use ubf_contract::{Import, Reader};
    ///
    /// let library = "+NAME(\"units\"). +VSN(\"1\"). +TYPES metres() :: 0..; feet() :: 0.. .";
    /// let contract = "+NAME(\"road\"). +VSN(\"1\"). +ANYSTATE metres() => metres().";
    /// let imports = Import::parse("[{units, [metres]}]")?;
    /// let contract = Reader::new()
    ///     .with_imports(imports)
    ///     .read_with(contract, |_name| Ok(Reader::new().read(library)?))?;
    /// assert!(contract.type_def(b"metres").is_some() && contract.type_def(b"feet").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// All that is wrong with the text and its imports.
    ///
    /// # Limits
    /// Those of [`ContractLimits`]. A loader that reads libraries which import each other in a
    /// circle has to notice that itself.
    pub fn read_with(
        &self,
        text: impl AsRef<[u8]>,
        mut load: impl FnMut(&ubf_codec::Text) -> Result<Contract, LibraryError>,
    ) -> Result<Contract, ReadError> {
        self.read_dyn(text.as_ref(), &mut load)
    }

    fn read_dyn(
        &self,
        text: &[u8],
        load: &mut dyn FnMut(&ubf_codec::Text) -> Result<Contract, LibraryError>,
    ) -> Result<Contract, ReadError> {
        let mut found = Findings { limits: self.limits, ..Findings::default() };
        if text.len() > self.limits.max_text_bytes as usize {
            let problem = Problem::TextTooLong(self.limits.max_text_bytes);
            found.report(problem, Span::default());
            return Err(found.into_error());
        }
        found.lines = Lines::of(text);
        let Forms {
            mut parts, twice, seen: _, broken_types, types_lost, states, states_lost, ..
        } = self.forms(text, &mut found);
        found.report_all(twice);
        let is_readable = found.errors.is_empty();
        parts.dialect = self.dialect;
        parts.foreign = builtin::types(self.dialect);
        for (problem, span) in import::add(&self.imports, load, &mut parts) {
            found.report(problem, span);
        }
        let known = Known { types: broken_types, types_lost, states, states_lost, is_readable };
        for (problem, span, first) in wellformed::errors(&parts, &known) {
            found.report_with(problem, span, first);
        }
        if !found.errors.is_empty() {
            return Err(found.into_error());
        }
        for (problem, span) in wellformed::warnings(&parts) {
            found.report(problem, span);
        }
        parts.lines = found.lines;
        Ok(Contract::new(parts, found.warnings))
    }

    /// Reads the forms, and reports what is wrong with each, and which are not there.
    fn forms(&self, text: &[u8], found: &mut Findings) -> Forms {
        let lexed = lexer::lex(text, self.dialect, self.limits.max_number_digits);
        let mut cursor = Cursor::new(text, &found.lines, &lexed.tokens);
        let mut forms = FormParser {
            cursor: &mut cursor,
            comments: &mut Comments::new(&lexed.comments),
            types: TypeParser { dialect: self.dialect, limits: self.limits },
            forms: Forms::default(),
        }
        .parse();
        let problems = mem::take(&mut cursor.problems);
        // What is never closed hides all that follows.
        let hidden =
            lexed.problems.iter().any(|(problem, _)| matches!(problem, Problem::Unterminated(_)));
        let ends = lexed.tokens.iter().filter(|token| token.kind == token::TokenKind::Dot);
        let ends: Vec<u32> = ends.map(|token| token.span.end).collect();
        found.report_all(in_order(lexed.problems, problems, &ends));
        // A form that was not understood, or is hidden, may be the one that is missed.
        let missing = if forms.unknown_form || hidden {
            Vec::new()
        } else {
            let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
            let missing = forms.missing(self.dialect).into_iter();
            missing.map(|form| (form, Span::new(end, end))).collect()
        };
        let mut wrong = mem::take(&mut forms.twice);
        wrong.extend(missing);
        found.report_all(wrong);
        forms
    }
}

/// All that is wrong with the tokens and the forms: form by form, and in each its tokens first, as
/// existing implementations look at them. `ends` are the offsets behind the full stops.
fn in_order(
    tokens: Vec<(Problem, Span)>,
    forms: Vec<(Problem, Span)>,
    ends: &[u32],
) -> Vec<(Problem, Span)> {
    let form_of = |span: Span| ends.partition_point(|end| *end <= span.start);
    let tokens = tokens.into_iter().map(|problem| (0, problem));
    let mut all: Vec<_> = tokens.chain(forms.into_iter().map(|problem| (1, problem))).collect();
    all.sort_by_key(|(level, (_, span))| (form_of(*span), *level, span.start));
    all.into_iter().map(|(_, problem)| problem).collect()
}

/// What has been found out about a text.
#[derive(Debug, Default)]
struct Findings {
    lines: Lines,
    limits: ContractLimits,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Findings {
    fn report(&mut self, problem: Problem, span: Span) {
        self.report_with(problem, span, None);
    }

    fn report_all(&mut self, problems: Vec<(Problem, Span)>) {
        for (problem, span) in problems {
            self.report(problem, span);
        }
    }

    fn report_with(&mut self, problem: Problem, span: Span, first: Option<Span>) {
        let diagnostic = Diagnostic {
            problem,
            span,
            start: self.lines.position(span.start),
            end: self.lines.position(span.end),
            first: first.map(|first| self.lines.position(first.start)),
        };
        let list = if diagnostic.is_error() { &mut self.errors } else { &mut self.warnings };
        if list.len() < self.limits.max_diagnostics.max(1) as usize {
            list.push(diagnostic);
        }
    }

    fn into_error(self) -> ReadError {
        ReadError::new(self.errors).expect("it is asked for when there is an error")
    }
}

/// Reads definitions that are known to be right.
pub(crate) fn definitions(text: &str, dialect: ContractDialect) -> Vec<crate::model::TypeDef> {
    let lines = Lines::default();
    let limits = ContractLimits::default();
    let lexed = lexer::lex(text.as_bytes(), dialect, limits.max_number_digits);
    let mut cursor = Cursor::new(text.as_bytes(), &lines, &lexed.tokens);
    let forms = FormParser {
        cursor: &mut cursor,
        comments: &mut Comments::new(&lexed.comments),
        types: TypeParser { dialect, limits },
        forms: Forms::default(),
    }
    .parse();
    debug_assert!(
        cursor.problems.is_empty(),
        "they are part of the program: {:?}",
        cursor.problems
    );
    forms.parts.types
}
