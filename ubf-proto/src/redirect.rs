//! Where a server may send its clients (R7).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ubf_codec::{Address, Host, HostName};

/// Which redirections are followed. The default is the strictest.
///
/// A redirection from TLS to plain text is never followed, and there is no way to allow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedirectPolicy {
    /// Only to addresses that the program gave at the start; to these, whatever else is set here.
    /// It is the one to use where servers are reached through tunnels: behind one every server is
    /// at a loopback address, which is the most trusted origin.
    pub pinned: bool,
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
    /// To `0.0.0.0` or `::`, where nobody can be reached.
    Nowhere,
    /// To an address that the program did not give ([`RedirectPolicy::pinned`]).
    NotPinned,
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
            Self::Nowhere => "to an address at which nobody can be reached",
            Self::NotPinned => "to an address that the program did not give",
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
    /// The scope of an IP address. An IPv4 address in IPv6 clothing is judged as what it is; of
    /// several in one address, the narrowest counts.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => {
                let embedded = embedded_v4(ip).into_iter().flatten().map(Self::of_v4);
                embedded.fold(Self::of_plain_v6(ip), Self::min)
            }
        }
    }

    const fn of_v4(ip: Ipv4Addr) -> Self {
        let [first, second, third, _] = ip.octets();
        // 0.0.0.0/8 reaches the machine itself on many systems.
        if ip.is_loopback() || first == 0 {
            Self::Loopback
        } else if ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() {
            Self::LinkLocal
        } else {
            // 100.64.0.0/10 is shared by carriers (RFC 6598); 198.18.0.0/15 is for benchmarks
            // (RFC 2544), 192.0.0.0/24 for protocols (RFC 6890), 240.0.0.0/4 for nobody yet.
            let is_special = (first == 100 && second & 0xC0 == 64)
                || (first == 198 && second & 0xFE == 18)
                || (first == 192 && second == 0 && third == 0)
                || first >= 240;
            if ip.is_private() || is_special { Self::Private } else { Self::Public }
        }
    }

    /// Without a look at what is embedded.
    const fn of_plain_v6(ip: Ipv6Addr) -> Self {
        let [first, second, third, ..] = ip.segments();
        // fec0::/10 was for sites (RFC 3879); 64:ff9b:1::/48 leads through an organisation's own
        // translator (RFC 8215).
        let is_special =
            first & 0xFFC0 == 0xFEC0 || (first == 0x64 && second == 0xFF9B && third == 1);
        if ip.is_loopback() || ip.is_unspecified() {
            Self::Loopback
        } else if ip.is_unicast_link_local() || ip.is_multicast() {
            Self::LinkLocal
        } else if ip.is_unique_local() || is_special {
            Self::Private
        } else {
            Self::Public
        }
    }
}

/// The IPv4 addresses that an IPv6 address leads to.
fn embedded_v4(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        // Compatible, mapped (RFC 4291), translated (RFC 2765), and NAT64 (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0 | 0xFFFF, 0, high, low]
        | [0, 0, 0, 0, 0, 0xFFFF, high, low]
        | [0x64, 0xFF9B, 0, 0, 0, 0, high, low]
        | [0x64, 0xFF9B, 1, _, _, _, high, low] => [v4(high, low), None],
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [v4(high, low), None],
        // Teredo (RFC 4380): the server, and the client with its bits inverted.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [v4(high, low), v4(!client_high, !client_low)]
        }
        _ => [None, None],
    }
}

/// Whether nobody can be reached at an address: `0.0.0.0` and `::` are for listening.
fn is_nowhere(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_unspecified(),
        IpAddr::V6(ip) => {
            ip.is_unspecified() || ip.to_ipv4_mapped().is_some_and(|v4| v4.is_unspecified())
        }
    }
}

/// The address with its name in lower case: names are equal in any case.
pub(crate) fn lower_case(address: &Address) -> Address {
    let mut address = address.clone();
    if let Host::Name(name) = &mut address.host
        && let Some(lower) = HostName::new(&name.to_ascii_lowercase())
    {
        *name = lower;
    }
    address
}

/// Whether [`lower_case`] would change nothing.
pub(crate) fn is_lower_case(address: &Address) -> bool {
    match &address.host {
        Host::Name(name) => !name.as_str().bytes().any(|byte| byte.is_ascii_uppercase()),
        Host::V4(_) | Host::V6(_) => true,
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
            Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
        }
        Host::Name(_) => None,
    }
}

