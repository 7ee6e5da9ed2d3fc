//! Random terms without parts.

use alloc::vec::Vec;

use num_bigint::BigInt;
use ubf_codec::{Integer, Term};

use super::random::Random;
use crate::predefined::Attributes;

/// Bytes that the attributes allow, mostly letters.
pub(super) fn bytes(attributes: Attributes, random: &mut Random) -> Vec<u8> {
    let least = usize::from(attributes.has(Attributes::NONEMPTY));
    let len = if random.once_in(8) { least } else { least + random.below(12) };
    (0..len).map(|_| byte(attributes, random)).collect()
}

fn byte(attributes: Attributes, random: &mut Random) -> u8 {
    let printable = attributes.has(Attributes::ASCIIPRINTABLE);
    let (low, high) = match (printable, attributes.has(Attributes::ASCII)) {
        (true, _) => (32, 126),
        (false, true) => (0, 127),
        (false, false) => (0, 255),
    };
    // Letters are what people read; now and then it is any byte.
    let (low, high) = if random.once_in(12) { (low, high) } else { (b'a', b'z') };
    let offset = random.below(usize::from(high - low) + 1);
    low.saturating_add(u8::try_from(offset).unwrap_or_default())
}

pub(super) fn atom(attributes: Attributes, random: &mut Random) -> Term {
    if random.once_in(10) && !attributes.has(Attributes::NONUNDEFINED) {
        return Term::Undefined;
    }
    // Names begin with a letter; `nonundefined` excludes one name, which is put right.
    let mut name = bytes(attributes, random);
    if name == b"undefined" {
        name.push(b'x');
    }
    Term::atom(name)
}

/// Mostly small integers, the bounds, and what stands beside them.
pub(super) fn integer(min: Option<&Integer>, max: Option<&Integer>, random: &mut Random) -> Term {
    let small = i64::try_from(random.below(2_000)).unwrap_or_default() - 1_000;
    let pick = |value: BigInt| Term::from(Integer::from(value));
    match (min, max) {
        (None, None) if random.once_in(10) => {
            pick(BigInt::from(small) * BigInt::from(random.bits()) * BigInt::from(random.bits()))
        }
        (None, None) => Term::from(small),
        (Some(min), None) => pick(min.to_big_int() + small.abs() / steps(random)),
        (None, Some(max)) => pick(max.to_big_int() - small.abs() / steps(random)),
        (Some(min), Some(max)) => {
            let span = max.to_big_int() - min.to_big_int() + 1;
            let many = BigInt::from(random.bits()) * BigInt::from(random.bits());
            match random.below(6) {
                0 => Term::from(min.clone()),
                1 => Term::from(max.clone()),
                _ => pick(min.to_big_int() + many % span),
            }
        }
    }
}

fn steps(random: &mut Random) -> i64 {
    if random.once_in(3) { 1_000 } else { 1 }
}

pub(super) fn float(random: &mut Random) -> Term {
    let value = match random.below(8) {
        0 => 0.0,
        1 => -1.5,
        2 => 1.0e100,
        3 => 5e-324,
        _ => f64::from(i32::try_from(random.below(2_000_000)).unwrap_or_default()) / 1_000.0,
    };
    Term::float(value).unwrap_or_default()
}

/// A term of any kind, without parts.
pub(super) fn anything(random: &mut Random) -> Term {
    match random.below(9) {
        0 => Term::Undefined,
        1 => float(random),
        2 => Term::binary(bytes(Attributes::default(), random)),
        3 => Term::string(bytes(Attributes::ASCIIPRINTABLE, random)),
        4 => Term::list([]),
        5 => Term::tuple([]),
        6 => atom(Attributes::default(), random),
        _ => integer(None, None, random),
    }
}
