//! The side that shows a certificate, and may want to see one.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use webpki::KeyUsage;

use super::error::{TlsError, TlsErrorKind};
use super::files::{Pair, authorities, check_time, not_after};
use super::names::identity_of;
use super::{check_resumed, provider};
use crate::identity::Identity;
use crate::stream::Stream;

/// The files of a server, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerFiles {
    /// Its certificate, and behind it those that lead to an authority that clients know.
    pub certificate: PathBuf,
    /// The key of its certificate.
    pub key: PathBuf,
    /// The authorities of clients. With them, each client has to show a certificate of one of them,
    /// and has an [`Identity`] from there on.
    pub client_authorities: Option<PathBuf>,
}

impl ServerFiles {
    /// A server that shows this certificate and wants to see none.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), client_authorities: None }
    }

    /// Each client has to show a certificate of one of these authorities.
    #[must_use]
    pub fn with_client_authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_authorities = Some(path.into());
        self
    }
}

/// Makes TLS of the connections of a server. Cheap to clone: a [reload](Self::reload) of one is one
/// of all.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    files: ServerFiles,
    current: RwLock<Current>,
}

/// What was in the files.
struct Current {
    config: Arc<ServerConfig>,
    not_after: Option<SystemTime>,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read, or what is in it cannot be used: the key is of another certificate,
    /// or the certificate's time is over, for example.
    pub fn from_files(files: ServerFiles) -> Result<Self, TlsError> {
        let current = RwLock::new(read(&files)?);
        Ok(Self(Arc::new(Inner { files, current })))
    }

    /// Reads the files again. Connections that are made from here on use what is in them; those
    /// that are there go on.
    ///
    /// # Errors
    /// As for [`from_files`](Self::from_files). Then all stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let current = read(&self.0.files)?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last moment of the certificate that is shown. After it clients refuse it; it is shown
    /// nevertheless, until others are in the files. `None`: it says none that can be read.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.current().not_after
    }

    /// The files that it was made of.
    #[must_use]
    pub fn files(&self) -> &ServerFiles {
        &self.0.files
    }

    /// Speaks TLS on a stream, and tells who is at the other end if that was shown: the client is
    /// known by the names of its certificate, URIs before names of hosts, or by `sha256:` and the
    /// certificate's hash if it has none.
    ///
    /// It takes as long as the client does: its caller limits the time.
    ///
    /// # Errors
    /// If the other end does not speak TLS, or shows no certificate that is trusted, and of its
    /// time.
    pub async fn accept(&self, stream: Stream) -> io::Result<(Stream, Option<Identity>)> {
        let config = Arc::clone(&self.current().config);
        let accepted = TlsAcceptor::from(config).accept(stream).await?;
        let connection = accepted.get_ref().1;
        check_resumed(connection)?;
        let shown = connection.peer_certificates().and_then(<[_]>::first);
        let identity = shown.and_then(identity_of);
        Ok((Stream::own(accepted), identity))
    }
}

fn read(files: &ServerFiles) -> Result<Current, TlsError> {
    let ServerFiles { certificate, key, client_authorities } = files;
    let unfit = |cause| TlsError::caused(certificate, TlsErrorKind::Unfit, cause);
    let pair = Pair::read(certificate, key)?;
    let provider = provider();
    check_time(certificate, &pair, KeyUsage::server_auth(), &provider)?;
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?;
    let config = match client_authorities {
        Some(path) => {
            let roots = authorities(path)?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            config.with_client_cert_verifier(
                verifier.map_err(|cause| TlsError::caused(path, TlsErrorKind::Unfit, cause))?,
            )
        }
        None => config.with_no_client_auth(),
    };
    let not_after = pair.certificates.first().and_then(|own| not_after(own, &provider));
    let config = config.with_single_cert(pair.certificates, pair.key).map_err(unfit)?;
    Ok(Current { config: Arc::new(config), not_after })
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.0.files).finish_non_exhaustive()
    }
}
