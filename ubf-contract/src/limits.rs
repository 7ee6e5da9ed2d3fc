//! What a contract may cost.

/// The most that one contract may cost (C1). Every limit is checked before the memory is taken; a
/// limit is *exactly* allowed.
///
/// ```
/// use ubf_contract::{ContractLimits, Reader};
///
/// let limits = ContractLimits::new().with_max_depth(1);
/// let error = Reader::new().with_limits(limits).read("+TYPES a() :: {{x}}.").unwrap_err();
/// assert_eq!(error.first().to_string(), "nested deeper than 1 (max_depth)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContractLimits {
    /// Bytes of the text. Default 16 MiB. All that a contract takes is linear in it.
    pub max_text_bytes: u32,
    /// Tuples, records and lists that may stand one in another in one type. Default 128. What
    /// walks types recurses that deep, so a limit above 256 counts as 256.
    pub max_depth: u32,
    /// Digits of one number. Default 1,000.
    pub max_number_digits: u32,
    /// Errors and warnings that are kept, each. Default 100: the first ones are the useful ones.
    pub max_diagnostics: u32,
}

impl Default for ContractLimits {
    fn default() -> Self {
        Self::new()
    }
}

impl ContractLimits {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_text_bytes: 16 << 20,
            max_depth: 128,
            max_number_digits: 1_000,
            max_diagnostics: 100,
        }
    }

    /// [`max_depth`](Self::max_depth), and no more than the stack of any thread allows.
    pub(crate) const fn depth(&self) -> u32 {
        if self.max_depth < 256 { self.max_depth } else { 256 }
    }

    /// The same with another [`max_text_bytes`](Self::max_text_bytes).
    #[must_use]
    pub const fn with_max_text_bytes(mut self, max_text_bytes: u32) -> Self {
        self.max_text_bytes = max_text_bytes;
        self
    }

    /// The same with another [`max_depth`](Self::max_depth).
    #[must_use]
    pub const fn with_max_depth(mut self, max_depth: u32) -> Self {
        self.max_depth = max_depth;
        self
    }

    /// The same with another [`max_number_digits`](Self::max_number_digits).
    #[must_use]
    pub const fn with_max_number_digits(mut self, max_number_digits: u32) -> Self {
        self.max_number_digits = max_number_digits;
        self
    }

    /// The same with another [`max_diagnostics`](Self::max_diagnostics).
    #[must_use]
    pub const fn with_max_diagnostics(mut self, max_diagnostics: u32) -> Self {
        self.max_diagnostics = max_diagnostics;
        self
    }
}
