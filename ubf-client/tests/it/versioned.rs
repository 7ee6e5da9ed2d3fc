//! Messages that have a form in each version.

use serde::{Deserialize, Serialize};
use ubf_client::{CallError, Incoming, TypedCallError};
use ubf_codec::Versioned;

use crate::script::{Script, within};

/// Version 2 knew names alone.
#[derive(Versioned, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[version(2, Name)]
#[version(3, Self)]
#[serde(rename = "user")]
struct User {
    name: String,
    age: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "name")]
struct Name {
    name: String,
}

impl TryFrom<&User> for Name {
    type Error = &'static str;

    fn try_from(user: &User) -> Result<Self, Self::Error> {
        match user.age {
            None => Ok(Self { name: user.name.clone() }),
            Some(_) => Err("no word for an age"),
        }
    }
}

impl From<Name> for User {
    fn from(Name { name }: Name) -> Self {
        Self { name, age: None }
    }
}

fn user(age: Option<u32>) -> User {
    User { name: "Joe".into(), age }
}

#[tokio::test]
async fn a_message_is_written_and_read_in_the_version_that_is_agreed_on() {
    for (version, form) in [(2, "{'name'\"Joe\"}"), (3, "{'user'\"Joe\"?}")] {
        let script = Script::new().await;
        let build = crate::script::without_session()
            .address(script.address())
            .versions(User::VERSIONS.iter().map(|version| version.get()))
            .configure(|config| config.grease = false)
            .connect();
        let server = async {
            let mut peer = script.accept().await;
            peer.hears("0 {'negotiate'1?#2&3&#{'max_packet'16777216}&}$").await;
            peer.says(&format!("{version} ? {{'agreed'1?#{version}&#}}$")).await;
            peer
        };
        let (client, mut peer) = within(async { tokio::join!(build, server) }).await;
        let client = client.unwrap();
        let mut events = client.events().unwrap().versioned::<User>();
        let server = async {
            peer.hears(&format!("{version} {form}$")).await;
            peer.says(&format!("{version} ? {{'event_out'{form}}}$")).await;
            peer.says(&format!("{version} ? {{{form}'start'}}$")).await;
            peer.hears(&format!("{version} {{'event_in'{form}}}$")).await;
        };
        let work = async {
            let reply = client.call_versioned::<User>(user(None)).await.unwrap();
            assert_eq!((reply.response, reply.version.get()), (user(None), version));
            client.cast_versioned(user(None)).await.unwrap();
        };
        within(async { tokio::join!(work, server) }).await;
        assert!(matches!(within(events.recv()).await, Some(Incoming::NewConnection(_))));
        assert_eq!(within(events.next_event()).await.unwrap().unwrap().event, user(None));
    }
}

#[tokio::test]
async fn what_a_version_has_no_words_for_is_not_sent_and_what_is_no_message_has_run() {
    let script = Script::new().await;
    let build = crate::script::without_session()
        .address(script.address())
        .versions([2])
        .configure(|config| config.grease = false)
        .connect();
    let server = async {
        let mut peer = script.accept().await;
        peer.hears("0 {'negotiate'1?#2&#{'max_packet'16777216}&}$").await;
        peer.says("2 ? {'agreed'1?#2&#}$").await;
        peer
    };
    let (client, mut peer) = within(async { tokio::join!(build, server) }).await;
    let client = client.unwrap();
    let error = within(client.call_versioned::<User>(user(Some(40)))).await.unwrap_err();
    assert!(matches!(error, TypedCallError::Call(CallError::Inexpressible { .. })), "{error}");
    let server = async {
        peer.hears("2 {'name'\"Joe\"}$").await;
        peer.says("2 ? {{'name'7}'start'}$").await;
    };
    let (outcome, ()) =
        within(async { tokio::join!(client.call_versioned::<User>(user(None)), server) }).await;
    let error = outcome.unwrap_err();
    assert!(error.may_have_run());
    assert!(error.to_string().contains("cannot be read in version 2: invalid type"), "{error}");
}
