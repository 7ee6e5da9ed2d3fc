//! The list of rules that are taken away to see that the vectors notice (`tools/mutants`): what each
//! edit replaces stands in its file once, so that the list is true of this source.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
struct List {
    mutant: Vec<Edit>,
}

#[derive(Deserialize)]
struct Edit {
    rule: String,
    what: String,
    file: String,
    from: String,
    to: String,
}

#[test]
fn each_edit_of_the_list_of_mutants_has_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("../tools/mutants/rules.toml")).unwrap();
    let list: List = toml::from_str(&text).unwrap();
    assert!(list.mutant.len() > 200, "{}", list.mutant.len());
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for edit in &list.mutant {
        let read = || fs::read_to_string(root.join("src").join(&edit.file)).unwrap();
        let source = files.entry(&edit.file).or_insert_with(read);
        let name = format!("{} {}", edit.rule, edit.what);
        assert!(edit.to.contains("MUTANT"), "{name}: it is never on");
        // Whoever changes these lines changes the list, too.
        assert_eq!(source.matches(&edit.from).count(), 1, "{name}: {}: {}", edit.file, edit.from);
    }
}
