//! Colours and weights of text.

use anstyle::{AnsiColor, Style};

/// What the parts of a text look like.
#[derive(Clone, Copy)]
pub(crate) struct Palette {
    pub(crate) error: Style,
    pub(crate) hint: Style,
    pub(crate) good: Style,
    pub(crate) strong: Style,
    pub(crate) faint: Style,
    pub(crate) wire: Style,
}

impl Palette {
    pub(crate) const fn new(colours: bool) -> Self {
        let plain = Style::new();
        if !colours {
            return Self {
                error: plain,
                hint: plain,
                good: plain,
                strong: plain,
                faint: plain,
                wire: plain,
            };
        }
        Self {
            error: AnsiColor::Red.on_default().bold(),
            hint: AnsiColor::Cyan.on_default().bold(),
            good: AnsiColor::Green.on_default().bold(),
            strong: plain.bold(),
            faint: plain.dimmed(),
            wire: AnsiColor::Yellow.on_default(),
        }
    }
}
