//! The same structs through the peers' serde.

use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::typed::{decoder, encoder};
use super::{Bench, msgpack};
use crate::Error;
use crate::data::Value;
use crate::formats::json;

pub(super) fn operations<T>(bench: &mut Bench, value: &Value, typed: &Rc<T>) -> Result<(), Error>
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
