//! Comments and empty lines, as far as the printer keeps them. They have no meaning.

use alloc::vec::Vec;

use ubf_codec::Text;

/// What stands around a form, a definition or a rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The comments before it, and those inside it, which have no better place.
    pub(crate) leading: Vec<Comment>,
    /// An empty line stands between the comments, or whatever is before it, and it.
    pub(crate) blank_before: bool,
    /// The comment behind it on its last line.
    pub(crate) trailing: Option<Text>,
}

/// One comment: from its `%` to the end of the line, without the blanks at its end.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) text: Text,
    pub(crate) blank_before: bool,
}
