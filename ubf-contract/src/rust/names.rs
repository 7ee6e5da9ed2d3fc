//! Names of a contract as names of Rust.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};

/// What cannot be a name of a function or a field. Raw identifiers are not for all of them.
const KEYWORDS: [&str; 52] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
    "false", "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "type", "unsafe", "use",
    "where", "while", "abstract", "become", "box", "do", "final", "gen", "macro", "override",
    "priv", "try", "typeof", "unsized", "virtual", "yield", "union",
];

/// Types that the generated code names without a path.
const TAKEN: [&str; 27] = [
    "Answer",
    "Arc",
    "Binary",
    "Box",
    "Call",
    "CallFailed",
    "Calls",
    "Connection",
    "Contracts",
    "Err",
    "Error",
    "EventIn",
    "EventOut",
    "Failure",
    "Future",
    "Mutex",
    "None",
    "Ok",
    "Option",
    "Reply",
    "Result",
    "Self",
    "Service",
    "Some",
    "State",
    "String",
    "Term",
];
const ALSO_TAKEN: [&str; 5] = ["TermRef", "Vec", "Served", "PoisonError", "Serialize"];

/// `put_all`, `putAll` and `'put all'` as `PutAll`.
pub(super) fn camel(name: &str) -> String {
    let mut camel = String::new();
    let mut begins = true;
    for char in name.chars() {
        if !char.is_ascii_alphanumeric() {
            begins = true;
        } else if begins {
            camel.push(char.to_ascii_uppercase());
            begins = false;
        } else {
            camel.push(char);
        }
    }
    let is_good = camel.starts_with(|first: char| first.is_ascii_alphabetic());
    if is_good { camel } else { format!("T{camel}") }
}

/// `PutAll`, `putAll` and `'put all'` as `put_all`.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::new();
    let mut was_lower = false;
    for char in name.chars() {
        if char.is_ascii_alphanumeric() {
            if char.is_ascii_uppercase() && was_lower {
                snake.push('_');
            }
            snake.push(char.to_ascii_lowercase());
            was_lower = !char.is_ascii_uppercase();
        } else if !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
            was_lower = false;
        }
    }
    let snake = snake.trim_end_matches('_');
    match snake.chars().next() {
        Some(first) if first.is_ascii_alphabetic() && !KEYWORDS.contains(&snake) => {
            snake.to_string()
        }
        Some(first) if first.is_ascii_alphabetic() => format!("{snake}_"),
        Some(_) | None => format!("n{snake}"),
    }
}

/// Names that are given once each.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Those of types: what the generated code uses itself is taken.
    pub(super) fn of_types() -> Self {
        Self(TAKEN.iter().chain(&ALSO_TAKEN).map(ToString::to_string).collect())
    }

    /// The name of a type, or one like it.
    pub(super) fn type_name(&mut self, wanted: &str) -> String {
        let wanted =
            if self.0.contains(wanted) { format!("{wanted}Type") } else { wanted.to_string() };
        self.take(&wanted, "")
    }

    /// Whether it was given.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// The name, or the same with the first number that makes it another one.
    pub(super) fn take(&mut self, wanted: &str, before_number: &str) -> String {
        let mut name = wanted.to_string();
        let mut number = 2_u32;
        while !self.0.insert(name.clone()) {
            name = format!("{wanted}{before_number}{number}");
            number += 1;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_rust() {
        for (name, as_type, as_field) in [
            ("put_all", "PutAll", "put_all"),
            ("putAll", "PutAll", "put_all"),
            ("put all!", "PutAll", "put_all"),
            ("type", "Type", "type_"),
            ("self", "Self", "self_"),
            ("2nd", "T2nd", "n2nd"),
            ("", "T", "n"),
            ("NotAMember", "NotAMember", "not_amember"),
        ] {
            assert_eq!((camel(name).as_str(), snake(name).as_str()), (as_type, as_field), "{name}");
        }
        let mut names = Names::of_types();
        assert_eq!(names.type_name("Ok"), "OkType");
        assert_eq!(names.type_name("Get"), "Get");
        assert_eq!(names.type_name("Get"), "GetType");
        assert_eq!(names.take("slot", "_"), "slot");
        assert_eq!(names.take("slot", "_"), "slot_2");
    }
}
