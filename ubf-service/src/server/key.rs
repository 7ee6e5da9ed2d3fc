//! Under which key a session stands in the store (S9).

use sha2::{Digest as _, Sha256};
use ubf_proto::session::SessionId;
use ubf_server::Identity;
use ubf_state::SessionKey;

/// The first half of a SHA-256 of the Id. The Id is random in all of its bytes, so nobody who reads
/// a backup finds it, and nobody can go on with a session of it.
///
/// S9.4: the session of a client that has shown who it is stands under another key, with the
/// client's name in the hash. So nobody else finds it, under whatever Id.
pub(super) fn key_of(id: &SessionId, owner: Option<&Identity>) -> SessionKey {
    let mut hash = Sha256::new_with_prefix(id.to_bytes());
    if let Some(owner) = owner {
        hash.update(owner.name());
    }
    let hash: [u8; 32] = hash.finalize().into();
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
        let id = SessionId::from_bytes(*b"0123456789abcdef");
        assert_eq!(key_of(&id, None).to_bytes()[..4], [0x9f, 0x9f, 0x51, 0x11]);
    }

    #[test]
    fn s9_a_session_of_an_identity_is_found_by_nobody_else() {
        let id = SessionId::from_bytes(*b"0123456789abcdef");
        let [till, other] = ["till-7", "till-8"].map(Identity::new);
        let keys = [None, till.as_ref(), other.as_ref()].map(|owner| key_of(&id, owner));
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
        // printf 0123456789abcdeftill-7 | sha256sum
        assert_eq!(keys[1].to_bytes()[..4], [0x57, 0x3f, 0x92, 0xdd]);
    }
}
