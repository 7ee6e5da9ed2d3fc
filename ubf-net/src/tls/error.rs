//! What is wrong with the files of certificates and keys.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate, a key, or the certificates of authorities cannot be used. Its
/// [`source`](Error::source) is what was said of it.
#[derive(Clone, Debug)]
pub struct TlsError {
    path: PathBuf,
    kind: TlsErrorKind,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// It cannot be read, or is not PEM.
    Unreadable,
    /// No certificate is in it.
    NoCertificate,
    /// No private key is in it.
    NoKey,
    /// What is in it cannot be used as what it is to be: the key is of another certificate, for
    /// example.
    Unfit,
    /// The time of the certificate is over, or has not begun.
    NotNow,
}

impl TlsError {
    pub(super) fn new(path: &Path, kind: TlsErrorKind) -> Self {
        Self { path: path.to_owned(), kind, cause: None }
    }

    pub(super) fn caused(
        path: &Path,
        kind: TlsErrorKind,
        cause: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { cause: Some(Arc::new(cause)), ..Self::new(path, kind) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn kind(&self) -> TlsErrorKind {
        self.kind
    }
}

/// Two are the same if they say the same of the same file, whatever was the cause.
impl PartialEq for TlsError {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.kind == other.kind
    }
}

impl Eq for TlsError {}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TlsErrorKind::Unreadable => "cannot be read as PEM",
            TlsErrorKind::NoCertificate => "no certificate is in it",
            TlsErrorKind::NoKey => "no private key is in it",
            TlsErrorKind::Unfit => "cannot be used",
            TlsErrorKind::NotNow => "its time is over, or has not begun",
        };
        write!(f, "{}: {what}", self.path.display())
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
