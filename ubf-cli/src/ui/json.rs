//! JSON for programs: one document a line.

use std::fmt;

/// A text as a JSON string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

/// Items as a JSON array.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for Array<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, item) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{item}")?;
        }
        f.write_str("]")
    }
}
