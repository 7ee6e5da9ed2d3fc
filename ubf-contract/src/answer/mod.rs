//! The term with which a server answers `'contract'`, both ways.

mod read;
mod write;

use alloc::string::String;
use core::fmt;

use ubf_codec::{Term, TermRef};

use crate::dialect::ContractDialect;
use crate::model::{Contract, Rule};

impl Contract {
    /// The term with which a server of this dialect answers `'contract'`: `{'contract', …}`.
    ///
    /// Floats stand in it as terms, though servers of 2.x cannot send them.
    ///
    /// ```
    /// use ubf_contract::{Contract, ContractDialect, Reader};
    ///
    /// let text = "+NAME(\"m\"). +VSN(\"1\"). +TYPES a() = {a, 1..} \"x\". +STATE s a() => a() & s.";
    /// let contract = Reader::new().with_dialect(ContractDialect::V1_16).read(text)?;
    /// let term = contract.to_term();
    /// assert_eq!(
    ///     term.to_string(),
    ///     "{contract,{{name,\"m\"},{states,[{s,[{input,{prim,1,1,a},[{output,{prim,1,1,a},s}]}]}]},\
    ///      {anystate,[]},{types,[{a,{{tuple,[{atom,a},{range,1,infinity}]},[120]}}]}}}",
    /// );
    /// let told = Contract::from_term(&term)?;
    /// assert_eq!((told.dialect(), told.types()), (contract.dialect(), contract.types()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_term(&self) -> Term {
        write::contract(self)
    }

    /// The contract that such a term tells; the dialect is found out. It has no `VSN`, no comments
    /// and no places in a text.
    ///
    /// # Errors
    /// The term is no answer to `'contract'`, or what it tells is no well-formed contract, or one
    /// that cannot be written as a text: with a quote in a quoted name, for example.
    ///
    /// # Limits
    /// Types that stand deeper in one another than the default of
    /// [`ContractLimits::max_depth`](crate::ContractLimits::max_depth) are an error.
    pub fn from_term<'t>(term: impl Into<TermRef<'t>>) -> Result<Self, AnswerError> {
        let term = term.into();
        read::contract(term, read::dialect_of(term))
    }

    /// The same for a dialect that is known.
    ///
    /// # Errors
    /// Those of [`Contract::from_term`].
    pub fn from_term_in<'t>(
        dialect: ContractDialect,
        term: impl Into<TermRef<'t>>,
    ) -> Result<Self, AnswerError> {
        read::contract(term.into(), dialect)
    }
}

/// The rules of a state as servers of this dialect tell them.
pub(crate) fn rules(rules: &[Rule], dialect: ContractDialect) -> Term {
    write::rules(rules, dialect)
}

/// A type in a rule as servers of this dialect tell it.
pub(crate) fn reference(one: &crate::model::Type, dialect: ContractDialect) -> Term {
    write::one_type(one, dialect)
}

/// A term that tells no contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerError(String);

impl AnswerError {
    pub(crate) const fn new(message: String) -> Self {
        Self(message)
    }
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for AnswerError {}
