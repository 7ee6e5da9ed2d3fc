//! The side that shows a certificate, and may want to see one.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use webpki::{EndEntityCert, KeyUsage};

use super::error::{TlsError, TlsErrorKind};
use super::files::{Pair, authorities, check_time};
use super::provider;
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
    config: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// If one cannot be read, or what is in it cannot be used: the key is of another certificate,
    /// or the certificate's time is over, for example.
    pub fn from_files(files: ServerFiles) -> Result<Self, TlsError> {
        let config = RwLock::new(Arc::new(read(&files)?));
        Ok(Self(Arc::new(Inner { files, config })))
    }

    /// Reads the files again. Connections that are made from here on use what is in them; those
    /// that are there go on.
    ///
    /// # Errors
    /// As for [`from_files`](Self::from_files). Then all stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(read(&self.0.files)?);
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
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
    /// If the other end does not speak TLS, or shows no certificate that is trusted.
    pub async fn accept(&self, stream: Stream) -> io::Result<(Stream, Option<Identity>)> {
        let config = Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner));
        let accepted = TlsAcceptor::from(config).accept(stream).await?;
        let shown = accepted.get_ref().1.peer_certificates();
        let identity = shown.and_then(|shown| identity_of(shown.first()?));
        Ok((Stream::own(accepted), identity))
    }
}

fn read(files: &ServerFiles) -> Result<ServerConfig, TlsError> {
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
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            config.with_client_cert_verifier(
                verifier.map_err(|cause| TlsError::caused(path, TlsErrorKind::Unfit, cause))?,
            )
        }
        None => config.with_no_client_auth(),
    };
    config.with_single_cert(pair.certificates, pair.key).map_err(unfit)
}

/// The names of a certificate that was found to be good.
fn identity_of(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let read = EndEntityCert::try_from(certificate).ok();
    let names = read.iter().flat_map(|read| read.valid_uri_names().chain(read.valid_dns_names()));
    Identity::of_names(names).or_else(|| {
        let hash: [u8; 32] = Sha256::digest(certificate).into();
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Identity::new(&format!("sha256:{digits}"))
    })
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.0.files).finish_non_exhaustive()
    }
}
