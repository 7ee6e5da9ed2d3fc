//! The vectors of `spec/vectors/state`: what stands in a store, byte for byte.

use std::fs;

use bytes::Bytes;
use serde::Deserialize;
use ubf_state::Time;
use ubf_state::handoff::{Attempt, CopyHash, HandoffRecord, HandoffRow};
use ubf_state::{Epoch, Key, Row, Session, ShardRecord, Table, WriteVersion};

use crate::world::{Account, Account1, OLD, SESSION, World};

fn read<T: for<'a> Deserialize<'a>>(file: &str) -> T {
    let path = format!("{}/../spec/vectors/state/{file}", env!("CARGO_MANIFEST_DIR"));
    toml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Keys {
    key: Vec<KeyVector>,
}

#[derive(Deserialize)]
struct KeyVector {
    r#type: String,
    value: String,
    hex: String,
}

#[test]
fn t1_keys_are_written_as_the_vectors_say_and_sort() {
    let keys: Keys = read("keys.toml");
    let mut before = (String::new(), Vec::new());
    for vector in keys.key {
        let KeyVector { r#type, value, hex } = vector;
        let bytes = hex::decode(hex).unwrap();
        match r#type.as_str() {
            "u32" => check(&value.parse::<u32>().unwrap(), &bytes),
            "i16" => check(&value.parse::<i16>().unwrap(), &bytes),
            "text" => check(&value, &bytes),
            other => panic!("{other} is no type"),
        }
        assert!(before.0 != r#type || before.1 < bytes, "{value:?} sorts behind the one before");
        before = (r#type, bytes);
    }
}

fn check<K: Key + PartialEq + std::fmt::Debug>(key: &K, bytes: &[u8]) {
    assert_eq!(key.to_bytes(), bytes, "{key:?}");
    assert_eq!(K::from_bytes(bytes).as_ref(), Ok(key));
}

#[derive(Deserialize)]
struct Stored {
    row: Vec<RowVector>,
    session: Vec<SessionVector>,
    shard: Vec<ShardVector>,
    handoff: Vec<HandoffVector>,
}

#[derive(Deserialize)]
struct RowVector {
    table: String,
    key: String,
    stored: String,
    version: u32,
    value: String,
}

#[derive(Deserialize)]
struct SessionVector {
    key: String,
    row: String,
    stored: String,
    answers: Vec<AnswersVector>,
}

#[derive(Deserialize)]
struct AnswersVector {
    stored: String,
    value: String,
}

#[derive(Deserialize)]
struct ShardVector {
    stored: String,
    value: String,
    write: u32,
    lowest: u32,
    highest: u32,
    clock_ms: u64,
}

#[derive(Deserialize)]
struct HandoffVector {
    moved: String,
    prepared: String,
    shelved: String,
    moved_record: String,
    copied_record: String,
    node: String,
    next_ip: String,
    since_ms: u64,
    value: String,
    epoch: u64,
    number: u64,
    attempt: u64,
    hash: u64,
}

fn hex(text: &str) -> Bytes {
    hex::decode(text).unwrap().into()
}

static OLD_ROWS: Table<u64, Account1> = Table::new("t");

#[test]
fn t1_rows_stand_where_and_as_the_vectors_say() {
    let vectors: Stored = read("stored.toml");
    for vector in vectors.row {
        let key = u64::from_bytes(&hex(&vector.key)).unwrap();
        assert_eq!(
            (vector.table.as_str(), ubf_state::version_of(vector.value.as_bytes())),
            ("t", Ok(vector.version))
        );
        let packet = vector.value.split_once(' ').unwrap().1.as_bytes();
        let account = Account::read(vector.version, packet).unwrap();
        let mut lost = ubf_state::Lost::default();
        let written = account.write_at(vector.version, &mut lost).unwrap();
        assert_eq!((written.version, &written.packet[..]), (vector.version, packet));
        if vector.version == 1 {
            let mut world = World::new(OLD);
            let account = Account1 { cents: account.cents };
            world.call(|tx| tx.put(&OLD_ROWS, &key, &account)).unwrap();
            let stored = world.rows.0.get(&hex(&vector.stored)).expect("it stands there");
            assert_eq!(stored, vector.value.as_bytes());
        }
    }
}

#[test]
fn t3_sessions_are_read_and_written_as_the_vectors_say() {
    let vectors: Stored = read("stored.toml");
    for vector in vectors.session {
        assert_eq!(hex(&vector.key), &SESSION.to_bytes()[..]);
        let answers = vector.answers.iter().map(|answers| answers.value.as_bytes());
        let session = Session::read(vector.row.as_bytes(), answers).unwrap();
        let kept: Vec<(u64, &[u8])> =
            session.kept().map(|kept| (kept.number, &kept.body[..])).collect();
        assert_eq!(kept, [(2, &b"one"[..]), (3, b"two")]);
        assert_eq!((session.received(), session.turn()), (3, 2));

        // A shard over these rows finds the session, and takes a seen answer away.
        let mut world = World::new(OLD);
        world.rows.0.insert(hex(&vector.stored), vector.row.clone().into());
        for answers in &vector.answers {
            world.rows.0.insert(hex(&answers.stored), answers.value.clone().into());
        }
        world.shard.resume(&world.rows, SESSION, 2, 0, 3).unwrap();
        world.settle();
        assert_eq!(
            world.rows.0[&hex(&vector.stored)],
            &b"1 {'session'3 2 3 8 1000 500 60000 0}$"[..]
        );
        assert!(!world.rows.0.contains_key(&hex(&vector.answers[0].stored)));
        assert!(world.rows.0.contains_key(&hex(&vector.answers[1].stored)));
    }
}

#[test]
fn t6_the_record_of_a_shard_is_as_the_vectors_say() {
    let vectors: Stored = read("stored.toml");
    for vector in vectors.shard {
        assert_eq!(ShardRecord::key(), hex(&vector.stored));
        let record = ShardRecord::from_value(vector.value.as_bytes()).unwrap();
        let ShardVector { write, lowest, highest, .. } = vector;
        assert_eq!(record.versions.state, WriteVersion { write, lowest, highest });
        assert_eq!(record.clock.as_millis(), vector.clock_ms);
        assert_eq!(record.to_value(), vector.value.as_bytes());
    }
}

#[test]
fn u5_what_a_hand_off_makes_durable_is_as_the_vectors_say() {
    let vectors: Stored = read("stored.toml");
    for vector in vectors.handoff {
        assert_eq!(HandoffRecord::moved_key(), hex(&vector.moved));
        assert_eq!(HandoffRecord::prepared_key(), hex(&vector.prepared));
        assert_eq!(HandoffRecord::shelved_key(), hex(&vector.shelved));
        assert_eq!(ShardRecord::moved(), vector.moved_record.as_bytes());
        assert_eq!(ShardRecord::copied(), vector.copied_record.as_bytes());
        let epoch = Epoch(vector.epoch);
        let attempt = Attempt { epoch, number: vector.number, name: vector.attempt };
        let row = HandoffRow { attempt, hash: CopyHash(vector.hash) };
        let (node, next_ip) = (vector.node, vector.next_ip);
        let record =
            HandoffRecord { row, node, next_ip, since: Time::from_millis(vector.since_ms) };
        assert_eq!(record.to_value(), vector.value.as_bytes());
        assert_eq!(HandoffRecord::from_value(vector.value.as_bytes()), Ok(record));
    }
}
