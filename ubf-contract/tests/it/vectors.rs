//! The vectors of the specification: `spec/vectors/contracts`, as the suite asks any implementation
//! about them.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use ubf_conformance::capability::Capability;
use ubf_conformance::files::Files;
use ubf_conformance::ours::{Codec, Machines};
use ubf_conformance::suite::Suite;
use ubf_contract::{ContractDialect, Reader};

#[test]
fn contracts_are_understood_as_the_vectors_say() {
    let suite = Suite::load(&Files::built_in()).unwrap();
    let of_contracts = suite.only(&["C".to_owned(), "K".to_owned()]).unwrap();
    let report = of_contracts.run(&Codec, &mut Machines::default(), false);
    assert!(report.passed(&[Capability::Contracts]), "{report}");
    assert!(report.counts().passed > 80, "{report}");
}

#[derive(Deserialize)]
struct Texts {
    contract: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    name: String,
    dialect: Option<String>,
    text: String,
}

/// What no vector can ask: what is printed is read again as the same contract.
#[test]
fn what_is_printed_is_the_same_contract() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors/contracts/read.toml");
    let texts: Texts = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut read = 0;
    for Text { name, dialect, text } in texts.contract {
        let dialect: ContractDialect = dialect.as_deref().unwrap_or("2").parse().unwrap();
        let reader = Reader::new().with_dialect(dialect);
        let Ok(contract) = reader.read(&text) else { continue };
        read += 1;
        let printed = String::from_utf8(contract.print()).unwrap();
        let again = reader.read(&printed).unwrap();
        assert_eq!((&again, again.print()), (&contract, printed.into()), "{name}");
    }
    assert!(read > 5, "{read}");
}
