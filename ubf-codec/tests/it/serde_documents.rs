//! Documents as the world has them: messages with much text, a catalogue of many small maps, a map
//! of many floats. They are made here, alike in style to the files that JSON parsers are measured
//! with: `twitter`, `citm_catalog` and `canada`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the numbers are small"
)]
#![cfg(all(feature = "serde", feature = "json"))]

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ubf_codec::json::{Json, from_str};
use ubf_codec::serde::{Serializer, from_slice, from_term, to_term, to_vec};
use ubf_codec::{Encoder, Style};

/// Numbers that are the same in each run: xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(3) == 0).then(|| value(self))
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 8] = ["名前", "RT", "@joe", "\"so\"", "a\\b", "naïve", "\n", "🎉"];
        (0..self.below(9)).map(|_| WORDS[self.below(8) as usize]).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Timeline {
    statuses: Vec<Status>,
    search_metadata: Metadata,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Metadata {
    completed_in: f64,
    max_id: u64,
    query: String,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Status {
    id: u64,
    id_str: String,
    text: String,
    truncated: bool,
    in_reply_to: Option<u64>,
    user: User,
    entities: Entities,
    retweeted: Option<Box<Self>>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct User {
    name: String,
    description: String,
    url: Option<String>,
    followers_count: u32,
    #[serde(rename = "profile-color")]
    color: String,
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Default)]
struct Entities {
    hashtags: Vec<Hashtag>,
    urls: Vec<String>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Hashtag {
    text: String,
    indices: (u8, u8),
}

fn status(numbers: &mut Numbers, depth: u8) -> Status {
    let id = 505_874_924_095_815_681 + numbers.below(1 << 50);
    Status {
        id,
        id_str: id.to_string(),
        text: numbers.text(),
        truncated: numbers.below(2) == 0,
        in_reply_to: numbers.maybe(|numbers| numbers.below(u64::MAX)),
        user: User {
            name: numbers.text(),
            description: numbers.text(),
            url: numbers.maybe(Numbers::text),
            followers_count: numbers.below(100_000) as u32,
            color: "C0DEED".into(),
        },
        entities: Entities {
            hashtags: (0..numbers.below(3))
                .map(|_| Hashtag { text: numbers.text(), indices: (1, 2) })
                .collect(),
            urls: (0..numbers.below(2)).map(|_| numbers.text()).collect(),
        },
        retweeted: if depth == 0 {
            None
        } else {
            numbers.maybe(|numbers| Box::new(status(numbers, depth - 1)))
        },
    }
}

fn timeline() -> Timeline {
    let mut numbers = Numbers(1);
    Timeline {
        statuses: (0..40).map(|_| status(&mut numbers, 1)).collect(),
        search_metadata: Metadata {
            completed_in: 0.087,
            max_id: u64::MAX,
            query: "%E4%B8%80".into(),
        },
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    area_names: BTreeMap<String, String>,
    events: BTreeMap<String, Event>,
    performances: Vec<Performance>,
    topic_sub_topics: BTreeMap<String, Vec<u64>>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Event {
    description: Option<String>,
    id: u64,
    logo: Option<String>,
    sub_topic_ids: Vec<u64>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Performance {
    event_id: u64,
    prices: Vec<Price>,
    start: i64,
    venue_code: String,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Price {
    amount: u32,
    seat_category_id: u64,
}

fn catalogue() -> Catalogue {
    let mut numbers = Numbers(2);
    let ids: Vec<u64> = (0..30).map(|i| 205_705_993 + i).collect();
    Catalogue {
        area_names: ids.iter().map(|id| (id.to_string(), "Arrière-scène central".into())).collect(),
        events: ids
            .iter()
            .map(|&id| {
                let logo = numbers.maybe(|_| "/images/x.png".into());
                (
                    id.to_string(),
                    Event { description: None, id, logo, sub_topic_ids: vec![337_184_269; 3] },
                )
            })
            .collect(),
        performances: ids
            .iter()
            .map(|&event_id| Performance {
                event_id,
                prices: (0..4)
                    .map(|i| Price { amount: 90_250 + i, seat_category_id: 338_937_295 })
                    .collect(),
                start: 1_372_701_600_000,
                venue_code: "PLEYEL_PLEYEL".into(),
            })
            .collect(),
        topic_sub_topics: BTreeMap::from([("107888604".into(), vec![337_184_283, 337_184_263])]),
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Outline {
    features: Vec<Feature>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Feature {
    properties: BTreeMap<String, String>,
    geometry: Vec<Vec<(f64, f64)>>,
}

fn outline() -> Outline {
    let mut numbers = Numbers(3);
    let mut degree =
        |range: f64| (numbers.below(1 << 40) as f64 / (1_u64 << 39) as f64 - 1.0) * range;
    let ring = |_| (0..60).map(|_| (degree(180.0), degree(90.0))).collect();
    let geometry = (0..8).map(ring).collect();
    Outline {
        features: vec![Feature {
            properties: BTreeMap::from([("name".into(), "Canada".into())]),
            geometry,
        }],
    }
}

/// In every way that there is from the value to itself.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let term = to_term(value).unwrap();
    let records = to_vec(value).unwrap();
    let lists = Serializer::new().with_property_lists(true).encode(value).unwrap();
    let cached = Encoder::new().with_style(Style::Cached).encode(&term);
    assert!(cached.len() <= records.len() && records.len() < lists.len());
    for packet in [&records, &lists, &cached] {
        assert_eq!(&from_slice::<T>(packet).unwrap(), value);
    }

    // The lossless JSON of the term.
    let json = Json(term.as_ref()).to_string();
    assert_eq!(from_str(&json).unwrap(), term);

    // The JSON that others write for the same value, as a term.
    let foreign = from_str(&serde_json::to_string(value).unwrap()).unwrap();
    assert_eq!(&from_term::<T>(&foreign).unwrap(), value);
    let packet = Encoder::new().encode(&foreign);
    assert_eq!(&from_slice::<T>(&packet).unwrap(), value);
    // Its JSON is JSON for the same value again, but for large integers.
    assert_eq!(from_str(&Json(foreign.as_ref()).to_string()).unwrap(), foreign);

    // And a term in the hands of another format.
    assert_eq!(serde_json::to_value(&foreign).unwrap(), serde_json::to_value(value).unwrap());
}

#[test]
fn messages_come_back() {
    comes_back(&timeline());
}

#[test]
fn a_catalogue_comes_back() {
    comes_back(&catalogue());
}

#[test]
fn an_outline_comes_back() {
    comes_back(&outline());
}

#[test]
fn a_term_is_read_from_another_format() {
    let json = serde_json::to_string(&timeline()).unwrap();
    let term: ubf_codec::Term = serde_json::from_str(&json).unwrap();
    assert_eq!(from_term::<Timeline>(&term).unwrap(), timeline());
}
