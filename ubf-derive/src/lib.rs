//! The macros of the UBF crates. Programs do not depend on this crate, but on those that the macros
//! are for: `ubf_codec::Versioned`, with the feature `derive`.

#![forbid(unsafe_code)]

mod versioned;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `ubf_codec::Versioned` for a type that has a form in each version of a contract: a
/// type of its own for each of them, or itself.
///
/// ```text
/// #[derive(Versioned, Serialize, Deserialize)]
/// #[version(1, v1::Request)]
/// #[version(2..=3, v2::Request)]
/// #[version(4, Self)]
/// enum Request { … }
/// ```
///
/// See `ubf_codec::Versioned` for what it takes and an example that runs.
#[proc_macro_derive(Versioned, attributes(version))]
pub fn derive_versioned(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    versioned::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
