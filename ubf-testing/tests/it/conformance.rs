//! The specification's vectors hold for the oracle.

use ubf_conformance::files::Files;
use ubf_conformance::suite::run;
use ubf_conformance::vectors;
use ubf_testing::oracle_answers::Oracle;

#[test]
fn the_oracle_conforms() {
    let vectors = vectors::load(&Files::built_in()).unwrap_or_else(|problem| panic!("{problem}"));
    let report = run(&Oracle, &vectors);
    assert!(report.passed(&[]), "{report}");
}
