//! Packets of version 0 of every malformed shape.

use std::iter;

use super::finding::{Finding, last_words};
use super::target::Target;
use super::wire::Wire;

/// A body, and how the answer to it begins.
struct Case {
    body: String,
    expected: Expected,
}

enum Expected {
    /// `error`, this field of this packet is malformed, then the end.
    Malformed(&'static str, &'static str),
    /// An answer, and the connection goes on.
    Answer(&'static str),
    /// The end without a word.
    End,
}

const UNKNOWN: Expected = Expected::Answer("0 {refused,unknown_packet,");

/// Terms of every kind.
const KINDS: [&str; 11] = [
    "'a'",
    "7",
    "\"s\"",
    "2~ab~",
    "{}",
    "{1 2}",
    "#",
    "#1&",
    "?",
    "1`t`",
    "12345678901234567890123",
];

/// Sends each, one a connection.
pub(super) async fn malformed(target: &Target) -> Finding {
    let cases = cases(target);
    let mut finding =
        Finding::new(format!("{} packets, each answered as it should be", cases.len()));
    for Case { body, expected } in cases {
        let mut wire = match Wire::open(target).await {
            Ok(wire) => wire,
            Err(error) => return Finding::fault(error.to_string()),
        };
        wire.send(&format!("0 {body}$")).await;
        let heard = wire.hear(target.max_wait).await;
        let (said, is_expected) = match expected {
            Expected::Answer(answer) => {
                wire.send("0 'ping'$").await;
                let next = wire.hear(target.max_wait).await;
                let said = format!("{}, then {}", heard.text(), next.text());
                let is_expected = heard.text().starts_with(answer) && next.text() == "0 pong";
                (said, is_expected)
            }
            Expected::Malformed(packet, field) => {
                let field = if field.starts_with(|first: char| first.is_ascii_uppercase()) {
                    format!("'{field}'")
                } else {
                    field.to_owned()
                };
                let answer = format!("0 {{error,{{malformed,{packet},{field}}},");
                let said = last_words(&mut wire, heard, target.max_wait).await;
                let is_expected = said.starts_with(&answer) && said.ends_with("then the end");
                (said, is_expected)
            }
            Expected::End => (heard.text(), heard.is_end()),
        };
        let shown: String = body.chars().take(60).collect();
        finding = finding.but(!is_expected, format!("{shown} is answered with {said}"));
    }
    if !finding.faults.is_empty() {
        finding.saw = "not all packets are answered as they should be".into();
    }
    finding
}

fn cases(target: &Target) -> Vec<Case> {
    let mut cases = negotiations(target);
    let mut add = |body: &str, expected| cases.push(Case { body: body.to_owned(), expected });
    add("'ping'", Expected::Answer("0 pong"));
    for body in
        ["{'ping'}", "\"ping\"", "'PING'", "{{'ping'}}", "{'ping'1}", "#'ping'&", "'ping'`t`"]
    {
        add(body, UNKNOWN);
    }
    for kind in KINDS {
        add(kind, UNKNOWN);
        add(&format!("{{{kind}}}"), UNKNOWN);
    }
    // What a server says.
    for body in [
        "{'agreed'1?#1&#}",
        "{'no_common_version'1?#1&}",
        "{'refused''x'#1&1}",
        "{'failed''x'#1&1}",
        "{'moved'1000}",
        "{'closing''x'1}",
        "'pong'",
    ] {
        add(body, UNKNOWN);
    }
    add("{'error'}", Expected::Malformed("error", "Why"));
    add("{'error''x'}", Expected::Malformed("error", "Offset"));
    for kind in KINDS.into_iter().filter(|kind| *kind != "7") {
        add(&format!("{{'error''x'{kind}}}"), Expected::Malformed("error", "Offset"));
    }
    add("{'error''x'-1}", Expected::Malformed("error", "Offset"));
    add("{'error''x'7}", Expected::End);
    add("{'error''x'7 8}", Expected::End);
    cases
}

const FIELDS: [&str; 4] = ["UbfVersion", "Service", "Versions", "Options"];

/// `negotiate` with each field missing, left out, of each wrong kind, doubled, and with more at its
/// end.
fn negotiations(target: &Target) -> Vec<Case> {
    let good =
        ["1".to_owned(), target.service_term(), format!("#{}&", target.version()), "#".to_owned()];
    let body = |fields: &[&str]| format!("{{'negotiate'{}}}", fields.join(" "));
    let mut cases = Vec::new();
    let mut add = |fields: &[&str], expected| cases.push(Case { body: body(fields), expected });
    let whole: Vec<&str> = good.iter().map(String::as_str).collect();
    let with = |place: usize, field: &str| {
        let mut fields: Vec<String> = good.to_vec();
        if let Some(there) = fields.get_mut(place) {
            field.clone_into(there);
        }
        fields
    };
    for (place, &name) in FIELDS.iter().enumerate() {
        let malformed = || Expected::Malformed("negotiate", name);
        let (before, rest) = whole.split_at(place);
        let after = rest.get(1..).unwrap_or_default();
        add(before, malformed());
        add(&[before, after].concat(), malformed());
        for kind in KINDS {
            let is_good = match name {
                "UbfVersion" => kind.bytes().all(|byte| byte.is_ascii_digit()),
                "Service" => kind == "?" || kind.starts_with('"'),
                "Versions" => kind == "#1&",
                _ => kind == "#",
            };
            if !is_good {
                let fields = with(place, kind);
                add(&fields.iter().map(String::as_str).collect::<Vec<_>>(), malformed());
            }
        }
        // The next field is what is in the wrong place. After the last, more is ignored (P4).
        let doubled = [before, rest.get(..1).unwrap_or_default(), rest].concat();
        let expected = FIELDS.get(place + 1).map(|&next| Expected::Malformed("negotiate", next));
        add(&doubled, expected.unwrap_or(Expected::Answer("")));
    }
    for kind in KINDS {
        add(&[whole.as_slice(), &[kind]].concat(), Expected::Answer(""));
    }
    let too_many =
        format!("#{}", (1..=1025).map(|version| format!("{version}&")).collect::<String>());
    let versions =
        ["#0&", "#-1&", "#2147483648&", "#1&1&", "#\"1\"&", "#1&{1}&", "#1`t`&", &too_many];
    let options = [
        ("#{'agent'7}&", "agent"),
        ("#{'agent'}&", "agent"),
        ("#{'peers'\"no address\"}&", "peers"),
        ("#{'peers'7}&", "peers"),
        ("#{'max_packet'-1}&", "max_packet"),
        ("#{'quarantined'7}&", "quarantined"),
        ("#{'quarantined'#{0 1}&}&", "quarantined"),
        ("#{\"agent\"\"x\"}&", "Options"),
        ("#7&", "Options"),
    ];
    let ignored = ["#{'colour'1}&", "#{'agent'\"a\"}&{'agent'\"b\"}&", "#{'agent'\"a\"1 2 3}&"];
    let special = iter::empty()
        .chain(["0", "-1"].map(|field| (0, field, Expected::Malformed("negotiate", "UbfVersion"))))
        .chain(versions.map(|field| (2, field, Expected::Malformed("negotiate", "Versions"))))
        .chain(options.map(|(field, name)| (3, field, Expected::Malformed("negotiate", name))))
        .chain(ignored.map(|field| (3, field, Expected::Answer(""))));
    for (place, field, expected) in special {
        let fields = with(place, field);
        add(&fields.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
    cases
}
