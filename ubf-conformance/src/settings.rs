//! What a decoder is told before it reads: the dialect, the limits, the escapes.

use serde::Deserialize;

/// Which of the two meanings `?` has (W7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `?` is undefined and never a register.
    #[default]
    Extended,
    /// `?` is a register like any other; read before it is stored, it is undefined.
    Classic,
}

impl Dialect {
    /// Both dialects, in the order in which they are tried.
    pub const ALL: [Self; 2] = [Self::Extended, Self::Classic];

    /// The word that stands for it in vectors and requests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Extended => "extended",
            Self::Classic => "classic",
        }
    }
}

impl From<Dialect> for ubf_codec::Dialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Extended => Self::Extended,
            Dialect::Classic => Self::Classic,
        }
    }
}

/// The limits of L1, kept apart from the codec's own so that a wrong default there is noticed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes after the previous `$`, up to and with this packet's `$`.
    pub max_packet_bytes: u32,
    /// Open tuples around a term, and its own depth.
    pub max_depth: u32,
    /// Terms on the stack, every use of a register counted.
    pub max_expanded_nodes: u64,
    /// Bytes of the terms on the stack, every use of a register counted.
    pub max_expanded_bytes: u64,
    /// Digits of an integer, leading zeros counted.
    pub max_integer_digits: u32,
    /// Bytes between the backticks of a tag.
    pub max_tag_bytes: u32,
    /// Bytes between the quotes of a `NextIP`.
    pub max_next_ip_bytes: u32,
    /// Addresses in a `NextIP`.
    pub max_next_ip_addresses: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_packet_bytes: 16 * 1024 * 1024,
            max_depth: 512,
            max_expanded_nodes: 1_048_576,
            max_expanded_bytes: 64 * 1024 * 1024,
            max_integer_digits: 10_000,
            max_tag_bytes: 255,
            max_next_ip_bytes: 1_024,
            max_next_ip_addresses: 16,
        }
    }
}

impl Limits {
    /// Each limit with its name, in the order of the specification's table.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("max_packet_bytes", self.max_packet_bytes.into()),
            ("max_depth", self.max_depth.into()),
            ("max_expanded_nodes", self.max_expanded_nodes),
            ("max_expanded_bytes", self.max_expanded_bytes),
            ("max_integer_digits", self.max_integer_digits.into()),
            ("max_tag_bytes", self.max_tag_bytes.into()),
            ("max_next_ip_bytes", self.max_next_ip_bytes.into()),
            ("max_next_ip_addresses", self.max_next_ip_addresses.into()),
        ]
    }

    /// Sets the limit of that name; false if there is none, or if the value does not fit it.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        let narrow = u32::try_from(value);
        match (name, narrow) {
            ("max_expanded_nodes", _) => self.max_expanded_nodes = value,
            ("max_expanded_bytes", _) => self.max_expanded_bytes = value,
            ("max_packet_bytes", Ok(value)) => self.max_packet_bytes = value,
            ("max_depth", Ok(value)) => self.max_depth = value,
            ("max_integer_digits", Ok(value)) => self.max_integer_digits = value,
            ("max_tag_bytes", Ok(value)) => self.max_tag_bytes = value,
            ("max_next_ip_bytes", Ok(value)) => self.max_next_ip_bytes = value,
            ("max_next_ip_addresses", Ok(value)) => self.max_next_ip_addresses = value,
            _ => return false,
        }
        true
    }
}

impl From<&Limits> for ubf_codec::Limits {
    fn from(limits: &Limits) -> Self {
        Self::default()
            .with_max_packet_bytes(limits.max_packet_bytes)
            .with_max_depth(limits.max_depth)
            .with_max_expanded_nodes(limits.max_expanded_nodes)
            .with_max_expanded_bytes(limits.max_expanded_bytes)
            .with_max_integer_digits(limits.max_integer_digits)
            .with_max_tag_bytes(limits.max_tag_bytes)
            .with_max_next_ip_bytes(limits.max_next_ip_bytes)
            .with_max_next_ip_addresses(limits.max_next_ip_addresses)
    }
}

/// All of it together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The dialect.
    pub dialect: Dialect,
    /// The limits.
    pub limits: Limits,
    /// Whether `\x` is x for any x (W3).
    pub any_escape: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codec_has_the_limits_of_the_specification_by_default() {
        assert_eq!(ubf_codec::Limits::default(), (&Limits::default()).into());
    }

    #[test]
    fn each_limit_can_be_set_by_its_name() {
        let mut limits = Limits::default();
        for (name, value) in Limits::default().named() {
            assert!(limits.set(name, value + 1), "{name}");
        }
        for ((name, before), (_, after)) in
            Limits::default().named().into_iter().zip(limits.named())
        {
            assert_eq!(after, before + 1, "{name}");
        }
        assert!(!limits.set("max_patience", 1));
    }
}
