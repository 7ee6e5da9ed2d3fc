//! Whom this server lets in: certificates, operators, other nodes, those who look by HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;
use ubf_client::tls::ClientTls;
use ubf_codec::Address;
use ubf_net::Network;
use ubf_net::tls::ServerFiles;

use super::problem::Wrong;
use super::reader::Reader;
use super::shown::shown;
use super::value::{Raw, flag, path};
use crate::admin_http::{AdminHttpPlan, TokenFile};
use crate::certificates::Certificates;
use crate::policy::Policy;
use crate::rows::Causes;

/// Where operators come by a network.
#[derive(Debug)]
pub(crate) struct ControlPlan {
    pub(crate) address: String,
    /// Mutual, with the authorities of operators and of other nodes.
    pub(crate) certificates: Certificates,
    /// U5: where other nodes find it, if that is said.
    pub(crate) advertise: Option<Address>,
    /// U5: the authorities of other nodes' certificates.
    pub(crate) node_authorities: PathBuf,
}

/// A certificate has a key, and both are read here: what is wrong with them is wrong with a
/// setting.
pub(super) fn tls(reader: &mut Reader) -> Result<Option<Certificates>, AlreadySaid> {
    let mut file = |key| reader.take_if_any(key, path, |path| shown(&path.display()));
    let (certificate, key, authorities) =
        (file("tls.cert"), file("tls.key"), file("tls.client-ca"));
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            reader.wrong("tls.cert", "a certificate without its key", "--tls-key FILE");
            return Err(AlreadySaid);
        }
        (None, Some(_)) => {
            reader.wrong("tls.key", "a key without its certificate", "--tls-cert FILE");
            return Err(AlreadySaid);
        }
        (None, None) => {
            if authorities.is_some() {
                let hint = "--tls-cert FILE --tls-key FILE";
                reader.wrong("tls.client-ca", "authorities of clients without TLS", hint);
            }
            return Ok(None);
        }
    };
    let mut files = ServerFiles::new(certificate, key);
    files.client_authorities = authorities;
    Certificates::open(files, "clients").map(Some).map_err(|error| {
        let place = reader.place("tls.cert");
        reader.problems.add(place, Wrong::new(Causes(&error).to_string()));
        AlreadySaid
    })
}

/// It is read here: what is wrong with it is wrong with a setting.
pub(super) fn policy(reader: &mut Reader, names: &[(&str, String)]) -> Option<Policy> {
    let file = reader.take_if_any("policy", path, |path| shown(&path.display()))?;
    let services = names.iter().map(|(_, name)| name.clone()).collect();
    match Policy::open(file, services) {
        Ok(policy) => Some(policy),
        Err(problems) => {
            for problem in problems {
                reader.problems.add(reader.place("policy"), Wrong::new(problem));
            }
            None
        }
    }
}

/// What was said of where people look by HTTP.
pub(super) struct HttpWishes {
    address: Option<String>,
    token: Option<PathBuf>,
    has_tls: bool,
    authorities: Option<PathBuf>,
}

impl HttpWishes {
    pub(super) fn take(reader: &mut Reader) -> Self {
        let shown_path = |path: &PathBuf| shown(&path.display());
        Self {
            address: reader.take_if_any("admin-http", host_and_port, shown),
            token: reader.take_if_any("admin-token", path, shown_path),
            has_tls: reader.take("admin-http-tls", false, flag, |flag| Value::Boolean(*flag)),
            authorities: reader.take_if_any("admin-http-client-ca", path, shown_path),
        }
    }

    /// Whoever can reach an address of the network is to have a token, or a certificate.
    pub(super) fn plan(self, reader: &mut Reader, tls: TlsOfOthers<'_>) -> Option<AdminHttpPlan> {
        let Self { address, token: file, has_tls, authorities } = self;
        let token = file.as_deref().map(TokenFile::open).transpose().unwrap_or_else(|wrong| {
            reader.problems.add(reader.place("admin-token"), wrong);
            None
        });
        let has_authorities = authorities.is_some();
        let given = [
            ("admin-token", file.is_some()),
            ("admin-http-tls", has_tls),
            ("admin-http-client-ca", has_authorities),
        ];
        for (key, _) in given.into_iter().filter(|(_, is_given)| address.is_none() && *is_given) {
            reader.wrong(key, "nobody can look", "--admin-http 127.0.0.1:9464");
        }
        let address = address?;
        let certificates = match (tls, has_tls) {
            (Ok(Some(tls)), true) => {
                open_for(reader, tls, authorities, ("admin-http-client-ca", "admin-http"))
            }
            (Err(AlreadySaid), true) => None,
            (Ok(None), true) => {
                let hint = "--tls-cert FILE --tls-key FILE";
                reader.wrong("admin-http-tls", "there is no certificate", hint);
                None
            }
            (_, false) => {
                if has_authorities {
                    let hint = "--admin-http-tls";
                    reader.wrong("admin-http-client-ca", "certificates without TLS", hint);
                }
                None
            }
        };
        if file.is_none() && !has_authorities && !is_loopback(&address) {
            let hint = "--admin-token FILE, or an address of this machine alone: 127.0.0.1:9464";
            reader.wrong("admin-http", "others could look there without a token", hint);
        }
        Some(AdminHttpPlan { address, token, certificates })
    }
}

