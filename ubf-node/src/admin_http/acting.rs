//! What somebody who has the token does: a request of the operator's contract, as `ubf admin` makes
//! it, written as a term.

use std::pin::pin;

use futures_util::future::poll_fn;
use hyper::body::{Body as _, Incoming};
use hyper::{Response, StatusCode};
use ubf_codec::Term;
use ubf_net::Peer;

use super::body::Body;
use super::response::text;
use crate::control::{Asker, Control, Request, Response as Answer, Role};

/// Bytes of a request. Chosen: four times the longest list of addresses.
const MAX_REQUEST: usize = 4 << 10;

/// The whole body of a request, which is short.
pub(crate) async fn body(incoming: Incoming) -> Result<Vec<u8>, Response<Body>> {
    let mut incoming = pin!(incoming);
    let mut body = Vec::new();
    while let Some(frame) = poll_fn(|cx| incoming.as_mut().poll_frame(cx)).await {
        let Ok(frame) = frame else {
            return Err(text(StatusCode::BAD_REQUEST, "the request ends too early\n"));
        };
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if body.len() + data.len() > MAX_REQUEST {
            let why = "a request has at most 4,096 bytes\n";
            return Err(text(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        body.extend_from_slice(&data);
    }
    Ok(body)
}

/// Reads a request: `{kick,7,?}`.
pub(super) fn read(body: &[u8]) -> Result<Request, String> {
    let body = std::str::from_utf8(body).map_err(|_| "a request is a text\n".to_owned())?;
    let term: Term =
        body.trim().parse().map_err(|error| format!("a request is a term: {error}\n"))?;
    let request = Request::read(Control::VERSIONS[1], term.as_ref());
    let request = request.ok_or("the operator's contract has no such request\n")?;
    if is_for_here(&request) {
        Ok(request)
    } else {
        Err("this is done with `ubf admin` only\n".into())
    }
}

/// What steers, but for rows: files, processes and stores are for those on the machine. To look
/// there are other paths.
fn is_for_here(request: &Request) -> bool {
    let is_of_rows = matches!(
        request,
        Request::Migrate(_) | Request::Finalize(_) | Request::Lower(_) | Request::HandOff { .. }
    );
    matches!(Role::needed(request), Role::Steer) && !is_of_rows
}

/// What came of it: 200, or 409 with the reason.
pub(super) async fn act(control: &Control, request: Request, peer: &Peer) -> Response<Body> {
    // All that may be asked here is answered with either of the two.
    if let Answer::Refused(why) = control.ask(&Asker::with_token(peer), request).await {
        text(StatusCode::CONFLICT, &format!("{why}\n"))
    } else {
        text(StatusCode::OK, "done\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_as_the_operators_contract_has_it() {
        let kick = Request::Kick { number: 7, hard_stop: None };
        assert_eq!(read(b" {kick,7,?}\n"), Ok(kick));
        for known in [
            "undrain",
            "{drain,\"b:1\",?,?}",
            "{drain_and_stay,?,30000,?}",
            "{cordon,?}",
            "{withdraw,?,3}",
            "{restore,\"k\\x{e4}se\",3}",
            "{move_connection,8,\"b:1\",?}",
            "{set_log_filter,\"ubf_server=\\\"x\\\"\"}",
        ] {
            assert!(read(known.as_bytes()).is_ok(), "{known}: {:?}", read(known.as_bytes()));
        }
        for wrong in ["", "kick", "{kick,7}", "{kick,none,?}", "{kick,7,?} {kick,8,?}", "\u{0}"] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(read(b"\xff").is_err());
    }

    #[test]
    fn files_processes_and_stores_are_not_for_those_who_come_by_http() {
        for term in ["{take_over,\"/x\"}", "{back_up,all,\"/x\"}", "{finalize,all}", "status"] {
            let why = read(term.as_bytes()).unwrap_err();
            assert_eq!(why, "this is done with `ubf admin` only\n", "{term}");
        }
    }
}
