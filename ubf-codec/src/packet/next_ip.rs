//! NextIP: where the next message goes (P2).

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::address::{Address, AddressError};

/// The addresses that a server names for the *next* message, best first.
///
/// ```
/// use ubf_codec::NextIp;
///
/// let next: NextIp = "192.0.2.7:4000,[2001:db8::1]:4000,b.example:4000".parse()?;
/// assert_eq!(next.addresses().len(), 3);
/// assert_eq!(next.addresses()[2].to_string(), "b.example:4000");
/// # Ok::<(), ubf_codec::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NextIp(
    /// At least one.
    Vec<Address>,
);

impl NextIp {
    /// The addresses, best first; `None` if there are none.
    #[must_use]
    pub fn new(addresses: Vec<Address>) -> Option<Self> {
        if addresses.is_empty() { None } else { Some(Self(addresses)) }
    }

    /// The addresses, best first. At least one.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.0
    }
}

impl From<Address> for NextIp {
    fn from(address: Address) -> Self {
        Self(alloc::vec![address])
    }
}

impl FromStr for NextIp {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for NextIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for address in &self.0 {
            write!(f, "{separator}{address}")?;
            separator = ",";
        }
        Ok(())
    }
}
