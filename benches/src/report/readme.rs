//! The place in the README where the figures stand.

const START: &str = "<!-- figures -->";
const END: &str = "<!-- /figures -->";

/// The text with these figures between the marks, if it has the marks.
pub(crate) fn with_figures(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n{figures}{END}{after}"))
}
