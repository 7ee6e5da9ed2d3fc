//! Sets of atoms, of binaries: finite ones, and those that attributes describe.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use ubf_codec::Text;

use crate::predefined::Attributes;

/// Texts fall into three classes, of which each attribute allows some wholly. A class is never
/// used up by naming texts, since it has no end.
const CLASSES: usize = 3;
const PRINTABLE: usize = 0;
const ASCII: usize = 1;
const OTHER: usize = 2;

/// A set of texts: whole classes, but for some texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextSet {
    classes: [bool; CLASSES],
    /// The texts that are not in the set though their class is, and the other way round.
    exceptions: BTreeSet<Text>,
}

fn class(text: &Text) -> usize {
    if Attributes::ASCIIPRINTABLE.allow_bytes(text.as_bytes()) {
        PRINTABLE
    } else if Attributes::ASCII.allow_bytes(text.as_bytes()) {
        ASCII
    } else {
        OTHER
    }
}

impl TextSet {
    pub(super) fn all() -> Self {
        Self { classes: [true; CLASSES], exceptions: BTreeSet::new() }
    }

    pub(super) fn only(text: Text) -> Self {
        Self { classes: [false; CLASSES], exceptions: BTreeSet::from([text]) }
    }

    /// What the attributes leave. Of the undefined value they speak only among atoms.
    pub(super) fn with(attributes: Attributes) -> Self {
        let mut set = Self::all();
        let is_printable = attributes.has(Attributes::ASCIIPRINTABLE);
        if is_printable || attributes.has(Attributes::ASCII) {
            set.classes = [true, !is_printable, false];
        }
        if attributes.has(Attributes::NONEMPTY) {
            set.exceptions.insert(Text::from_static(""));
        }
        if attributes.has(Attributes::NONUNDEFINED) {
            set.exceptions.insert(Text::from_static("undefined"));
        }
        set
    }

    fn has_class(&self, class: usize) -> bool {
        self.classes.get(class).copied().unwrap_or(false)
    }

    fn has(&self, text: &Text) -> bool {
        self.has_class(class(text)) != self.exceptions.contains(text)
    }

    fn combined(&self, other: &Self, is_in: fn(bool, bool) -> bool) -> Self {
        let mut classes = [false; CLASSES];
        for (index, class) in classes.iter_mut().enumerate() {
            *class = is_in(self.has_class(index), other.has_class(index));
        }
        let mut set = Self { classes, exceptions: BTreeSet::new() };
        for text in self.exceptions.union(&other.exceptions) {
            if is_in(self.has(text), other.has(text)) != set.has_class(class(text)) {
                set.exceptions.insert(text.clone());
            }
        }
        set
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        self.combined(other, |own, others| own && others)
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        self.combined(other, |own, others| own || others)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.combined(other, |own, others| own && !others)
    }

    /// One of them: a named one, or a short one that people can read.
    pub(super) fn any(&self) -> Option<Text> {
        if let Some(named) = self.exceptions.iter().find(|text| !self.has_class(class(text))) {
            return Some(named.clone());
        }
        let class = (0..CLASSES).find(|class| self.has_class(*class))?;
        let letter = match class {
            PRINTABLE => b'a',
            ASCII => 1,
            _ => 255,
        };
        // Each length gives another text, and one of them is no exception.
        let lengths = 1..=self.exceptions.len() + 1;
        let mut texts =
            lengths.map(|length| Text::from(Vec::from_iter((0..length).map(|_| letter))));
        texts.find(|text| !self.exceptions.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Text {
        Text::from(bytes)
    }

    #[test]
    fn a_set_is_what_its_attributes_leave() {
        let printable = TextSet::with(Attributes::ASCIIPRINTABLE.with(Attributes::NONEMPTY));
        for (bytes, is_in) in [(&b"a b"[..], true), (b"", false), (b"\n", false), (b"\xff", false)]
        {
            assert_eq!(printable.has(&text(bytes)), is_in, "{bytes:?}");
        }
        let defined = TextSet::with(Attributes::NONUNDEFINED);
        assert!(!defined.has(&text(b"undefined")) && defined.has(&text(b"\xff")));
    }

    #[test]
    fn sets_meet_join_and_exclude() {
        let (ascii, all) = (TextSet::with(Attributes::ASCII), TextSet::all());
        let other = all.minus(&ascii);
        assert_eq!(other.any(), Some(text(b"\xff")));
        assert_eq!(other.and(&ascii).any(), None);
        assert_eq!(other.or(&ascii), all);
        let one = TextSet::only(text(b"a"));
        assert_eq!(ascii.minus(&one).any(), Some(text(b"aa")));
        assert_eq!(one.and(&ascii).any(), Some(text(b"a")));
        assert_eq!(one.minus(&ascii).any(), None);
    }
}
