//! Calls that wait when the write version is lowered (T6): rows cannot hold what they say any more.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use ubf_codec::{Version, Versioned};
use ubf_net::testing::{ScriptedPeer, within};
use ubf_server::{Server, Service};
use ubf_service::server::{Keeper, KeeperConfig};
use ubf_service::{Caller, Do, Lost, Row, StatefulService, Step, Table, Tx, tables};
use ubf_store::Memory;

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct OldPrice(u64);
impl Row for OldPrice {
    const VERSION: u32 = 1;
    type Before = ();
}

/// A price has a currency from version 2 on.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Price(u64, String);
impl Row for Price {
    const VERSION: u32 = 2;
    type Before = OldPrice;
}
impl Step<Price> for OldPrice {
    fn up(self) -> Price {
        Price(self.0, String::new())
    }
    fn down(new: &Price, lost: &mut Lost) -> Self {
        if !new.1.is_empty() {
            lost.field("currency");
        }
        Self(new.0)
    }
}
static PRICES: Table<u64, Price> = Table::new("prices");

#[derive(Versioned, Serialize, Deserialize)]
#[version(1..=2, Self)]
struct Words(u64, String);

#[derive(Default)]
struct Shop {
    /// A call waits to be prepared.
    waits: Notify,
    gate: Notify,
}

impl StatefulService for Shop {
    type Request = Words;
    type Reply = Words;
    type Timer = ();
    const STATE: (u32, u32) = (1, 2);
    tables!(PRICES);

    fn needs(version: Version) -> u32 {
        version.get()
    }

    async fn prepare(&self, request: Words) -> Words {
        if request.1 == "slow" {
            self.waits.notify_one();
            self.gate.notified().await;
        }
        request
    }

    fn apply(&self, _: &Caller<'_>, Words(key, currency): Words, tx: &mut Tx<'_>) -> Do<Words> {
        let before = tx.get(&PRICES, &key)?.map_or(String::new(), |price| price.1);
        tx.put(&PRICES, &key, &Price(key, currency))?;
        Ok(Words(key, before))
    }
}

#[tokio::test]
async fn t6_a_call_that_waits_while_the_version_is_lowered_is_refused_and_loses_nothing() {
    let start = || Keeper::start(Shop::default(), Box::new(Memory::new()), KeeperConfig::default());
    let keeper = within(tokio::task::spawn_blocking(start)).await.unwrap().unwrap();
    let owner = Arc::clone(&keeper);
    let builder = Server::builder().listen("127.0.0.1:0").owned_service(Service::DEFAULT, owner);
    let server = builder.bind().await.unwrap();
    let (address, handle) = (server.addresses()[0], server.handle());
    let task = tokio::spawn(server.run());

    let mut peer = ScriptedPeer::connect(address).await;
    peer.exchange("2 {'Words'7\"EUR\"}$", "2 ? {{'Words'7\"\"}'start'}$").await;
    peer.send("2 {'Words'7\"slow\"}$").await;
    within(keeper.service().waits.notified()).await;
    // As the node does it: nobody is offered it any more, and then it is lowered.
    assert!(handle.withdraw(&Service::DEFAULT, Version::new(2).unwrap()));
    within(keeper.lower()).await.unwrap();
    keeper.service().gate.notify_one();
    // N4: its client negotiates, and makes of the call what can be said.
    assert_eq!(peer.packet().await, "0 ? {'refused'{'version'2}#1&2}$");
    peer.exchange("1 {'Words'8\"\"}$", "1 ? {{'Words'8\"\"}'start'}$").await;
    peer.exchange("1 {'Words'7\"\"}$", "1 ? {{'Words'7\"EUR\"}'start'}$").await;
    drop(peer);
    handle.shut_down(Duration::from_secs(5));
    assert!(within(task).await.unwrap().is_clean());
    within(tokio::task::spawn_blocking(move || keeper.close())).await.unwrap().unwrap();
}
