//! The side that checks the other end's certificate, and may show one.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use ubf_codec::Host;

use super::error::{TlsError, TlsErrorKind};
use super::files::{Pair, authorities};
use super::provider;
use crate::dial_error::DialError;
use crate::stream::Stream;

/// Makes TLS of the connections of a client. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls {
    roots: Arc<RootCertStore>,
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts the certificates of these authorities, and no others. The client shows none of its
    /// own.
    ///
    /// # Errors
    /// If the file cannot be read, or is no PEM with certificates.
    pub fn trusting(authorities_file: impl AsRef<Path>) -> Result<Self, TlsError> {
        let roots = authorities(authorities_file.as_ref())?;
        let config = config(&roots, None, authorities_file.as_ref())?;
        Ok(Self { roots, config })
    }

    /// Trusts the certificates of the authorities that the system trusts, as they are at this moment;
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others. The client shows none of its own.
    ///
    /// # Errors
    /// If the system has none that can be read.
    #[cfg(feature = "system-roots")]
    #[cfg_attr(docsrs, doc(cfg(feature = "system-roots")))]
    pub fn of_system() -> Result<Self, TlsError> {
        let place = Path::new("the authorities of the system");
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // A system may have some that nobody understands: the others are of use.
        let (added, _ignored) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let none = TlsErrorKind::NoCertificate;
            return Err(match found.errors.into_iter().next() {
                Some(error) => TlsError::caused(place, none, error),
                None => TlsError::new(place, none),
            });
        }
        let roots = Arc::new(roots);
        let config = config(&roots, None, place)?;
        Ok(Self { roots, config })
    }

    /// Shows a certificate to servers that want to see one.
    ///
    /// # Errors
    /// If a file cannot be read, or the key is of another certificate.
    pub fn showing(
        self,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let pair = Pair::read(certificate.as_ref(), key.as_ref())?;
        let config = config(&self.roots, Some(pair), certificate.as_ref())?;
        Ok(Self { config, ..self })
    }

    /// Speaks TLS on a stream with a server whose certificate is for this name, or IP address.
    ///
    /// It takes as long as the server does: its caller limits the time.
    ///
    /// # Errors
    /// If the other end does not speak TLS, or its certificate is not trusted, is over, or is for
    /// somebody else. A server that wants to see a certificate may say so only later, by closing.
    pub async fn connect(&self, name: &Host, stream: Stream) -> Result<Stream, DialError> {
        let name = match name {
            Host::V4(ip) => ServerName::from(std::net::IpAddr::V4(*ip)),
            Host::V6(ip) => ServerName::from(std::net::IpAddr::V6(*ip)),
            Host::Name(name) => ServerName::try_from(name.to_string())
                .map_err(|error| DialError::tls(io::Error::other(error)))?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await.map(Stream::own).map_err(DialError::tls)
    }
}

fn config(
    roots: &Arc<RootCertStore>,
    pair: Option<Pair>,
    path: &Path,
) -> Result<Arc<ClientConfig>, TlsError> {
    let unfit = |cause| TlsError::caused(path, TlsErrorKind::Unfit, cause);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(Arc::clone(roots));
    let config = match pair {
        Some(Pair { certificates, key }) => {
            config.with_client_auth_cert(certificates, key).map_err(unfit)?
        }
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("authorities", &self.roots.len()).finish_non_exhaustive()
    }
}
