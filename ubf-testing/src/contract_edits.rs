//! Small edits of contracts, at random: what a person might change, and what a slip might.

#![allow(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "places are those of tokens that were found"
)]

use ubf_contract::{Contract, Reader};

use crate::random::Random;

/// A contract that differs from the text in one to three edits, or in none that counts. What is not
/// well-formed is given up, and another edit is tried.
pub fn edited(text: &str, random: &mut Random) -> Option<(String, Contract)> {
    for _ in 0..200 {
        let mut tokens = tokens(text);
        for _ in 0..=random.below(3) {
            edit(&mut tokens, random);
        }
        let text = tokens.concat();
        if let Ok(contract) = Reader::new().read(&text) {
            return Some((text, contract));
        }
    }
    None
}

/// Words, numbers and single characters; strings and blanks are one each.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' => rest.get(1..).and_then(|inner| inner.find('"')).map_or(rest.len(), |at| at + 2),
            '%' => rest.find('\n').unwrap_or(rest.len()),
            _ if is_word(first) => rest.find(|char| !is_word(char)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        tokens.push(token.to_owned());
        rest = after;
    }
    tokens
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn edit(tokens: &mut Vec<String>, random: &mut Random) {
    match random.below(7) {
        0 | 1 => change_number(tokens, random),
        2 => swap_word(tokens, random),
        3 => take_out(tokens, random),
        4 => add_alternative(tokens, random),
        5 => change_kind(tokens, random),
        _ => repeat_rule(tokens, random),
    }
}

fn places(tokens: &[String], wanted: impl Fn(&str) -> bool) -> Vec<usize> {
    let wanted = tokens.iter().enumerate().filter(|(_, token)| wanted(token));
    wanted.map(|(place, _)| place).collect()
}

fn change_number(tokens: &mut [String], random: &mut Random) {
    let numbers = places(tokens, |token| token.parse::<u64>().is_ok());
    let Some(&place) = random.choose(&numbers) else { return };
    let number: u64 = tokens[place].parse().unwrap_or_default();
    let changed = [number + 1, number.saturating_sub(1), 0, 1, number * 2];
    tokens[place] = changed[random.below(changed.len())].to_string();
}

/// One name for another one: a type, a state or an atom.
fn swap_word(tokens: &mut [String], random: &mut Random) {
    let words = places(tokens, |token| token.starts_with(|first: char| first.is_ascii_lowercase()));
    let (Some(&from), Some(&to)) = (random.choose(&words), random.choose(&words)) else { return };
    tokens[to] = tokens[from].clone();
}

/// An alternative, an element, an outcome or a rule: what ends at the next token of its kind.
fn take_out(tokens: &mut Vec<String>, random: &mut Random) {
    let separators = places(tokens, |token| ["|", ",", ";"].contains(&token));
    let Some(&start) = random.choose(&separators) else { return };
    let mut level = 0_i32;
    let end = tokens.iter().enumerate().skip(start + 1).find(|(_, token)| {
        match token.as_str() {
            "{" | "[" | "(" => level += 1,
            "}" | "]" | ")" => level -= 1,
            _ => {}
        }
        level < 0 || level == 0 && ["|", ",", ";", "."].contains(&token.as_str())
    });
    if let Some((end, _)) = end {
        tokens.drain(start..end);
    }
}

fn add_alternative(tokens: &mut Vec<String>, random: &mut Random) {
    const ALTERNATIVES: [&str; 8] = [
        "added",
        "undefined",
        "integer()",
        "{added, 1..3}",
        "ubfstring()",
        "any()",
        "[atom()]",
        "7",
    ];
    let ends = places(tokens, |token| [";", "}", "."].contains(&token));
    let Some(&place) = random.choose(&ends) else { return };
    tokens.insert(place, format!(" | {}", ALTERNATIVES[random.below(ALTERNATIVES.len())]));
}

fn change_kind(tokens: &mut [String], random: &mut Random) {
    const KINDS: [&str; 7] =
        ["any", "integer", "atom", "binary", "ubfstring", "non_neg_integer", "boolean"];
    let kinds = places(tokens, |token| KINDS.contains(&token));
    let Some(&place) = random.choose(&kinds) else { return };
    tokens[place] = KINDS[random.below(KINDS.len())].to_owned();
}

/// A rule, or a definition, once more behind another one: mostly an error, sometimes a rule of
/// another state.
fn repeat_rule(tokens: &mut Vec<String>, random: &mut Random) {
    let ends = places(tokens, |token| token == ";");
    let (Some(&from), Some(&to)) = (random.choose(&ends), random.choose(&ends)) else { return };
    let Some(end) =
        tokens.iter().skip(from + 1).position(|token| [";", "."].contains(&token.as_str()))
    else {
        return;
    };
    let rule: Vec<String> = tokens[from..=from + end].to_vec();
    tokens.splice(to..to, rule);
}
