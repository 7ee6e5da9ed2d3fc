//! Arguments of the commands that talk to a server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ubf_client::tls::ClientTls;
use ubf_client::{Builder, Client, RedirectPolicy, Service, SessionPlan, Target, Versions};
use ubf_codec::Version;

use super::packets::LimitArgs;
use crate::ui::reason::causes;
use crate::ui::report::Report;

/// Whom to talk to.
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The service to talk to, if it is not the server's default one
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,

    /// The versions to offer; the highest that both have is used
    #[arg(long, value_name = "LIST", value_parser = versions, default_value = "1-20")]
    pub(crate) versions: Versions,

    /// Allow redirections that the policy forbids: from public to private addresses, from private
    /// ones to the loopback address of another host, to ports below 1024
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',', hide_short_help = true)]
    allow_redirects: Vec<Redirects>,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// How the connection is kept from those on its path.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// Speak TLS, as with ubfs://HOST:PORT: the server has to show a certificate for its name, of an
    /// authority of --ca, or of one that the system trusts
    #[arg(long, hide_short_help = true)]
    tls: bool,

    /// Speak TLS, and trust the authorities whose certificates are in this file alone, as PEM
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    ca: Option<PathBuf>,

    /// Show this certificate, as PEM, to a server that wants to see one
    #[arg(long, value_name = "FILE", requires = "key", hide_short_help = true)]
    cert: Option<PathBuf>,

    /// The key of --cert
    #[arg(long, value_name = "FILE", requires = "cert", hide_short_help = true)]
    key: Option<PathBuf>,
}

/// Redirections that are not followed unless they are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Redirects {
    Private,
    Loopback,
    LowPorts,
}

impl TlsArgs {
    /// What makes TLS of connections, if these arguments or the address want that.
    ///
    /// # Errors
    /// If a file cannot be read or used.
    pub(crate) fn client(&self, has_address: bool) -> Result<Option<ClientTls>, Report> {
        let Self { tls, ca, cert, key } = self;
        if !tls && ca.is_none() && cert.is_none() && !has_address {
            return Ok(None);
        }
        let trusting = ca.as_ref().map_or_else(ClientTls::of_system, ClientTls::trusting);
        let tls = trusting.and_then(|tls| match (cert, key) {
            (Some(cert), Some(key)) => tls.showing(cert, key),
            (_, _) => Ok(tls),
        });
        tls.map(Some).map_err(|error| Report::new(causes(&error)))
    }
}

impl ConnectArgs {
    pub(crate) fn service(&self) -> Service {
        self.service.as_deref().map_or(Service::DEFAULT, Service::named)
    }

    pub(crate) fn policy(&self) -> RedirectPolicy {
        let mut policy = RedirectPolicy::default();
        policy.allow_private = self.allow_redirects.contains(&Redirects::Private);
        policy.allow_loopback = self.allow_redirects.contains(&Redirects::Loopback);
        policy.allow_low_ports = self.allow_redirects.contains(&Redirects::LowPorts);
        policy
    }

    /// What makes TLS of connections, if that is wanted.
    ///
    /// # Errors
    /// If a file cannot be read or used.
    pub(crate) fn tls(&self, targets: &[Target]) -> Result<Option<ClientTls>, Report> {
        self.tls.client(targets.iter().any(|target| matches!(target, Target::Tls(_))))
    }

    /// A client that does what the arguments say.
    pub(crate) fn builder(&self, targets: &[Target]) -> Builder {
        self.with_tls(self.plain_builder(targets), targets)
    }

    /// A client of these addresses that speaks TLS if that is wanted.
    pub(crate) fn with_tls(&self, builder: Builder, targets: &[Target]) -> Builder {
        match self.tls(targets) {
            Ok(Some(tls)) => builder.tls(tls),
            Ok(None) => builder,
            // Commands look for that first. Whatever happens, nobody is spoken to without TLS then.
            Err(_) => builder.configure(|config| config.tls = true),
        }
    }

    fn plain_builder(&self, targets: &[Target]) -> Builder {
        targets
            .iter()
            .fold(Client::builder(), |builder, target| builder.address(target.to_string()))
            .service(self.service())
            .versions(self.versions.iter().map(Version::get))
            .redirect_policy(self.policy())
            .limits(self.limits.limits())
            .session(SessionPlan::wanted())
            .agent(concat!("ubf/", env!("CARGO_PKG_VERSION")))
    }
}

/// `127.0.0.1:4000,b.example:4000,unix:/run/kv.sock`.
pub(crate) fn targets(text: &str) -> Result<Vec<Target>, String> {
    let target = |text: &str| text.trim().parse().map_err(|error| format!("{text}: {error}"));
    text.split(',').map(target).collect()
}

/// `1-3,10`.
pub(crate) fn versions(text: &str) -> Result<Versions, String> {
    let wanted = || "versions are numbers from 1 and ranges of them, as in 1-3,10".to_owned();
    let mut versions = Versions::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let [first, last] =
            [first, last].map(|number| number.trim().parse().ok().and_then(Version::new));
        let (Some(first), Some(last)) = (first, last) else { return Err(wanted()) };
        if first > last {
            return Err(wanted());
        }
        for version in (first.get()..=last.get()).filter_map(Version::new) {
            // N2: one place is the client's own, for the number that no program has (N9).
            if !versions.contains(version) && versions.len() + 1 >= Versions::MAX_LEN {
                return Err(format!("{} versions at most", Versions::MAX_LEN - 1));
            }
            versions.insert(version);
        }
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_commas_between_them() {
        let shown =
            |text| targets(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            shown("a.example:1, [::1]:2"),
            Ok(vec!["a.example:1".to_owned(), "[::1]:2".to_owned()])
        );
        for text in ["", "a.example", "a.example:1,,b.example:2"] {
            assert!(targets(text).unwrap_err().contains("not an address"), "{text}");
        }
    }

    #[test]
    fn versions_are_numbers_and_ranges() {
        assert_eq!(versions("1-3, 6,8,10,11,2").unwrap().to_string(), "1-3,6,8,10,11");
        assert_eq!(versions("1-1023").unwrap().len(), 1023);
        for text in ["", "0", "0-3", "1-", "-1", "5-1", "2147483648", "one", "1,,2"] {
            assert!(versions(text).unwrap_err().contains("as in 1-3,10"), "{text}");
        }
        for text in ["1-1024", "1-2147483647"] {
            assert_eq!(versions(text).unwrap_err(), "1023 versions at most");
        }
    }
}
