//! What a visitor is shown, as a postfix: it has to be that of the term.

use std::fmt::Write as _;

use ubf_codec::{IntegerRef, Parts, TermRef, TextRef, Visitor};

/// Writes down all that it is shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    postfix: String,
    /// How each open term is to be ended.
    open: Vec<String>,
}

impl Shown {
    /// All of it, once the visit is over.
    pub(super) fn into_postfix(self) -> String {
        assert!(self.open.is_empty(), "these are not closed: {:?}", self.open);
        self.postfix
    }

    fn token(&mut self, kind: &str, bytes: &[u8]) {
        self.word(&format!("{kind}:{}", hex::encode(bytes)));
    }

    fn word(&mut self, word: &str) {
        let space = if self.postfix.is_empty() { "" } else { " " };
        write!(self.postfix, "{space}{word}").unwrap();
    }

    fn text(&mut self, kind: &str, text: TextRef<'_>) {
        let bytes = text.to_bytes();
        // However it is known to be UTF-8: packets are checked as a whole, and texts one by one.
        assert_eq!(text.to_str().as_deref(), str::from_utf8(&bytes).ok(), "{text:?}");
        self.token(kind, &bytes);
    }

    fn close(&mut self, kind: &str) {
        let end = self.open.pop().unwrap();
        assert!(end.starts_with(kind), "{end} is closed as {kind}");
        self.word(&end);
    }
}

impl<'a> Visitor<'a> for Shown {
    fn undefined(&mut self) {
        self.word("u");
    }

    fn integer(&mut self, value: IntegerRef<'a>) {
        self.word(&format!("i:{value}"));
    }

    fn atom(&mut self, name: TextRef<'a>) {
        self.text("a", name);
    }

    fn string(&mut self, text: TextRef<'a>) {
        self.text("s", text);
    }

    fn binary(&mut self, bytes: &'a [u8]) {
        self.token("b", bytes);
    }

    fn open_tuple(&mut self, len: usize) -> Parts {
        self.open.push(format!("t:{len}"));
        Parts::Visit
    }

    fn close_tuple(&mut self) {
        self.close("t:");
    }

    fn open_list(&mut self, len: usize) -> Parts {
        self.open.push(format!("l:{len}"));
        Parts::Visit
    }

    fn close_list(&mut self) {
        self.close("l:");
    }

    fn open_tagged(&mut self, tag: TextRef<'a>, _: TermRef<'a>) -> Parts {
        self.open.push(format!("g:{}", hex::encode(tag.to_bytes())));
        Parts::Visit
    }

    fn close_tagged(&mut self) {
        self.close("g:");
    }
}
