//! What is wrong, for people: one line, the place, the rule, and a hint where we know one.

use std::fmt::Write as _;

use crate::ui::excerpt::Excerpt;
use crate::ui::palette::Palette;

/// An error message.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    message: String,
    excerpt: Option<Excerpt>,
    remarks: Vec<String>,
    hint: Option<String>,
}

impl Report {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), excerpt: None, remarks: Vec::new(), hint: None }
    }

    /// Shows the place.
    pub(crate) fn with_excerpt(mut self, excerpt: Excerpt) -> Self {
        self.excerpt = Some(excerpt);
        self
    }

    /// Adds a line below the place.
    pub(crate) fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    /// Says what to do about it.
    pub(crate) fn with_hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// What is wrong, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The whole message with its line breaks.
    pub(crate) fn render(&self, palette: Palette) -> String {
        let Palette { error, hint, strong, .. } = palette;
        let mut text = format!("{error}error:{error:#} {strong}{}{strong:#}\n", self.message);
        if let Some(excerpt) = &self.excerpt {
            let caret = excerpt.caret_line();
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {}\n  {error}{caret}{error:#}\n", excerpt.line);
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "  {remark}");
        }
        if let Some(advice) = &self.hint {
            let _ = write!(text, "\n{hint}hint:{hint:#} {advice}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_line_and_a_hint_follows_a_blank_one() {
        let report = Report::new("no such thing").with_hint(Some("look elsewhere"));
        assert_eq!(
            report.render(Palette::new(false)),
            "error: no such thing\n\nhint: look elsewhere\n"
        );
    }

    #[test]
    fn the_place_stands_between_message_and_hint() {
        let report = Report::new("bad, at byte 2")
            .with_excerpt(Excerpt::of(b"{1x$", 2))
            .with_remark("rule W6: because")
            .with_hint(None::<String>);
        let expected = "error: bad, at byte 2\n\n  {1x$\n    ^\n  rule W6: because\n";
        assert_eq!(report.render(Palette::new(false)), expected);
    }
}
