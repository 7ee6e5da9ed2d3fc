//! What is encoded decodes to what it was, in every style and dialect.

use arbitrary::{Arbitrary, Unstructured};
use ubf_codec::{Encoder, Style, Term};

use super::any_term::any_term;
use crate::oracle_answers::Oracle;
use ubf_conformance::implementation::Implementation;
use ubf_conformance::ours::Codec;
use ubf_conformance::outcome::{End, Outcome};
use ubf_conformance::settings::{Dialect, Limits, Settings};

/// The bytes choose a term, here and in the codec's own way.
pub fn round_trip(bytes: &[u8]) {
    round_trip_of(&any_term(bytes));
    // It may double a term every few bytes: a short beginning is large enough.
    let beginning = bytes.get(..32).unwrap_or(bytes);
    if let Ok(term) = Term::arbitrary(&mut Unstructured::new(beginning)) {
        round_trip_of(&term);
    }
}

/// The laws of encoding (W14) for one term.
pub(super) fn round_trip_of(term: &Term) {
    let postfix = term.as_ref().postfix().to_string();
    for dialect in Dialect::ALL {
        // In classic UBF(A), undefined is written as an atom.
        let expected = match dialect {
            Dialect::Extended => postfix.clone(),
            Dialect::Classic => undefined_as_atom(&postfix),
        };
        let encode =
            |style| Encoder::new().with_dialect(dialect.into()).with_style(style).encode(term);
        let (plain, cached) = (encode(Style::Plain), encode(Style::Cached));
        for (style, packet) in [
            ("plain", &plain),
            ("cached", &cached),
            ("pretty", &encode(Style::Pretty)),
            ("stock", &encode(Style::Stock)),
        ] {
            let settings = Settings { dialect, limits: without_limits(), any_escape: false };
            let whole = Outcome { packets: vec![expected.clone()], end: End::Complete };
            let shown = packet.escape_ascii();
            let how = format!("{style}, {}: {shown}", dialect.word());
            assert_eq!(Codec.decode_one(packet, &settings), Ok(whole.clone()), "{how}");
            assert_eq!(Oracle.decode(packet, &settings), Ok(whole), "the oracle, {how}");
        }
        assert!(
            cached.len() <= plain.len(),
            "{} is longer than {}",
            cached.escape_ascii(),
            plain.escape_ascii()
        );
        assert_eq!(plain, encode(Style::Plain), "encoding is a function of the term");
        assert_eq!(cached, encode(Style::Cached), "encoding is a function of the term");
    }
    let notation = term.to_string();
    match notation.parse::<Term>() {
        Ok(read) => {
            // W8: of a float the value is kept, and not its digits.
            assert_eq!(
                read.as_ref().postfix().to_string(),
                with_shortest_floats(term).as_ref().postfix().to_string(),
                "the notation {notation} means another term"
            );
        }
        Err(error) => panic!("the notation {notation} does not read back: {error}"),
    }
}

/// The term with its floats in the digits that this project writes (W8).
pub(super) fn with_shortest_floats(term: &Term) -> Term {
    if let Some(float) = term.as_f64().and_then(Term::float) {
        return float;
    }
    match term {
        Term::Tuple(parts) => Term::tuple(parts.iter().map(with_shortest_floats)),
        Term::List(parts) => Term::list(parts.iter().map(with_shortest_floats)),
        Term::Tagged(tagged) => with_shortest_floats(tagged.term()).tagged(tagged.tag().clone()),
        Term::Undefined | Term::Integer(_) | Term::Atom(_) | Term::String(_) | Term::Binary(_) => {
            term.clone()
        }
    }
}

fn undefined_as_atom(postfix: &str) -> String {
    let atom = format!("a:{}", hex::encode("undefined"));
    let tokens: Vec<&str> =
        postfix.split(' ').map(|token| if token == "u" { &atom } else { token }).collect();
    tokens.join(" ")
}

/// A term may be deeper and larger than a stranger's packet; the law holds for it all the same.
fn without_limits() -> Limits {
    Limits {
        max_packet_bytes: u32::MAX,
        max_depth: u32::MAX,
        max_expanded_nodes: u64::MAX,
        max_expanded_bytes: u64::MAX,
        max_integer_digits: u32::MAX,
        max_tag_bytes: u32::MAX,
        ..Limits::default()
    }
}
