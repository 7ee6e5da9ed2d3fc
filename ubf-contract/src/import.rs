//! Types from other contracts.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use ubf_codec::{Term, Text};

use crate::diagnostic::Problem;
use crate::model::{Contract, Origin, Parts, TypeDef};
use crate::shown::Shown;
use crate::span::Span;

/// Why a library could not be loaded.
pub type LibraryError = Box<dyn Error + Send + Sync>;

/// Types to take from a library, which is a contract. What they refer to does not come along by
/// itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The library's name: that of its Erlang module, with existing implementations.
    pub library: Text,
    /// Which of its types.
    pub selection: Selection,
}

/// Which types of a library are imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All that it has: `Library`.
    All,
    /// Those: `{Library, [Name]}`.
    Only(Vec<Text>),
    /// All but those: `{Library, {except, [Name]}}`.
    Except(Vec<Text>),
}

impl Import {
    /// Reads imports as Erlang modules of existing services write them after `-add_types`: one of
    /// the three forms, or a list of them.
    ///
    /// ```
    /// use ubf_contract::{Import, Selection};
    ///
    /// let imports = Import::parse("[units, {money, {except, [euro]}}]")?;
    /// assert_eq!(imports[0].selection, Selection::All);
    /// assert_eq!(imports[1].selection, Selection::Except(vec!["euro".into()]));
    /// assert_eq!(
    ///     Import::parse("{units, all}").unwrap_err().to_string(),
    ///     "invalid import {units,all}: write library, {library,[name]} or {library,{except,[name]}}",
    /// );
    /// # Ok::<(), ubf_contract::ImportError>(())
    /// ```
    ///
    /// # Errors
    /// The text is no term, or the term is no import.
    pub fn parse(text: &str) -> Result<Vec<Self>, ImportError> {
        let term: Term = text.parse().map_err(|error| ImportError(format!("{error}")))?;
        let terms = if let Term::List(terms) = &term { terms.to_vec() } else { vec![term] };
        terms.iter().map(Self::from_term).collect()
    }

    fn from_term(term: &Term) -> Result<Self, ImportError> {
        let invalid = || {
            ImportError(format!(
                "invalid import {term}: write library, {{library,[name]}} or \
                 {{library,{{except,[name]}}}}"
            ))
        };
        let names = |list: &Term| {
            let Term::List(names) = list else { return None };
            names.iter().map(atom).collect::<Option<Vec<_>>>()
        };
        let (library, selection) = if let Term::Tuple(pair) = term {
            match &**pair {
                [library, Term::Tuple(except)] => match &**except {
                    [word, list] if word.as_ref().is_atom("except") => {
                        (library, names(list).map(Selection::Except))
                    }
                    _ => (library, None),
                },
                [library, list] => (library, names(list).map(Selection::Only)),
                _ => (term, None),
            }
        } else {
            (term, Some(Selection::All))
        };
        let library = atom(library).ok_or_else(invalid)?;
        Ok(Self { library, selection: selection.ok_or_else(invalid)? })
    }
}

fn atom(term: &Term) -> Option<Text> {
    if let Term::Atom(name) = term { Some(name.clone()) } else { None }
}

/// A text that is no import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError(String);

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ImportError {}

/// Adds what is imported to the foreign types of a contract, and tells what is wrong.
pub(crate) fn add(
    imports: &[Import],
    load: &mut dyn FnMut(&Text) -> Result<Contract, LibraryError>,
    parts: &mut Parts,
) -> Vec<(Problem, Span)> {
    let mut problems = Vec::new();
    for Import { library, selection } in imports {
        let contract = match load(library) {
            Ok(contract) => contract,
            Err(error) => {
                let (library, why) = (library.clone(), error.to_string());
                problems.push((Problem::ImportFailed { library, why }, Span::default()));
                continue;
            }
        };
        for name in unknown_names(&contract, selection) {
            let name = Shown::of(name);
            let why = format!("{} has no type {name}()", Shown::of(library));
            problems.push((Problem::InvalidImport(why), Span::default()));
        }
        let chosen = contract.all_types().filter(|definition| selection.takes(definition));
        parts.foreign.extend(
            chosen.map(|definition| (Origin::Imported(library.clone()), definition.clone())),
        );
    }
    problems
}

fn unknown_names<'s>(contract: &Contract, selection: &'s Selection) -> Vec<&'s Text> {
    match selection {
        Selection::All => Vec::new(),
        Selection::Only(names) | Selection::Except(names) => {
            let names: BTreeSet<&Text> = names.iter().collect();
            names.into_iter().filter(|name| contract.type_def(name.as_bytes()).is_none()).collect()
        }
    }
}

impl Selection {
    fn takes(&self, definition: &TypeDef) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&definition.name),
            Self::Except(names) => !names.contains(&definition.name),
        }
    }
}
