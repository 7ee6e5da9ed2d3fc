//! The [test vectors](https://docs.rs/ubf-conformance) of UBF with versions, as text.
//!
//! They are data, and this crate is the data: a program that depends on it has every vector of its
//! edition without a folder to find. The book's chapter *Test vectors* says what the fields mean.
#![no_std]
#![forbid(unsafe_code)]

/// Each file's name, from the folder of vectors on, and what is in it. By name.
///
/// ```
/// let (name, text) = ubf_vectors::FILES[0];
/// assert_eq!(name, "accept/binaries.toml");
/// assert!(text.contains("[[vector]]"));
/// ```
pub static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The files of one folder, by name.
///
/// ```
/// assert!(ubf_vectors::folder("sessions").count() > 1);
/// assert_eq!(ubf_vectors::folder("session").count(), 0);
/// ```
pub fn folder(name: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES
        .iter()
        .copied()
        .filter(move |(file, _)| file.strip_prefix(name).is_some_and(|rest| rest.starts_with('/')))
}
