//! This project's codec.

use std::hint::black_box;
use std::rc::Rc;

use bytes::Bytes;
use ubf_codec::{Decoder, Encoder, Limits, Style};

use super::{Bench, UBF, VIEWS, Work};
use crate::Error;
use crate::data::Value;
use crate::formats::{Digest, Sum, ubf};

/// The default limits with room for the largest document.
pub(super) fn limits() -> Limits {
    Limits::default().with_max_packet_bytes(128 << 20).with_max_expanded_bytes(128 << 20)
}

pub(super) fn operations(bench: &mut Bench, value: &Value, expected: Digest) -> Result<(), Error> {
    let term = ubf::term(value);
    let packet: Rc<[u8]> = Encoder::new().encode(&term).into();
    let bytes = packet.len();

    let decoded = ubf_codec::decode(&packet)?;
    bench.check(UBF, &decoded.to_term(), &term)?;
    bench.check_visit(UBF, |visitor| ubf::visit(&decoded, visitor), expected)?;
    bench.check(UBF, &Decoder::new().check(&packet)?, &decoded.summary())?;
    drop(decoded);

    let (mut checker, input) = (Decoder::new(), Rc::clone(&packet));
    bench.add(Work::Validate, UBF, bytes, move || {
        black_box(checker.check(black_box(&input)).is_ok());
    });
    let input = Rc::clone(&packet);
    bench.add(Work::Decode, UBF, bytes, move || {
        black_box(ubf_codec::decode(black_box(&input)).is_ok());
    });
    let (mut decoder, input) = (Decoder::new(), Rc::clone(&packet));
    bench.add(Work::DecodeReused, UBF, bytes, move || {
        if let Ok(packet) = decoder.decode(black_box(&input)) {
            decoder.recycle(black_box(packet));
        }
    });
    let input = Rc::clone(&packet);
    bench.add(Work::Visit, UBF, bytes, move || {
        let mut sum = Sum::default();
        if let Ok(packet) = ubf_codec::decode(black_box(&input)) {
            ubf::visit(&packet, &mut sum);
        }
        black_box(sum);
    });
    looks(bench, &packet, expected)?;
    let input = Rc::clone(&packet);
    bench.add(Work::Owned, UBF, bytes, move || {
        drop(black_box(ubf_codec::decode(black_box(&input)).map(|packet| packet.to_term())));
    });

    for (work, style) in [(Work::Encode, Style::Plain), (Work::EncodeCached, Style::Cached)] {
        let (mut encoder, term) = (Encoder::new().with_style(style), term.clone());
        let mut buffer = encoder.encode(&term);
        bench.check(
            UBF,
            &Decoder::new().with_limits(limits()).decode(&buffer)?.to_term(),
            &term,
        )?;
        bench.add(work, UBF, buffer.len(), move || {
            buffer.clear();
            encoder.encode_to(black_box(&term), &mut buffer);
            black_box(&buffer);
        });
    }
    Ok(())
}

/// The two ways to look at a packet that is decoded.
fn looks(bench: &mut Bench, packet: &[u8], expected: Digest) -> Result<(), Error> {
    let decoded = Decoder::new().decode_shared(Bytes::copy_from_slice(packet))?;
    bench.check_visit(VIEWS, |visitor| ubf::view(decoded.text_root(), visitor), expected)?;
    let document = decoded.clone();
    bench.add(Work::Look, UBF, packet.len(), move || {
        let mut sum = Sum::default();
        ubf::visit(black_box(&document), &mut sum);
        black_box(sum);
    });
    bench.add(Work::Look, VIEWS, packet.len(), move || {
        let mut sum = Sum::default();
        ubf::view(black_box(&decoded).text_root(), &mut sum);
        black_box(sum);
    });
    Ok(())
}
