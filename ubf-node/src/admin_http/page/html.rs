//! Text that becomes part of a page: whatever it says, it stays text.

use std::fmt::{Display, Write as _};

/// A piece of a page. Only this file writes markup into it, and only from what the program itself
/// says: all else goes through [`text`](Self::text).
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Markup of the program's own.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anything that anybody says.
    pub(crate) fn text(&mut self, text: impl Display) -> &mut Self {
        let _is_written = write!(Escaping(&mut self.0), "{text}").is_ok();
        self
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

struct Escaping<'a>(&'a mut String);

impl std::fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // No character of a page (a browser would put another one in its place).
                '\0' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unescaped(text: &str) -> String {
        let entities =
            [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        entities.iter().fold(text.to_owned(), |text, (entity, is)| text.replace(entity, is))
    }

    proptest! {
        #[test]
        fn a_text_stays_a_text(text in "(?s)[<>&\"'a-z\u{0}\u{e4}]{0,20}|.{0,40}") {
            let mut html = Html::default();
            html.text(&text);
            let html = html.finish();
            prop_assert!(!html.contains(['<', '>', '"', '\'', '\0']), "{}", html);
            prop_assert_eq!(unescaped(&html), text.replace('\0', "\u{fffd}"));
        }
    }
}
