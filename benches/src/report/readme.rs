//! The place in the README where the figures stand.

const START: &str = "<!-- figures -->";
const END: &str = "<!-- /figures -->";

/// The text with these figures between the marks, if it has the marks.
pub(crate) fn with_figures(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(START)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{START}\n{figures}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
        let text = "before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n";
        let expected = "before\n<!-- figures -->\nnew\n<!-- /figures -->\nafter\n";
        assert_eq!(with_figures(text, "new\n").as_deref(), Some(expected));
        assert_eq!(with_figures("no marks", "new"), None);
    }
}
