//! Networks, by which peers are told apart.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// IP addresses that begin with the same bits.
///
/// An IPv4 address is the same one when it comes as a part of an IPv6 address
/// (`::ffff:192.0.2.7`), as a listener on `[::]` shows it.
///
/// ```
/// use ubf_net::Network;
///
/// let office: Network = "10.1.0.0/16".parse()?;
/// assert!(office.contains("10.1.99.7".parse()?) && office.contains("::ffff:10.1.0.1".parse()?));
/// assert!(!office.contains("10.2.0.1".parse()?));
/// let one: Network = "2001:db8::1".parse()?;
/// assert_eq!(one.to_string(), "2001:db8::1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    /// At most as many as the address has.
    bits: u8,
}

/// A text is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    /// What stands before the `/`, or all of it, is no IP address.
    NoAddress,
    /// Behind the `/` stands no number of bits that such an address has.
    NoLength,
    /// The address has bits behind those of the network: `10.1.2.3/16`. Perhaps one is meant, and
    /// perhaps the other.
    BitsBehind,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAddress => "an IP address is wanted, or a network like 10.1.0.0/16",
            Self::NoLength => "behind the / the number of bits is wanted: /16",
            Self::BitsBehind => "the address has bits behind those of the network",
        })
    }
}

impl std::error::Error for NetworkError {}

impl Network {
    /// Whether an address is one of it.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits as u32
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits as u32
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    const fn width(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, bits: Self::width(address) }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let Some((address, bits)) = text.split_once('/') else {
            let address: IpAddr = text.parse().map_err(|_| NetworkError::NoAddress)?;
            return Ok(Self::from(address));
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::NoAddress)?;
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|&bits| is_number && bits <= Self::width(address));
        let network = Self { address, bits: bits.ok_or(NetworkError::NoLength)? };
        if network.first() == address { Ok(network) } else { Err(NetworkError::BitsBehind) }
    }
}

impl Network {
    /// The address without the bits behind those of the network.
    fn first(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(own) => {
                let mask = u32::MAX.checked_shr(self.bits.into()).unwrap_or(0);
                IpAddr::V4((own.to_bits() & !mask).into())
            }
            IpAddr::V6(own) => {
                let mask = u128::MAX.checked_shr(self.bits.into()).unwrap_or(0);
                IpAddr::V6((own.to_bits() & !mask).into())
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        if self.bits == Self::width(self.address) { Ok(()) } else { write!(f, "/{}", self.bits) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_with_its_bits() {
        for (network, inside, outside) in [
            ("0.0.0.0/0", "255.0.0.1", "::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("10.128.0.0/9", "10.255.0.1", "10.127.255.255"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.7/32", "::ffff:192.0.2.7", "::192.0.2.7"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} {outside}");
            assert_eq!(parsed.to_string(), network.trim_end_matches("/32"));
        }
    }

    #[test]
    fn what_could_mean_two_things_is_no_network() {
        for (text, error) in [
            ("", NetworkError::NoAddress),
            ("10.1", NetworkError::NoAddress),
            ("a.example", NetworkError::NoAddress),
            ("10.0.0.0/", NetworkError::NoLength),
            ("10.0.0.0/33", NetworkError::NoLength),
            ("10.0.0.0/+8", NetworkError::NoLength),
            ("::/129", NetworkError::NoLength),
            ("10.1.2.3/16", NetworkError::BitsBehind),
            ("::1/127", NetworkError::BitsBehind),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }
}
