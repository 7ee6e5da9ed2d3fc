//! `citm`: a catalogue with many small integers and few keys that are repeated.

use super::Value;
use super::random::Random;
use super::text::sentence;

const EVENTS: u32 = 180;
const PERFORMANCES: u32 = 240;

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
