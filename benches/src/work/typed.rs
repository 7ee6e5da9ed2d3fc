//! Rust structs through serde, ours and the peers'.

use std::hint::black_box;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ubf_codec::Encoder;
use ubf_codec::serde::{Serializer, from_slice};

use super::{Bench, UBF, Work, msgpack};
use crate::Error;
use crate::data::Value;
use crate::formats::{json, ubf};

/// Structs as records, which have no names of fields: what UBF's programs use, and what the other
/// formats have no word for.
const RECORDS: &str = "ubf-codec, as records";

pub(super) fn operations<T>(bench: &mut Bench, value: &Value, typed: T) -> Result<(), Error>
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let typed = Rc::new(typed);
    ours(bench, value, &typed)?;
    if bench.with_peers { peers(bench, value, &typed) } else { Ok(()) }
}

fn ours<T>(bench: &mut Bench, value: &Value, typed: &Rc<T>) -> Result<(), Error>
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let packet = Encoder::new().encode(&ubf::term(value));
    let record = Serializer::new().encode(&**typed)?;
    decoder(bench, UBF, packet, typed, |input| Ok(from_slice(input)?))?;
    decoder(bench, RECORDS, record, typed, |input| Ok(from_slice(input)?))?;
    for (by, as_lists) in [(UBF, true), (RECORDS, false)] {
        let mut serializer = Serializer::new().with_property_lists(as_lists);
        let encode = move |value: &T, out: &mut Vec<u8>| Ok(serializer.encode_to(value, out)?);
        encoder(bench, by, typed, encode, |input| Ok(from_slice(input)?))?;
    }
    Ok(())
}

fn peers<T>(bench: &mut Bench, value: &Value, typed: &Rc<T>) -> Result<(), Error>
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let text = serde_json::to_vec(&json::json(value))?;
    let message = msgpack::encoded(value)?;
    decoder(bench, "serde_json", text.clone(), typed, |input| Ok(serde_json::from_slice(input)?))?;
    decoder(bench, "sonic-rs", text.clone(), typed, |input| Ok(sonic_rs::from_slice(input)?))?;
    let mut copy = Vec::with_capacity(text.len());
    decoder(bench, "simd-json", text, typed, move |input| {
        copy.clear();
        copy.extend_from_slice(input);
        Ok(simd_json::serde::from_slice(&mut copy)?)
    })?;
    decoder(bench, "rmp-serde", message, typed, |input| Ok(rmp_serde::from_slice(input)?))?;
    // It reads what it has written itself: how structs stand in Erlang's format is its own choice.
    // It cannot read its own twitter: no integer that Erlang writes as a bignum becomes an `i64`.
    let has_erlang = matches!(bench.document.as_str(), "rpc" | "records");
    if has_erlang {
        let etf = erltf_serde::to_bytes(&**typed)?;
        decoder(bench, "erltf_serde", etf, typed, |input| Ok(erltf_serde::from_bytes(input)?))?;
    }

    let read_json = |input: &[u8]| Ok(serde_json::from_slice(input)?);
    encoder(
        bench,
        "serde_json",
        typed,
        |value, out| Ok(serde_json::to_writer(out, value)?),
        read_json,
    )?;
    encoder(
        bench,
        "sonic-rs",
        typed,
        |value, out| Ok(sonic_rs::to_writer(out, value)?),
        read_json,
    )?;
    let write_named =
        |value: &T, out: &mut Vec<u8>| Ok(rmp_serde::encode::write_named(out, value)?);
    encoder(bench, "rmp-serde", typed, write_named, |input| Ok(rmp_serde::from_slice(input)?))?;
    if has_erlang {
        let write_etf = |value: &T, out: &mut Vec<u8>| {
            out.extend_from_slice(&erltf_serde::to_bytes(value)?);
            Ok(())
        };
        encoder(bench, "erltf_serde", typed, write_etf, |input| {
            Ok(erltf_serde::from_bytes(input)?)
        })?;
    }
    Ok(())
}

fn decoder<T: PartialEq + 'static>(
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

fn encoder<T: PartialEq + 'static>(
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
