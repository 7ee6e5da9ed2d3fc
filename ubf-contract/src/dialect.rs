//! The three dialects of UBF(B) that are in use.

use core::fmt;
use core::str::FromStr;

/// A dialect of UBF(B): what a contract looks like differs between the implementations.
///
/// ```
/// use ubf_contract::ContractDialect;
///
/// assert_eq!("1.16".parse(), Ok(ContractDialect::V1_16));
/// assert_eq!(ContractDialect::default().to_string(), "2");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ContractDialect {
    /// Armstrong's, of UBF 1.12: few types, no ranges, no records.
    V1_12,
    /// Of UBF 1.16: `=` between a type's name and its definition, no built-in types.
    V1_16,
    /// Of UBF 2.0 and later: `::`, and built-in types.
    #[default]
    V2,
}

impl ContractDialect {
    /// All of them, the oldest first.
    pub const ALL: [Self; 3] = [Self::V1_12, Self::V1_16, Self::V2];

    /// Its name: `1.12`, `1.16` or `2`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_12 => "1.12",
            Self::V1_16 => "1.16",
            Self::V2 => "2",
        }
    }
}

impl fmt::Display for ContractDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ContractDialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name).ok_or(UnknownDialect(()))
    }
}

/// The text names no dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDialect(());

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the dialects are 2, 1.16 and 1.12")
    }
}

impl core::error::Error for UnknownDialect {}
