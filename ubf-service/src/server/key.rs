//! Under which key a session stands in the store (S9).

use sha2::{Digest as _, Sha256};
use ubf_proto::session::SessionId;
use ubf_state::SessionKey;

/// The first half of a SHA-256 of the Id. The Id is random in all of its bytes, so nobody who reads
/// a backup finds it, and nobody can go on with a session of it.
pub(super) fn key_of(id: &SessionId) -> SessionKey {
    let hash: [u8; 32] = Sha256::digest(id.to_bytes()).into();
    let mut key = [0; 16];
    key.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    SessionKey::from_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s9_a_key_is_half_of_the_sha_256_of_the_id() {
        // printf 0123456789abcdef | sha256sum
        let key = key_of(&SessionId::from_bytes(*b"0123456789abcdef")).to_bytes();
        assert_eq!(key[..4], [0x9f, 0x9f, 0x51, 0x11]);
    }
}
