//! Handlers that know no versions, since their messages do.

use ubf_codec::{Term, TermRef, Version, Versioned, VersionedError, ubf};
use ubf_server::testing::{Answer, TestServer};
use ubf_server::{Call, EventError, Failure, Handlers};

const fn version(number: u32) -> Version {
    match Version::new(number) {
        Some(version) => version,
        None => Version::MAX,
    }
}

/// A question for a price, in version 1 to 3: an atom, later with the currency.
struct Ask;

impl Versioned for Ask {
    const VERSIONS: &'static [Version] = &[version(1), version(2), version(3)];

    fn to_term(&self, _: Version) -> Result<Term, VersionedError> {
        Ok(ubf!(price))
    }

    fn from_term(version: Version, term: TermRef<'_>) -> Result<Self, VersionedError> {
        if term.is_atom("price") {
            return Ok(Self);
        }
        Err(VersionedError::unreadable(version, "expected price"))
    }
}

/// A price. Version 1 knows whole euros alone, and version 3 has none.
struct Price(u32);

impl Versioned for Price {
    const VERSIONS: &'static [Version] = &[version(1), version(2)];

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        match version.get() {
            1 if self.0.is_multiple_of(100) => Ok(ubf!({euros, (self.0 / 100)})),
            1 => Err(VersionedError::no_form(version)),
            _ => Ok(ubf!({cents, (self.0)})),
        }
    }

    fn from_term(version: Version, _: TermRef<'_>) -> Result<Self, VersionedError> {
        Err(VersionedError::no_form(version))
    }
}

async fn price(call: Call<u32>, Ask: Ask) -> Result<Price, Failure> {
    let price = Price(*call.state());
    match call.events().try_send_versioned(&price) {
        // Version 1 has no words for it: the response says so, too.
        Ok(()) | Err(EventError::NoForm(_)) => Ok(price),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn one_handler_answers_in_each_version_that_its_messages_have() {
    let shop =
        |cents| Handlers::with_state(move |_| cents).state_name(|_| "open").on_versioned(price);
    let server = TestServer::of(shop(500)).await.unwrap();
    for (version, expected) in [(1, ubf!({euros, 5})), (2, ubf!({cents, 500}))] {
        let mut client = server.client(version);
        let reply = Answer::reply(expected.clone(), "open");
        assert_eq!(client.call(ubf!(price)).await.unwrap(), reply);
        assert_eq!(client.event().await.unwrap().event, expected);
    }
    let mut client = server.client(3);
    let refused = Answer::Refused { why: ubf!({version, 3}) };
    assert_eq!(client.call(ubf!(price)).await.unwrap(), refused);
    client.speak(2);
    let why = "cannot be read in version 2: expected price";
    let broken = Answer::reply(ubf!({clientBrokeContract, cost, [(why)]}), "open");
    assert_eq!(client.call(ubf!(cost)).await.unwrap(), broken);

    // What version 1 cannot say has failed, and is no crash.
    let server = TestServer::of(shop(501)).await.unwrap();
    let failed = Answer::Failed { why: Term::atom("error") };
    assert_eq!(server.client(1).call(ubf!(price)).await.unwrap(), failed);
    assert_eq!(server.handle().status().counts.failed, 0);
}
