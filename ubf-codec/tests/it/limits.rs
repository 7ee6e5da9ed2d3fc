//! L1: what a packet costs is known at every place in it, however it is read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use ubf_codec::{DecodeError, Decoder, Dialect, Limits, StreamDecoder, Tracer};

/// What operator by operator leads to.
fn by_steps(packet: &[u8], limits: Limits) -> Option<DecodeError> {
    let mut tracer = Tracer::new(packet, Dialect::Extended, limits);
    loop {
        match tracer.step() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

/// What it leads to in pieces of so many bytes.
fn in_pieces(packet: &[u8], limits: Limits, piece: usize) -> Option<DecodeError> {
    let mut decoder = StreamDecoder::new().with_limits(limits);
    let ends = (0..packet.len()).step_by(piece).map(|start| (start + piece).min(packet.len()));
    let mut results = ends.map(|end| decoder.decode_slice(&packet[..end]).map(|_| ()));
    results.find_map(Result::err)
}

#[test]
fn the_cost_is_that_of_what_is_written_out() {
    for (packet, nodes, bytes) in [
        (&b"{}$"[..], 1, 0),
        (b"{{}{}}$", 3, 0),
        (b"{1 \"abc\" 'de' 2~xy~ #1&`tag`}$", 8, 10),
        (b"3~abc~$", 1, 3),
        (b"1>a{a a a}$", 4, 0),
        (b"{{1 2}{}>b>a a a}$", 7, 0),
        (b"{{1 2}{}>b>a{}a b a b}$", 10, 0),
        (b"{#1&{}&>a a a#{}&}$", 9, 0),
        (b"{{\"abc\"}`t`{}>b>a a a}$", 7, 8),
        (b"{#{}&{}>b>a a a b}$", 6, 0),
        (b"?>b{{1}#>c>a{a}>a a a}$", 7, 0),
    ] {
        let summary = Decoder::new().check(packet).unwrap();
        let shown = packet.escape_ascii();
        assert_eq!((summary.expanded_nodes, summary.expanded_bytes), (nodes, bytes), "{shown}");
        // At the limit, and one below it.
        let exactly =
            Limits::default().with_max_expanded_nodes(nodes).with_max_expanded_bytes(bytes);
        let mut decoder = Decoder::new().with_limits(exactly);
        assert!(decoder.check(packet).is_ok(), "{shown}");
        let fewer = exactly.with_max_expanded_nodes(nodes - 1);
        let mut decoder = Decoder::new().with_limits(fewer);
        assert_eq!(
            decoder.check(packet).unwrap_err().kind().code(),
            "limit-expanded-nodes",
            "{shown}"
        );
        if bytes > 0 {
            let mut decoder =
                Decoder::new().with_limits(exactly.with_max_expanded_bytes(bytes - 1));
            assert_eq!(
                decoder.check(packet).unwrap_err().kind().code(),
                "limit-expanded-bytes",
                "{shown}"
            );
        }
    }
}

#[test]
fn a_limit_is_kept_after_a_register_is_read_and_wherever_the_packet_is_cut() {
    // Reads among terms that are written out; those that are large early, and those that are small
    // late.
    let early =
        [&b"{{1 2 3 4 5 6 7 8 9}>r"[..], &b"r ".repeat(20), &b"?".repeat(100), b"}$"].concat();
    let late = [&b"{{\"ab\"}>r"[..], &b"??? r \"c\" 17 ".repeat(20), b"}$"].concat();
    let lists = [&b"#>r{"[..], &b"r 1&>r {} r ".repeat(12), b"}$"].concat();
    for packet in [early, late, lists] {
        let cost = Decoder::new().check(&packet).unwrap();
        let all = cost.expanded_nodes;
        let nodes = [1, 5, 30, 31, 100, 150, 199, 200, 201, 202, all - 10, all - 2, all - 1, all];
        let of_nodes = nodes.map(|max| Limits::default().with_max_expanded_nodes(max));
        let bytes = [0, 1, 2, 40, cost.expanded_bytes.saturating_sub(1), cost.expanded_bytes];
        let of_bytes = bytes.map(|max| Limits::default().with_max_expanded_bytes(max));
        for limits in of_nodes.into_iter().chain(of_bytes) {
            let expected = by_steps(&packet, limits);
            let is_enough = limits.max_expanded_nodes >= all
                && limits.max_expanded_bytes >= cost.expanded_bytes;
            assert_eq!(expected.is_none(), is_enough, "{limits:?}");
            for piece in [1, 3, 16, 50, packet.len()] {
                assert_eq!(
                    in_pieces(&packet, limits, piece),
                    expected,
                    "{limits:?} in pieces of {piece}"
                );
            }
        }
    }
}

#[test]
fn an_announcement_fits_with_its_end_or_is_refused_at_once() {
    let limits = Limits::default().with_max_packet_bytes(10);
    let refused = |packet: &[u8]| {
        let error = StreamDecoder::new().with_limits(limits).decode_slice(packet).err()?;
        Some((error.kind().code(), error.offset()))
    };
    assert_eq!(refused(b"6~hello!~$"), None);
    assert_eq!(refused(b"6~"), None);
    assert_eq!(refused(b"7~"), Some(("limit-packet-bytes", 1)));
    // What stands before it takes its room.
    assert_eq!(refused(b" {3~abc~}$"), None);
    assert_eq!(refused(b" {4~"), None);
    assert_eq!(refused(b" {5~"), Some(("limit-packet-bytes", 3)));
}
