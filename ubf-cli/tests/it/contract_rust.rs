//! Code from contracts: what `ubf contract rust` writes is in `generated`, where it is compiled;
//! and it is used, against the real services and as one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use ubf_client::{Client, Incoming};
use ubf_codec::serde::{from_term, to_term};
use ubf_codec::{Term, ubf};
use ubf_contract::{Checker, Faker, Reader};
use ubf_node::services::{Irc, Kv};
use ubf_server::testing::TestServer;
use ubf_server::{Failure, Versions};

use crate::common::good;
use crate::generated::{irc_2, kv_3, zoo};

/// Each contract with its code: `ubf contract rust CONTRACT > CODE` writes it anew.
const GENERATED: [(&str, &str, &str); 3] = [
    ("../ubf-node/contracts/kv-3.con", "kv_3.rs", include_str!("generated/kv_3.rs")),
    ("../ubf-node/contracts/irc-2.con", "irc_2.rs", include_str!("generated/irc_2.rs")),
    ("tests/it/generated/zoo.con", "zoo.rs", include_str!("generated/zoo.rs")),
];

#[test]
fn the_code_that_is_tested_here_is_what_the_tool_writes() {
    for (contract, name, code) in GENERATED {
        let written = good(&["contract", "rust", contract], "");
        assert!(
            written == code,
            "ubf contract rust {contract} > ubf-cli/tests/it/generated/{name}"
        );
    }
}

#[test]
fn each_side_can_have_its_code_alone() {
    let contract = GENERATED[0].0;
    let server = good(&["contract", "rust", contract, "--only", "server"], "");
    let client = good(&["contract", "rust", contract, "--only", "client"], "");
    for (code, has, has_not) in
        [(server, "pub trait Service", "ubf_client"), (client, "pub trait Calls", "ubf_server")]
    {
        assert!(code.contains(has) && !code.contains(has_not), "{code}");
    }
}

/// A client of this service in memory.
async fn client_of(server: &TestServer, version: u32) -> Client {
    let stream = Mutex::new(Some(server.connect()));
    let builder = Client::builder().address("in.memory:1").versions([version]);
    let builder = builder.connector(move |_to| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            let stream = stream.ok_or_else(|| std::io::Error::other("there is only one"))?;
            Ok((ubf_client::Stream::own(stream), ubf_client::Peer::Own))
        }
    });
    builder.connect().await.unwrap()
}

/// What a client of the store sees, whoever keeps the values.
async fn use_a_store(client: &impl kv_3::Calls) {
    use kv_3::{CasAnswer, Conflict, Done, Entry, Found, Get, Put, PutAnswer, Scan};

    let put = client.put(&Put { key: ubf!(a), slot: ubf!(1) }).await.unwrap();
    assert_eq!(put, PutAnswer::Done(Done { number: 1 }));
    let found = client.get(&Get { key: ubf!(a) }).await.unwrap();
    assert_eq!(found, Found { value: ubf!(1), revision: 1 });
    let found = client.get(&Get { key: ubf!(b) }).await.unwrap();
    assert_eq!(found, Found { value: Term::Undefined, revision: 0 });
    let cas = kv_3::Cas { key: ubf!(a), slot: ubf!(2), slot_2: ubf!(3) };
    let conflict = client.cas(&cas).await.unwrap();
    assert_eq!(conflict, CasAnswer::Conflict(Conflict { value: ubf!(1), revision: 1 }));
    let page = client.scan(&Scan { key: Term::Undefined, number: 9 }).await.unwrap();
    let entry: Entry = (ubf!(a), ubf!(1), 1);
    assert_eq!((page.items, page.key), (vec![entry], Term::Undefined));
    // More than the contract allows: the server says so, and the code says that it did not expect
    // it.
    let error = client.scan(&Scan { key: Term::Undefined, number: 1001 }).await.unwrap_err();
    assert!(error.to_string().contains("clientBrokeContract"), "{error}");
    assert_eq!(client.delete(&kv_3::Delete { key: ubf!(a) }).await.unwrap(), Done { number: 2 });
}

#[tokio::test]
async fn a_generated_client_uses_the_real_store() {
    let server = TestServer::of(Kv::new(&Versions::of([3]))).await.unwrap();
    use_a_store(&client_of(&server, 3).await).await;
}

/// A store that is written on the generated code.
#[derive(Default)]
struct Store(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    values: BTreeMap<Term, (Term, u64)>,
    revision: u64,
}

impl Store {
    fn write(&self, key: Term, slot: Term) -> u64 {
        let mut store = self.0.lock().unwrap();
        store.revision += 1;
        let revision = store.revision;
        if slot.is_undefined() {
            store.values.remove(&key);
        } else {
            store.values.insert(key, (slot, revision));
        }
        revision
    }

    fn read(&self, key: &Term) -> (Term, u64) {
        self.0.lock().unwrap().values.get(key).cloned().unwrap_or((Term::Undefined, 0))
    }
}

impl kv_3::Service for Store {
    type Session = ();

    fn connect(&self, _: &ubf_server::Client) {}

    async fn get(&self, (): &(), request: kv_3::Get) -> Result<kv_3::Found, Failure> {
        let (value, revision) = self.read(&request.key);
        Ok(kv_3::Found { value, revision })
    }

    async fn put(&self, (): &(), request: kv_3::Put) -> Result<kv_3::PutAnswer, Failure> {
        let number = self.write(request.key, request.slot);
        Ok(kv_3::PutAnswer::Done(kv_3::Done { number }))
    }

