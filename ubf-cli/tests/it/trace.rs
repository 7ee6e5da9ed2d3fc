//! `ubf trace`, as it is called.

use crate::common::{good, ubf};

#[test]
fn the_example_reads_like_a_lesson() {
    let lesson = good(&["trace", "--example"], "");
    let expected = include_str!("lesson.txt");
    assert_eq!(lesson, expected, "\n{lesson}");
}

#[test]
fn the_table_keeps_to_the_width_there_is() {
    for width in [50, 60, 72, 80, 100, 132] {
        let table = good(&["trace", "--width", &width.to_string(), "examples/lesson.ubf"], "");
        for line in table.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        assert!(table.contains("'person'") && table.contains("push the atom"), "{table}");
    }
}

#[test]
fn comments_have_rows_and_white_space_has_none() {
    let table = good(&["trace"], "1  \n %why% $");
    let rows: Vec<&str> = table.lines().skip(1).take(3).map(str::trim_start).collect();
    assert!(rows[0].starts_with("0  1 "), "{table}");
    assert!(rows[1].contains("%why%") && rows[1].contains("comment"), "{table}");
    assert!(rows[2].starts_with("11  $ "), "{table}");
}

#[test]
fn shows_each_packet_of_a_stream_with_its_place() {
    let table = good(&["trace"], "1$ 2$");
    assert!(table.contains("\nstdin: packet 2, from byte 2\n"), "{table}");
    assert!(table.contains("\n   3  2 "), "{table}");
}

#[test]
fn shows_the_steps_before_an_error_and_then_the_error() {
    let ran = ubf(&["trace"], "{'a' q}$");
    assert_eq!(ran.status, 1);
    assert!(ran.out.contains("push the atom 'a'"), "{}", ran.out);
    assert!(
        ran.err.starts_with("error: stdin: register 'q' is read before it is stored, at byte 5\n"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("\n  {'a' q}$\n       ^\n"), "{}", ran.err);
}

#[test]
fn says_how_many_rows_it_left_out() {
    let long = format!("{{{}}}$", "1 ".repeat(2000));
    let table = good(&["trace"], long.clone());
    let rows = table
        .lines()
        .filter(|line| line.trim_start().starts_with(|first: char| first.is_ascii_digit()));
    assert_eq!(
        rows.filter(|row| row.contains("  1  ") || row.contains("  {  ")).count(),
        1000,
        "{table}"
    );
    assert!(table.ends_with("… 1,003 more operators; --limit 0 shows all\n"), "{table}");
    assert!(!good(&["trace", "--limit", "0"], long).contains("more operator"));
    let table = good(&["trace", "--limit", "3"], "1$ 2$ 3$ 4$");
    assert!(table.contains("packet 2") && !table.contains("packet 3"), "{table}");
    assert!(table.ends_with("… 5 more operators; --limit 0 shows all\n"), "{table}");
}

#[test]
fn programs_get_a_document_a_row() {
    let rows = good(&["trace", "--json", "--limit", "4"], "'a'>r {r 2}$");
    let rows: Vec<serde_json::Value> =
        rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[1]["operator"], "store");
    assert_eq!(rows[1]["offset"], 3);
    assert_eq!(rows[1]["bytes"], ">r");
    assert_eq!(rows[1]["hex"], "3e72");
    assert_eq!(rows[1]["registers"][0]["name"], "r");
    assert_eq!(rows[1]["registers"][0]["byte"], 114);
    assert_eq!(rows[3]["stack"][0]["open"], "tuple");
    assert_eq!(rows[3]["does"], "push register r: a");
    assert_eq!(rows[4]["left_out"], 3);
}

#[test]
fn terms_that_expand_to_much_are_shown_briefly() {
    let mut packet = b"'x'>a".to_vec();
    for register in b'b'..b't' {
        packet.extend([b'{', register - 1, register - 1, b'}', b'>', register]);
    }
    packet.extend(b"s$");
    let table = good(&["trace"], packet);
    assert!(table.len() < 50_000, "{}", table.len());
}
