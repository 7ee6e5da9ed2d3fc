//! `citm`: a catalogue with many small integers and few keys that are repeated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Value;
use super::random::Random;
use super::text::sentence;

const EVENTS: u32 = 180;
const PERFORMANCES: u32 = 240;

/// The catalogue as a program has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names that say it")]
pub struct Catalogue {
    pub area_names: BTreeMap<String, String>,
    pub audience_sub_category_names: BTreeMap<String, String>,
    pub events: BTreeMap<String, Event>,
    pub performances: Vec<Performance>,
    pub seat_category_names: BTreeMap<String, String>,
    pub venue_names: BTreeMap<String, String>,
}

/// What is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names that say it")]
pub struct Event {
    pub description: Option<String>,
    pub id: u32,
    pub logo: Option<String>,
    pub name: String,
    pub sub_topic_ids: Vec<u32>,
    pub subject_code: Option<String>,
    pub subtitle: Option<String>,
    pub topic_ids: Vec<u32>,
}

/// When it is played, and for how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names that say it")]
pub struct Performance {
    pub event_id: u32,
    pub id: u32,
    pub logo: Option<String>,
    pub name: Option<String>,
    pub prices: Vec<Price>,
    pub seat_categories: Vec<SeatCategory>,
    pub seat_map_image: Option<String>,
    pub start: i64,
    pub venue_code: String,
}

/// The price of a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names that say it")]
pub struct Price {
    pub amount: u32,
    pub audience_sub_category_id: u32,
    pub seat_category_id: u32,
}

/// Seats of one price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names that say it")]
pub struct SeatCategory {
    pub areas: Vec<Area>,
    pub seat_category_id: u32,
}

/// Where seats are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "names that say it")]
pub struct Area {
    pub area_id: u32,
    pub block_ids: Vec<u32>,
}

pub(super) fn document() -> Value {
    let mut random = Random::new(1996);
    let mut id = 138_586_340;
    let names = |random: &mut Random, first: u32, count: u32| {
        let entry =
            |place: u32| ((first + place * 3).to_string(), Value::from(sentence(random, 2, 5, 0)));
        Value::Record((0..count).map(entry).collect())
    };
    Value::record([
        ("areaNames", names(&mut random, 205_705_990, 17)),
        ("audienceSubCategoryNames", names(&mut random, 337_100_890, 1)),
        ("events", Value::Record((0..EVENTS).map(|_| event(&mut random, &mut id)).collect())),
        ("performances", Value::list((0..PERFORMANCES).map(|_| performance(&mut random, &mut id)))),
        ("seatCategoryNames", names(&mut random, 338_937_270, 64)),
        ("venueNames", Value::record([("PLEYEL_PLEYEL", "Salle Pleyel".into())])),
    ])
}

fn event(random: &mut Random, id: &mut u32) -> (String, Value) {
    *id += 1 + random.below(20);
    let topics = 1 + random.below(5);
    let event = Value::record([
        ("description", Value::Null),
        ("id", (*id).into()),
        (
            "logo",
            random
                .chance(20)
                .then(|| format!("/images/UE0AAAAACEKo6QAAAAZDSVR{}", *id % 10))
                .into(),
        ),
        ("name", sentence(random, 4, 8, 4).into()),
        (
            "subTopicIds",
            Value::list((0..topics).map(|_| Value::from(337_184_260 + random.below(30)))),
        ),
        ("subjectCode", Value::Null),
        ("subtitle", Value::Null),
        ("topicIds", Value::list((0..topics).map(|_| Value::from(324_846_090 + random.below(12))))),
    ]);
    (id.to_string(), event)
}

fn performance(random: &mut Random, id: &mut u32) -> Value {
    *id += 1 + random.below(20);
    let categories = 3 + random.below(4);
    let price = |random: &mut Random| {
        Value::record([
            ("amount", (10_000 + random.below(90) * 250).into()),
            ("audienceSubCategoryId", 337_100_890_u32.into()),
            ("seatCategoryId", (338_937_270 + random.below(64)).into()),
        ])
    };
    let category = |random: &mut Random| {
        let areas = 4 + random.below(10);
        let area = |random: &mut Random| {
            Value::record([
                ("areaId", (205_705_990 + random.below(20)).into()),
                ("blockIds", Value::List(Vec::new())),
            ])
        };
        Value::record([
            ("areas", Value::list((0..areas).map(|_| area(random)))),
            ("seatCategoryId", (338_937_270 + random.below(64)).into()),
        ])
    };
    Value::record([
        ("eventId", (138_586_340 + random.below(2000)).into()),
        ("id", (*id).into()),
        ("logo", Value::Null),
        ("name", Value::Null),
        ("prices", Value::list((0..categories).map(|_| price(random)))),
        ("seatCategories", Value::list((0..categories).map(|_| category(random)))),
        ("seatMapImage", Value::Null),
        ("start", (1_372_701_600_000 + i64::from(random.below(100_000)) * 60_000).into()),
        ("venueCode", "PLEYEL_PLEYEL".into()),
    ])
}
