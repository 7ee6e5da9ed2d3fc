//! Where a server may send its clients (R7).

use core::net::IpAddr;

use ubf_codec::{Address, Host};

/// Which redirections are followed. The default is the strictest.
///
/// A redirection from TLS to plain text is never followed, and there is no way to allow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedirectPolicy {
    /// From a public address to a private, loopback or link-local one.
    pub allow_private: bool,
    /// From a private address to the loopback address of another host.
    pub allow_loopback: bool,
    /// To ports below 1024.
    pub allow_low_ports: bool,
}

/// Why a redirection is refused (R7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectRefusal {
    /// From a public address to one that outsiders cannot reach.
    PublicToPrivate,
    /// From a private address to a loopback one.
    PrivateToLoopback,
    /// To a port below 1024.
    LowPort,
    /// From TLS to plain text.
    TlsToPlain,
    /// The address was visited in this chase (R5).
    Visited,
    /// More hops without an executed call than are allowed (R5).
    TooManyHops,
}

impl RedirectRefusal {
    /// A sentence for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PublicToPrivate => "from a public address to a private one",
            Self::PrivateToLoopback => "from a private address to a loopback one",
            Self::LowPort => "to a port below 1024",
            Self::TlsToPlain => "from TLS to plain text",
            Self::Visited => "to an address that was visited without a call in between",
            Self::TooManyHops => "after too many hops without a call in between",
        }
    }
}

impl core::fmt::Display for RedirectRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for RedirectRefusal {}

/// Who can reach an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Only the machine itself.
    Loopback,
    /// Only machines on the same link.
    LinkLocal,
    /// Only machines of the same organisation.
    Private,
    /// Everyone.
    Public,
}

impl Scope {
    /// The scope of an IP address. An IPv4 address in IPv6 clothing is judged as what it is.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => {
                let [first, second, ..] = ip.octets();
                // 0.0.0.0/8 reaches the machine itself on many systems; 100.64.0.0/10 is shared by
                // carriers (RFC 6598).
                if ip.is_loopback() || first == 0 {
                    Self::Loopback
                } else if ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() {
                    Self::LinkLocal
                } else if ip.is_private() || (first == 100 && second & 0xC0 == 64) {
                    Self::Private
                } else {
                    Self::Public
                }
            }
            IpAddr::V6(ip) => {
                if let Some(v4) = ip.to_ipv4_mapped() {
                    return Self::of(IpAddr::V4(v4));
                }
                if ip.is_loopback() || ip.is_unspecified() {
                    Self::Loopback
                } else if ip.is_unicast_link_local() || ip.is_multicast() {
                    Self::LinkLocal
                } else if ip.is_unique_local() {
                    Self::Private
                } else {
                    Self::Public
                }
            }
        }
    }
}

/// The IP address that an address names, if it names one. `localhost` does.
pub(crate) fn literal_ip(address: &Address) -> Option<IpAddr> {
    match &address.host {
        Host::V4(ip) => Some(IpAddr::V4(*ip)),
        Host::V6(ip) => Some(IpAddr::V6(*ip)),
        Host::Name(name)
            if name.eq_ignore_ascii_case("localhost")
                || name.to_ascii_lowercase().ends_with(".localhost") =>
        {
            Some(IpAddr::V4(core::net::Ipv4Addr::LOCALHOST))
        }
        Host::Name(_) => None,
    }
}

impl RedirectPolicy {
    /// Everything is allowed but a step from TLS to plain text.
    pub const PERMISSIVE: Self =
        Self { allow_private: true, allow_loopback: true, allow_low_ports: true };

