//! A message that is derived from types of its versions.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![cfg(feature = "derive")]

use std::error::Error as _;

use serde::{Deserialize, Serialize};
use ubf_codec::{Term, TermRef, Version, Versioned, VersionedError, ubf};

/// What a program works with. Version 1 knew no `ttl`, version 4 has another form.
#[derive(Versioned, Clone, Debug, PartialEq)]
#[version(2..=3, v2::Request)]
#[version(1, v1::Request)]
#[version(5, v5::Request)]
enum Request {
    Get(String),
    Put { key: String, value: u32, ttl: Option<u32> },
}

mod v1 {
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Request {
        Get(String),
        Put(String, u32),
    }
}

mod v2 {
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub(crate) enum Request {
        Get(String),
        Put(String, u32, Option<u32>),
    }
}

mod v5 {
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename = "fetch")]
    pub(crate) struct Request {
        pub(crate) key: String,
    }
}

#[derive(Debug)]
struct NeedsTtl;

impl std::fmt::Display for NeedsTtl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no word for ttl")
    }
}

impl std::error::Error for NeedsTtl {}

impl TryFrom<&Request> for v1::Request {
    type Error = NeedsTtl;

    fn try_from(request: &Request) -> Result<Self, NeedsTtl> {
        match request.clone() {
            Request::Get(key) => Ok(Self::Get(key)),
            Request::Put { key, value, ttl: None } => Ok(Self::Put(key, value)),
            Request::Put { ttl: Some(_), .. } => Err(NeedsTtl),
        }
    }
}

impl From<v1::Request> for Request {
    fn from(request: v1::Request) -> Self {
        match request {
            v1::Request::Get(key) => Self::Get(key),
            v1::Request::Put(key, value) => Self::Put { key, value, ttl: None },
        }
    }
}

impl From<&Request> for v2::Request {
    fn from(request: &Request) -> Self {
        match request.clone() {
            Request::Get(key) => Self::Get(key),
            Request::Put { key, value, ttl } => Self::Put(key, value, ttl),
        }
    }
}

impl From<v2::Request> for Request {
    fn from(request: v2::Request) -> Self {
        match request {
            v2::Request::Get(key) => Self::Get(key),
            v2::Request::Put(key, value, ttl) => Self::Put { key, value, ttl },
        }
    }
}

impl TryFrom<&Request> for v5::Request {
    type Error = String;

    fn try_from(request: &Request) -> Result<Self, String> {
        match request {
            Request::Get(key) => Ok(Self { key: key.clone() }),
            Request::Put { key, .. } => Err(format!("'{key}' can only be read")),
        }
    }
}

impl TryFrom<v5::Request> for Request {
    type Error = &'static str;

    fn try_from(v5::Request { key }: v5::Request) -> Result<Self, Self::Error> {
        if key.is_empty() { Err("an empty key") } else { Ok(Self::Get(key)) }
    }
}

/// A message with a parameter, which is its own form.
#[derive(Versioned, Serialize, Deserialize, Debug, PartialEq)]
#[version(7, Self)]
struct Pair<T>(T, T);

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

fn put(ttl: Option<u32>) -> Request {
    Request::Put { key: "a".into(), value: 1, ttl }
}

#[test]
fn each_version_has_its_form_and_comes_back() {
    assert_eq!(Request::VERSIONS, [1, 2, 3, 5].map(version));
    let forms = [
        (1, put(None), ubf!({put, "a", 1})),
        (2, put(Some(9)), ubf!({put, "a", 1, 9})),
        (5, Request::Get("a".into()), ubf!({fetch, "a"})),
    ];
    for (number, request, form) in forms {
        assert_eq!(request.to_term(version(number)).unwrap(), form);
        assert_eq!(Request::from_term(version(number), form.as_ref()).unwrap(), request);
        let body = request.to_vec(version(number)).unwrap();
        assert_eq!(ubf_codec::decode(&body).unwrap().to_term(), form);
    }
}

#[test]
fn what_a_version_has_no_words_for_is_told_with_the_reason() {
    let error = put(Some(9)).to_term(version(1)).unwrap_err();
    assert!(!error.is_unreadable() && error.version() == version(1));
    assert_eq!(error.to_string(), "has no form in version 1: no word for ttl");
    let error = put(None).to_term(version(5)).unwrap_err();
    assert_eq!(error.to_string(), "has no form in version 5: 'a' can only be read");
    let error = put(None).to_term(version(4)).unwrap_err();
    assert_eq!(error.to_string(), "has no form in version 4");
    assert!(error.source().is_none());
}

#[test]
fn a_term_that_is_not_the_message_is_told_with_the_place() {
    let error = Request::from_term(version(2), ubf!({put, 7, 1, 9}).as_ref()).unwrap_err();
    assert!(error.is_unreadable());
    assert!(error.to_string().starts_with("cannot be read in version 2: invalid type"), "{error}");
    let error = Request::from_term(version(5), ubf!({fetch, ""}).as_ref()).unwrap_err();
    assert_eq!(error.to_string(), "cannot be read in version 5: an empty key");
    assert!(Request::from_term(version(4), ubf!({get, "a"}).as_ref()).is_err());
}

#[test]
fn types_with_parameters_are_messages_too() {
    let pair = Pair(1_u8, 2);
    let term = pair.to_term(version(7)).unwrap();
    assert_eq!(Pair::from_term(version(7), term.as_ref()).unwrap(), pair);
}

/// One that is written by hand, with terms.
struct Greeting(String);

impl Versioned for Greeting {
    const VERSIONS: &'static [Version] = &[Version::MIN];

    fn to_term(&self, version: Version) -> Result<Term, VersionedError> {
        if version != Version::MIN {
            return Err(VersionedError::no_form(version));
        }
        Ok(Term::tuple([Term::atom("hello"), Term::from(&*self.0)]))
    }

    fn from_term(version: Version, term: TermRef<'_>) -> Result<Self, VersionedError> {
        match ubf_codec::serde::from_term::<(String, String)>(term) {
            Ok((_hello, name)) => Ok(Self(name)),
            Err(error) => Err(VersionedError::unreadable(version, error)),
        }
    }
}

#[test]
fn one_may_be_written_by_hand() {
    let term = Greeting("ann".into()).to_term(Version::MIN).unwrap();
    assert_eq!(term, ubf!({hello, "ann"}));
    assert_eq!(Greeting::from_term(Version::MIN, term.as_ref()).unwrap().0, "ann");
}
