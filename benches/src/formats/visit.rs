//! What is done with every value: little, when it is measured; much, when it is checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::data::Value;

/// Is shown each value that is no tuple, list or record, and the names in records.
pub trait Visitor {
    /// Nothing.
    fn null(&mut self);
    /// An integer.
    fn integer(&mut self, value: i64);
    /// A float.
    fn float(&mut self, value: f64);
    /// A text, a name, bytes.
    fn text(&mut self, text: &[u8]);

    /// True or false, which is a name in formats with atoms.
    fn boolean(&mut self, value: bool) {
        self.text(if value { b"true" } else { b"false" });
    }
}

/// Looks at every value and hardly does more: for measuring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub u64);

impl Visitor for Sum {
    #[inline]
    fn null(&mut self) {
        self.0 = self.0.wrapping_add(1);
    }

    #[inline]
    fn integer(&mut self, value: i64) {
        self.0 = self.0.wrapping_add(value.cast_unsigned());
    }

    #[inline]
    fn float(&mut self, value: f64) {
        self.0 = self.0.wrapping_add(value.to_bits());
    }

    #[inline]
    fn text(&mut self, text: &[u8]) {
        let ends =
            text.first().copied().unwrap_or_default() ^ text.last().copied().unwrap_or_default();
        self.0 = self.0.wrapping_add(text.len() as u64 + u64::from(ends));
    }
}

/// The sum of the hashes of all values, which does not depend on their order: records lose theirs
/// in some formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Digest {
    fn add(&mut self, kind: u8, bytes: &[u8]) {
        // FNV-1a.
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        let hash = bytes.iter().fold(step(0xCBF2_9CE4_8422_2325, &kind), step);
        self.0 = self.0.wrapping_add(hash);
    }
}

impl Visitor for Digest {
    fn null(&mut self) {
        self.add(0, &[]);
    }

    fn integer(&mut self, value: i64) {
        self.add(1, &value.to_le_bytes());
    }

    fn float(&mut self, value: f64) {
        // serde_json may read the last bit of a float wrong, as long as nobody asks for its feature
        // `float_roundtrip`.
        self.add(2, format!("{value:.9}").as_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.add(3, text);
    }
}

/// What a reader should find. JSON has no bytes: they are text there.
#[must_use]
pub fn digest(value: &Value, bytes_as_base64: bool) -> Digest {
    let mut digest = Digest::default();
    visit(value, bytes_as_base64, &mut digest);
    digest
}

fn visit(value: &Value, bytes_as_base64: bool, visitor: &mut impl Visitor) {
    match value {
        Value::Null => visitor.null(),
        Value::Bool(value) => visitor.boolean(*value),
        Value::Integer(value) => visitor.integer(*value),
        Value::Float(value) => visitor.float(*value),
        Value::Name(text) | Value::Text(text) => visitor.text(text.as_bytes()),
        Value::Bytes(bytes) if bytes_as_base64 => visitor.text(STANDARD.encode(bytes).as_bytes()),
        Value::Bytes(bytes) => visitor.text(bytes),
        Value::Tuple(values) | Value::List(values) => {
            values.iter().for_each(|value| visit(value, bytes_as_base64, visitor));
        }
        Value::Record(fields) => {
            for (name, value) in fields {
                visitor.text(name.as_bytes());
                visit(value, bytes_as_base64, visitor);
            }
        }
    }
}
