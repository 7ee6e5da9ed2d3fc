//! Random sentences of the specification's grammar.
//!
//! ABNF cannot say two things of UBF(A), so that two rules are conditions on what was derived
//! before them: `binary-body` has as many bytes as the `length` before it says, and `register-read`
//! is a register that a `store` before it has named. An alternative that cannot be derived there is
//! a dead end, and another one is taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use abnf::types::{Kind, Node, TerminalValues};

use crate::random::Random;

/// The rules, by name.
#[derive(Debug)]
pub struct Grammar {
    rules: BTreeMap<String, Rule>,
}

#[derive(Debug)]
struct Rule {
    node: Node,
    /// The fewest rules that stand one in another in a sentence of this rule; `None` if it has no
    /// sentence.
    height: Option<usize>,
}

/// Beyond this many rules one in another, or bytes, the shortest way out is taken.
const MAX_LEVEL: usize = 40;
const MAX_BYTES: usize = 1_500;

/// The longest binary. The grammar's `length` has any number of digits.
const MAX_BINARY_BYTES: usize = 300;

impl Grammar {
    /// The grammar of this repository: all of `spec/grammar/*.abnf`.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the rules are wrong.
    pub fn load() -> Result<Self, String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/grammar");
        let mut text = String::new();
        for file in ["ubf-a.abnf", "header.abnf", "control.abnf"] {
            let path = directory.join(file);
            text += &fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            text += "\n";
        }
        Self::parse(&text)
    }

    /// The grammar of contracts: `spec/grammar/contract.abnf`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the rules are wrong.
    pub fn contracts() -> Result<Self, String> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/grammar");
        let path = directory.join("contract.abnf");
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text)
    }

    /// Reads rules in ABNF.
    ///
    /// # Errors
    ///
    /// What is written is no ABNF, or names a rule that does not exist, or a rule that has no
    /// sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
        for rule in abnf::rulelist(text).map_err(|error| error.to_string())? {
            if rule.kind() == Kind::Incremental {
                return Err(format!(
                    "`{}` is defined in pieces, which is not understood here",
                    rule.name()
                ));
            }
            let name = rule.name().to_owned();
            if rules
                .insert(name.clone(), Rule { node: rule.node().clone(), height: None })
                .is_some()
            {
                return Err(format!("`{name}` is defined twice"));
            }
        }
        let mut grammar = Self { rules };
        grammar.measure();
        match grammar.rules.iter().find(|(_, rule)| rule.height.is_none()) {
            Some((name, _)) => Err(format!(
                "`{name}` has no sentence: it names itself always, or a rule that does not exist"
            )),
            None => Ok(grammar),
        }
    }

    /// A sentence of that rule.
    ///
    /// # Errors
    ///
    /// There is no such rule, or its sentences begin with what must come before them.
    pub fn sentence(&self, rule: &str, random: &mut Random) -> Result<Vec<u8>, String> {
        let mut derivation = Derivation {
            grammar: self,
            random,
            bytes: Vec::new(),
            stored: Vec::new(),
            length: 0,
            level: 0,
        };
        match derivation.rule(rule) {
            Ok(()) => Ok(derivation.bytes),
            Err(DeadEnd) => Err(format!("no sentence of `{rule}` was found")),
        }
    }

    /// Heights grow from the terminals upwards; each round finds those of one level more.
    fn measure(&mut self) {
        loop {
            let found: Vec<(String, usize)> = self
                .rules
                .iter()
                .filter(|(_, rule)| rule.height.is_none())
                .filter_map(|(name, rule)| Some((name.clone(), self.height(&rule.node)? + 1)))
                .collect();
            if found.is_empty() {
                return;
            }
            for (name, height) in found {
                self.rules.entry(name).and_modify(|rule| rule.height = Some(height));
            }
        }
    }

    fn height(&self, node: &Node) -> Option<usize> {
        match node {
            Node::Alternatives(nodes) => nodes.iter().filter_map(|node| self.height(node)).min(),
            Node::Concatenation(nodes) => nodes
                .iter()
                .map(|node| self.height(node))
                .try_fold(0, |highest, height| Some(highest.max(height?))),
            Node::Repetition { repeat, node } if repeat.min().unwrap_or_default() > 0 => {
                self.height(node)
            }
            Node::Repetition { .. } | Node::Optional(_) => Some(0),
            Node::Group(node) => self.height(node),
            Node::Rulename(name) => self.rules.get(name)?.height,
            Node::String(_) | Node::TerminalValues(_) => Some(0),
            Node::Prose(_) => None,
        }
    }
}

/// There is no sentence from here on.
struct DeadEnd;

struct Derivation<'a> {
    grammar: &'a Grammar,
    random: &'a mut Random,
    bytes: Vec<u8>,
    /// The registers that were named by a `store`.
    stored: Vec<u8>,
    /// What the last `length` says.
    length: usize,
    /// How many rules are open.
    level: usize,
}

