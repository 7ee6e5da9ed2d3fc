//! Rust structs through serde.

use std::hint::black_box;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ubf_codec::Encoder;
use ubf_codec::serde::{Serializer, from_slice};

use super::{Bench, UBF, Work};
use crate::Error;
use crate::data::Value;
use crate::formats::ubf;

/// Structs as records, which have no names of fields: what UBF's programs use, and what the other
/// formats have no word for.
const RECORDS: &str = "ubf-codec, as records";

pub(super) fn operations<T>(bench: &mut Bench, value: &Value, typed: T) -> Result<(), Error>
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let typed = Rc::new(typed);
    ours(bench, value, &typed)?;
    #[cfg(feature = "peers")]
    if bench.with_peers {
        super::typed_peers::operations(bench, value, &typed)?;
    }
    Ok(())
}

fn ours<T>(bench: &mut Bench, value: &Value, typed: &Rc<T>) -> Result<(), Error>
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let packet = Encoder::new().encode(&ubf::term(value));
    let record = Serializer::new().encode(&**typed)?;
    decoder(bench, UBF, packet, &**typed, |input| Ok(from_slice(input)?))?;
    decoder(bench, RECORDS, record, &**typed, |input| Ok(from_slice(input)?))?;
    for (by, as_lists) in [(UBF, true), (RECORDS, false)] {
        let mut serializer = Serializer::new().with_property_lists(as_lists);
        let encode = move |value: &T, out: &mut Vec<u8>| Ok(serializer.encode_to(value, out)?);
        encoder(bench, by, typed, encode, |input| Ok(from_slice(input)?))?;
    }
    Ok(())
}

pub(super) fn decoder<T: PartialEq + 'static>(
    bench: &mut Bench,
    by: &str,
    input: Vec<u8>,
    expected: &T,
    mut decode: impl FnMut(&[u8]) -> Result<T, Error> + 'static,
) -> Result<(), Error> {
    bench.check(by, &decode(&input)?, expected)?;
    bench.add(Work::Typed, by, input.len(), move || {
        black_box(decode(black_box(&input)).is_ok());
    });
    Ok(())
}

pub(super) fn encoder<T: PartialEq + 'static>(
    bench: &mut Bench,
    by: &str,
    value: &Rc<T>,
    mut encode: impl FnMut(&T, &mut Vec<u8>) -> Result<(), Error> + 'static,
    decode: impl Fn(&[u8]) -> Result<T, Error>,
) -> Result<(), Error> {
    let mut buffer = Vec::new();
    encode(value, &mut buffer)?;
    bench.check(by, &decode(&buffer)?, &**value)?;
    let value = Rc::clone(value);
    bench.add(Work::EncodeTyped, by, buffer.len(), move || {
        buffer.clear();
        black_box(encode(black_box(&value), &mut buffer).is_ok());
    });
    Ok(())
}
