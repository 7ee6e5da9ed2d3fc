//! How `rename_all` changes names: the rules of serde.

use syn::{Error, LitStr, Result};

/// A rule of `rename_all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Case {
    /// Names are as the program has them.
    #[default]
    Unchanged,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

const CASES: [(&str, Case); 8] = [
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    pub(super) fn named(name: &LitStr) -> Result<Self> {
        let value = name.value();
        let found = CASES.iter().find(|(own, _)| *own == value);
        found.map(|(_, case)| *case).ok_or_else(|| {
            let known: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
            Error::new(name.span(), format!("serde's cases are {}", known.join(", ")))
        })
    }

    /// The name of a variant, which a program has in `PascalCase`.
    pub(super) fn of_variant(self, name: &str) -> String {
        match self {
            Self::Unchanged | Self::Pascal => name.to_owned(),
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Camel => first(name, |letter| letter.to_ascii_lowercase()),
            Self::Snake => snake(name),
            Self::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Self::Kebab => snake(name).replace('_', "-"),
            Self::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// The name of a field, which a program has in `snake_case`.
    pub(super) fn of_field(self, name: &str) -> String {
        match self {
            Self::Unchanged | Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(name),
            Self::Camel => first(&pascal(name), |letter| letter.to_ascii_lowercase()),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

/// The name with a `_` before each capital but the first, in small letters.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn pascal(name: &str) -> String {
    name.split('_').map(|word| first(word, |letter| letter.to_ascii_uppercase())).collect()
}

fn first(name: &str, change: impl FnOnce(char) -> char) -> String {
    let mut letters = name.chars();
    letters.next().map(change).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_as_serde_changes_them() {
        for (case, variant, field) in [
            (Case::Unchanged, "VeryTasty", "very_tasty"),
            (Case::Lower, "verytasty", "very_tasty"),
            (Case::Upper, "VERYTASTY", "VERY_TASTY"),
            (Case::Pascal, "VeryTasty", "VeryTasty"),
            (Case::Camel, "veryTasty", "veryTasty"),
            (Case::Snake, "very_tasty", "very_tasty"),
            (Case::ScreamingSnake, "VERY_TASTY", "VERY_TASTY"),
            (Case::Kebab, "very-tasty", "very-tasty"),
            (Case::ScreamingKebab, "VERY-TASTY", "VERY-TASTY"),
        ] {
            assert_eq!(case.of_variant("VeryTasty"), variant);
            assert_eq!(case.of_field("very_tasty"), field);
        }
    }
}
