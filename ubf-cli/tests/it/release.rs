//! `ubf release`: what an agent takes, made and checked by hand.

use crate::common::{bad, file, good};

#[test]
fn a_release_is_built_signed_and_checked_and_is_the_same_each_time() {
    let folder = std::env::temp_dir().join(format!("ubf-release-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let binary = file("release-node", b"#!/bin/sh\nexit 0\n");
    let binary = binary.to_str().unwrap();
    let key = path("mine");
    good(&["release", "keygen", &key], "");
    let again = bad(2, &["release", "keygen", &key], "");
    assert!(again.contains("mine.key"), "{again}");
    let build = |number: &str, to: &str| {
        let rows = ["--contract", "ledger=1,2,3", "--rows", "ledger=32,33,34,35"];
        let name = ["release", "build", binary, "--name", "ledger", "--number", number];
        let more = ["--argument", "--knows", "--argument", "32-35", "-o", to];
        good(&[&name[..], &rows, &more].concat(), "")
    };
    let [one, two] = [path("one"), path("two")];
    assert_eq!(build("35", &one), build("35", &two));
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    let (secret, public, signed) = (path("mine.key"), path("mine.pub"), path("signed"));
    good(&["release", "sign", &one, "--key", &secret, "-o", &signed], "");
    let told = good(&["release", "check", &signed, binary, "--key", &public], "");
    assert!(told.starts_with("ledger 35: 17 bytes, "), "{told}");
    assert!(told.contains("ledger speaks versions 1, 2, 3\n"), "{told}");
    assert!(told.contains("reads state versions 32, 33, 34, 35, and writes 35"), "{told}");
    // Another binary, and another key.
    let other = file("release-other", b"#!/bin/sh\nexit 1\n");
    let why = bad(1, &["release", "check", &signed, other.to_str().unwrap(), "--key", &public], "");
    assert!(why.contains("is not what was signed"), "{why}");
    good(&["release", "keygen", &path("other")], "");
    let why = bad(1, &["release", "check", &signed, binary, "--key", &path("other.pub")], "");
    assert!(why.contains("the key that signed it is not trusted here"), "{why}");
    let why = bad(1, &["release", "sign", binary, "--key", &secret, "-o", &signed], "");
    assert!(why.contains("this is no manifest of a release"), "{why}");
    std::fs::remove_dir_all(&folder).unwrap();
}
