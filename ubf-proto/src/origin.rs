//! Where connections come from, as far as limits and crashes tell them apart (L1,
//! N6).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The peer that a connection comes from, as it is counted: an IPv4 address, or the /64 of an IPv6
/// address, since one host has as many addresses in it as it wants.
///
/// ```
/// use ubf_proto::Origin;
///
/// let origin = |ip: &str| Origin::of(ip.parse().unwrap());
/// assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:2"));
/// assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
/// // An IPv4 address in IPv6 clothing, as listeners for both show it.
/// assert_eq!(origin("::ffff:192.0.2.7"), origin("192.0.2.7"));
/// assert_ne!(origin("::ffff:192.0.2.7"), origin("::ffff:192.0.2.8"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// This machine, by no address of the network. It is under no limit by address.
    Local,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address.
    V6([u16; 4]),
    /// Who has shown who it is, wherever it comes from: half of a hash of its name.
    Identity([u8; 16]),
}

impl Origin {
    /// The peer at an IP address.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let [one, two, three, four, ..] = ip.segments();
                Self::V6([one, two, three, four])
            }
        }
    }

    /// S9.4: whether a session that was opened from there may be gone on with from here. Whoever
    /// has an identity is told apart by it, and all others by nothing: they come from anywhere.
    pub(crate) fn is_owner_of(self, opened_from: Self) -> bool {
        match (self, opened_from) {
            (Self::Identity(ours), Self::Identity(owner)) => ours == owner,
            (Self::Identity(_), _) | (_, Self::Identity(_)) => false,
            (Self::Local | Self::V4(_) | Self::V6(_), Self::Local | Self::V4(_) | Self::V6(_)) => {
                true
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Local => f.write_str("local"),
            Self::V4(ip) => ip.fmt(f),
            Self::V6([one, two, three, four]) => {
                write!(f, "{}/64", Ipv6Addr::new(one, two, three, four, 0, 0, 0, 0))
            }
            Self::Identity([one, two, three, four, ..]) => {
                write!(f, "identity {one:02x}{two:02x}{three:02x}{four:02x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn l1_an_ipv6_host_is_counted_by_its_64_first_bits() {
        let shown = |ip: &str| Origin::of(ip.parse().unwrap()).to_string();
        assert_eq!(shown("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(shown("2001:db8:1:2::"), "2001:db8:1:2::/64");
        assert_eq!(shown("192.0.2.7"), "192.0.2.7");
        assert_eq!(shown("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(Origin::Local.to_string(), "local");
        assert_eq!(Origin::Identity([0xab; 16]).to_string(), "identity abababab");
    }
}
