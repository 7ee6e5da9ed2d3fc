//! The names of the operators, for those who look at the machine from outside.

/// The operators of UBF(A) (W1–W9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Digits: push an integer.
    Integer,
    /// `"…"`: push a string.
    String,
    /// `'…'`: push an atom.
    Atom,
    /// `~…~`: pop the length, push a binary.
    Binary,
    /// `?`: push the undefined value.
    Undefined,
    /// `{`: open a tuple.
    OpenTuple,
    /// `}`: pop what was pushed since its `{`, push a tuple of it.
    CloseTuple,
    /// `#`: push the empty list.
    Nil,
    /// `&`: pop a term, put it in front of the list below.
    Cons,
    /// `` `…` ``: put a semantic tag on the term on top.
    Tag,
    /// `>R`: pop a term into a register.
    Store(u8),
    /// `R`: push what the register holds.
    Read(u8),
    /// White space or a comment: nothing.
    Blank,
    /// `$`: the packet is complete.
    End,
}
