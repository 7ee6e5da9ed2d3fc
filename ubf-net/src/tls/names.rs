//! Whom a certificate is for.

use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::identity::Identity;

/// The names of a certificate: those of hosts come after URIs. One without names has its hash.
pub(super) fn identity_of(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let read = EndEntityCert::try_from(certificate).ok();
    let names = read.iter().flat_map(|read| read.valid_uri_names().chain(read.valid_dns_names()));
    Identity::of_names(names).or_else(|| {
        let hash: [u8; 32] = Sha256::digest(certificate).into();
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Identity::new(&format!("sha256:{digits}"))
    })
}
