//! Erlang's external term format: `erltf` and `eetf`.

use std::hint::black_box;
use std::rc::Rc;

use eetf::Term as Eetf;

use super::{Bench, Work};
use crate::Error;
use crate::data::Value;
use crate::formats::etf::{self, Text};
use crate::formats::{Digest, Sum};

pub(super) fn operations(bench: &mut Bench, value: &Value, expected: Digest) -> Result<(), Error> {
    const BORROWED: &str = "erltf borrowed";
    const OWNED: &str = "erltf owned";
    const EETF: &str = "eetf";
    let message: Rc<[u8]> = etf::encode(value, Text::Binaries).into();
    let bytes = message.len();

    let borrowed = erltf::decode_borrowed(&message)?;
    bench.check_visit(BORROWED, |visitor| etf::visit(&borrowed, visitor), expected)?;
    let owned = erltf::decode(&message)?;
    bench.check(OWNED, &owned, &borrowed.to_owned())?;
    let eetf = Eetf::decode(&*message)?;
    bench.check_visit(EETF, |visitor| etf::visit_eetf(&eetf, visitor), expected)?;
    drop(borrowed);

    let input = Rc::clone(&message);
    bench.add(Work::Decode, BORROWED, bytes, move || {
        black_box(erltf::decode_borrowed(black_box(&input)).is_ok());
    });
    let input = Rc::clone(&message);
    bench.add(Work::Visit, BORROWED, bytes, move || {
        let mut sum = Sum::default();
        if let Ok(term) = erltf::decode_borrowed(black_box(&input)) {
            etf::visit(&term, &mut sum);
        }
        black_box(sum);
    });
    let input = Rc::clone(&message);
    bench.add(Work::Owned, OWNED, bytes, move || {
        black_box(erltf::decode(black_box(&input)).is_ok());
    });
    for work in [Work::Decode, Work::Owned] {
        let input = Rc::clone(&message);
        bench.add(work, EETF, bytes, move || {
            black_box(Eetf::decode(black_box(&*input)).is_ok());
        });
    }
    let mut buffer = Vec::with_capacity(bytes);
    bench.add(Work::Encode, OWNED, bytes, move || {
        buffer.clear();
        black_box(erltf::encode_to_writer(black_box(&owned), &mut buffer).is_ok());
    });
    let mut buffer = Vec::with_capacity(bytes);
    bench.add(Work::Encode, EETF, bytes, move || {
        buffer.clear();
        black_box(black_box(&eetf).encode(&mut buffer).is_ok());
    });
    Ok(())
}
