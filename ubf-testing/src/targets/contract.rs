//! Any text as a contract: no panic, errors that point into it; and what is understood prints,
//! reads back as itself, and is told and understood as a term.

use ubf_contract::{Contract, ContractDialect, Reader};

/// Reads the bytes as a contract in each dialect.
pub fn contract(bytes: &[u8]) {
    for dialect in ContractDialect::ALL {
        let reader = Reader::new().with_dialect(dialect);
        match reader.read(bytes) {
            Ok(contract) => {
                let printed = contract.print();
                let shown = printed.escape_ascii();
                let again = reader
                    .read(&printed)
                    .unwrap_or_else(|error| panic!("{error}: {shown} does not read back"));
                assert_eq!(again, contract, "{shown}");
                assert_eq!(again.print(), printed, "printing is not settled after one round");
                let term = contract.to_term();
                // Texts that are written as tags may hold what strings cannot.
                if let Ok(told) = Contract::from_term_in(dialect, &term) {
                    assert_eq!(told.to_term(), term, "{shown}");
                }
            }
            Err(error) => {
                for diagnostic in error.diagnostics() {
                    let range = diagnostic.span.range();
                    assert!(bytes.get(range).is_some(), "the place is outside: {diagnostic}");
                    assert!(!diagnostic.to_string().is_empty());
                }
            }
        }
    }
}
