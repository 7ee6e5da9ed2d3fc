//! Certificates and keys in files, as PEM.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::error::{TlsError, TlsErrorKind};

/// A certificate with those that lead to its authority, and its key.
pub(super) struct Pair {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Pair {
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self { certificates: certificates(certificate)?, key: read_key(key)? })
    }

    /// What is in no file; `place` stands for it in an error.
    pub(super) fn of_pem(certificate: &str, key: &str, place: &Path) -> Result<Self, TlsError> {
        let certificates = CertificateDer::pem_slice_iter(certificate.as_bytes());
        let certificates = collected(certificates, place)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
        Ok(Self { certificates, key: key.map_err(|cause| no_key(cause, place))? })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path)
        .map_err(|cause| TlsError::caused(path, TlsErrorKind::Unreadable, cause))?;
    collected(read, path)
}

fn collected(
    read: impl Iterator<Item = Result<CertificateDer<'static>, pem::Error>>,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = read
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| TlsError::caused(path, TlsErrorKind::Unreadable, cause))?;
    if read.is_empty() { Err(TlsError::new(path, TlsErrorKind::NoCertificate)) } else { Ok(read) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|cause| no_key(cause, path))
}

fn no_key(cause: pem::Error, path: &Path) -> TlsError {
    if matches!(cause, pem::Error::NoItemsFound) {
        TlsError::new(path, TlsErrorKind::NoKey)
    } else {
        TlsError::caused(path, TlsErrorKind::Unreadable, cause)
    }
}

/// The authorities whose certificates are trusted.
pub(super) fn authorities(path: &Path) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|cause| TlsError::caused(path, TlsErrorKind::Unfit, cause))?;
    }
    Ok(Arc::new(roots))
}

/// A moment after the last one that a certificate can name (RFC 5280, 4.1.2.5): the year 10,000.
const BEYOND_ALL: Duration = Duration::from_secs(253_402_300_800);

/// The last moment of a certificate. `None`: it cannot be read.
pub(super) fn not_after(
    certificate: &CertificateDer<'_>,
    provider: &CryptoProvider,
) -> Option<SystemTime> {
    let algorithms = provider.signature_verification_algorithms.all;
    let then = UnixTime::since_unix_epoch(BEYOND_ALL);
    // The times are looked at before anything else.
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let checked = certificate.verify_for_usage(
        algorithms,
        &[],
        &[],
        then,
        KeyUsage::server_auth(),
        None,
        None,
    );
    match checked {
        Err(webpki::Error::CertExpired { not_after, .. }) => {
            // The second that it names is one of its own, to the end.
            Some(SystemTime::UNIX_EPOCH + Duration::new(not_after.as_secs(), 999_999_999))
        }
        Ok(_) | Err(_) => None,
    }
}

/// Whether the time of a certificate has begun and is not over.
pub(super) fn check_time(
    path: &Path,
    pair: &Pair,
    usage: KeyUsage,
    provider: &CryptoProvider,
) -> Result<(), TlsError> {
    let unfit = |cause| TlsError::caused(path, TlsErrorKind::Unfit, cause);
    let Some(own) = pair.certificates.first() else { return Ok(()) };
    let own = EndEntityCert::try_from(own).map_err(unfit)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let algorithms = provider.signature_verification_algorithms.all;
    // The times are looked at first. That no authority is known is of no interest here.
    let checked = own.verify_for_usage(
        algorithms,
        &[],
        &[],
        UnixTime::since_unix_epoch(now),
        usage,
        None,
        None,
    );
    match checked {
        Err(
            cause @ (webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }),
        ) => Err(TlsError::caused(path, TlsErrorKind::NotNow, cause)),
        Ok(_) | Err(_) => Ok(()),
    }
}
