//! A place among the tokens, and what is said when the next one is not what was expected.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use ubf_codec::Text;

use super::token::{Keyword, Symbol, Token, TokenKind};
use crate::diagnostic::Problem;
use crate::span::{Lines, Span};

/// The error has been reported: whoever gets this goes on where the next thing begins.
#[derive(Debug)]
pub(super) struct Reported;

pub(super) type Parsed<T> = Result<T, Reported>;

pub(super) struct Cursor<'t> {
    text: &'t [u8],
    lines: &'t Lines,
    tokens: &'t [Token<'t>],
    at: usize,
    pub(super) problems: Vec<(Problem, Span)>,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t [u8], lines: &'t Lines, tokens: &'t [Token<'t>]) -> Self {
        Self { text, lines, tokens, at: 0, problems: Vec::new() }
    }

    /// How many tokens have been taken.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(super) fn peek(&self) -> Option<&'t TokenKind<'t>> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    pub(super) fn peek_second(&self) -> Option<&'t TokenKind<'t>> {
        self.tokens.get(self.at + 1).map(|token| &token.kind)
    }

    pub(super) fn token(&self, index: usize) -> Option<&'t Token<'t>> {
        self.tokens.get(index)
    }

    /// Where the next token stands; at the end, where the text ends.
    pub(super) fn span(&self) -> Span {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.tokens.get(self.at).map_or(Span::new(end, end), |token| token.span)
    }

    /// Where the last token that was taken stands.
    pub(super) fn last_span(&self) -> Span {
        let last = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        last.map_or_else(Span::default, |token| token.span)
    }

    /// From there to the last token that was taken.
    pub(super) fn span_since(&self, start: Span) -> Span {
        start.to(self.last_span())
    }

    pub(super) const fn skip(&mut self) {
        self.at += 1;
    }

    pub(super) fn take_if(&mut self, symbol: Symbol) -> bool {
        let is_it = self.peek() == Some(&TokenKind::Symbol(symbol));
        self.at += usize::from(is_it);
        is_it
    }

    pub(super) fn symbol(&mut self, symbol: Symbol, expected: &str) -> Parsed<()> {
        if self.take_if(symbol) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    pub(super) fn atom(&mut self, expected: &str) -> Parsed<(Text, Span)> {
        let span = self.span();
        match self.peek() {
            Some(TokenKind::Atom(name)) => {
                self.skip();
                Ok((Text::from(*name), span))
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// Reports that the next token is not `expected`, unless it is one that was reported before.
    pub(super) fn unexpected(&mut self, expected: &str) -> Reported {
        let span = self.span();
        let found = match self.peek() {
            Some(TokenKind::Bad) => return Reported,
            None => Text::from_static("the end of the text"),
            Some(_) => {
                let token = self.text.get(span.range()).unwrap_or_default();
                let quoted = [b"'", token, b"'"].concat();
                Text::from(if token.len() > 1 && token.first() == Some(&b'\'') {
                    token.to_vec()
                } else {
                    quoted
                })
            }
        };
        self.report(Problem::Syntax { expected: String::from(expected), found }, span)
    }

    pub(super) fn report(&mut self, problem: Problem, span: Span) -> Reported {
        self.problems.push((problem, span));
        Reported
    }

    /// Whether a form begins here: `+` and a word for a form.
    pub(super) fn is_at_form(&self) -> bool {
        self.peek() == Some(&TokenKind::Symbol(Symbol::Plus))
            && matches!(
                self.peek_second(),
                Some(TokenKind::Keyword(
                    Keyword::Name
                        | Keyword::Vsn
                        | Keyword::Types
                        | Keyword::State
                        | Keyword::AnyState
                ))
            )
    }

    /// Goes on to where something may begin after an error: behind a `;`, and then answers true; or
    /// behind a full stop, or before the next form.
    pub(super) fn recover(&mut self) -> bool {
        while let Some(kind) = self.peek() {
            if self.is_at_form() {
                return false;
            }
            self.skip();
            match kind {
                TokenKind::Symbol(Symbol::Semicolon) => return true,
                TokenKind::Dot => return false,
                TokenKind::Atom(_)
                | TokenKind::Integer(_)
                | TokenKind::Float(_)
                | TokenKind::String(_)
                | TokenKind::Binary(_)
                | TokenKind::Tag(_)
                | TokenKind::Keyword(_)
                | TokenKind::Symbol(_)
                | TokenKind::Bad => {}
            }
        }
        false
    }

    /// The line, counted from 1, on which the last token that was taken stands.
    pub(super) fn last_line(&self) -> u32 {
        self.lines.position(self.last_span().start).line
    }
}

/// One of several things, for messages: `a`, `a or b`, `a, b or c`.
pub(super) fn one_of(things: &[&str]) -> String {
    match things {
        [] => String::new(),
        [one] => (*one).to_string(),
        [first @ .., last] => [&first.join(", "), " or ", last].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_expectations_read_well() {
        assert_eq!(one_of(&["a"]), "a");
        assert_eq!(one_of(&["a", "b", "c"]), "a, b or c");
    }
}
