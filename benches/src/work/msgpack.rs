//! `MessagePack`: `rmpv`, and `rmp-serde` where no types are known.

use std::hint::black_box;
use std::rc::Rc;

use rmpv::decode::{read_value, read_value_ref};
use serde::de::IgnoredAny;

use super::{Bench, Work};
use crate::Error;
use crate::data::Value;
use crate::formats::{Digest, Sum, msgpack};

pub(super) fn encoded(value: &Value) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &msgpack::message_pack(value))?;
    Ok(bytes)
}

pub(super) fn operations(bench: &mut Bench, value: &Value, expected: Digest) -> Result<(), Error> {
    const BORROWED: &str = "rmpv ValueRef";
    const OWNED: &str = "rmpv Value";
    let owned = msgpack::message_pack(value);
    let message: Rc<[u8]> = encoded(value)?.into();
    let bytes = message.len();

    let borrowed = read_value_ref(&mut &*message)?;
    bench.check_visit(BORROWED, |visitor| msgpack::visit(&borrowed, visitor), expected)?;
    bench.check(OWNED, &read_value(&mut &*message)?, &owned)?;
    rmp_serde::from_slice::<IgnoredAny>(&message)?;
    drop(borrowed);

    let input = Rc::clone(&message);
    bench.add(Work::Validate, "rmp-serde IgnoredAny", bytes, move || {
        black_box(rmp_serde::from_slice::<IgnoredAny>(black_box(&input)).is_ok());
    });
    let input = Rc::clone(&message);
    bench.add(Work::Decode, BORROWED, bytes, move || {
        black_box(read_value_ref(&mut black_box(&*input)).is_ok());
    });
    let input = Rc::clone(&message);
    bench.add(Work::Visit, BORROWED, bytes, move || {
        let mut sum = Sum::default();
        if let Ok(value) = read_value_ref(&mut black_box(&*input)) {
            msgpack::visit(&value, &mut sum);
        }
        black_box(sum);
    });
    let input = Rc::clone(&message);
    bench.add(Work::Owned, OWNED, bytes, move || {
        black_box(read_value(&mut black_box(&*input)).is_ok());
    });
    let mut buffer = Vec::with_capacity(bytes);
    bench.add(Work::Encode, OWNED, bytes, move || {
        buffer.clear();
        black_box(rmpv::encode::write_value(&mut buffer, black_box(&owned)).is_ok());
    });
    Ok(())
}
