//! A packet that comes in pieces costs about what it costs in one (W12): 64 MiB of text at once, and 1 KiB at a time.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ubf_codec::{Limits, StreamDecoder};

const TEXT_BYTES: usize = 64 << 20;

fn decode_in_pieces(packet: &[u8], piece_bytes: usize) -> usize {
    let limits = Limits::default().with_max_packet_bytes(128 << 20).with_max_expanded_bytes(128 << 20);
    let mut decoder = StreamDecoder::new().with_limits(limits);
    // The buffer has its final size from the start, so that it is the decoder that is measured and not the allocator.
    let mut buffer = BytesMut::with_capacity(packet.len());
    for piece in packet.chunks(piece_bytes) {
        buffer.extend_from_slice(piece);
        if let Ok(Some(packet)) = decoder.decode(&mut buffer) {
            return packet.source().len();
        }
    }
    0
}

fn long_text(c: &mut Criterion) {
    let packet = [&b"\""[..], &b"x".repeat(TEXT_BYTES), b"\"$"].concat();
    assert_eq!(decode_in_pieces(&packet, 1024), packet.len());

    let mut group = c.benchmark_group("64 MiB string");
    group.throughput(Throughput::Bytes(packet.len() as u64)).sample_size(10);
    for (name, piece_bytes) in [("at once", packet.len()), ("in pieces of 1 KiB", 1024)] {
        group.bench_function(name, |b| b.iter(|| decode_in_pieces(black_box(&packet), piece_bytes)));
    }
    group.finish();
}

criterion_group!(benches, long_text);
criterion_main!(benches);
