//! F1: the contract and the form of releases never change. Who comes here because a test fails has
//! changed a byte of them, and takes that back.

use std::time::Duration;

use bytes::BytesMut;
use ubf_agent_core::{Dialogue, Hash, Manifest, Reply, Request, Said, SecretKey, Signed};
use ubf_codec::{ClientHeader, Term, TermRef, VersionedDecoder};
use ubf_contract::{Checker, Reader};

const CONTRACT: &str = include_str!("../../contracts/agent.con");

fn vectors(name: &str) -> &'static str {
    ubf_vectors::folder("agent").find(|(file, _)| file.ends_with(name)).unwrap().1
}

#[test]
fn f1_not_a_byte_of_the_contract_and_of_the_golden_dialogues_has_changed() {
    for (text, hash) in [
        (CONTRACT, "eb0290ce2ebf8da383ab88530d466ee1d7da9f6e649c934b47e58efb423f17a4"),
        (
            vectors("dialogues.toml"),
            "b8f6e48222691b064dd65ecd30b20182b75bb60a72499e6b94fe974644010ff0",
        ),
        (
            vectors("releases.toml"),
            "609c04cbb19ab501824c6f1c782489457d6bc59642db53b6285ef05853392836",
        ),
    ] {
        assert_eq!(Hash::of(text.as_bytes()).to_string(), hash, "{}", text.lines().next().unwrap());
    }
}

#[test]
fn f1_agents_answer_as_the_golden_dialogues_say() {
    let parsed: toml::Table = toml::from_str(vectors("dialogues.toml")).unwrap();
    let dialogues = parsed["dialogue"].as_array().unwrap();
    assert!(dialogues.len() > 15);
    for case in dialogues {
        let name = case["name"].as_str().unwrap();
        let mut dialogue = Dialogue::new("ubf-agent/0.1.0");
        for step in case["step"].as_array().unwrap() {
            let text = |key| step.get(key).and_then(toml::Value::as_str);
            let mut decoder = VersionedDecoder::<ClientHeader>::new();
            let mut bytes = BytesMut::from(text("client").unwrap());
            let packet = decoder.decode(&mut bytes).unwrap().unwrap();
            let offset = text("client").unwrap().len() - packet.body.source().len();
            let answer = match dialogue.hear(&packet, offset as u64, Duration::ZERO) {
                Said::Nothing => Vec::new(),
                Said::Answer(answer) | Said::Close(answer) => answer,
                Said::Request(request) => {
                    let again = Request::read(request.to_term().as_ref());
                    assert_eq!(again.as_ref(), Some(&request), "{name}");
                    is_of_the_contract("request", request.to_term().as_ref());
                    let reply: Term = text("reply").unwrap().parse().unwrap();
                    let reply = Reply::read(reply.as_ref()).unwrap();
                    is_of_the_contract("reply", reply.to_term().as_ref());
                    dialogue.reply(&reply)
                }
            };
            assert_eq!(String::from_utf8_lossy(&answer), text("server").unwrap(), "{name}");
        }
    }
}

/// Each request and each reply is one of the contract's.
fn is_of_the_contract(what: &str, term: TermRef<'_>) {
    let contract = Reader::new().read(CONTRACT).unwrap();
    let names: &[&str] = match what {
        "request" => &["put", "chunk", "start", "switch", "stop", "status", "log", "drop"],
        _ => &["at", "stored", "runs", "stopped", "standing", "written", "dropped", "error"],
    };
    let checker = Checker::new(contract);
    let nodes = names.iter().map(|name| checker.graph().named(name.as_bytes()).unwrap());
    let fits = nodes.into_iter().any(|node| checker.fits(node, term).unwrap());
    assert!(fits, "{what} {term}");
}

#[test]
fn f2_releases_are_written_and_signed_as_the_vectors_say() {
    let parsed: toml::Table = toml::from_str(vectors("releases.toml")).unwrap();
    let key = SecretKey::read(&"2a".repeat(32)).unwrap();
    for case in parsed["release"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let manifest = Manifest::read(text("manifest").as_bytes()).unwrap();
        assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), text("manifest"));
        assert_eq!(manifest.name, text("program"));
        assert_eq!(i64::try_from(manifest.number).unwrap(), case["number"].as_integer().unwrap());
        assert_eq!(i64::try_from(manifest.bytes).unwrap(), case["bytes"].as_integer().unwrap());
        let arguments: Vec<_> = case["arguments"].as_array().unwrap().iter().collect();
        assert_eq!(manifest.arguments.len(), arguments.len());
        assert_eq!(key.public().to_string(), text("key"));
        let signed = key.sign(&manifest);
        assert_eq!(signed.check(&[key.public()]), Ok(manifest));
        let packet = Signed::read(&signed.to_bytes()).unwrap();
        assert_eq!(packet, signed);
        let written = signed.to_bytes();
        let packet = ubf_codec::decode(&written).unwrap();
        let signature = packet.root().get(3).unwrap().as_bytes().unwrap();
        let digits: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits, text("signature"));
    }
    for case in parsed["no_release"].as_array().unwrap() {
        let manifest = case["manifest"].as_str().unwrap();
        assert!(Manifest::read(manifest.as_bytes()).is_err(), "{}", case["name"]);
    }
}
