//! Which comment belongs to which thing.
//!
//! A comment behind the last token of a thing, on the same line, is that thing's *trailing* one.
//! All others lead the thing before which, or in which, they stand. So a comment is never lost, and
//! in a text that was printed each stays where it is.

use alloc::vec::Vec;
use core::mem;

use super::lexer::RawComment;
use super::token::Token;
use crate::model::{Comment, Notes};

/// The comments that belong to nothing yet, first to last.
pub(super) struct Comments<'t> {
    rest: core::iter::Peekable<core::slice::Iter<'t, RawComment>>,
}

impl<'t> Comments<'t> {
    pub(super) fn new(comments: &'t [RawComment]) -> Self {
        Self { rest: comments.iter().peekable() }
    }

    /// What stands before the token `first`.
    pub(super) fn before(&mut self, first: usize, token: Option<&Token<'_>>) -> Notes {
        let blank_before = token.is_some_and(|token| token.blank_before);
        Notes { leading: self.up_to(first), blank_before, trailing: None }
    }

    /// What stands before and in the thing of the tokens from `first` up to, and without, `end`,
    /// and behind it on its last line. Those inside come after those before, without empty lines.
    pub(super) fn around(&mut self, first: usize, end: usize, mut blank_before: bool) -> Notes {
        let mut leading = self.up_to(first);
        let inside = self.up_to(end.saturating_sub(1));
        for comment in inside {
            // The empty line before the thing stands before its first comment now.
            let blank_before = mem::take(&mut blank_before);
            leading.push(Comment { blank_before, ..comment });
        }
        let trailing = self
            .rest
            .next_if(|comment| comment.tokens_before == end && !comment.own_line)
            .map(|comment| comment.text.clone());
        Notes { leading, blank_before, trailing }
    }

    /// All that are left.
    pub(super) fn rest(&mut self) -> Vec<Comment> {
        self.up_to(usize::MAX)
    }

    /// Those with at most so many tokens before them.
    fn up_to(&mut self, tokens_before: usize) -> Vec<Comment> {
        let mut found = Vec::new();
        while let Some(comment) = self.rest.next_if(|raw| raw.tokens_before <= tokens_before) {
            let blank_before = comment.blank_before;
            found.push(Comment { text: comment.text.clone(), blank_before });
        }
        found
    }
}
