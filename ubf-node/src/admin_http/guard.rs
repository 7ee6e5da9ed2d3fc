//! Who may look, and who may act.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::response::text;
use super::token::TokenFile;

/// The longest value of `Authorization` that is looked at: a token in base64, and some words.
const MAX_SHOWN: usize = 512;

/// What requests have to show.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Option<TokenFile>,
    /// Whether a name by which a request comes is one of the server's certificate.
    has_names: bool,
}

impl Guard {
    pub(crate) const fn new(token: Option<TokenFile>, is_tls: bool) -> Self {
        Self { token, has_names: is_tls }
    }

    pub(crate) const fn lets_act(&self) -> bool {
        self.token.is_some()
    }

    /// The answer to one who may not look.
    pub(crate) fn refuses_look(&self, headers: &HeaderMap) -> Option<Response<Body>> {
        match &self.token {
            Some(token) if shows(headers, token) || has_password(headers, token) => None,
            Some(_) => Some(unauthorized("a token is wanted\n")),
            // No browser takes the certificate for that of another site.
            None if self.has_names || is_sent_here(headers) => None,
            None => {
                let why = "without a token, ask by the address or by localhost\n";
                Some(text(StatusCode::MISDIRECTED_REQUEST, why))
            }
        }
    }

    /// The answer to one who may not act. A browser adds a password to requests that another site
    /// has made up, but never this header, and never another origin than the site's own: so a page
    /// elsewhere can do nothing with what the browser knows.
    pub(crate) fn refuses_act(&self, headers: &HeaderMap) -> Option<Response<Body>> {
        let Some(token) = &self.token else {
            let why = "nobody can act here: the server was started without --admin-token\n";
            return Some(text(StatusCode::FORBIDDEN, why));
        };
        if !is_of_this_site(headers) {
            return Some(text(StatusCode::FORBIDDEN, "another site cannot act here\n"));
        }
        (!shows(headers, token)).then(|| {
            let why = "this token is not the one: Authorization: Bearer … is wanted\n";
            // Without a word on passwords, so that a browser does not ask for one.
            text(StatusCode::UNAUTHORIZED, why)
        })
    }
}

fn unauthorized(why: &str) -> Response<Body> {
    let mut refused = text(StatusCode::UNAUTHORIZED, why);
    // A browser asks for a password: it is the token, and the name may be anything.
    for how in ["Bearer", "Basic realm=\"UBF server: any name, and the token\""] {
        let how = HeaderValue::from_static(how);
        refused.headers_mut().append(header::WWW_AUTHENTICATE, how);
    }
    refused
}

fn shown<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h [u8]> {
    let shown = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (name, rest) = shown.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    (name.eq_ignore_ascii_case(scheme.as_bytes()) && shown.len() <= MAX_SHOWN).then_some(rest)
}

fn shows(headers: &HeaderMap, token: &TokenFile) -> bool {
    shown(headers, "Bearer").is_some_and(|shown| token.is(shown))
}

fn has_password(headers: &HeaderMap, token: &TokenFile) -> bool {
    let Some(shown) = shown(headers, "Basic") else { return false };
    let Ok(pair) = STANDARD.decode(shown) else { return false };
    let password = pair.iter().position(|&byte| byte == b':').and_then(|at| pair.get(at + 1..));
    password.is_some_and(|password| token.is(password))
}

/// Whether a request was sent to this machine by a name that no other site has. A page of another
/// site can have a browser on this machine ask here, by a name of its own that stands for this
/// machine, and read the answer.
pub(crate) fn is_sent_here(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).is_none_or(|host| host.to_str().is_ok_and(is_here))
}

/// Whether no browser says that a page of another site has made the request.
pub(crate) fn is_of_this_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    host.zip(origin).is_some_and(|(host, (_, origin))| host.eq_ignore_ascii_case(origin))
}

fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::admin_http::Token;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn guard() -> Guard {
        let token = Token::new("0123456789abcdef").unwrap();
        Guard::new(Some(TokenFile::new(Path::new("token"), token)), false)
    }

    #[test]
    fn a_name_that_others_can_have_is_not_this_machine() {
        for host in ["127.0.0.1:9000", "localhost", "LOCALHOST:1", "[::1]:9000", "[::1]"] {
            assert!(is_here(host), "{host}");
        }
        for host in ["evil.example", "evil.example:9000", "localhost.evil.example", "127.0.0.1.x"] {
            assert!(!is_here(host), "{host}");
        }
    }

    #[test]
    fn a_browser_shows_the_token_as_a_password_and_looks() {
        // x:0123456789abcdef, and the same without the last letter.
        let right = headers(&[("authorization", "Basic eDowMTIzNDU2Nzg5YWJjZGVm")]);
        assert!(guard().refuses_look(&right).is_none());
        for wrong in ["eDowMTIzNDU2Nzg5YWJjZGU=", "MDEyMzQ1Njc4OWFiY2RlZg==", "*", ""] {
            let mut wrong_headers = HeaderMap::new();
            let value = format!("Basic {wrong}").parse().unwrap();
            wrong_headers.insert(header::AUTHORIZATION, value);
            let refused = guard().refuses_look(&wrong_headers).unwrap();
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }

    #[test]
    fn acting_wants_the_token_in_a_header_that_no_other_site_can_set() {
        let bearer = ("authorization", "Bearer 0123456789abcdef");
        let host = ("host", "a.example:9464");
        let status = |pairs: &[_]| guard().refuses_act(&headers(pairs)).map(|it| it.status());
        assert_eq!(status(&[bearer]), None);
        assert_eq!(status(&[bearer, host, ("origin", "http://a.example:9464")]), None);
        assert_eq!(status(&[bearer, host, ("origin", "https://A.example:9464")]), None);
        assert_eq!(status(&[bearer, ("sec-fetch-site", "same-origin")]), None);
        let forbidden = Some(StatusCode::FORBIDDEN);
        assert_eq!(status(&[bearer, host, ("origin", "http://evil.example")]), forbidden);
        assert_eq!(status(&[bearer, host, ("origin", "null")]), forbidden);
        assert_eq!(status(&[bearer, ("origin", "http://a.example:9464")]), forbidden);
        assert_eq!(status(&[bearer, ("sec-fetch-site", "cross-site")]), forbidden);
        assert_eq!(status(&[bearer, ("sec-fetch-site", "same-site")]), forbidden);
        let unknown = Some(StatusCode::UNAUTHORIZED);
        assert_eq!(status(&[]), unknown);
        // What a browser sends by itself is enough to look, and not to act.
        assert_eq!(status(&[("authorization", "Basic eDowMTIzNDU2Nzg5YWJjZGVm")]), unknown);
        assert_eq!(status(&[("authorization", "Bearer 0123456789abcdeF")]), unknown);
        let open = Guard::new(None, false);
        let refused = open.refuses_act(&headers(&[bearer])).unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn without_a_token_who_looks_names_this_machine_or_the_certificate() {
        let named = headers(&[("host", "node-1.example:9464")]);
        let refused = Guard::new(None, false).refuses_look(&named).unwrap();
        assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST);
        assert!(Guard::new(None, true).refuses_look(&named).is_none());
    }
}
