//! Where a server is steered.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ubf_client::Target;
use ubf_codec::Address;

/// A control socket, or an address for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ControlPlace {
    /// The file of a socket of this machine.
    Socket(PathBuf),
    /// An address of the network, with TLS.
    Network(Address),
}

impl FromStr for ControlPlace {
    type Err = Infallible;

    /// What is no address is the name of a file: that it is not there says the system.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse() {
            Ok(Target::Tls(address)) => Self::Network(address),
            Ok(_) | Err(_) => Self::Socket(text.into()),
        })
    }
}

impl fmt::Display for ControlPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Network(address) => Target::Tls(address.clone()).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_operators_has_tls_and_everything_else_is_a_file() {
        let place = |text: &str| text.parse::<ControlPlace>().unwrap();
        let ControlPlace::Network(address) = place("ubfs://a.example:4001") else {
            panic!("an address")
        };
        assert_eq!(address.to_string(), "a.example:4001");
        for text in ["/run/ubf.socket", "a.example:4001", "unix:/run/ubf.socket", "ubfs://a"] {
            assert_eq!(place(text), ControlPlace::Socket(text.into()));
            assert_eq!(place(text).to_string(), text);
        }
        assert_eq!(place("ubfs://a.example:4001").to_string(), "ubfs://a.example:4001");
    }
}
