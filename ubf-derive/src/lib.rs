//! The macros of the UBF crates. Programs do not depend on this crate, but on those that the macros
//! are for, with their features `derive`: `ubf_codec::Versioned` and `ubf_contract::Described`.

#![forbid(unsafe_code)]

mod described;
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

/// Implements `ubf_contract::Described`, and for enums `ubf_contract::DescribedEnum`: what a type
/// is in a contract, as serde and `ubf-codec` write it.
///
/// ```text
/// /// Somebody who buys.
/// #[derive(Serialize, Deserialize, Described)]
/// #[serde(rename = "customer")]
/// struct Customer {
///     name: String,
///     #[contract(type = "1..5")]
///     stars: u8,
/// }
/// ```
///
/// See `ubf_contract::Described` for what it takes and an example that runs.
#[proc_macro_derive(Described, attributes(contract, serde))]
pub fn derive_described(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    described::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
