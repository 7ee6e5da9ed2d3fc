//! Addresses in a NextIP (P2).

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::Deref;
use core::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::{char, digit1};
use nom::combinator::all_consuming;
use nom::sequence::{delimited, separated_pair};
use nom::{IResult, Parser};

/// A host and a port: `192.0.2.7:4000`, `[2001:db8::1]:4000`, `b.example:4000`.
///
/// Addresses are equal that mean the same: IP addresses however they are written, names in any
/// case.
/// `Display` writes IPv6 addresses as RFC 5952 says, those of IPv4 in `::ffff:0:0/96` with dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Address {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Address {
    /// The address of this host and port; `None` for port 0, to which nobody can connect.
    #[must_use]
    pub fn new(host: Host, port: u16) -> Option<Self> {
        (port != 0).then_some(Self { host, port })
    }
}

/// A host by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// `192.0.2.7`.
    V4(Ipv4Addr),
    /// `2001:db8::1`, in brackets where a port follows.
    V6(Ipv6Addr),
    /// `b.example`.
    Name(HostName),
}

/// A name for the domain name system: labels of letters, digits, `-` and `_`, at most 63 bytes each
/// and 253 in all. The last label is no number, decimal or hexadecimal: many programs would take
/// such a name for an IPv4 address.
///
/// Names are compared without regard to case, as resolvers do, and printed as they were written.
///
/// ```
/// use ubf_codec::HostName;
///
/// assert_eq!(HostName::new("B.Example"), HostName::new("b.example"));
/// assert_eq!(HostName::new("B.Example").unwrap().as_str(), "B.Example");
/// ```
#[derive(Clone, Debug)]
pub struct HostName(String);

impl HostName {
    /// The name, if it is one.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        is_name(name).then(|| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HostName {
    /// The bytes by which names are compared.
    fn folded(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for HostName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for HostName {}

impl PartialOrd for HostName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HostName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl Hash for HostName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|byte| state.write_u8(byte));
        // A byte that no name contains marks the end, so that what is hashed next cannot be taken
        // for the rest of the name.
        state.write_u8(0xFF);
    }
}

impl Deref for HostName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError(());

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an address: expected one like 192.0.2.7:4000, [2001:db8::1]:4000 or \
             b.example:4000",
        )
    }
}

impl core::error::Error for AddressError {}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parsed: IResult<&str, (Option<Host>, &str)> =
            all_consuming(separated_pair(alt((bracketed, unbracketed)), char(':'), digit1))
                .parse(text);
        let Ok((_, (Some(host), port))) = parsed else { return Err(AddressError(())) };
        // P2: no leading zeros.
        let port = port.parse().ok().filter(|_| !port.starts_with('0'));
        port.and_then(|port| Self::new(host, port)).ok_or(AddressError(()))
    }
}

fn bracketed(text: &str) -> IResult<&str, Option<Host>> {
    let digits = take_while1(|c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
    let host = |digits: &str| digits.parse().ok().map(Host::V6);
    delimited(char('['), digits, char(']')).map(host).parse(text)
}

fn unbracketed(text: &str) -> IResult<&str, Option<Host>> {
    let name = take_while(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let host = |name: &str| match name.parse() {
        Ok(number) => Some(Host::V4(number)),
        Err(_) => HostName::new(name).map(Host::Name),
    };
    name.map(host).parse(text)
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number =
        |label: &str| match label.strip_prefix("0x").or_else(|| label.strip_prefix("0X")) {
            Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => label.bytes().all(|byte| byte.is_ascii_digit()),
        };
    text.len() <= 253
        && text.split('.').all(is_label)
        && !text.rsplit('.').next().is_some_and(is_number)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::V4(host) => write!(f, "{host}:{}", self.port),
            Host::V6(host) => write!(f, "[{host}]:{}", self.port),
            Host::Name(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(host) => host.fmt(f),
            Self::V6(host) => host.fmt(f),
            Self::Name(host) => host.fmt(f),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(host) => Host::V4(host),
            IpAddr::V6(host) => Host::V6(host),
        };
        Self { host, port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn reads_numbers_and_names() {
        for text in [
            "192.0.2.7:4000",
            "[2001:db8::1]:4000",
            "[::1]:1",
            "b.example:65535",
            "a_b-c.d1:80",
            "localhost:1",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn addresses_are_equal_that_mean_the_same() {
        use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

        let address = |text: &str| text.parse::<Address>().unwrap();
        for (one, two) in [
            ("localhost:1", "LOCALHOST:1"),
            ("B.Example:80", "b.eXAMPLE:80"),
            ("[2001:0DB8:0:0:0:0:0:1]:1", "[2001:db8::1]:1"),
            ("[::ffff:c000:207]:1", "[::ffff:192.0.2.7]:1"),
        ] {
            let (one, two) = (address(one), address(two));
            assert_eq!(one, two);
            assert_eq!(one.cmp(&two), Ordering::Equal);
            let hasher = BuildHasherDefault::<DefaultHasher>::default();
            assert_eq!(hasher.hash_one(&one), hasher.hash_one(&two));
        }
        for (one, two) in [
            ("a:1", "b:1"),
            ("a:1", "a:2"),
            ("a.b:1", "ab:1"),
            ("a:1", "ab:1"),
            ("[::ffff:192.0.2.7]:1", "192.0.2.7:1"),
        ] {
            assert_ne!(address(one), address(two));
            assert_eq!(address(one) < address(two), address(two) > address(one));
        }
    }

    #[test]
    fn ip_addresses_are_written_as_rfc_5952_says() {
        for (text, written) in [
            ("[2001:DB8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1"),
            ("[2001:db8:0:1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"),
            ("[0:0:0:0:0:ffff:c000:207]:1", "[::ffff:192.0.2.7]:1"),
            ("[::192.0.2.7]:1", "[::c000:207]:1"),
            ("[64:ff9b::192.0.2.7]:1", "[64:ff9b::c000:207]:1"),
            ("B.Example:1", "B.Example:1"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn refuses_what_nobody_can_connect_to() {
        let long_label = ["a".repeat(64), ":1".into()].concat();
        let long_name = ["a.".repeat(127), "ab:1".into()].concat();
        for text in [
            "",
            ":",
            "a",
            "a:",
            ":1",
            "a:0",
            "a:01",
            "a:65536",
            "a:-1",
            "a b:1",
            "256.1.1.1:1",
            "1.2.3:1",
            "1:2:3:1",
            "::1:1",
            "[::1]",
            "[::1:1",
            "[1.2.3.4]:1",
            "[g::]:1",
            "-a:1",
            "a-.b:1",
            "a..b:1",
            ".a:1",
            "a.:1",
            "ä:1",
            "a:1 ",
            "[fe80::1%eth0]:1",
            "0x7f000001:1",
            "127.0.0.0X1:1",
            "a.0x:1",
            &long_label,
            &long_name,
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
