//! JSON: `serde_json`, `simd-json`, `sonic-rs`.

use std::hint::black_box;
use std::rc::Rc;

use serde::de::IgnoredAny;
use serde_json::Value as Json;
use simd_json::{Buffers, Tape};
use sonic_rs::Value as Sonic;

use super::{Bench, Work};
use crate::Error;
use crate::data::Value;
use crate::formats::{Digest, Sum, digest, fast_json, json};

pub(super) fn operations(bench: &mut Bench, value: &Value) -> Result<(), Error> {
    let json = json::json(value);
    let text: Rc<[u8]> = serde_json::to_vec(&json)?.into();
    let expected = digest(value, true);
    serde_json_operations(bench, json, &text, expected)?;
    simd_json_operations(bench, &text, expected)?;
    sonic_operations(bench, &text, expected)
}

fn serde_json_operations(
    bench: &mut Bench,
    json: Json,
    text: &Rc<[u8]>,
    expected: Digest,
) -> Result<(), Error> {
    const BY: &str = "serde_json Value";
    let bytes = text.len();
    let found: Json = serde_json::from_slice(text)?;
    bench.check_visit(BY, |visitor| json::visit(&found, visitor), expected)?;
    bench.check_visit(BY, |visitor| json::visit(&json, visitor), expected)?;
    serde_json::from_slice::<IgnoredAny>(text)?;

    let input = Rc::clone(text);
    bench.add(Work::Validate, "serde_json IgnoredAny", bytes, move || {
        black_box(serde_json::from_slice::<IgnoredAny>(black_box(&input)).is_ok());
    });
    for work in [Work::Decode, Work::Owned] {
        let input = Rc::clone(text);
        bench.add(work, BY, bytes, move || {
            black_box(serde_json::from_slice::<Json>(black_box(&input)).is_ok());
        });
    }
    let input = Rc::clone(text);
    bench.add(Work::Visit, BY, bytes, move || {
        let mut sum = Sum::default();
        if let Ok(value) = serde_json::from_slice(black_box(&input)) {
            json::visit(&value, &mut sum);
        }
        black_box(sum);
    });
    let mut buffer = Vec::with_capacity(bytes);
    bench.add(Work::Encode, BY, bytes, move || {
        buffer.clear();
        black_box(serde_json::to_writer(&mut buffer, black_box(&json)).is_ok());
    });
    Ok(())
}

/// It writes into its input, so that each time begins with a copy of it into a buffer that is kept;
/// that is measured, too.
fn simd_json_operations(bench: &mut Bench, text: &Rc<[u8]>, expected: Digest) -> Result<(), Error> {
    const TAPE: &str = "simd-json tape";
    const BORROWED: &str = "simd-json borrowed";
    let bytes = text.len();
    let mut copy = text.to_vec();
    let tape = simd_json::to_tape(&mut copy)?;
    bench.check_visit(TAPE, |visitor| fast_json::visit_tape(&tape, visitor), expected)?;
    let mut copy = text.to_vec();
    let value = simd_json::to_borrowed_value(&mut copy)?;
    bench.check_visit(BORROWED, |visitor| fast_json::visit_borrowed(&value, visitor), expected)?;

    let (input, mut copy) = (Rc::clone(text), Vec::with_capacity(bytes));
    bench.add(Work::Decode, TAPE, bytes, move || {
        refill(&mut copy, &input);
        black_box(simd_json::to_tape(&mut copy).is_ok());
    });
    let (input, mut copy) = (Rc::clone(text), Vec::with_capacity(bytes));
    let (mut buffers, mut kept) = (Buffers::new(bytes), Some(Tape::null()));
    bench.add(Work::DecodeReused, TAPE, bytes, move || {
        refill(&mut copy, &input);
        let mut tape = kept.take().unwrap_or_else(Tape::null).reset();
        black_box(simd_json::fill_tape(&mut copy, &mut buffers, &mut tape).is_ok());
        kept = Some(black_box(tape).reset());
    });
    let (input, mut copy) = (Rc::clone(text), Vec::with_capacity(bytes));
    bench.add(Work::Decode, BORROWED, bytes, move || {
        refill(&mut copy, &input);
        black_box(simd_json::to_borrowed_value(&mut copy).is_ok());
    });
    let (input, mut copy) = (Rc::clone(text), Vec::with_capacity(bytes));
    let mut buffers = Buffers::new(bytes);
    bench.add(Work::DecodeReused, BORROWED, bytes, move || {
        refill(&mut copy, &input);
        black_box(simd_json::to_borrowed_value_with_buffers(&mut copy, &mut buffers).is_ok());
    });
    let (input, mut copy) = (Rc::clone(text), Vec::with_capacity(bytes));
    bench.add(Work::Visit, TAPE, bytes, move || {
        refill(&mut copy, &input);
        let mut sum = Sum::default();
        if let Ok(tape) = simd_json::to_tape(&mut copy) {
            fast_json::visit_tape(&tape, &mut sum);
        }
        black_box(sum);
    });
    let (input, mut copy) = (Rc::clone(text), Vec::with_capacity(bytes));
    bench.add(Work::Visit, BORROWED, bytes, move || {
        refill(&mut copy, &input);
        let mut sum = Sum::default();
        if let Ok(value) = simd_json::to_borrowed_value(&mut copy) {
            fast_json::visit_borrowed(&value, &mut sum);
        }
        black_box(sum);
    });
    Ok(())
}

fn refill(copy: &mut Vec<u8>, input: &[u8]) {
    copy.clear();
    copy.extend_from_slice(black_box(input));
}

fn sonic_operations(bench: &mut Bench, text: &Rc<[u8]>, expected: Digest) -> Result<(), Error> {
    const BY: &str = "sonic-rs Value";
    let bytes = text.len();
    let value: Sonic = sonic_rs::from_slice(text)?;
    bench.check_visit(BY, |visitor| fast_json::visit_sonic(&value, visitor), expected)?;
    sonic_rs::from_slice::<IgnoredAny>(text)?;

    let input = Rc::clone(text);
    bench.add(Work::Validate, "sonic-rs skip", bytes, move || {
        black_box(sonic_rs::from_slice::<IgnoredAny>(black_box(&input)).is_ok());
    });
    let input = Rc::clone(text);
    bench.add(Work::Decode, BY, bytes, move || {
        black_box(sonic_rs::from_slice::<Sonic>(black_box(&input)).is_ok());
    });
    let input = Rc::clone(text);
    bench.add(Work::Visit, BY, bytes, move || {
        let mut sum = Sum::default();
        if let Ok(value) = sonic_rs::from_slice(black_box(&input)) {
            fast_json::visit_sonic(&value, &mut sum);
        }
        black_box(sum);
    });
    let mut buffer = Vec::with_capacity(bytes);
    bench.add(Work::Encode, BY, bytes, move || {
        buffer.clear();
        black_box(sonic_rs::to_writer(&mut buffer, black_box(&value)).is_ok());
    });
    Ok(())
}
