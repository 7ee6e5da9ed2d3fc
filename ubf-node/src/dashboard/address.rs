//! Where a server answers by HTTP.

use std::fmt;
use std::str::FromStr;

use ubf_codec::{Address, Host};

/// `host:port`, `http://host:port` or `https://host:port`.
///
/// ```
/// use ubf_node::dashboard::NodeAddress;
///
/// let address: NodeAddress = "http://a.example:9464/".parse()?;
/// assert_eq!(address.to_string(), "a.example:9464");
/// assert!("a.example".parse::<NodeAddress>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    address: Address,
    is_https: bool,
}

impl NodeAddress {
    pub(super) fn host(&self) -> &Host {
        &self.address.host
    }

    /// Whether its server speaks TLS.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.is_https
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// A text is no address of a server that answers by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadNodeAddress(String);

impl fmt::Display for BadNodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: HOST:PORT, http://HOST:PORT or https://HOST:PORT is wanted", self.0)
    }
}

impl std::error::Error for BadNodeAddress {}

impl FromStr for NodeAddress {
    type Err = BadNodeAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadNodeAddress(text.to_owned());
        let (is_https, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(bad()),
            None => (false, text),
        };
        let address = rest.strip_suffix('/').unwrap_or(rest).parse().map_err(|_| bad())?;
        Ok(Self { address, is_https })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_no_path() {
        let read = |text: &str| text.parse::<NodeAddress>().map(|it| (it.to_string(), it.is_https));
        assert_eq!(read("127.0.0.1:1"), Ok(("127.0.0.1:1".into(), false)));
        assert_eq!(read("https://a.example:9464/"), Ok(("a.example:9464".into(), true)));
        assert_eq!(read("http://[::1]:7"), Ok(("[::1]:7".into(), false)));
        for text in ["", "a", "ftp://a:1", "http://a", "http://a:1/x", "http://x@a:1", "a:1?b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