/// What is said of other nodes.
pub(super) struct NodeSettings {
    pub(super) advertise: Option<Address>,
    pub(super) authorities: Option<PathBuf>,
}

/// Operators, and nodes, that come by a network come by mutual TLS.
pub(super) fn control_plan(
    reader: &mut Reader,
    tls: TlsOfOthers<'_>,
    address: Option<String>,
    authorities: Option<PathBuf>,
    nodes: NodeSettings,
) -> Option<ControlPlan> {
    let about_nodes = [
        ("control-advertise", nodes.advertise.is_some()),
        ("node-ca", nodes.authorities.is_some()),
    ];
    for (key, _) in about_nodes.into_iter().filter(|(_, is_said)| *is_said && address.is_none()) {
        reader.wrong(key, "no node comes by a network", "--control-listen ADDRESS");
    }
    let (address, authorities) = match (address, authorities) {
        (Some(address), Some(authorities)) => (address, authorities),
        (Some(_), None) => {
            let hint = "--control-client-ca FILE says whose certificates operators have";
            reader.wrong("control-listen", "anybody could look there", hint);
            return None;
        }
        (None, Some(_)) => {
            let hint = "--control-listen ADDRESS";
            reader.wrong("control-client-ca", "operators do not come by a network", hint);
            return None;
        }
        (None, None) => return None,
    };
    let Some(tls) = tls.ok()? else {
        let hint = "--tls-cert FILE --tls-key FILE";
        reader.wrong("control-listen", "operators would come without TLS", hint);
        return None;
    };
    let certificates =
        open_for(reader, tls, Some(authorities.clone()), ("control-client-ca", "operators"));
    let node_authorities = nodes.authorities.unwrap_or(authorities);
    if let Err(error) = ClientTls::trusting(&node_authorities) {
        let place = reader.place("node-ca");
        reader.problems.add(place, Wrong::new(Causes(&error).to_string()));
    }
    Some(ControlPlan {
        address,
        certificates: certificates?,
        advertise: nodes.advertise,
        node_authorities,
    })
}

/// What is wrong with the server's certificate is among the problems.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlreadySaid;

/// The server's certificate, for those who are to see the same one.
pub(super) type TlsOfOthers<'t> = Result<Option<&'t Certificates>, AlreadySaid>;

/// The server's certificate for others than its clients, with authorities of their own.
fn open_for(
    reader: &mut Reader,
    tls: &Certificates,
    authorities: Option<PathBuf>,
    (key, shown_to): (&'static str, &'static str),
) -> Option<Certificates> {
    let mut files = tls.tls().files().clone();
    files.client_authorities = authorities;
    let certificates = Certificates::open(files, shown_to).inspect_err(|error| {
        reader.problems.add(reader.place(key), Wrong::new(Causes(error).to_string()));
    });
    certificates.ok()
}

pub(super) fn networks(raw: &Raw) -> Result<Vec<Network>, Wrong> {
    let network = |text: &str| {
        text.parse().map_err(|error| {
            Wrong::new(format!("{text}: {error}")).hint("--proxy-from 10.0.0.0/8,192.0.2.7")
        })
    };
    raw.texts()?.into_iter().map(network).collect()
}

pub(super) fn host_and_port(raw: &Raw) -> Result<String, Wrong> {
    let text = raw.text()?;
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && is_port(port) => Ok(text.to_owned()),
        Some(_) | None => Err(Wrong::new(format!("{text}: an address is wanted: HOST:PORT"))),
    }
}

/// Whether nobody else can reach it. Other names than this one are not trusted.
fn is_loopback(address: &str) -> bool {
    address.parse::<SocketAddr>().map_or_else(
        |_| address.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
        |address| address.ip().is_loopback(),
    )
}
