//! The words of kv's third version as Rust types, as a client has them: its contract is made of
//! them, and the service answers with them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ubf_codec::serde::{from_term, to_term};
use ubf_codec::{Term, ubf};
use ubf_contract::{ContractBuilder, Described, Message};
use ubf_node::services::Kv;
use ubf_server::Versions;
use ubf_server::testing::{Answer, TestClient, TestServer};

use crate::contracts::{contract, held};

/// Keys and values are any terms.
#[derive(Serialize, Described)]
#[serde(rename_all = "snake_case")]
enum Request {
    Get(Term),
    /// A value that is undefined deletes.
    Put(Term, Option<Term>),
    Delete(Term),
    /// Key, old value, new value.
    Cas(Term, Option<Term>, Option<Term>),
    /// The key after which the page begins, and the most entries.
    Scan(Option<Term>, #[contract(type = "1..1000")] u16),
}

#[derive(Deserialize, Described, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Change {
    /// The number of changes so far.
    Ok(#[contract(type = "non_neg_integer()")] u64),
    Error(Why),
}

#[derive(Deserialize, Described, Debug, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Why {
    /// The store has no room for it.
    Full,
}

#[derive(Deserialize, Described, Debug, PartialEq)]
struct Value(#[contract(type = "any(nonundefined)")] Term);

/// The change that made a value.
#[derive(Deserialize, Described, Debug, PartialEq)]
struct Revision(#[contract(type = "pos_integer()")] u64);

/// A value and its revision; undefined and 0, if there is none.
#[derive(Deserialize, Described, Debug, PartialEq)]
#[serde(rename = "value")]
#[contract(type = "{value, any(nonundefined), pos_integer()} | {value, undefined, 0}")]
struct Found(Option<Term>, u64);

/// What stood there in the place of the old value.
#[derive(Deserialize, Described, Debug, PartialEq)]
#[serde(rename = "conflict")]
#[contract(type = "{conflict, any(nonundefined), pos_integer()} | {conflict, undefined, 0}")]
struct Conflict(Option<Term>, u64);

/// Entries, and the key to go on after; undefined at the end.
#[derive(Deserialize, Described, Debug, PartialEq)]
#[serde(rename = "page")]
struct Page(Vec<(Term, Value, Revision)>, Option<Term>);

#[test]
fn c1_the_contract_of_kv_is_that_of_its_words() {
    let code = ContractBuilder::new("kv", "3").state("start", |rules| {
        let request = Message::variant::<Request>;
        let [done, error] = ["ok", "error"].map(|name| (Message::variant::<Change>(name), "start"));
        rules.call(request("get"), [(Message::of::<Found>(), "start")]);
        rules.call(request("put"), [done.clone(), error.clone()]);
        rules.call(request("delete"), [done.clone()]);
        rules.call(request("cas"), [done, (Message::of::<Conflict>(), "start"), error]);
        rules.call(request("scan"), [(Message::of::<Page>(), "start")]);
    });
    if let Err(differences) = contract("kv", 3).agrees_with(&code.build().unwrap()) {
        panic!("{differences}");
    }
}

async fn ask<T: DeserializeOwned>(client: &mut TestClient, request: Request) -> T {
    let answer = client.call(to_term(&request).unwrap()).await.unwrap();
    let Answer::Reply { response, state } = answer else { panic!("{answer:?}") };
    assert_eq!(state, ubf!(start));
    from_term(&response).unwrap()
}

#[tokio::test]
async fn kv_answers_these_words_with_these_words() {
    let server = TestServer::of(held("kv", Kv::new(&Versions::of([3])))).await.unwrap();
    let mut client = server.client(3);
    let [key, one, two] = ["key", "one", "two"].map(Term::string);
    let put = Request::Put(key.clone(), Some(one.clone()));
    assert_eq!(ask::<Change>(&mut client, put).await, Change::Ok(1));
    let found: Found = ask(&mut client, Request::Get(key.clone())).await;
    assert_eq!(found, Found(Some(one.clone()), 1));
    let swap = Request::Cas(key.clone(), Some(two.clone()), Some(ubf!(x)));
    assert_eq!(ask::<Conflict>(&mut client, swap).await, Conflict(Some(one.clone()), 1));
    let entry = (key.clone(), Value(one), Revision(1));
    let page: Page = ask(&mut client, Request::Scan(None, 1000)).await;
    assert_eq!(page, Page(vec![entry], None));
    assert_eq!(ask::<Change>(&mut client, Request::Delete(key.clone())).await, Change::Ok(2));
    assert_eq!(ask::<Found>(&mut client, Request::Get(key)).await, Found(None, 0));
}
