//! Why rows cannot be kept.

use std::fmt;

use ubf_service::server::KeeperError;
use ubf_store::StoreError;

/// Why rows cannot be kept, from the outside in.
#[derive(Debug)]
pub(crate) struct Unkept {
    pub(super) place: String,
    pub(super) error: Box<dyn std::error::Error + Send + Sync>,
}

impl Unkept {
    pub(super) fn opening(place: &str, error: StoreError) -> Self {
        Self { place: place.into(), error: Box::new(KeeperError::from(error)) }
    }
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, Causes(&*self.error))
    }
}

impl std::error::Error for Unkept {}

/// An error and what it comes from, on a line.
pub(crate) struct Causes<'e>(pub(crate) &'e (dyn std::error::Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(cause) = error.source() {
            write!(f, ": {cause}")?;
            error = cause;
        }
        Ok(())
    }
}
