//! The two dialects of UBF(A).

/// How `?` and the backtick are read, and how `?` is written (spec: W7). Nothing else differs
/// between the dialects.
///
/// ```
/// use ubf_codec::{Decoder, Dialect};
///
/// // Erlang's encoder uses `?` as a register, like any other free byte.
/// let mut classic = Decoder::new().with_dialect(Dialect::Classic);
/// assert_eq!(classic.decode(b"'ok'>?{??}$")?.to_string(), "{ok,ok}");
/// // Its 45th register is the backtick, which is otherwise the quote of semantic tags.
/// assert_eq!(classic.decode(b"'ok'>`{``}$")?.to_string(), "{ok,ok}");
/// // For everyone who follows the 2003 extensions it is the absent value.
/// assert_eq!(ubf_codec::decode(b"{'ok'?}$")?.to_string(), "{ok,?}");
/// # Ok::<(), ubf_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// `?` is the undefined value and no register. Versioned packets are always in this dialect.
    #[default]
    Extended,
    /// What peers speak that know nothing of the extensions: `?` reads register `?` when the packet
    /// has stored it, and is the undefined value otherwise; the backtick reads the register of that
    /// name when the packet has stored it, and begins a tag otherwise. The undefined value is
    /// written as the atom `'undefined'`.
    Classic,
}