    async fn delete(&self, (): &(), request: kv_3::Delete) -> Result<kv_3::Done, Failure> {
        Ok(kv_3::Done { number: self.write(request.key, Term::Undefined) })
    }

    async fn cas(&self, (): &(), request: kv_3::Cas) -> Result<kv_3::CasAnswer, Failure> {
        let (value, revision) = self.read(&request.key);
        if value != request.slot {
            return Ok(kv_3::CasAnswer::Conflict(kv_3::Conflict { value, revision }));
        }
        let number = self.write(request.key, request.slot_2);
        Ok(kv_3::CasAnswer::Done(kv_3::Done { number }))
    }

    async fn scan(&self, (): &(), request: kv_3::Scan) -> Result<kv_3::Page, Failure> {
        let store = self.0.lock().unwrap();
        let entries = store.values.iter().take(usize::from(request.number));
        let items = entries.map(|(key, (value, revision))| (key.clone(), value.clone(), *revision));
        Ok(kv_3::Page { items: items.collect(), key: Term::Undefined })
    }
}

#[tokio::test]
async fn a_service_on_generated_code_is_used_by_a_generated_client() {
    let service = kv_3::service(Store::default(), &Versions::of([3])).unwrap();
    let server = TestServer::of(service).await.unwrap();
    use_a_store(&client_of(&server, 3).await).await;
}

#[tokio::test]
async fn generated_code_follows_states_and_reads_events() {
    use irc_2::{Calls as _, EventOut, Join, JoinAnswer, Joins, Logon, LogonAs, LogonAsAnswer};
    use irc_2::{LogonAnswer, Welcome, Whisper, WhisperAnswer, Why};

    let server = TestServer::of(Irc::new(&Versions::of([2]))).await.unwrap();
    let (joe, mike) = (client_of(&server, 2).await, client_of(&server, 2).await);
    let mut events = joe.events().unwrap();
    let welcome = joe.logon_as(&LogonAs { nick: "joe".into() }).await.unwrap();
    assert_eq!(welcome, LogonAsAnswer::Welcome(Welcome { nick: "joe".into() }));
    let taken = mike.logon_as(&LogonAs { nick: "joe".into() }).await.unwrap();
    assert_eq!(taken, LogonAsAnswer::Error(irc_2::ErrorType { why: Why::NickTaken }));
    let LogonAnswer::Welcome(Welcome { nick }) = mike.logon(&Logon).await.unwrap() else {
        panic!("anybody may log on")
    };
    for client in [&joe, &mike] {
        let joined = client.join(&Join { group: "erlang".into() }).await.unwrap();
        assert_eq!(joined, JoinAnswer::Ok(irc_2::OkType));
    }
    let psst = Whisper { nick: "joe".into(), text: "psst".into() };
    assert_eq!(mike.whisper(&psst).await.unwrap(), WhisperAnswer::Ok(irc_2::OkType));
    let mut heard = Vec::new();
    while heard.len() < 2 {
        if let Incoming::Event(event) = events.recv().await.unwrap() {
            heard.push(EventOut::read(event.event()).unwrap());
        }
    }
    let joins = Joins { nick: nick.clone(), group: "erlang".into() };
    let whispered = irc_2::Whispered { nick, text: "psst".into() };
    assert_eq!(heard, [EventOut::Joins(joins), EventOut::Whispered(whispered)]);
}

/// Random terms of a type of the contract are values of the type in Rust, which are those terms.
fn same<T: Serialize + DeserializeOwned>(checker: &Checker, name: &str) {
    let node = checker.graph().named(name.as_bytes()).unwrap();
    let mut faker = Faker::new(checker, 7).with_max_terms(30);
    let mut count = 0;
    for _ in 0..400 {
        let term = faker.term(node).unwrap();
        // Strings of Rust are UTF-8, and integers have 64 bits; those of UBF need not.
        let packet = ubf_codec::Encoder::new().encode(&term);
        let is_long = packet.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() > 18);
        if is_long || std::str::from_utf8(&packet).is_err() {
            continue;
        }
        // To contracts the atom is the undefined value, and to programs only `?` is.
        let packet = String::from_utf8(packet).unwrap().replace("'undefined'", "?");
        let term = ubf_codec::decode(packet.as_bytes()).unwrap().to_term();
        count += 1;
        let value: T = from_term(&term).unwrap_or_else(|error| panic!("{name}, {term}: {error}"));
        let written = to_term(&value).unwrap();
        // A number is a float in Rust.
        assert!(written == term || name == "fed", "{name}: {term} became {written}");
        assert_eq!(checker.fits(node, &written), Ok(true), "{name}: {term} became {written}");
    }
    assert!(count > 50, "{name}: {count}");
}

#[test]
fn terms_of_a_type_are_values_of_the_generated_type() {
    let contract = Reader::new().read(zoo::CONTRACT).unwrap();
    let checker = Checker::new(contract);
    same::<zoo::Feed>(&checker, "feed");
    same::<zoo::Animal>(&checker, "animal");
    same::<zoo::Visit>(&checker, "visit");
    same::<zoo::Fed>(&checker, "fed");
    same::<zoo::No>(&checker, "no");
    same::<zoo::Picture>(&checker, "picture");
    same::<zoo::Tree>(&checker, "tree");
    same::<zoo::Forest>(&checker, "forest");
    same::<zoo::Keeper>(&checker, "keeper");
    same::<zoo::Flag>(&checker, "flag");
    same::<zoo::Pair>(&checker, "pair");
    same::<zoo::Roar>(&checker, "roar");
}
