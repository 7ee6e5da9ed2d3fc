//! Programs of different editions read each other: what may change in a type without a new version
//! of the protocol.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![cfg(feature = "serde")]

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ubf_codec::Term;
use ubf_codec::serde::{PropertyList, Serializer, from_slice, to_vec};

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

/// One edition writes, the other reads.
#[track_caller]
fn passes<W: Serialize, R: DeserializeOwned + PartialEq + Debug>(written: &W, read: &R) {
    assert_eq!(&from_slice::<R>(&to_vec(written).unwrap()).unwrap(), read);
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
    passes(&Old::Stop, &New::Stop(None));
    passes(&New::Stop(Some("why".into())), &Old::Stop);
    passes(&Old::Move(3), &New::Move(3, None));
    passes(&New::Move(3, Some(4)), &Old::Move(3));
    passes(&Old::Say { text: "hi".into() }, &New::Say { text: "hi".into(), loud: None });
    passes(&New::Say { text: "hi".into(), loud: Some(true) }, &Old::Say { text: "hi".into() });
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
    from_slice::<Order>(b"{'Order'1?}$").unwrap();
    from_slice::<Order>(b"{'Order'1 2}$").unwrap_err();
    from_slice::<Order>(b"#{'id'1}&{'price'1}&$").unwrap_err();
}

#[test]
fn fields_skipped_on_one_side_shift_the_others() {
    #[derive(Serialize, Deserialize, Debug)]
    struct Lopsided {
        #[serde(skip_serializing, default)]
        local: u8,
        shared: String,
    }
    let lopsided = Lopsided { local: 1, shared: "x".into() };
    from_slice::<Lopsided>(&to_vec(&lopsided).unwrap()).unwrap_err();
    let read: Lopsided = from_slice(&to_vec(&PropertyList(&lopsided)).unwrap()).unwrap();
    assert_eq!((read.local, read.shared.as_str()), (0, "x"));
}
