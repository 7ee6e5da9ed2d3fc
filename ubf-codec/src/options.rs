//! How packets are to be read.

use crate::dialect::Dialect;
use crate::limits::Limits;

/// How packets are to be read: dialect, escapes, limits. All that reads packets takes these
/// options.
///
/// ```
/// use ubf_codec::{DecodeOptions, Decoder, Dialect, Limits, StreamDecoder};
///
/// let options = DecodeOptions::new()
///     .with_dialect(Dialect::Classic)
///     .with_any_escape(true)
///     .with_limits(Limits::new().with_max_depth(8));
/// let mut decoder = Decoder::new().with_options(options);
/// assert_eq!(decoder.decode(br#""caf\e" $"#)?.to_string(), "\"cafe\"");
/// let stream = StreamDecoder::new().with_options(options);
/// assert_eq!(stream.options(), options);
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// Whether `?` is the undefined value or may be a register (W7). The extended dialect by
    /// default; versioned packets are always in it.
    pub dialect: Dialect,
    /// Whether `\x` in a text stands for `x`, whatever `x` is (W3). Off by default.
    pub any_escape: bool,
    /// What a packet may cost (L1).
    pub limits: Limits,
}

impl DecodeOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { dialect: Dialect::Extended, any_escape: false, limits: Limits::new() }
    }

    /// The same options for another dialect (W7).
    #[must_use]
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The same options with or without escapes of every byte (W3).
    #[must_use]
    pub const fn with_any_escape(mut self, any_escape: bool) -> Self {
        self.any_escape = any_escape;
        self
    }

    /// The same options with other limits (L1).
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}
