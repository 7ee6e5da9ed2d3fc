//! What a packet may cost, and the sizes that are checked against it.

use core::fmt;

/// The most that one packet may cost (spec: L1). Every limit is checked before the memory is taken.
///
/// The defaults suit a server that talks to strangers. A limit is *exactly* allowed; one more is an
/// error that [`DecodeError::is_limit`](crate::DecodeError::is_limit) and that names the limit.
///
/// ```
/// use ubf_codec::{Decoder, Limits};
///
/// let mut decoder = Decoder::new().with_limits(Limits::default().with_max_depth(2));
/// assert!(decoder.decode(b"{{}}$").is_ok());
/// let error = decoder.decode(b"{{{}}}$").unwrap_err();
/// assert_eq!(error.to_string(), "nested deeper than 2 (max_depth), at byte 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a packet, from the byte after the previous `$` (white space and header included)
    /// up to its `$`. Default 16 MiB.
    pub max_packet_bytes: u32,
    /// Tuples, lists and tags that may stand one in another. Default 512. Nothing in this crate
    /// recurses on the depth of its input, so that a high limit is safe here; the code that
    /// uses the terms may recurse.
    pub max_depth: u32,
    /// Terms on the recognition stack, where each read of a register counts the whole stored term
    /// again. Default 1,048,576.
    pub max_expanded_nodes: u64,
    /// Bytes of strings, atoms, binaries, tags and of integers beyond 64 bits on the recognition
    /// stack, where each read of a register counts again. Default 64 MiB.
    pub max_expanded_bytes: u64,
    /// Digits of one integer, leading zeros included. Default 10,000.
    pub max_integer_digits: u32,
    /// Bytes of one semantic tag. Default 255.
    pub max_tag_bytes: u32,
    /// Bytes between the quotes of a NextIP. Default 1,024.
    pub max_next_ip_bytes: u32,
    /// Addresses in a NextIP. Default 16.
    pub max_next_ip_addresses: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! setters {
    ($($setter:ident $field:ident: $type:ty),* $(,)?) => {$(
        #[doc = concat!(
            "The same limits with another [`", stringify!($field),
            "`](Self::", stringify!($field), ").",
        )]
        #[must_use]
        pub const fn $setter(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )*};
}

impl Limits {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_packet_bytes: 16 << 20,
            max_depth: 512,
            max_expanded_nodes: 1 << 20,
            max_expanded_bytes: 64 << 20,
            max_integer_digits: 10_000,
            max_tag_bytes: 255,
            max_next_ip_bytes: 1024,
            max_next_ip_addresses: 16,
        }
    }

    setters! {
        with_max_packet_bytes max_packet_bytes: u32,
        with_max_depth max_depth: u32,
        with_max_expanded_nodes max_expanded_nodes: u64,
        with_max_expanded_bytes max_expanded_bytes: u64,
        with_max_integer_digits max_integer_digits: u32,
        with_max_tag_bytes max_tag_bytes: u32,
        with_max_next_ip_bytes max_next_ip_bytes: u32,
        with_max_next_ip_addresses max_next_ip_addresses: u32,
    }
}

/// Which limit was exceeded, and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_packet_bytes`].
    PacketBytes(u32),
    /// [`Limits::max_depth`].
    Depth(u32),
    /// [`Limits::max_expanded_nodes`].
    ExpandedNodes(u64),
    /// [`Limits::max_expanded_bytes`].
    ExpandedBytes(u64),
    /// [`Limits::max_integer_digits`].
    IntegerDigits(u32),
    /// [`Limits::max_tag_bytes`].
    TagBytes(u32),
    /// [`Limits::max_next_ip_bytes`].
    NextIpBytes(u32),
    /// [`Limits::max_next_ip_addresses`].
    NextIpAddresses(u32),
}

impl Limit {
    /// The name of the field of [`Limits`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PacketBytes(_) => "max_packet_bytes",
            Self::Depth(_) => "max_depth",
            Self::ExpandedNodes(_) => "max_expanded_nodes",
            Self::ExpandedBytes(_) => "max_expanded_bytes",
            Self::IntegerDigits(_) => "max_integer_digits",
            Self::TagBytes(_) => "max_tag_bytes",
            Self::NextIpBytes(_) => "max_next_ip_bytes",
            Self::NextIpAddresses(_) => "max_next_ip_addresses",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PacketBytes(max) => write!(f, "packet of more than {max} bytes"),
            Self::Depth(max) => write!(f, "nested deeper than {max}"),
            Self::ExpandedNodes(max) => write!(f, "more than {max} terms, registers expanded"),
            Self::ExpandedBytes(max) => {
                write!(f, "more than {max} bytes of text, registers expanded")
            }
            Self::IntegerDigits(max) => write!(f, "integer of more than {max} digits"),
            Self::TagBytes(max) => write!(f, "tag of more than {max} bytes"),
            Self::NextIpBytes(max) => write!(f, "NextIP of more than {max} bytes"),
            Self::NextIpAddresses(max) => write!(f, "NextIP of more than {max} addresses"),
        }?;
        write!(f, " ({})", self.name())
    }
}
