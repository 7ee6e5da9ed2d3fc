//! Any bytes, in any dialect and under any limits: no panic, and every way to read them tells the
//! same.

use bytes::Bytes;
use ubf_codec::{DecodeError, Document, Operator, Source, Summary, Tracer};

use super::Scenario;
use super::shown::Shown;
use ubf_conformance::ours::decoder;
use ubf_conformance::settings::Settings;

/// The laws of decoding a slice: offsets inside the input, sizes inside the limits, and agreement
/// of `packets`, `decode`, `decode_shared`, `check` and the tracer.
pub fn decode(bytes: &[u8]) {
    let scenario = Scenario::read(bytes);
    let Scenario { settings, input, .. } = &scenario;
    let mut decoder = decoder(settings);

    let mut read = 0;
    let mut failure = None;
    let mut ends = Vec::new();
    for packet in decoder.packets(input) {
        assert_eq!(failure, None, "no packet follows an error: {scenario:?}");
        match packet {
            Ok(document) => {
                check_document(&document, settings, &scenario);
                let source = document.source();
                assert_eq!(
                    input.get(read..read + source.len()),
                    Some(source),
                    "packets do not overlap: {scenario:?}"
                );
                read += source.len();
                ends.push(read);
            }
            Err(error) => {
                check_error(&error, input, &scenario);
                failure = Some(error);
            }
        }
    }

    let one = decoder.decode(input);
    let one_shared = decoder.decode_shared(Bytes::copy_from_slice(input));
    let checked = decoder.check(input);
    match (&one, &one_shared) {
        (Ok(document), Ok(shared)) => {
            check_document(document, settings, &scenario);
            check_document(shared, settings, &scenario);
            assert!(
                document.root() == shared.root(),
                "decode and decode_shared differ: {scenario:?}"
            );
            assert_eq!(ends.len(), 1, "decode finds what packets does not: {scenario:?}");
        }
        (Err(error), Err(shared)) => {
            check_error(error, input, &scenario);
            assert_eq!(error, shared, "decode and decode_shared differ: {scenario:?}");
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => {
            panic!("decode and decode_shared differ: {scenario:?}")
        }
    }
    let one: Result<Summary, DecodeError> = one.map(|document| document.summary());
    assert_eq!(one, checked, "decode and check differ: {scenario:?}");

    trace(&scenario, &ends, failure);
}

fn check_error(error: &DecodeError, input: &[u8], scenario: &Scenario) {
    assert!(error.offset() <= input.len() as u64, "the offset is outside: {error}: {scenario:?}");
    let kinds = [error.is_limit(), error.is_syntax(), error.is_incomplete()];
    assert_eq!(
        kinds.iter().filter(|is| **is).count(),
        1,
        "an error is of one kind: {error}: {scenario:?}"
    );
    assert!(
        !error.kind().code().is_empty()
            && !error.kind().rule().is_empty()
            && !error.kind().expected().is_empty()
    );
}

/// Counts the nodes and levels again, from the postfix.
fn check_document<S: Source>(document: &Document<S>, settings: &Settings, scenario: &Scenario) {
    let summary = document.summary();
    let limits = &settings.limits;
    assert_eq!(summary.packet_bytes, document.source().len() as u64, "packet_bytes: {scenario:?}");
    assert!(summary.packet_bytes <= limits.max_packet_bytes.into(), "packet_bytes: {scenario:?}");
    assert!(summary.expanded_nodes <= limits.max_expanded_nodes, "expanded_nodes: {scenario:?}");
    assert!(summary.expanded_bytes <= limits.max_expanded_bytes, "expanded_bytes: {scenario:?}");
    assert!(summary.depth <= limits.max_depth, "depth: {scenario:?}");

    let postfix = document.root().postfix().to_string();
    let (mut of_packet, mut of_root) = (Shown::default(), Shown::default());
    document.visit(&mut of_packet);
    document.root().visit(&mut of_root);
    assert_eq!(
        of_packet.into_postfix(),
        postfix,
        "a visitor of the packet is shown another term: {scenario:?}"
    );
    assert_eq!(
        of_root.into_postfix(),
        postfix,
        "a visitor of its term is shown another one: {scenario:?}"
    );
    let (nodes, depth) = measure(&postfix);
    assert_eq!(summary.expanded_nodes, nodes, "expanded_nodes: {scenario:?}");
    assert_eq!(summary.depth, depth, "depth: {scenario:?}");

    let term = document.to_term();
    assert!(term.as_ref() == document.root(), "to_term differs: {scenario:?}");
    assert_eq!(
        term.as_ref().postfix().to_string(),
        postfix,
        "to_term prints otherwise: {scenario:?}"
    );
    let mut shown = Shown::default();
    term.as_ref().visit(&mut shown);
    assert_eq!(
        shown.into_postfix(),
        postfix,
        "a visitor is shown another owned term: {scenario:?}"
    );
}

fn measure(postfix: &str) -> (u64, u32) {
    let mut depths: Vec<u32> = Vec::new();
    let mut nodes = 0;
    for token in postfix.split(' ') {
        nodes += 1;
        let elements = match token.split_once(':') {
            Some(("t" | "l", count)) => Some(count.parse().unwrap()),
            Some(("g", _)) => Some(1_usize),
            Some(_) | None => None,
        };
        let depth = elements.map_or(0, |count| {
            let first = depths.len().checked_sub(count).unwrap();
            1 + depths.drain(first..).max().unwrap_or_default()
        });
        depths.push(depth);
    }
    assert_eq!(depths.len(), 1, "postfix makes one term: {postfix}");
    (nodes, depths.pop().unwrap())
}

/// The tracer goes through the input without a gap, ends packets where the decoder does, and fails
/// where it fails.
fn trace(scenario: &Scenario, ends: &[usize], failure: Option<DecodeError>) {
    let Scenario { settings, input, .. } = scenario;
    let mut tracer = Tracer::new(input, settings.dialect.into(), (&settings.limits).into())
        .with_any_escape(settings.any_escape);
    let mut at = 0;
    let mut traced = Vec::new();
    let traced_failure = loop {
        match tracer.step() {
            Ok(Some(step)) => {
                assert_eq!(step.start, at, "a gap in the trace: {scenario:?}");
                assert!(
                    step.end > at && step.end <= input.len(),
                    "a step takes bytes: {scenario:?}"
                );
                at = step.end;
                if step.operator == Operator::End {
                    traced.push(at);
                }
                // Showing the stack costs its size; a long input is shown now and then.
                if at % (1 + input.len() / 16) == 0 {
                    let _ = (tracer.stack().len(), tracer.registers().len());
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(traced, ends, "the trace ends packets elsewhere: {scenario:?}");
    assert_eq!(traced_failure, failure, "the trace fails otherwise: {scenario:?}");
}
