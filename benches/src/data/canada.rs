//! `canada`: the outline of a land, in pairs of floats with many digits.

use super::Value;
use super::random::Random;

const RINGS: u32 = 240;
const POINTS: u32 = 116;

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
