//! What strangers' packets cost in memory. One test in a program of its own, because it counts for
//! the whole process.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use bytes::BytesMut;
use peak_alloc::PeakAlloc;
use ubf_codec::{Decoder, Limits, StreamDecoder};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most memory that `work` holds at a time, in bytes.
fn peak_of(work: impl FnOnce()) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    work();
    MEMORY.peak_usage() - before
}

fn refused_as(input: &[u8]) -> &'static str {
    Decoder::new().decode(input).expect_err("must be refused").kind().code()
}

#[test]
fn bombs_cost_little_and_packets_a_small_multiple_of_their_bytes() {
    let kibibyte = 1024;

    // 'x'>a{aa}>b{bb}>c…: 2^30 terms out of some 180 bytes.
    let mut doubling = b"'x'>a".to_vec();
    for step in b'a'..=b'z' {
        doubling.extend([b'{', step, step, b'}', b'>', step + 1]);
    }
    doubling.extend(b"{$");
    assert!(doubling.len() < 185);
    assert!(peak_of(|| assert_eq!(refused_as(&doubling), "limit-expanded-nodes")) < 8 * kibibyte);

    let million_tuples = vec![b'{'; 1_000_000];
    assert!(peak_of(|| assert_eq!(refused_as(&million_tuples), "limit-depth")) < 64 * kibibyte);

    let announced = b"1000000000000000000~abc";
    assert!(peak_of(|| assert_eq!(refused_as(announced), "limit-packet-bytes")) < 4 * kibibyte);

    let digits = vec![b'7'; 10_000_000];
    assert!(peak_of(|| assert_eq!(refused_as(&digits), "limit-integer-digits")) < 4 * kibibyte);

    // A length that may be is believed, and no room made for it.
    let announced = b"{16000000~abc";
    let wait = || assert!(StreamDecoder::new().decode_slice(announced).unwrap().is_none());
    assert!(peak_of(wait) < 4 * kibibyte);

    // Atoms go with their packets: there is no table that a hundred thousand could fill.
    let mut decoder = StreamDecoder::new();
    let most = peak_of(|| {
        for number in 0..100_000 {
            let name = format!("atom {number}");
            let packet = format!("'{name}'$");
            let decoded = decoder.decode_slice(packet.as_bytes()).unwrap().unwrap();
            assert!(decoded.root().is_atom(&name));
        }
    });
    assert!(most < 4 * kibibyte, "{most}");

    // Lists that share their tails: written out they would be 80 MB, in the packet they are 60 kB.
    let lists = [&b"{#>a "[..], &b"a a1&>a ".repeat(10_000), b"a}$"].concat();
    let limits = Limits::default().with_max_expanded_nodes(u64::MAX).with_max_depth(u32::MAX);
    let most = peak_of(|| drop(Decoder::new().with_limits(limits).decode(&lists)));
    assert!(most < 24 * lists.len(), "{most} for {}", lists.len());

    // The worst packets: nothing but terms of one byte, one more than fits where memory was doubled
    // last.
    for unit in [b"?", b"#"] {
        let units = [&b"{"[..], &unit.repeat((1 << 19) + 1), b"}$"].concat();
        let most = peak_of(|| drop(Decoder::new().decode(&units).unwrap()));
        assert!(most < 49 * units.len(), "{most} for {}", units.len());
    }

    // The same for terms of three bytes that have a part: a node, its part, and where it begins.
    for unit in [&b"{?}"[..], b"#?&"] {
        let units = [&b"{"[..], &unit.repeat((1 << 18) + 1), b"}$"].concat();
        let most = peak_of(|| drop(Decoder::new().decode(&units).unwrap()));
        assert!(most < 49 * units.len(), "{most} for {}", units.len());
    }

    // Registers cost a place on the stack and a mark for each byte.
    let reads = [&b"{{?}>a"[..], &b"a".repeat((1 << 18) + 1), b"}$"].concat();
    let most = peak_of(|| drop(Decoder::new().decode(&reads).unwrap()));
    assert!(most < 81 * reads.len(), "{most} for {}", reads.len());

    // What a connection keeps when its largest packet is gone.
    let units = [&b"{"[..], &b"{1}".repeat(100_000), b"}$"].concat();
    let mut decoder = StreamDecoder::new();
    let before = MEMORY.current_usage();
    drop(decoder.decode_slice(&units).unwrap().unwrap());
    let kept = MEMORY.current_usage().saturating_sub(before);
    assert!(kept < 32 * kibibyte, "{kept}");

    // A peer that never ends its packet is not collected beyond the limit.
    let limits = Limits::default().with_max_packet_bytes(64 * 1024);
    let most = peak_of(|| {
        let mut decoder = StreamDecoder::new().with_limits(limits);
        let mut buffer = BytesMut::from(&b"\""[..]);
        while decoder.decode(&mut buffer).is_ok() {
            buffer.extend_from_slice(&[b'x'; 1000]);
        }
    });
    assert!(most < 512 * kibibyte, "{most}");
}
