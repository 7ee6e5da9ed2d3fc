//! What is wrong with a contract, or odd: where, what was found, what was expected (C1).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ubf_codec::Text;

use crate::shown::Shown;
use crate::span::{Position, Span};

/// One error or warning about a contract.
///
/// `Display` gives one line without the place; [`Diagnostic::start`] is the place, and
/// [`Diagnostic::expected`] what should be there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What is the matter.
    pub problem: Problem,
    /// The bytes that it is about.
    pub span: Span,
    /// Where they begin.
    pub start: Position,
    /// Where they end.
    pub end: Position,
    /// The place of what came first, where something is there twice.
    pub first: Option<Position>,
}

impl Diagnostic {
    /// Whether it makes the contract unusable.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.problem.stage() < STAGE_OF_WARNINGS
    }

    /// What should be there instead, if that can be said in a few words.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        if let Problem::Syntax { expected, .. } = &self.problem { Some(expected) } else { None }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)?;
        match self.first {
            Some(first) => write!(f, " (the first one is on line {})", first.line),
            None => Ok(()),
        }
    }
}

/// What may be the matter with a contract.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// A byte that begins no token.
    UnexpectedByte(u8),
    /// A word that begins with a capital and is no keyword.
    UnknownWord(Text),
    /// The closing quote is missing; the opening one is given.
    Unterminated(&'static str),
    /// A number that is none: a base below 2 or above 36, a digit beyond the base, a float beyond
    /// all floats.
    BadNumber(&'static str),
    /// A number of more digits than this limit allows.
    TooManyDigits(u32),
    /// Types stand deeper in one another than this limit allows.
    TooDeep(u32),
    /// The text has more bytes than this limit allows.
    TextTooLong(u32),
    /// A token that cannot stand there.
    Syntax {
        /// What could.
        expected: String,
        /// The token.
        found: Text,
    },
    /// An attribute that the type cannot have.
    Attribute {
        /// The attribute.
        name: Text,
        /// Why it cannot.
        why: AttributeProblem,
    },
    /// Two fields of a record have this name.
    FieldTwice(Text),
    /// There has to be such a form.
    FormMissing(&'static str),
    /// There may be only one such form.
    FormTwice(&'static str),
    /// What is given as an import is none.
    InvalidImport(String),
    /// The library could not be loaded.
    ImportFailed {
        /// Its name.
        library: Text,
        /// Why.
        why: String,
    },
    /// Two definitions of a type.
    TypeTwice(Text),
    /// A type that is imported or built in is defined in another way.
    TypeDiffers {
        /// Its name.
        name: Text,
        /// The library's name; `None` if it is built in.
        library: Option<Text>,
    },
    /// A type that is named and not defined.
    TypeMissing(Text),
    /// Two states of one name.
    StateTwice(Text),
    /// A state called `stop`, which is the name of the end.
    StateStop,
    /// A next state that does not exist.
    StateMissing(Text),
    /// A type that no rule needs.
    TypeUnused(Text),
    /// Warning: no session gets into that state.
    StateUnreachable(Text),
    /// Warning: no term is of that type.
    TypeEmpty(Text),
    /// Warning: the type is defined as itself, so that no term is of it.
    AliasCycle(Text),
    /// Warning: records of this name have different fields.
    RecordShapes(Text),
    /// Warning: the definition is never used, since the name is that of a predefined type.
    PredefinedName(Text),
    /// Warning: to servers of 1.16, nothing is a list with a count.
    CountMatchesNothing,
    /// Warning: existing servers break when they are asked for a contract with a float in it.
    FloatLiteral,
}

/// Why a type cannot have an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeProblem {
    /// There is no such attribute.
    Unknown,
    /// The type does not have it.
    NotOfThisType,
    /// Only predefined types have attributes.
    NotPredefined,
    /// `ascii` and `asciiprintable` exclude each other.
    BothAscii,
}

const STAGE_OF_WARNINGS: u8 = 10;

impl Problem {
    /// In which order problems are told: that of existing implementations, which tell only those of
    /// the first stage that has one.
    pub(crate) const fn stage(&self) -> u8 {
        match self {
            Self::TextTooLong(_)
            | Self::UnexpectedByte(_)
            | Self::UnknownWord(_)
            | Self::Unterminated(_)
            | Self::BadNumber(_)
            | Self::TooManyDigits(_)
            | Self::TooDeep(_)
            | Self::Syntax { .. }
            | Self::Attribute { .. }
            | Self::FieldTwice(_) => 1,
            Self::FormMissing(_)
            | Self::FormTwice(_)
            | Self::InvalidImport(_)
            | Self::ImportFailed { .. } => 2,
            Self::TypeTwice(_) => 3,
            Self::TypeDiffers { .. } => 4,
            Self::TypeMissing(_) => 5,
            Self::StateTwice(_) | Self::StateStop => 6,
            Self::StateMissing(_) => 7,
            Self::TypeUnused(_) => 9,
            Self::StateUnreachable(_)
            | Self::TypeEmpty(_)
            | Self::AliasCycle(_)
            | Self::RecordShapes(_)
            | Self::PredefinedName(_)
            | Self::CountMatchesNothing
            | Self::FloatLiteral => STAGE_OF_WARNINGS,
        }
    }

    /// A short name that does not change, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnexpectedByte(_)
            | Self::UnknownWord(_)
            | Self::Unterminated(_)
            | Self::BadNumber(_) => "lexical",
            Self::TooManyDigits(_) | Self::TooDeep(_) | Self::TextTooLong(_) => "limit",
            Self::Syntax { .. } => "syntax",
            Self::Attribute { .. } => "attribute",
            Self::FieldTwice(_) => "field-twice",
            Self::FormMissing(_) => "form-missing",
            Self::FormTwice(_) => "form-twice",
            Self::InvalidImport(_) | Self::ImportFailed { .. } => "import",
            Self::TypeTwice(_) => "type-twice",
            Self::TypeDiffers { .. } => "type-differs",
            Self::TypeMissing(_) => "type-missing",
            Self::StateTwice(_) | Self::StateStop => "state-twice",
            Self::StateMissing(_) => "state-missing",
            Self::TypeUnused(_) => "type-unused",
            Self::StateUnreachable(_) => "state-unreachable",
            Self::TypeEmpty(_) => "type-empty",
            Self::AliasCycle(_) => "alias-cycle",
            Self::RecordShapes(_) => "record-shapes",
            Self::PredefinedName(_) => "predefined-name",
            Self::CountMatchesNothing => "count-matches-nothing",
            Self::FloatLiteral => "float-literal",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedByte(byte) => {
                write!(f, "{} begins no token", Shown::quoted(&[*byte]))
            }
            Self::UnknownWord(word) => write!(
                f,
                "'{}' is no keyword, and names do not begin with a capital unless they are quoted",
                Shown::of(word)
            ),
            Self::Unterminated(quote) => write!(f, "{quote} is never closed"),
            Self::BadNumber(why) => f.write_str(why),
            Self::TooManyDigits(max) => {
                write!(f, "number of more than {max} digits (max_number_digits)")
            }
            Self::TooDeep(max) => write!(f, "nested deeper than {max} (max_depth)"),
            Self::TextTooLong(max) => write!(f, "text of more than {max} bytes (max_text_bytes)"),
            Self::Syntax { expected, found } => {
                write!(f, "expected {expected}, found {}", Shown::of(found))
            }
            Self::Attribute { name, why } => match why {
                AttributeProblem::Unknown => {
                    write!(f, "no attribute is called {}", Shown::of(name))
                }
                AttributeProblem::NotOfThisType => {
                    write!(f, "this type has no attribute {}", Shown::of(name))
                }
                AttributeProblem::NotPredefined => {
                    f.write_str("only predefined types have attributes")
                }
                AttributeProblem::BothAscii => {
                    f.write_str("ascii and asciiprintable exclude each other")
                }
            },
            Self::FieldTwice(name) => write!(f, "field {} is there twice", Shown::of(name)),
            Self::FormMissing(form) => write!(f, "there is no {form}"),
            Self::FormTwice(form) => write!(f, "there is more than one {form}"),
            Self::InvalidImport(why) => write!(f, "invalid import: {why}"),
            Self::ImportFailed { library, why } => {
                write!(f, "library {} cannot be imported: {why}", Shown::of(library))
            }
            Self::TypeTwice(name) => write!(f, "type {}() is defined twice", Shown::of(name)),
            Self::TypeDiffers { name, library: None } => {
                write!(f, "type {}() is built in, with another definition", Shown::of(name))
            }
            Self::TypeDiffers { name, library: Some(library) } => write!(
                f,
                "type {}() is imported from {}, with another definition or annotation",
                Shown::of(name),
                Shown::of(library)
            ),
            Self::TypeMissing(name) => write!(f, "type {}() is not defined", Shown::of(name)),
            Self::StateTwice(name) => write!(f, "state {} is there twice", Shown::of(name)),
            Self::StateStop => {
                f.write_str("no state may be called stop, which is the end of a session")
            }
            Self::StateMissing(name) => write!(f, "state {} does not exist", Shown::of(name)),
            Self::TypeUnused(name) => {
                write!(f, "type {}() is not used by any rule", Shown::of(name))
            }
            Self::StateUnreachable(name) => {
                write!(f, "no session gets into state {}", Shown::of(name))
            }
            Self::TypeEmpty(name) => write!(f, "no term is of type {}()", Shown::of(name)),
            Self::AliasCycle(name) => {
                write!(
                    f,
                    "type {}() is defined as itself, so that no term is of it",
                    Shown::of(name)
                )
            }
            Self::RecordShapes(name) => {
                write!(f, "records called {} have different fields", Shown::of(name))
            }
            Self::PredefinedName(name) => write!(
                f,
                "{}() means the predefined type everywhere: this definition is never used",
                Shown::of(name)
            ),
            Self::CountMatchesNothing => {
                f.write_str("servers of 1.16 take no list for one with a count")
            }
            Self::FloatLiteral => f.write_str(
                "existing servers break when they are asked for a contract with a float",
            ),
        }
    }
}

/// All that is wrong with a text: at least one error, the earliest stage first, and by place within
/// a stage; and the warnings.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadError {
    first: Box<Diagnostic>,
    others: Vec<Diagnostic>,
}

impl ReadError {
    /// `None` if there is no error.
    pub(crate) fn new(mut errors: Vec<Diagnostic>) -> Option<Self> {
        if errors.is_empty() {
            return None;
        }
        let others = errors.split_off(1);
        Some(Self { first: Box::new(errors.pop()?), others })
    }

    /// The first error: the one that existing implementations tell.
    #[must_use]
    pub fn first(&self) -> &Diagnostic {
        &self.first
    }

    /// All of them.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        core::iter::once(&*self.first).chain(&self.others)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.first.start, self.first)?;
        match self.others.len() {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

impl core::error::Error for ReadError {}