    /// Judges an address that a server at `from` names, as far as can be known before its name is
    /// looked up.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn judge(&self, from: Option<IpAddr>, to: &Address) -> Result<(), RedirectRefusal> {
        if to.port < 1024 && !self.allow_low_ports {
            return Err(RedirectRefusal::LowPort);
        }
        literal_ip(to).map_or(Ok(()), |ip| self.judge_ip(from, ip))
    }

    /// Judges the IP address that a connection was made to, or that a name stands for.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn judge_ip(&self, from: Option<IpAddr>, to: IpAddr) -> Result<(), RedirectRefusal> {
        // An unknown origin is judged like a public one; the same host is no other host.
        if from == Some(to) {
            return Ok(());
        }
        match (from.map_or(Scope::Public, Scope::of), Scope::of(to)) {
            (Scope::Public, Scope::Loopback | Scope::LinkLocal | Scope::Private)
                if !self.allow_private =>
            {
                Err(RedirectRefusal::PublicToPrivate)
            }
            (Scope::Private | Scope::LinkLocal, Scope::Loopback) if !self.allow_loopback => {
                Err(RedirectRefusal::PrivateToLoopback)
            }
            (Scope::Public | Scope::Private | Scope::LinkLocal | Scope::Loopback, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn r7_every_pair_of_scopes() {
        let hosts = ["198.51.100.1", "10.0.0.1", "169.254.1.1", "127.0.0.1"];
        // Rows: from; columns: to. `.` followed, `p` public to private, `l` private to loopback.
        let table = [".ppp", "...l", "...l", "...."];
        for (from, row) in hosts.iter().zip(table) {
            for (to, expected) in hosts.iter().zip(row.chars()) {
                let found = match RedirectPolicy::default().judge_ip(Some(ip(from)), ip(to)) {
                    Ok(()) => '.',
                    Err(RedirectRefusal::PublicToPrivate) => 'p',
                    Err(RedirectRefusal::PrivateToLoopback) => 'l',
                    Err(other) => panic!("{}", other.as_str()),
                };
                assert_eq!(found, expected, "{from} to {to}");
                assert!(RedirectPolicy::PERMISSIVE.judge_ip(Some(ip(from)), ip(to)).is_ok());
            }
        }
    }

    #[test]
    fn r7_disguises_are_seen_through() {
        for (text, scope) in [
            ("::ffff:127.0.0.1", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("0.0.0.0", Scope::Loopback),
            ("::", Scope::Loopback),
            ("fe80::1", Scope::LinkLocal),
            ("fd00::1", Scope::Private),
            ("169.254.0.1", Scope::LinkLocal),
            ("224.0.0.1", Scope::LinkLocal),
            ("255.255.255.255", Scope::LinkLocal),
            ("ff02::1", Scope::LinkLocal),
            ("100.64.0.1", Scope::Private),
            ("100.127.255.255", Scope::Private),
            ("100.63.255.255", Scope::Public),
            ("100.128.0.0", Scope::Public),
            ("101.64.0.1", Scope::Public),
            ("172.31.255.255", Scope::Private),
            ("172.32.0.0", Scope::Public),
            ("2001:db8::1", Scope::Public),
        ] {
            assert_eq!(Scope::of(ip(text)), scope, "{text}");
        }
        let policy = RedirectPolicy::default();
        let from = Some(ip("198.51.100.1"));
        assert_eq!(
            policy.judge(from, &"LOCALHOST:4000".parse().unwrap()),
            Err(RedirectRefusal::PublicToPrivate)
        );
        assert_eq!(
            policy.judge(from, &"a.localhost:4000".parse().unwrap()),
            Err(RedirectRefusal::PublicToPrivate)
        );
        assert_eq!(policy.judge(from, &"b.example:4000".parse().unwrap()), Ok(()));
    }

    #[test]
    fn r7_each_refusal_has_words_of_its_own() {
        use RedirectRefusal::{
            LowPort, PrivateToLoopback, PublicToPrivate, TlsToPlain, TooManyHops, Visited,
        };
        let refusals =
            [PublicToPrivate, PrivateToLoopback, LowPort, TlsToPlain, Visited, TooManyHops];
        let mut words = refusals.map(RedirectRefusal::as_str);
        assert_eq!(words[2], "to a port below 1024");
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn r7_ports_below_1024() {
        let policy = RedirectPolicy::default();
        let from = Some(ip("198.51.100.1"));
        assert_eq!(
            policy.judge(from, &"198.51.100.2:1023".parse().unwrap()),
            Err(RedirectRefusal::LowPort)
        );
        assert_eq!(policy.judge(from, &"198.51.100.2:1024".parse().unwrap()), Ok(()));
    }
}
