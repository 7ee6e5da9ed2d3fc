//! What a document says, in no format.

/// A value that each format writes in its own way.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: `?` in UBF, `null` in JSON.
    Null,
    /// True or false: an atom in UBF and ETF.
    Bool(bool),
    /// A number without a fraction.
    Integer(i64),
    /// A number with one: a tagged string in UBF.
    Float(f64),
    /// A word of the contract: an atom, and a string where there are no atoms.
    Name(String),
    /// Text for people.
    Text(String),
    /// Bytes: base64 in JSON.
    Bytes(Vec<u8>),
    /// So many values: an array where there are no tuples.
    Tuple(Vec<Self>),
    /// Any number of values.
    List(Vec<Self>),
    /// Values by name: a list of pairs in UBF and ETF, keys being atoms; an object or a map
    /// elsewhere.
    Record(Vec<(String, Self)>),
}

impl Value {
    pub(crate) fn name(name: &str) -> Self {
        Self::Name(name.to_owned())
    }

    pub(crate) fn record<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(crate) fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(values.into_iter().collect())
    }

    pub(crate) fn tuple<const N: usize>(values: [Self; N]) -> Self {
        Self::Tuple(values.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
