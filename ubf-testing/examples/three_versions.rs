//! Three versions of a contract, and one place where each message says what it is in each of them.
//!
//! A shop asks a warehouse for prices. Version 1 knew whole euros, version 2 cents, version 3 other
//! currencies. Both programs work with one type for each message; what a version says is a type of
//! its own, and conversions between the two.
//!
//! ```text
//! cargo run -p ubf-testing --example three_versions
//! ```

#![allow(
    clippy::print_stdout,
    clippy::panic,
    reason = "an example shows what happens, and a test fails by a panic"
)]

use std::error::Error;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ubf_client::{CallError, Client, TypedCallError};
use ubf_codec::{Version, Versioned};
use ubf_server::{Call, Handlers, Reply, Server, Service, Versions};

/// What the shop asks for. It is the same in all versions, but for the currency.
#[derive(Versioned, Serialize, Deserialize, Clone, Debug)]
#[version(1..=2, v1::Ask)]
#[version(3, Self)]
#[serde(rename = "ask")]
struct Ask {
    article: String,
    currency: String,
}

/// What the warehouse answers.
#[derive(Versioned, Serialize, Deserialize, PartialEq, Debug)]
#[version(1, v1::Price)]
#[version(2, v2::Price)]
#[version(3, Self)]
#[serde(rename = "price")]
struct Price {
    cents: u64,
    currency: String,
}

mod v1 {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "ask")]
    pub(crate) struct Ask {
        pub(crate) article: String,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "euros")]
    pub(crate) struct Price {
        pub(crate) whole: u64,
    }
}

mod v2 {
    use super::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(rename = "cents")]
    pub(crate) struct Price {
        pub(crate) cents: u64,
    }
}

const EURO: &str = "EUR";

impl TryFrom<&Ask> for v1::Ask {
    type Error = &'static str;

    fn try_from(ask: &Ask) -> Result<Self, Self::Error> {
        if ask.currency == EURO {
            Ok(Self { article: ask.article.clone() })
        } else {
            Err("prices are in euros")
        }
    }
}

impl From<v1::Ask> for Ask {
    fn from(v1::Ask { article }: v1::Ask) -> Self {
        Self { article, currency: EURO.into() }
    }
}

impl From<&Price> for v1::Price {
    /// Older programs see a price that is never too low.
    fn from(price: &Price) -> Self {
        Self { whole: price.cents.div_ceil(100) }
    }
}

impl From<v1::Price> for Price {
    fn from(v1::Price { whole }: v1::Price) -> Self {
        Self { cents: whole.saturating_mul(100), currency: EURO.into() }
    }
}

impl From<&Price> for v2::Price {
    fn from(price: &Price) -> Self {
        Self { cents: price.cents }
    }
}

impl From<v2::Price> for Price {
    fn from(v2::Price { cents }: v2::Price) -> Self {
        Self { cents, currency: EURO.into() }
    }
}

/// The numbers of a message's versions up to this one.
fn up_to(versions: &[Version], last: u32) -> Vec<u32> {
    versions.iter().map(|version| version.get()).filter(|&number| number <= last).collect()
}

/// One handler for all versions.
fn warehouse(versions: Vec<u32>) -> Handlers<()> {
    Handlers::new().on(Versions::of(versions), |call: Call<()>| async move {
        let version = call.version();
        let answer = Ask::from_term(version, call.term())
            .and_then(|ask| Price { cents: 1_999, currency: ask.currency }.to_term(version));
        match answer {
            Ok(price) => Reply::new(price, "open"),
            Err(error) => Reply::broken_contract(call.term(), &[&error.to_string()], "open"),
        }
    })
}

async fn shop_of(address: &str, versions: Vec<u32>) -> Result<Client, Box<dyn Error>> {
    Ok(Client::builder().address(address).versions(versions).connect().await?)
}

fn ask(currency: &str) -> Ask {
    Ask { article: "lamp".into(), currency: currency.into() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    for (server_has, shop_has, expected) in
        [(1, 3, 2_000), (3, 1, 2_000), (3, 2, 1_999), (3, 3, 1_999)]
    {
        let service = warehouse(up_to(Ask::VERSIONS, server_has));
        let server = Server::builder()
            .listen("127.0.0.1:0")
            .service(Service::DEFAULT, service)
            .bind()
            .await?;
        let [address] = server.addresses() else { panic!("one address was given") };
        let address = address.to_string();
        let handle = server.handle();
        let running = tokio::spawn(server.run());

        let shop = shop_of(&address, up_to(Ask::VERSIONS, shop_has)).await?;
        let reply = shop.call_versioned::<Price>(ask(EURO)).await?;
        println!(
            "server {server_has}, shop {shop_has}: {:?} in version {}",
            reply.response, reply.version
        );
        assert_eq!(reply.response, Price { cents: expected, currency: EURO.into() });

        // What a version has no words for is an error of that call alone.
        let crowns = shop.call_versioned::<Price>(ask("SEK")).await;
        match (reply.version.get(), crowns) {
            (3, Ok(reply)) => assert_eq!(reply.response.currency, "SEK"),
            (1 | 2, Err(TypedCallError::Call(CallError::Inexpressible { version }))) => {
                println!("  version {version} has no words for crowns");
            }
            (_, other) => panic!("{other:?}"),
        }
        shop.close(Duration::from_secs(1)).await;
        handle.shut_down(Duration::from_secs(1));
        assert!(running.await?.is_clean(), "no call was cut");
    }
    Ok(())
}
