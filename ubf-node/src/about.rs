//! What the programs say about themselves.

/// Version and commit: `0.1.0 (0123456789ab)`, or the version alone if the commit is not known.
pub const VERSION: &str = env!("UBF_VERSION");

/// The first digits of the commit that this was made from. `None`: it is not known, as in a package
/// that was made without git.
pub const COMMIT: Option<&str> = {
    let commit = env!("UBF_COMMIT");
    if commit.is_empty() { None } else { Some(commit) }
};
