//! What a text that is no JSON may mean, and what to do about it.

/// What to do about an error at a byte of `text`. With `--lines` each document has to be on one
/// line.
pub(crate) fn hint(
    message: &str,
    text: &str,
    offset: usize,
    by_lines: bool,
) -> Option<&'static str> {
    let (before, from) = text.split_at_checked(offset).unwrap_or((text, ""));
    let is_end_wanted = message.starts_with("expected the end");
    if let Some((_, hint)) = MESSAGES.iter().find(|(begin, _)| message.starts_with(begin)) {
        return Some(hint);
    }
    match (from.is_empty(), by_lines) {
        (true, true) => Some("--lines wants a document a line; without it, one may span lines"),
        (true, false) => Some("it stops in the middle: was the input cut short?"),
        (false, true) if is_end_wanted => {
            Some("--lines wants a document a line; without it, a line may hold several")
        }
        (false, _) => character_hint(message, before, from),
    }
}

/// Messages that say what is meant, by their beginnings.
const MESSAGES: [(&str, &str); 12] = [
    (
        "object with a key",
        "--foreign takes keys that begin with $ for what they are elsewhere: data",
    ),
    ("'$integer'", r#"as in {"$integer":"-9007199254740992"}"#),
    ("'$binary'", r#"= fills it to a multiple of four, as in {"$binary":"/w=="}"#),
    ("'$latin1'", "$latin1 is for bytes that are no UTF-8, each as one character"),
    ("nested deeper", "--max-depth allows more; an array is one level, an object three"),
    ("integer of more", "--max-integer-digits allows more"),
    ("tag of more", "--max-tag-bytes allows more"),
    ("more than", "--max-expanded-nodes and --max-expanded-bytes allow more"),
    ("number too large", "floats end at 1.8e308; an integer is written without . and e"),
    ("number with a leading zero", "JSON writes 7, not 007"),
    (
        "string that does not end",
        r#"a " is missing, or a line break in the string is not written as \n"#,
    ),
    ("malformed string", r#"after \ stand " \ / b f n r t uXXXX; control characters are escaped"#),
];

/// What the character may mean that is wrong.
fn character_hint(message: &str, before: &str, from: &str) -> Option<&'static str> {
    let previous = before.trim_end().chars().next_back();
    Some(match from.chars().next()? {
        _ if message.starts_with("expected a digit") => {
            "digits stand on both sides of a point, and after - and e"
        }
        ']' | '}' if previous == Some(',') => "JSON has no comma after the last element",
        ']' | '}' if previous.is_none() => {
            "a bracket that opens is missing before it, or it is too much"
        }
        ',' if previous.is_none() => "documents stand one after the other, without commas",
        ',' | '}' if message.starts_with("expected ':'") => {
            r#"a tuple is {"$tuple":["a",1]}; ubf encode reads Erlang's {"a",1}"#
        }
        '\'' => r#"JSON's strings and keys stand between " and ""#,
        '/' | '#' | '%' => "JSON has no comments",
        '+' => "a positive number has no sign",
        '.' => "a digit stands before the point, as in 0.5",
        '<' => r#"a binary is {"$binary":"…"} in base64; ubf encode reads <<"abc">>"#,
        _ if message.starts_with("expected a key") => {
            r#"keys are strings: {"a":1}; ubf encode reads Erlang's {a,1}"#
        }
        'A'..='Z' | 'a'..='z' if message.starts_with("expected a value") => {
            r#"JSON's words are null, true and false; an atom is {"$atom":"ok"}"#
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn hint_for(text: &str, by_lines: bool) -> &'static str {
        let error = ubf_codec::json::from_str(text).expect_err("no JSON");
        let advice = hint(&error.to_string(), text, error.offset(), by_lines).expect("a hint");
        assert!(advice.chars().count() <= 74, "{advice}");
        advice
    }

    #[test]
    fn knows_what_people_write() {
        let deep = "[".repeat(2000);
        let long = "1".repeat(10_001);
        for (text, part) in [
            ("[1,]", "comma"),
            ("{\"a\":1,}", "comma"),
            (", 2", "without commas"),
            ("]", "missing before"),
            ("['a']", "between"),
            ("{'a':1}", "between"),
            ("{a:1}", "keys are strings"),
            ("{\"a\",1}", "$tuple"),
            ("// x", "comments"),
            ("[1 /* x */]", "comments"),
            ("+1", "sign"),
            (".5", "0.5"),
            ("1.", "cut short"),
            ("[1.]", "both sides"),
            ("NaN", "null, true and false"),
            ("[undefined]", "$atom"),
            ("<<1>>", "$binary"),
            ("{\"$ref\":1}", "--foreign"),
            ("{\"$integer\":\"x\"}", "$integer"),
            ("{\"$binary\":\"x\"}", "multiple of four"),
            ("{\"$latin1\":\"日\"}", "$latin1"),
            (&deep, "--max-depth"),
            (&long, "--max-integer-digits"),
            ("1e999", "308"),
            ("\"abc", "missing"),
            ("\"\\x\"", "uXXXX"),
            ("\"\t\"", "escaped"),
            ("007", "not 007"),
            ("[1", "cut short"),
        ] {
            assert!(hint_for(text, false).contains(part), "{text}: {}", hint_for(text, false));
        }
    }

    #[test]
    fn knows_documents_that_are_no_lines() {
        assert!(hint_for("{", true).contains("may span lines"));
        assert!(hint_for("1 2", true).contains("may hold several"));
    }
}
