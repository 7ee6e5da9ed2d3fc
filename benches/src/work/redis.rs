//! RESP3: `redis-protocol`.

use std::hint::black_box;
use std::rc::Rc;

use redis_protocol::resp3::decode::complete::decode_range;

use super::{Bench, Work};
use crate::Error;
use crate::data::Value;
use crate::formats::{Digest, Sum, resp};

pub(super) fn operations(bench: &mut Bench, value: &Value, expected: Digest) -> Result<(), Error> {
    const BY: &str = "redis-protocol ranges";
    let message: Rc<[u8]> = resp::encode(value).into();
    let bytes = message.len();

    let (frame, _length) = decode_range(&message)?.ok_or("redis-protocol wants more")?;
    bench.check_visit(BY, |visitor| resp::visit(&frame, &message, visitor), expected)?;

    let input = Rc::clone(&message);
    bench.add(Work::Decode, BY, bytes, move || {
        black_box(decode_range(black_box(&input)).is_ok());
    });
    let input = Rc::clone(&message);
    bench.add(Work::Visit, BY, bytes, move || {
        let mut sum = Sum::default();
        if let Ok(Some((frame, _length))) = decode_range(black_box(&input)) {
            resp::visit(&frame, &input, &mut sum);
        }
        black_box(sum);
    });
    Ok(())
}
