//! Marks that editors put before a text, which are no part of it.

/// What to do about a mark with which `text` begins.
pub(crate) fn mark_hint(text: &[u8]) -> Option<&'static str> {
    match text {
        [0xEF, 0xBB, 0xBF, ..] => Some("EF BB BF is a byte order mark: write the text without it"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            Some("it looks like UTF-16: write the text as UTF-8, without a byte order mark")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_text() {
        assert!(mark_hint(b"\xEF\xBB\xBF{}").unwrap().contains("byte order mark"));
        assert!(mark_hint(b"\xFF\xFE{\0").unwrap().contains("UTF-16"));
        for text in [&b""[..], b"{}", b"\xEF\xBB", b"\xC3\xBF"] {
            assert_eq!(mark_hint(text), None);
        }
    }
}
