//! `canada`: the outline of a land, in pairs of floats with many digits.

use serde::{Deserialize, Serialize};

use super::Value;
use super::random::Random;

const RINGS: u32 = 240;
const POINTS: u32 = 116;

/// The land as a program has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Collection {
    pub r#type: String,
    pub features: Vec<Feature>,
}

/// One land.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Feature {
    pub r#type: String,
    pub properties: Properties,
    pub geometry: Geometry,
}

/// What it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Properties {
    pub name: String,
}

/// Where it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "names that say it")]
pub struct Geometry {
    pub r#type: String,
    pub coordinates: Vec<Vec<(f64, f64)>>,
}

/// Coordinates are equal that differ in their last digit only: so `serde_json` reads some floats.
impl PartialEq for Geometry {
    fn eq(&self, other: &Self) -> bool {
        let is_near = |one: f64, two: f64| (one - two).abs() <= 1e-12;
        let points = |geometry: &Self| geometry.coordinates.concat();
        let (ours, theirs) = (points(self), points(other));
        self.r#type == other.r#type
            && ours.len() == theirs.len()
            && ours
                .iter()
                .zip(&theirs)
                .all(|(one, two)| is_near(one.0, two.0) && is_near(one.1, two.1))
    }
}

pub(super) fn document() -> Value {
    let mut random = Random::new(1867);
    let rings = Value::list((0..RINGS).map(|_| ring(&mut random)));
    let geometry = Value::record([("type", "Polygon".into()), ("coordinates", rings)]);
    let feature = Value::record([
        ("type", "Feature".into()),
        ("properties", Value::record([("name", "Canada".into())])),
        ("geometry", geometry),
    ]);
    Value::record([("type", "FeatureCollection".into()), ("features", Value::list([feature]))])
}

/// A walk in small steps. Coordinates have six decimals and, as in the file that this one is like,
/// digits of noise behind them.
fn ring(random: &mut Random) -> Value {
    let mut longitude = -140.0 + f64::from(random.below(80_000_000)) / 1e6;
    let mut latitude = 42.0 + f64::from(random.below(40_000_000)) / 1e6;
    Value::list((0..POINTS).map(|_| {
        longitude += (f64::from(random.below(40_001)) - 20_000.0) / 1e6;
        latitude += (f64::from(random.below(40_001)) - 20_000.0) / 1e6;
        Value::tuple([Value::Float(longitude), Value::Float(latitude)])
    }))
}
