//! The fast checker of contracts against the slow, obvious one; and random terms of types, which
//! are of them.

use ubf_codec::{Decoder, Term};
use ubf_contract::{CheckLimits, Checker, ContractDialect, Faker, Reader};

use crate::oracle_contract::is_of;

/// Reads the bytes up to the first NUL as a contract, and those after it as packets, and holds the
/// packets, and random terms of each type, against all types.
pub fn check(bytes: &[u8]) {
    let mut halves = bytes.splitn(2, |byte| *byte == 0);
    let text = halves.next().unwrap_or_default();
    let packets = halves.next().unwrap_or_default();
    for dialect in ContractDialect::ALL {
        let Ok(contract) = Reader::new().with_dialect(dialect).read(text) else { continue };
        let limits = CheckLimits::new().with_max_steps(200_000);
        let checker = Checker::new(contract).with_limits(limits);
        // With so few steps nothing is answered the quick way.
        let machine = checker.clone().with_limits(limits.with_max_steps(1_000));
        let mut terms: Vec<Term> = Vec::new();
        if let Ok(packet) = Decoder::new().decode(packets) {
            terms.push(packet.root().to_term());
        }
        let types: Vec<_> = checker.contract().all_types().cloned().collect();
        let seed = u64::try_from(bytes.len()).unwrap_or_default();
        let mut faker = Faker::new(&checker, seed).with_max_terms(30);
        for definition in types.iter().take(8) {
            let node = checker.graph().named(definition.name.as_bytes()).unwrap();
            if let Some(term) = faker.term(node) {
                assert_ne!(checker.fits(node, &term), Ok(false), "{term}");
                terms.push(term);
            }
        }
        for definition in &types {
            let node = checker.graph().named(definition.name.as_bytes()).unwrap();
            for term in &terms {
                let (Ok(fast), Some(slow)) = (
                    checker.fits(node, term),
                    is_of(checker.contract(), &definition.definition, term),
                ) else {
                    continue;
                };
                let shown = definition.definition.display(dialect);
                assert_eq!(fast, slow, "{term} as {shown}");
                assert!(
                    machine.fits(node, term).is_err() || machine.fits(node, term) == Ok(fast),
                    "{term} as {shown}"
                );
                assert_eq!(checker.check(node, term).is_ok(), fast, "{term} as {shown}");
            }
        }
    }
}
