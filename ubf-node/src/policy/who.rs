//! Who is meant by a text of a policy.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ubf_codec::Host;
use ubf_net::{Identity, Network};
use ubf_server::Peer;

/// What stands between a name and a network: both are to be so.
const FROM: &str = " from ";

/// Some of all peers: by a name of their certificate, by their address, or by both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// `None`: any, or none.
    name: Option<Pattern>,
    /// `None`: from anywhere.
    network: Option<Network>,
}

impl Who {
    /// Whether a peer is one of them.
    pub(super) fn is(&self, peer: &Peer) -> bool {
        let names = || peer.identity().into_iter().flat_map(Identity::names);
        let is_named =
            self.name.as_ref().is_none_or(|pattern| names().any(|name| pattern.matches(name)));
        let is_there = self.network.is_none_or(|network| {
            peer.address().is_some_and(|address| network.contains(address.ip()))
        });
        is_named && is_there
    }

    /// Whether some peer from this address is one of them.
    pub(super) fn may_be_from(&self, address: IpAddr) -> bool {
        self.network.is_none_or(|network| network.contains(address))
    }

    /// Whether a host whose certificate is for this name, or for this IP address, is one of them. Of
    /// a name it is not known where it is.
    pub(super) fn is_host(&self, host: &Host) -> bool {
        let ip = match host {
            Host::V4(ip) => Some(IpAddr::V4(*ip)),
            Host::V6(ip) => Some(IpAddr::V6(*ip)),
            Host::Name(_) => None,
        };
        match (&self.name, self.network, ip) {
            (Some(pattern), None, _) => pattern.matches(&host.to_string()),
            (Some(pattern), Some(network), Some(ip)) => {
                pattern.matches(&ip.to_string()) && network.contains(ip)
            }
            (Some(pattern), Some(_), None) => pattern.matches(&host.to_string()),
            (None, Some(network), Some(ip)) => network.contains(ip),
            (None, Some(_), None) => false,
            (None, None, _) => true,
        }
    }

    /// Whether it says nothing of names: an address is enough to know.
    pub(super) const fn is_known_by_address(&self) -> bool {
        self.name.is_none()
    }
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some((name, network)) = text.split_once(FROM) {
            let name = pattern(name.trim())?;
            return Ok(Self { name, network: Some(network_of(network.trim())?) });
        }
        // A network that was written wrongly is no name.
        if looks_like_network(text) {
            return Ok(Self { name: None, network: Some(network_of(text)?) });
        }
        Ok(Self { name: pattern(text)?, network: None })
    }
}

fn network_of(text: &str) -> Result<Network, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

fn looks_like_network(text: &str) -> bool {
    let address = text.split('/').next().unwrap_or_default();
    let is_v4_like = text.bytes().all(|byte| byte.is_ascii_digit() || b"./".contains(&byte));
    !text.is_empty() && (is_v4_like || address.parse::<IpAddr>().is_ok())
}

/// `None`: anybody.
fn pattern(text: &str) -> Result<Option<Pattern>, String> {
    if text == "*" {
        return Ok(None);
    }
    // What no identity can be would never be met, and somebody thinks that it is.
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_name || text.starts_with('@') {
        let wanted =
            "a name of certificates, a network, or both is wanted: till-*.example from 10.1.0.0/16";
        return Err(format!("{text}: {wanted}"));
    }
    Ok(Some(Pattern(text.split('*').map(Box::from).collect())))
}

/// A name with `*` for any letters, none included.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(
    /// What stands between the stars: one part at least.
    Box<[Box<str>]>,
);

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_first() else { return false };
        let Some(mut name) = name.strip_prefix(&**first) else { return false };
        let Some((last, middle)) = rest.split_last() else { return name.is_empty() };
        // Each part is looked for as early as it can be: so the later ones have most room.
        for part in middle {
            let Some((_, after)) = name.split_once(&**part) else { return false };
            name = after;
        }
        name.ends_with(&**last)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, names: &[&str]) -> Peer {
        let peer = Peer::Tcp(address.parse().unwrap());
        let identity = Identity::of_names(names.iter().copied());
        identity.map_or(peer.clone(), |identity| peer.with_identity(identity))
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, name, is_met) in [
            ("till-7.example", "till-7.example", true),
            ("till-7.example", "till-7.example.evil", false),
            ("till-7.example", "xtill-7.example", false),
            ("till-*.example", "till-7.example", true),
            ("till-*.example", "till-.example", true),
            ("till-*.example", "till.example", false),
            ("*.example", "a.b.example", true),
            ("*.example", "example", false),
            ("spiffe://shop/*", "spiffe://shop/till/7", true),
            ("spiffe://shop/*", "spiffe://shopx/till/7", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*aa", "aaa", true),
            ("a*aa", "aa", false),
            ("**", "x", true),
        ] {
            let who: Who = pattern.parse().unwrap();
            assert_eq!(who.is(&peer("192.0.2.7:1", &[name])), is_met, "{pattern} {name}");
        }
    }

    #[test]
    fn a_name_and_a_network_are_both_to_be_so() {
        let who: Who = "till-* from 10.1.0.0/16".parse().unwrap();
        assert!(who.is(&peer("10.1.2.3:1", &["till-7"])));
        assert!(!who.is(&peer("10.2.2.3:1", &["till-7"])));
        assert!(!who.is(&peer("10.1.2.3:1", &["ops"])));
        assert!(!who.is(&peer("10.1.2.3:1", &[])), "who shows nothing has no name");
        // Any name of a certificate counts.
        assert!(who.is(&peer("10.1.2.3:1", &["spiffe://shop/7", "till-7"])));
        let anybody: Who = "*".parse().unwrap();
        assert!(anybody.is(&peer("192.0.2.7:1", &[])));
        let there: Who = "* from 2001:db8::/32".parse().unwrap();
        assert!(there.is(&peer("[2001:db8::1]:1", &[])) && !there.is(&peer("192.0.2.7:1", &[])));
    }

    #[test]
    fn a_network_that_is_written_wrongly_is_no_name() {
        for text in ["10.1.2.3/16", "10.1/16", "10.1", "::1/129", "10.0.0.0/8 from 10.0.0.0/8x"] {
            assert!(text.parse::<Who>().is_err(), "{text}");
        }
        for text in ["", "two words", "@group from 10.0.0.0/8", "a from b", "é"] {
            assert!(text.parse::<Who>().is_err(), "{text}");
        }
    }
}
