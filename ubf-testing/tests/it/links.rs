//! The book holds together: each link leads to a heading, each chapter is in the summary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The chapters by name, without what stands between fences.
fn chapters() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/src");
    let mut chapters = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (mut is_code, mut text) = (false, String::new());
        for line in fs::read_to_string(&path).unwrap().lines() {
            is_code ^= line.starts_with("```");
            if !is_code {
                text.push_str(line);
                text.push('\n');
            }
        }
        chapters.insert(name, text);
    }
    chapters
}

/// The anchors of a chapter: those that are written, and those of headings without one.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| match heading.split_once("{#") {
        Some((_, anchor)) => anchor.trim_end().trim_end_matches('}').to_owned(),
        None => {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
            kept.collect::<String>().replace(' ', "-")
        }
    };
    headings.map(anchor).collect()
}

/// Where the links of a chapter lead, those within the book.
fn links(text: &str) -> Vec<String> {
    let parts = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = parts.filter(|link| !link.contains("://") && !link.contains(char::is_whitespace));
    inside.map(str::to_owned).collect()
}

#[test]
fn every_link_of_the_book_leads_somewhere() {
    let chapters = chapters();
    let mut count = 0;
    let mut broken = Vec::new();
    for (name, text) in &chapters {
        for link in links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { name } else { file };
            let leads = chapters
                .get(file)
                .is_some_and(|target| anchor.is_empty() || anchors(target).contains(anchor));
            if !leads {
                broken.push(format!("{name}: {link}"));
            }
            count += 1;
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(count > 300, "{count}");
}

#[test]
fn every_chapter_is_in_the_summary_once() {
    let mut chapters = chapters();
    let summary = chapters.remove("SUMMARY.md").unwrap();
    let mut listed = links(&summary);
    listed.sort();
    assert_eq!(listed, chapters.into_keys().collect::<Vec<_>>());
}
