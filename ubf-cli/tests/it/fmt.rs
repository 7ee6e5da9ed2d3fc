//! `ubf fmt`, as it is called.

use crate::common::{bad, file, good, ubf};

const LESSON: &str = "'person'>p # {p \"Joe\" 123} & {p 'fred' 3~abc~} & $";

#[test]
fn writes_the_shortest_form_without_registers() {
    let minimal = "#{'person'\"Joe\"123}&{'person''fred'3~abc~}&$\n";
    assert_eq!(good(&["fmt", "--minimal"], LESSON), minimal);
    assert_eq!(good(&["fmt", "--minimal"], "{1,2}$ 1%c%$"), "{1 2}$\n1$\n");
}

#[test]
fn writes_registers() {
    assert_eq!(
        good(&["fmt", "--cached"], "{\"a long text\" \"a long text\"}$"),
        "{\"a long text\">aaa}$\n"
    );
}

#[test]
fn writes_for_people_unless_told_otherwise() {
    let pretty = good(&["fmt"], LESSON);
    assert_eq!(pretty, "#{'person' \"Joe\" 123} & {'person' 'fred' 3~abc~} & $\n");
    assert_eq!(good(&["fmt", "--pretty"], LESSON), pretty);
}

#[test]
fn keeps_the_meaning_in_every_form() {
    let packets = "'ok'>?{?? 'undefined' \"\\\"\\\\\" -5 3~$$$~`t`}$ \"1.5\"`f`$";
    for dialect in [&["--classic"][..], &[]] {
        let packets = if dialect.is_empty() {
            packets.replace("'ok'>?", "'ok'>q")
        } else {
            packets.to_owned()
        };
        let before = good(&[&["decode", "--postfix"], dialect].concat(), packets.clone());
        for form in ["--minimal", "--cached", "--pretty"] {
            let formatted = good(&[&["fmt", form], dialect].concat(), packets.clone());
            assert_eq!(
                good(&[&["decode", "--postfix"], dialect].concat(), formatted.clone()),
                before
            );
            assert_eq!(
                good(&[&["fmt", form], dialect].concat(), formatted.clone()),
                formatted,
                "it is stable"
            );
            assert_eq!(good(&[&["fmt", form, "--check"], dialect].concat(), formatted), "");
        }
    }
}

#[test]
fn tells_whether_a_file_has_the_form() {
    assert_eq!(good(&["fmt", "--minimal", "--check"], "{1 2}$\n{3}$\n"), "");
    assert_eq!(good(&["fmt", "--check"], ""), "");
    let message = bad(1, &["fmt", "--minimal", "--check"], "{1 2}$\n{3,4}$\n");
    assert!(message.contains("first at byte 9\n\nhint: ubf fmt --minimal "), "{message}");
    assert!(bad(1, &["fmt", "--minimal", "--check"], "{1 2}$").contains("first at byte 6"));
    assert!(bad(1, &["fmt", "--minimal", "--check"], "{1 2}$\n\n").contains("first at byte 7"));
    assert!(bad(1, &["fmt", "--minimal", "--check"], "1$\n\n2$\n").contains("first at byte 3"));
}

#[test]
fn a_wrong_packet_is_an_error() {
    let broken = file("fmt-broken.ubf", b"1$ }$");
    let ran = ubf(&["fmt", "--minimal", broken.to_str().unwrap(), "-"], "2$");
    assert_eq!((ran.status, ran.out.as_str()), (1, "1$\n2$\n"));
    assert!(ran.err.contains("at byte 3\n\nhint: "), "{}", ran.err);
    assert_eq!(ubf(&["fmt", "--minimal", "--cached"], "").status, 2);
}
