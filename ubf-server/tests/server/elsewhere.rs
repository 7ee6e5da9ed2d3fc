//! A service whose rows and sessions another server owns (R4, S2).

use std::sync::Arc;

use ubf_server::{OwnerInput, OwnerLink, Server, Service, SessionOwner, Versions};

use crate::support::{actor, start_with};

/// It knows version 3 alone.
#[derive(Debug)]
struct Owner(Option<&'static str>);

impl SessionOwner for Owner {
    fn versions(&self) -> Versions {
        Versions::of([3])
    }

    fn elsewhere(&self) -> Option<ubf_codec::NextIp> {
        self.0.map(|next_ip| next_ip.parse().unwrap())
    }

    fn take(&self, _: &Arc<OwnerLink>, input: OwnerInput) {
        assert!(matches!(input, OwnerInput::Closed), "nobody has a version for more: {input:?}");
    }
}

#[tokio::test]
async fn r4_who_has_no_version_in_common_is_sent_to_the_owner_who_may_have_one() {
    for (owner, named) in [(Some("192.0.2.9:4000"), "\"192.0.2.9:4000\""), (None, "?")] {
        let builder =
            Server::builder().owned_service(Service::named("rows"), Arc::new(Owner(owner)));
        let server = start_with(builder, actor()).await;
        let mut peer = server.connect().await;
        let told = format!("0 {named} {{'no_common_version'1\"rows\"#3&}}$");
        peer.exchange("0 {'negotiate'1\"rows\"#9&4&#}$", &told).await;
        // With the wish for a session, too: it is not opened.
        let mut peer = server.connect().await;
        let wish = "0 {'negotiate'1\"rows\"#9&#{'session'16~0123456789abcdef~8 1000 60000}&}$";
        peer.exchange(wish, &told).await;
        // Of another service nothing is owned elsewhere.
        let mut peer = server.connect().await;
        let told = "0 ? {'no_common_version'1?#1&2&3&4&5&9&10&14&}$";
        peer.exchange("0 {'negotiate'1?#77&#}$", told).await;
        drop(peer);
        server.stop().await;
    }
}