impl Derivation<'_> {
    fn rule(&mut self, name: &str) -> Result<(), DeadEnd> {
        match name {
            "binary-body" => {
                for _ in 0..self.length {
                    let byte = self.random.byte();
                    self.bytes.push(byte);
                }
                Ok(())
            }
            "register-read" => {
                let register = *self.random.choose(&self.stored).ok_or(DeadEnd)?;
                self.bytes.push(register);
                Ok(())
            }
            "length" => loop {
                let start = self.bytes.len();
                self.expand(name)?;
                let digits = String::from_utf8_lossy(self.bytes.get(start..).unwrap_or_default())
                    .into_owned();
                match digits.parse() {
                    Ok(length) if length <= MAX_BINARY_BYTES => {
                        self.length = length;
                        return Ok(());
                    }
                    _ => self.bytes.truncate(start),
                }
            },
            "store" => {
                self.expand(name)?;
                self.stored.extend(self.bytes.last());
                Ok(())
            }
            _ => self.expand(name),
        }
    }

    fn expand(&mut self, name: &str) -> Result<(), DeadEnd> {
        let rule = self.grammar.rules.get(name).ok_or(DeadEnd)?;
        self.level += 1;
        let result = self.node(&rule.node);
        self.level -= 1;
        result
    }

    fn is_tired(&self) -> bool {
        self.level > MAX_LEVEL || self.bytes.len() > MAX_BYTES
    }

    fn node(&mut self, node: &Node) -> Result<(), DeadEnd> {
        match node {
            Node::Alternatives(nodes) => {
                let mut order = self.random.order(nodes.len());
                if self.is_tired() {
                    order.sort_by_key(|index| {
                        nodes.get(*index).and_then(|node| self.grammar.height(node))
                    });
                }
                for node in order.into_iter().filter_map(|index| nodes.get(index)) {
                    if self.attempt(node) {
                        return Ok(());
                    }
                }
                Err(DeadEnd)
            }
            Node::Concatenation(nodes) => nodes.iter().try_for_each(|node| self.node(node)),
            Node::Repetition { repeat, node } => {
                let (least, most) =
                    (repeat.min().unwrap_or_default(), repeat.max().unwrap_or(usize::MAX));
                for _ in 0..least {
                    self.node(node)?;
                }
                let mut count = least;
                while count < most
                    && !self.is_tired()
                    && !self.random.once_in(3)
                    && self.attempt(node)
                {
                    count += 1;
                }
                Ok(())
            }
            Node::Optional(node) => {
                if !self.is_tired() && self.random.once_in(2) {
                    self.attempt(node);
                }
                Ok(())
            }
            Node::Group(node) => self.node(node),
            Node::Rulename(name) => self.rule(name),
            Node::String(literal) => {
                self.bytes.extend_from_slice(literal.value().as_bytes());
                Ok(())
            }
            Node::TerminalValues(TerminalValues::Range(first, last)) => {
                let count = usize::try_from(last - first).map_err(|_| DeadEnd)? + 1;
                let byte = usize::try_from(*first).map_err(|_| DeadEnd)? + self.random.below(count);
                self.bytes.push(u8::try_from(byte).map_err(|_| DeadEnd)?);
                Ok(())
            }
            Node::TerminalValues(TerminalValues::Concatenation(values)) => {
                for value in values {
                    self.bytes.push(u8::try_from(*value).map_err(|_| DeadEnd)?);
                }
                Ok(())
            }
            Node::Prose(_) => Err(DeadEnd),
        }
    }

    /// Derives the node, or leaves everything as it was.
    fn attempt(&mut self, node: &Node) -> bool {
        let (bytes, stored, level, length) =
            (self.bytes.len(), self.stored.len(), self.level, self.length);
        if self.node(node).is_ok() {
            return true;
        }
        self.bytes.truncate(bytes);
        self.stored.truncate(stored);
        self.level = level;
        self.length = length;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_sentences_of_a_small_grammar() {
        let grammar =
            Grammar::parse("sum = term *( \"+\" term )\nterm = %x31-39 / \"(\" sum \")\"\n")
                .unwrap();
        for seed in 0..200 {
            let sentence = grammar.sentence("sum", &mut Random::new(seed)).unwrap();
            assert!(
                sentence.iter().all(|byte| b"123456789()+".contains(byte)),
                "seed {seed}: {sentence:?}"
            );
            assert!(sentence.len() < 4_000, "seed {seed}");
        }
    }

    #[test]
    fn a_length_is_kept_and_a_register_is_read_after_it_was_stored() {
        let text = "s = length \"~\" binary-body \"~\" *store register-read\nlength = 1*%x30-39\n\
                    binary-body = *%x00-FF\nstore = \">\" register\nregister-read = register\nregister = %x61-7A\n";
        let grammar = Grammar::parse(text).unwrap();
        let mut found = 0;
        for seed in 0..200 {
            // Without a store there is no sentence.
            let Ok(sentence) = grammar.sentence("s", &mut Random::new(seed)) else { continue };
            let tilde = sentence.iter().position(|byte| *byte == b'~').unwrap();
            let length: usize = std::str::from_utf8(&sentence[..tilde]).unwrap().parse().unwrap();
            let stores = &sentence[tilde + length + 2..];
            assert!(
                stores[..stores.len() - 1].contains(&stores[stores.len() - 1]),
                "seed {seed}: {sentence:?}"
            );
            found += 1;
        }
        assert!(found > 50);
    }

    #[test]
    fn says_what_is_wrong_with_a_grammar() {
        for (text, complaint) in [
            ("a = b\n", "`a` has no sentence"),
            ("a = \"x\" a\n", "`a` has no sentence"),
            ("a = \"x\"\na = \"y\"\n", "`a` is defined twice"),
        ] {
            let error = Grammar::parse(text).unwrap_err();
            assert!(error.starts_with(complaint), "{error}");
        }
    }
}
