//! Texts with places to be filled.

use alloc::string::String;

/// A text in which `$name` and `${name}` stand for other texts.
pub(super) type Template = str;

/// The text with these parts in their places. A `$` that no part has the name of stays.
pub(super) fn fill(template: &Template, parts: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let is_braced = after.starts_with('{');
        let start = after.strip_prefix('{').unwrap_or(after);
        let end = start.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        let (name, behind) = start.split_at_checked(end.unwrap_or(start.len())).unwrap_or_default();
        let behind = if is_braced { behind.strip_prefix('}') } else { Some(behind) };
        let part = parts.iter().find(|(own, _)| *own == name);
        if let (Some((_, text)), Some(behind)) = (part, behind) {
            filled.push_str(text);
            rest = behind;
        } else {
            filled.push('$');
            rest = after;
        }
    }
    filled + rest
}

/// Documentation, a level deeper but for its first line.
pub(super) fn indented(doc: &str) -> String {
    doc.trim_end().replace('\n', "\n    ") + "\n"
}

/// Documentation, a level deeper.
pub(super) fn indented_all(doc: &str) -> String {
    alloc::format!("    {}", indented(doc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once() {
        let parts = [("name", "$name"), ("long_name", "x")];
        assert_eq!(fill("$name ${long_name}name$long_name.", &parts), "$name xnamex.");
        assert_eq!(fill("$ $other ${name $", &parts), "$ $other ${name $");
    }
}
