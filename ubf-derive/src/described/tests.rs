//! What cannot be in a contract is said where it stands.

use super::*;

fn problem(input: &DeriveInput) -> String {
    expand(input).unwrap_err().to_string()
}

#[test]
fn what_has_no_words_in_a_contract_is_an_error() {
    let untold = "UBF(B) has no word for terms with tags";
    let cases: [(DeriveInput, &str); 12] = [
        (parse_quote! { #[serde(tag = "t")] enum A { B } }, untold),
        (parse_quote! { #[serde(tag = "t", content = "c")] enum A { B } }, untold),
        (parse_quote! { struct A { #[serde(flatten)] b: B } }, untold),
        (parse_quote! { struct A { #[serde(with = "iso")] b: B } }, "written by that code"),
        (parse_quote! { struct A { #[serde(skip_serializing)] b: u8 } }, "use `skip`"),
        (parse_quote! { struct A { #[serde(rename(serialize = "c"))] b: u8 } }, "both sides"),
        (parse_quote! { #[serde(into = "B", from = "C")] struct A; }, "another type"),
        (parse_quote! { #[serde(untagged)] enum A { B { c: u8 } } }, "give it unnamed fields"),
        (parse_quote! { #[serde(rename_all = "Snake")] struct A; }, "serde's cases are lowercase"),
        (parse_quote! { #[serde(remote = "B")] struct A; }, "do not know this attribute"),
        (parse_quote! { enum A {} }, "without variants"),
        (parse_quote! { #[contract(size = 3)] struct A; }, "expected `name`, `type` or `as`"),
    ];
    for (input, expected) in cases {
        let found = problem(&input);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn what_a_contract_replaces_may_be_written_in_any_way() {
    let cases: [DeriveInput; 4] = [
        parse_quote! { #[contract(type = "any()")] #[serde(tag = "t")] enum A { B } },
        parse_quote! { struct A { #[contract(as = u64)] #[serde(with = "iso")] b: B } },
        parse_quote! { struct A { #[serde(with = "serde_bytes")] b: Vec<u8> } },
        parse_quote! { struct A { #[serde(skip_serializing, skip_deserializing)] b: B } },
    ];
    for input in cases {
        assert!(expand(&input).is_ok());
    }
}

#[test]
fn the_first_paragraph_is_the_annotation() {
    let input: DeriveInput = parse_quote! {
        /// What a "customer"
        /// wants.
        ///
        /// More.
        struct A;
    };
    let written = expand(&input).unwrap().to_string();
    assert!(written.contains("\"What a 'customer' wants.\""), "{written}");
}
