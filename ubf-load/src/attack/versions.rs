//! What a server speaks.

use ubf_codec::{TermRef, View};

use super::error::AttackError;
use super::target::{STOCK_VERSION, Target, UNSPOKEN};
use super::wire::{Heard, Wire};

/// Asks the server which versions it speaks, and gives them lowest first. There is one at least.
pub(super) async fn ask_versions(target: &Target) -> Result<Vec<u32>, AttackError> {
    let address = target.address;
    if target.stock.is_some() {
        let wire =
            Wire::open(target).await.map_err(|source| AttackError::Connect { address, source })?;
        let agreed = wire.agree(target).await;
        return agreed
            .map(|_| vec![STOCK_VERSION])
            .map_err(|heard| AttackError::NoHello { address, heard });
    }
    let mut wire =
        Wire::open(target).await.map_err(|source| AttackError::Connect { address, source })?;
    wire.send(&target.negotiate(UNSPOKEN)).await;
    let heard = wire.hear(target.max_wait).await;
    let Heard::Packet { body, .. } = &heard else {
        return Err(AttackError::NoAnswer { address, heard: heard.text() });
    };
    let mut versions = spoken(body.root());
    versions.sort_unstable();
    if versions.is_empty() {
        return Err(AttackError::NoVersion { address, heard: heard.text() });
    }
    Ok(versions)
}

/// The versions in a `no_common_version`.
fn spoken(answer: TermRef<'_>) -> Vec<u32> {
    let View::Tuple(answer) = answer.view() else { return Vec::new() };
    let Some(View::List(versions)) = answer.get(3).map(|versions| versions.view()) else {
        return Vec::new();
    };
    versions.iter().filter_map(|version| u32::try_from(version.as_i64()?).ok()).collect()
}
