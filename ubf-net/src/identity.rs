//! Who a peer is, if it has shown that.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::stream::Peer;

/// Bytes of a name. Chosen: names of hosts have 253, and a name is shown in logs.
const MAX_NAME_BYTES: usize = 256;

/// Who a peer has shown to be, by a certificate for example. Cheap to clone.
///
/// The [name](Self::name) is what it is counted by, and what its sessions belong to (S9); a
/// certificate may have more [names](Self::names).
///
/// ```
/// use ubf_net::{Identity, Peer};
///
/// let till = Identity::new("till-7.shop.example").expect("a name");
/// let peer = Peer::Tcp("192.0.2.7:4000".parse()?).with_identity(till);
/// assert_eq!(peer.identity().map(Identity::name), Some("till-7.shop.example"));
/// assert_eq!(peer.to_string(), "192.0.2.7:4000 till-7.shop.example");
/// assert!(Identity::new("two words").is_none());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(Arc<Names>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Names {
    /// The first is the name. There is one at least.
    names: Box<[Box<str>]>,
    key: [u8; 16],
}

impl Identity {
    /// An identity of this name alone. `None`: it is empty, longer than 256 bytes, or has other
    /// characters than the printable ones of ASCII without the space.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        Self::of_names([name])
    }

    /// An identity of several names, the first of which is the [name](Self::name). What is no name,
    /// as for [`new`](Self::new), is left out. `None`: nothing is left.
    #[must_use]
    pub fn of_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let names: Box<[Box<str>]> =
            names.into_iter().filter(|name| is_name(name)).map(Into::into).collect();
        let hash: [u8; 32] = Sha256::digest(names.first()?.as_bytes()).into();
        let mut key = [0; 16];
        key.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Some(Self(Arc::new(Names { names, key })))
    }

    /// By which the peer is known.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.names.first().map_or("", |name| name)
    }

    /// All that it is known by, the [name](Self::name) first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(|name| &**name)
    }

    /// A number for the [name](Self::name): the first half of its SHA-256. It is the same in every
    /// process.
    #[must_use]
    pub fn key(&self) -> [u8; 16] {
        self.0.key
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Nothing that could forge a line of a log, or a word of it.
fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A peer that has shown who it is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Identified {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) identity: Identity,
}

impl Peer {
    /// The same peer, which has shown to be this one.
    #[must_use]
    pub fn with_identity(&self, identity: Identity) -> Self {
        Self::Identified(Arc::new(Identified { address: self.address(), identity }))
    }

    /// Who it has shown to be.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Identified(identified) => Some(&identified.identity),
            Self::Tcp(_) | Self::Unix | Self::Process { .. } | Self::Own => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_an_identity_is_its_first_name() {
        let identity = |names: &[&str]| Identity::of_names(names.iter().copied()).unwrap();
        let till = identity(&["spiffe://shop/till", "till.example"]);
        assert_eq!(till.names().collect::<Vec<_>>(), ["spiffe://shop/till", "till.example"]);
        assert_eq!(till.key(), identity(&["spiffe://shop/till"]).key());
        assert_ne!(till.key(), identity(&["till.example", "spiffe://shop/till"]).key());
        // printf abc | sha256sum
        assert_eq!(identity(&["abc"]).key()[..4], [0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn what_could_forge_a_line_is_no_name() {
        for name in ["", "a b", "a\nb", "a\u{7f}", "é", &"x".repeat(257)] {
            assert_eq!(Identity::new(name), None, "{name}");
        }
        assert_eq!(Identity::of_names(["a b", "c"]).unwrap().name(), "c");
        assert!(Identity::new(&"x".repeat(256)).is_some());
    }

    #[test]
    fn a_peer_is_small() {
        assert!(size_of::<Peer>() <= 32, "{}", size_of::<Peer>());
    }
}
