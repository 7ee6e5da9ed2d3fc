//! Finds the examples of a text.

use std::path::{Path, PathBuf};

/// A command line, where it stands, and what the text shows below it.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) place: String,
    pub(super) line: String,
    pub(super) shown: Option<String>,
}

/// The examples of a help text: lines with `$`, or that begin with `ubf`. What is shown below is
/// indented at least as far.
pub(super) fn of_help(place: &str, help: &str) -> Vec<Example> {
    let Some((_, examples)) = help.split_once("Examples:\n") else { return Vec::new() };
    let is_command = |line: &str| {
        line.starts_with("$ ") || (line.starts_with("  ") && line.trim_start().starts_with("ubf "))
    };
    let mut found = Vec::new();
    let mut lines = examples.lines().peekable();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if indent == 0 || !(text.starts_with("$ ") || is_command(line)) {
            continue;
        }
        let mut command = text.trim_start_matches("$ ").to_owned();
        while command.ends_with('\\') {
            command.push('\n');
            command.push_str(lines.next().unwrap_or_default());
        }
        let mut shown = String::new();
        while let Some(line) = lines.next_if(|line| {
            let text = line.trim_start();
            let is_deep = line.len() - text.len() >= indent;
            line.is_empty() || (is_deep && !text.starts_with("$ ") && !is_command(line))
        }) {
            shown.push_str(line.get(indent..).unwrap_or_default());
            shown.push('\n');
        }
        let shown = (!shown.trim().is_empty()).then_some(shown);
        found.push(Example { place: place.to_owned(), line: command, shown });
    }
    found
}

/// The examples of a document: each line of a block of `sh`, and lines with `$` of other blocks.
pub(super) fn of_document(name: &str, text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for (number, language, block) in blocks(text) {
        let mut is_below = false;
        for (offset, line) in block.lines().enumerate() {
            let place = format!("{name}:{}", number + offset + 1);
            if let (true, Some(long)) = (is_below, found.last_mut())
                && long.line.ends_with('\\')
            {
                long.line.push('\n');
                long.line.push_str(line);
                continue;
            }
            let command = match language {
                "sh" => Some(line).filter(|line| !line.is_empty() && !line.starts_with('#')),
                _ => line.strip_prefix("$ "),
            };
            if let Some(line) = command {
                found.push(Example { place, line: line.to_owned(), shown: None });
                is_below = true;
            } else if let (true, Some(example)) = (is_below, found.last_mut()) {
                let shown = example.shown.get_or_insert_default();
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    found.retain_mut(|example| {
        example.shown = example.shown.take().filter(|shown| !shown.trim().is_empty());
        true
    });
    found
}

/// The fenced blocks: the line of the fence, counted from 1, the language and the text.
fn blocks(text: &str) -> Vec<(usize, &str, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| !line.starts_with("```"))
            .collect();
        found.push((index + 1, language, block.join("\n")));
    }
    found
}

/// The command lines of the tool in the sentences of a document.
pub(super) fn spans(name: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut is_block = false;
    for (index, line) in text.lines().enumerate() {
        is_block ^= line.starts_with("```");
        let spans = line.split('`').skip(1).step_by(2);
        for span in spans.filter(|span| !is_block && span.starts_with("ubf ")) {
            found.push((format!("{name}:{}", index + 1), span.to_owned()));
        }
    }
    found
}

/// The documents of the project, by name.
pub(super) fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["", "spec/src", "docs", "ubf-codec", "ubf-contract"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        files.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        (name, std::fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(read).collect()
}
