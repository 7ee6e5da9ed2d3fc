//! Programs of different editions read each other: what may change in a type without a new version
//! of the protocol.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ubf_codec::Term;
use ubf_codec::serde::{Deserializer, Growing, PropertyList, Serializer, from_slice, to_vec};

mod older {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    pub(super) struct Order {
        pub(super) id: u32,
        pub(super) price: u32,
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    pub(super) enum Command {
        Stop,
        Move(i32),
        Say { text: String },
    }
}

mod newer {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    pub(super) struct Order {
        pub(super) id: u32,
        #[serde(alias = "cost", alias = "amount")]
        pub(super) price: u32,
        pub(super) note: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(super) tags: Vec<String>,
        #[serde(default = "one")]
        pub(super) count: u32,
        #[serde(default)]
        pub(super) rest: Term,
    }

    fn one() -> u32 {
        1
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    pub(super) enum Command {
        Stop(Option<String>),
        Move(i32, Option<i32>),
        Say { text: String, loud: Option<bool> },
        Jump,
    }
}

/// One edition writes records, the other reads them as such that may grow.
#[track_caller]
fn grows<W: Serialize, R: DeserializeOwned + PartialEq + Debug>(written: &W, read: &R) {
    let record = to_vec(written).unwrap();
    assert_eq!(&from_slice::<Growing<R>>(&record).unwrap().0, read);
    let document = ubf_codec::decode(&record).unwrap();
    let deserializer = Deserializer::from_document(&document).with_growing_records(true);
    assert_eq!(&deserializer.read::<R>().unwrap(), read);
}

/// The same, and property lists, which may grow in any case.
#[track_caller]
fn passes<W: Serialize, R: DeserializeOwned + PartialEq + Debug>(written: &W, read: &R) {
    grows(written, read);
    let mut serializer = Serializer::new().with_property_lists(true);
    assert_eq!(&from_slice::<R>(&serializer.encode(written).unwrap()).unwrap(), read);
}

fn newer_order() -> newer::Order {
    newer::Order { id: 1, price: 2, note: None, tags: vec![], count: 1, rest: Term::Undefined }
}

#[test]
fn the_older_reads_the_newer_record_with_more_fields() {
    passes(
        &newer::Order { note: Some("n".into()), count: 9, ..newer_order() },
        &older::Order { id: 1, price: 2 },
    );
}

#[test]
fn the_newer_reads_the_older_record_with_fewer_fields() {
    passes(&older::Order { id: 1, price: 2 }, &newer_order());
}

#[test]
fn a_record_with_another_number_of_fields_is_refused_unless_it_may_grow() {
    let wrong = |packet: &[u8]| {
        [
            from_slice::<older::Order>(packet).map(|_| ()),
            from_slice::<newer::Order>(packet).map(|_| ()),
        ]
        .map(|read| read.map_err(|error| error.to_string()))
    };
    let count = |count| {
        let what = format!("record of {count} where the type has another number of fields");
        move |read: &Result<(), String>| read.as_ref().is_err_and(|error| error.starts_with(&what))
    };
    let two = wrong(b"{'Order'1 2}$");
    assert!(two[0].is_ok() && count(2)(&two[1]), "{two:?}");
    let six = wrong(b"{'Order'1 2?? 3?}$");
    assert!(count(6)(&six[0]) && six[1].is_ok(), "{six:?}");
    // `price` has aliases: there are eight names for six fields.
    for (packet, elements) in [
        (&b"{'Order'1 2\"n\"# 3}$"[..], 5),
        (b"{'Order'1 2\"n\"# 3? 7}$", 7),
        (b"{'Order'1 2\"n\"# 3? 7 8}$", 8),
        (b"{'Order'1 2\"n\"# 3? 7 8 9}$", 9),
    ] {
        let read = wrong(packet);
        assert!(count(elements)(&read[1]), "{}: {read:?}", packet.escape_ascii());
    }
    for packet in [&b"'Move'$"[..], b"{'Move'3}$", b"{'Move'3 4 5}$"] {
        let error = from_slice::<newer::Command>(packet).unwrap_err().to_string();
        assert!(error.starts_with("record of "), "{error}");
    }
    for packet in [&b"'Say'$"[..], b"{'Say'\"hi\"}$", b"{'Say'\"hi\"'true'5}$"] {
        let error = from_slice::<newer::Command>(packet).unwrap_err().to_string();
        assert!(error.starts_with("record of "), "{error}");
    }
}

#[test]
fn a_field_that_is_skipped_keeps_its_place_in_the_record() {
    let order =
        newer::Order { note: Some("n".into()), count: 5, rest: Term::atom("x"), ..newer_order() };
    assert_eq!(to_vec(&order).unwrap(), b"{'Order'1 2\"n\"?5'x'}$");
    passes(&order, &order);
}

#[test]
fn a_field_with_aliases_does_not_shift_the_others() {
    let order = newer::Order { tags: vec!["t".into()], count: 3, ..newer_order() };
    passes(&order, &order);
    assert_eq!(from_slice::<newer::Order>(b"#{'id'1}&{'cost'2}&$").unwrap(), newer_order());
}

#[test]
fn variants_grow_at_their_end() {
    use newer::Command as New;
    use older::Command as Old;
    grows(&Old::Stop, &New::Stop(None));
    grows(&New::Stop(Some("why".into())), &Old::Stop);
    grows(&Old::Move(3), &New::Move(3, None));
    grows(&New::Move(3, Some(4)), &Old::Move(3));
    grows(&Old::Say { text: "hi".into() }, &New::Say { text: "hi".into(), loud: None });
    grows(&New::Say { text: "hi".into(), loud: Some(true) }, &Old::Say { text: "hi".into() });
}

#[test]
fn a_variant_that_is_not_known_is_an_error() {
    let error =
        from_slice::<Vec<older::Command>>(&to_vec(&[newer::Command::Jump].as_slice()).unwrap())
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown variant `Jump`, expected one of `Stop`, `Move`, `Say`, in [0], at byte 1"
    );
}

#[test]
fn a_field_in_the_middle_cannot_be_missing() {
    let error = from_slice::<older::Order>(b"{'Order'? 2}$").unwrap_err();
    assert_eq!(error.to_string(), "missing field `id`, at byte 1");
}

#[test]
fn who_denies_unknown_fields_gets_none() {
    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Order {
        id: u32,
    }
    from_slice::<Order>(b"{'Order'1}$").unwrap();
    from_slice::<Growing<Order>>(b"{'Order'1?}$").unwrap();
    from_slice::<Growing<Order>>(b"{'Order'1 2}$").unwrap_err();
    from_slice::<Order>(b"{'Order'1 2}$").unwrap_err();
    from_slice::<Order>(b"#{'id'1}&{'price'1}&$").unwrap_err();
}

#[test]
fn a_field_skipped_on_one_side_does_not_shift_the_others() {
    // Read shifted, the price would be 480 and nobody would notice.
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Computed {
        id: u32,
        #[serde(skip_deserializing)]
        net: u32,
        price: u32,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Secret {
        id: u32,
        #[serde(skip_serializing, default)]
        key: Option<u32>,
        price: Option<u32>,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Unnamed(u32, #[serde(skip_serializing)] Option<u32>, Option<u32>);
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Choice {
        Named {
            id: u32,
            #[serde(skip_deserializing)]
            net: u32,
            price: u32,
        },
        Unnamed(u32, #[serde(skip_deserializing)] u32, u32),
    }
    fn refused<T: Serialize + DeserializeOwned + Debug>(value: &T) {
        let error = from_slice::<T>(&to_vec(value).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("record of "), "{error}");
    }
    let computed = Computed { id: 1, net: 480, price: 500 };
    refused(&computed);
    let secret = Secret { id: 1, key: Some(2), price: Some(500) };
    refused(&secret);
    refused(&Unnamed(1, Some(2), Some(3)));
    refused(&Choice::Named { id: 1, net: 480, price: 500 });
    refused(&Choice::Unnamed(1, 480, 500));
    // A property list has names.
    let read: Computed = from_slice(&to_vec(&PropertyList(&computed)).unwrap()).unwrap();
    assert_eq!(read, Computed { net: 0, ..computed });
    let read: Secret = from_slice(&to_vec(&PropertyList(&secret)).unwrap()).unwrap();
    assert_eq!(read, Secret { key: None, ..secret });
}

#[test]
fn a_field_with_aliases_skipped_on_one_side_is_noticed_too() {
    #[derive(Serialize, Deserialize, Debug)]
    #[allow(dead_code, reason = "only read")]
    struct Lopsided {
        #[serde(alias = "number")]
        id: u32,
        #[serde(skip_deserializing)]
        net: u32,
        price: u32,
    }
    let packet = to_vec(&Lopsided { id: 1, net: 480, price: 500 }).unwrap();
    let error = from_slice::<Lopsided>(&packet).unwrap_err().to_string();
    assert!(error.starts_with("record of 3 where"), "{error}");
}
