//! Certificates of an authority that nobody has a reason to trust.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SanType, date_time_ymd,
};
use ubf_net::Identity;

/// A certificate and its key, as PEM.
type Pem = (String, String);

/// Each with what it is. They have the names of a client that the server knows, where there is one:
/// what makes them false is who has signed them, and when.
pub(super) fn certificates(known: Option<&Identity>) -> Vec<(&'static str, Result<Pem, String>)> {
    let names: Vec<&str> =
        known.map_or_else(|| vec!["attacker.example"], |known| known.names().collect());
    let made =
        |forge: fn(&[&str]) -> Result<Pem, Error>| forge(&names).map_err(|error| error.to_string());
    vec![
        ("a certificate of a false authority", made(|names| signed(names, |_| {}))),
        (
            "a certificate that is over",
            made(|names| signed(names, |params| params.not_after = date_time_ymd(2020, 1, 1))),
        ),
        (
            "a certificate whose time has not begun",
            made(|names| signed(names, |params| params.not_before = date_time_ymd(2999, 1, 1))),
        ),
        (
            "a certificate of a server",
            made(|names| {
                signed(names, |params| {
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                })
            }),
        ),
        ("a certificate that has signed itself", made(own)),
        (
            "a certificate with a known name as its common name alone",
            made(|names| {
                signed(&[], |params| {
                    let name = names.first().copied().unwrap_or_default();
                    params.distinguished_name.push(DnType::CommonName, name);
                })
            }),
        ),
    ]
}

/// A certificate for these names. What is no name of a host is a URI.
fn params(names: &[&str]) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.subject_alt_names = names
        .iter()
        .filter(|name| !name.starts_with("sha256:"))
        .map(|&name| {
            let name = name.try_into()?;
            Ok(if is_uri(&name) { SanType::URI(name) } else { SanType::DnsName(name) })
        })
        .collect::<Result<_, Error>>()?;
    Ok(params)
}

fn is_uri(name: &impl AsRef<str>) -> bool {
    name.as_ref().contains(':')
}

/// Signed by an authority that was made a moment ago.
fn signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Result<Pem, Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "ubf attack");
    let issuer = Issuer::new(authority, KeyPair::generate()?);
    let mut params = params(names)?;
    change(&mut params);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn own(names: &[&str]) -> Result<Pem, Error> {
    let key = KeyPair::generate()?;
    let certificate = params(names)?.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_made_also_with_the_names_of_somebody() {
        let names = ["spiffe://shop.example/till/7", "till-7.example", "sha256:00"];
        let known = Identity::of_names(names).unwrap();
        for known in [None, Some(&known)] {
            for (what, made) in certificates(known) {
                let (certificate, key) = made.unwrap();
                assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"), "{what}");
                assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "{what}");
            }
        }
    }
}
