//! The side that checks the other end's certificate, and may show one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use ubf_codec::Host;

use super::error::{TlsError, TlsErrorKind};
use super::files::{Pair, authorities, not_after};
use super::names::identity_of;
use super::{check_resumed, provider};
use crate::dial_error::DialError;
use crate::identity::Identity;
use crate::stream::Stream;

/// Makes TLS of the connections of a client. Cheap to clone: a [reload](Self::reload) of one is one
/// of all.
///
/// A certificate that is shown is read again from its files when its time is over, before the next
/// connection: whoever renews it need not tell the client.
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
    roots: Arc<RootCertStore>,
    /// Where the certificate and the key come from, if they come from files.
    files: Option<(PathBuf, PathBuf)>,
    current: RwLock<Current>,
}

/// What is shown, and to whom.
#[derive(Clone)]
pub(super) struct Current {
    config: Arc<ClientConfig>,
    shown: Option<Identity>,
    pub(super) not_after: Option<SystemTime>,
}

impl ClientTls {
    /// Trusts the certificates of these authorities, and no others. The client shows none of its
    /// own.
    ///
    /// # Errors
    /// If the file cannot be read, or is no PEM with certificates.
    pub fn trusting(authorities_file: impl AsRef<Path>) -> Result<Self, TlsError> {
        let roots = authorities(authorities_file.as_ref())?;
        Self::of(roots, None, None, authorities_file.as_ref())
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
        Self::of(Arc::new(roots), None, None, place)
    }

    fn of(
        roots: Arc<RootCertStore>,
        files: Option<(PathBuf, PathBuf)>,
        pair: Option<Pair>,
        path: &Path,
    ) -> Result<Self, TlsError> {
        let current = RwLock::new(Current::of(&roots, pair, path)?);
        Ok(Self(Arc::new(Inner { roots, files, current })))
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
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let pair = Pair::read(certificate, key)?;
        let files = (certificate.to_owned(), key.to_owned());
        Self::of(Arc::clone(&self.0.roots), Some(files), Some(pair), certificate)
    }

    /// The same with a certificate and a key that are in no file, both PEM.
    ///
    /// # Errors
    /// If one is no PEM, or the key is of another certificate.
    pub fn showing_pem(self, certificate: &str, key: &str) -> Result<Self, TlsError> {
        let place = Path::new("the certificate of the program");
        let pair = Pair::of_pem(certificate, key, place)?;
        Self::of(Arc::clone(&self.0.roots), None, Some(pair), place)
    }

    /// Shows none, not even to servers that want to see one.
    ///
    /// # Errors
    /// None that is known: rustls may refuse its own settings.
    pub fn showing_none(self) -> Result<Self, TlsError> {
        Self::of(Arc::clone(&self.0.roots), None, None, Path::new("no certificate"))
    }

    /// Reads the files of the certificate again. Connections that are made from here on show what
    /// is in them; those that are there go on.
    ///
    /// # Errors
    /// As for [`showing`](Self::showing). Then all stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Some((certificate, key)) = &self.0.files else { return Ok(()) };
        let pair = Pair::read(certificate, key)?;
        let current = Current::of(&self.0.roots, Some(pair), certificate)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    pub(super) fn current(&self) -> Current {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// By which names a server knows this client, if it wants to see a certificate. `None`: the
    /// client shows none.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        self.current().shown
    }

    /// What is shown to the next server. A certificate that is over is read again: if there is no
    /// other one in its files, or none that is of use, the server says what it thinks of it.
    fn config(&self) -> Arc<ClientConfig> {
        if self.current().not_after.is_some_and(|end| end < SystemTime::now()) {
            let _is_renewed = self.reload().is_ok();
        }
        self.current().config
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
        let connector = TlsConnector::from(self.config());
        let connected = connector.connect(name, stream).await.map_err(DialError::tls)?;
        check_resumed(connected.get_ref().1).map_err(DialError::tls)?;
        Ok(Stream::own(connected))
    }
}

impl Current {
    fn of(roots: &Arc<RootCertStore>, pair: Option<Pair>, path: &Path) -> Result<Self, TlsError> {
        let unfit = |cause| TlsError::caused(path, TlsErrorKind::Unfit, cause);
        let provider = provider();
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_root_certificates(Arc::clone(roots));
        let own = pair.as_ref().and_then(|pair| pair.certificates.first());
        let shown = own.and_then(identity_of);
        let not_after = own.and_then(|own| not_after(own, &provider));
        let config = match pair {
            Some(Pair { certificates, key }) => {
                config.with_client_auth_cert(certificates, key).map_err(unfit)?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Self { config: Arc::new(config), shown, not_after })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorities = self.0.roots.len();
        f.debug_struct("ClientTls").field("authorities", &authorities).finish_non_exhaustive()
    }
}
