//! Every packet of version 0 that a server can send, malformed in every way, over real connections
//! (L3). The tables of all shapes are in `ubf-proto/tests/control.rs`; here it shows that the
//! client tells the server, leaves, and loses no call that it can keep.

use crate::script::{Script, builder, within};
use ubf_client::Client;
use ubf_codec::ubf;

const NOT_VERSIONS: &[&str] = &["?", "1", "{1}", "#0&", "#2147483648&", "#'1'&", "#1&1&"];
const NOT_A_COUNT: &[&str] = &["?", "'a'", "\"1\"", "-1", "18446744073709551616", "{}", "#"];
const NOT_A_UBF_VERSION: &[&str] = &["?", "'a'", "\"1\"", "0", "-1", "{}"];
const NOT_A_SERVICE: &[&str] = &["'files'", "5~files~", "1", "{}", "#"];
const NOT_OPTIONS: &[&str] = &[
    "?",
    "1",
    "{}",
    "#'agent'&",
    "#{}&",
    "#{'agent''a'}&",
    "#{'peers'\"a\"}&",
    "#{'max_packet'-1}&",
];
const ANY: &[&str] = &[];

/// A name, and for each field what is good and what is wrong.
type Shape = (&'static str, &'static [(&'static str, &'static [&'static str])]);

const UNASKED: &[Shape] = &[
    ("refused", &[("{'version'3}", ANY), ("#3&", NOT_VERSIONS), ("2", NOT_A_COUNT)]),
    ("failed", &[("'crash'", ANY), ("#3&", NOT_VERSIONS), ("2", NOT_A_COUNT)]),
    ("moved", &[("0", NOT_A_COUNT)]),
    ("closing", &[("'bye'", ANY), ("1", NOT_A_COUNT)]),
    ("error", &[("'any'", ANY), ("7", NOT_A_COUNT)]),
];

const NO_COMMON: Shape =
    ("no_common_version", &[("1", NOT_A_UBF_VERSION), ("?", NOT_A_SERVICE), ("#4&", NOT_VERSIONS)]);
const AGREED: Shape = (
    "agreed",
    &[("1", NOT_A_UBF_VERSION), ("?", NOT_A_SERVICE), ("#3&", NOT_VERSIONS), ("#", NOT_OPTIONS)],
);

/// Fields left out at the end, and each replaced by what is wrong.
fn malformed(&(name, fields): &Shape) -> Vec<String> {
    let body = |fields: &[&str]| format!("{{'{name}'{}}}$", fields.join(" "));
    let good: Vec<_> = fields.iter().map(|(good, _)| *good).collect();
    let cut = (0..fields.len()).map(|count| body(&good[..count]));
    let replaced = fields.iter().enumerate().flat_map(|(index, (_, wrong))| {
        let good = &good;
        wrong.iter().map(move |wrong| {
            let mut fields = good.clone();
            fields[index] = wrong;
            body(&fields)
        })
    });
    cut.chain(replaced).collect()
}

/// A client of two servers, the second of which is well.
async fn client(bad: &Script, good: &Script) -> Client {
    builder(&bad.address())
        .address(good.address())
        .call_time(std::time::Duration::from_secs(20))
        .start()
        .unwrap()
}

const HELLO: &str = "0 {'negotiate'1?#3&#{'max_packet'16777216}&}$";

#[tokio::test]
async fn l3_a_server_whose_answer_is_malformed_is_told_where_and_left_for_the_next() {
    for (header, shape) in [("3 ? ", &AGREED), ("0 ? ", &NO_COMMON)] {
        for body in malformed(shape) {
            let (bad, good) = (Script::new().await, Script::new().await);
            let client = client(&bad, &good).await;
            let mut peer = bad.accept().await;
            peer.hears(HELLO).await;
            peer.says(&format!("{header}{body}")).await;
            peer.hears(&format!("0 {{'error''malformed'{}}}$", header.len())).await;
            peer.hears_the_end().await;
            let mut peer = good.agree().await;
            let call = tokio::spawn(async move { client.call(ubf!(hello)).await });
            peer.hears("3 'hello'$").await;
            peer.says("3 ? {'well''start'}$").await;
            assert_eq!(within(call).await.unwrap().unwrap().response(), ubf!(well), "{body}");
        }
    }
}

#[tokio::test]
async fn l3_a_server_that_says_something_malformed_later_is_told_where_and_left() {
    for body in UNASKED.iter().flat_map(malformed) {
        let (bad, good) = (Script::new().await, Script::new().await);
        let client = client(&bad, &good).await;
        let mut peer = bad.agree().await;
        // Who comes again finds nobody, and goes to the next at once.
        drop(bad);
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.call(ubf!(hello)).await }
        });
        peer.hears("3 'hello'$").await;
        peer.says(&format!("0 ? {body}")).await;
        let place = "3 ? {'agreed'1?#3&#}$".len() + "0 ? ".len();
        peer.hears(&format!("0 {{'error''malformed'{place}}}$")).await;
        peer.hears_the_end().await;
        // What may have run is not repeated, and the session goes on elsewhere: optimistically,
        // since 3 was agreed on.
        let error = within(call).await.unwrap().unwrap_err();
        assert!(error.may_have_run(), "{body}: {error}");
        let mut peer = good.agree().await;
        let call = tokio::spawn(async move { client.call(ubf!(again)).await });
        peer.hears("3 'again'$").await;
        peer.says("3 ? {'well''start'}$").await;
        assert_eq!(within(call).await.unwrap().unwrap().response(), ubf!(well), "{body}");
    }
}