impl RedirectPolicy {
    /// Everything is allowed but a step from TLS to plain text.
    pub const PERMISSIVE: Self =
        Self { pinned: false, allow_private: true, allow_loopback: true, allow_low_ports: true };

    /// The strictest one: only addresses that the program gave.
    pub const PINNED: Self =
        Self { pinned: true, allow_private: false, allow_loopback: false, allow_low_ports: false };

    /// Judges an address that a server at `from` names, by the addresses that the program gave
    /// too, in lower case. Tells whether it is one of them, so that what it stands for is not
    /// judged.
    pub(crate) fn judge_among(
        &self,
        from: Option<IpAddr>,
        to: &Address,
        given: &[Address],
    ) -> Result<bool, RedirectRefusal> {
        let is_given = given.contains(&lower_case(to));
        match self.pinned {
            true if is_given => Ok(true),
            true => Err(RedirectRefusal::NotPinned),
            false => self.judge(from, to).map(|()| false),
        }
    }

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
        if is_nowhere(to) {
            return Err(RedirectRefusal::Nowhere);
        }
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
            ("198.17.255.255", Scope::Public),
            ("198.18.0.1", Scope::Private),
            ("198.19.255.255", Scope::Private),
            ("198.20.0.0", Scope::Public),
            ("192.0.0.8", Scope::Private),
            ("192.0.1.0", Scope::Public),
            ("239.255.255.255", Scope::LinkLocal),
            ("240.0.0.1", Scope::Private),
            ("fec0::1", Scope::Private),
            ("feff::1", Scope::Private),
            ("64:ff9b::7f00:1", Scope::Loopback),
            ("64:ff9b::c633:6401", Scope::Public),
            ("64:ff9b:1::c633:6401", Scope::Private),
            ("64:ff9b:1::a9fe:101", Scope::LinkLocal),
            ("64:ff9c::7f00:1", Scope::Public),
            ("2002:a00:1::1", Scope::Private),
            ("2002:c633:6401::1", Scope::Public),
            // Teredo: the client is 10.0.0.1, or the server is.
            ("2001:0:c633:6401:0:0:f5ff:fffe", Scope::Private),
            ("2001:0:a00:1:0:0:39cc:9bfe", Scope::Private),
            ("2001:0:c633:6401:0:0:39cc:9bfe", Scope::Public),
            ("::10.0.0.1", Scope::Private),
            ("::198.51.100.1", Scope::Public),
            ("::ffff:0:127.0.0.1", Scope::Loopback),
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
    fn r7_nobody_goes_where_nobody_is() {
        for (text, from) in
            [("0.0.0.0:4000", "0.0.0.0"), ("[::]:4000", "::"), ("[::ffff:0.0.0.0]:4000", "::1")]
        {
            let found = RedirectPolicy::PERMISSIVE.judge(Some(ip(from)), &text.parse().unwrap());
            assert_eq!(found, Err(RedirectRefusal::Nowhere), "{text}");
        }
    }

    #[test]
    fn r7_a_pinned_client_goes_to_given_addresses_only_in_any_case() {
        let given = ["a.example:4000".parse().unwrap(), "10.0.0.1:40".parse().unwrap()];
        let policy = RedirectPolicy::PINNED;
        let judge =
            |to: &str| policy.judge_among(Some(ip("127.0.0.1")), &to.parse().unwrap(), &given);
        assert_eq!(judge("A.EXAMPLE:4000"), Ok(true));
        assert_eq!(judge("10.0.0.1:40"), Ok(true));
        for other in ["a.example:4001", "b.example:4000", "127.0.0.1:4000", "10.0.0.1:41"] {
            assert_eq!(judge(other), Err(RedirectRefusal::NotPinned), "{other}");
        }
    }

    #[test]
    fn r7_each_refusal_has_words_of_its_own() {
        use RedirectRefusal::{
            LowPort, NotPinned, Nowhere, PrivateToLoopback, PublicToPrivate, TlsToPlain,
            TooManyHops, Visited,
        };
        let refusals = [
            PublicToPrivate,
            PrivateToLoopback,
            LowPort,
            TlsToPlain,
            Visited,
            TooManyHops,
            Nowhere,
            NotPinned,
        ];
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
