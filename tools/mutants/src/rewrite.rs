//! A file of source in which every mutant stands beside the code that it replaces, behind
//! `crate::mutant(NUMBER)`.
//!
//! ```text
//! a + b            (if crate::mutant(7) { a - b } else if crate::mutant(8) { a * b } else { a + b })
//! fn f() -> u8 {…} fn f() -> u8 { if crate::mutant(9) { return 0; } … }
//! ```
//! One mutant is on at a time, so the copies within a mutant's branch need no switches: the text
//! grows by the depth of nesting, no more. Comments mark which text belongs to which mutants
//! (`/*{7,8*/ … /*}*/`): an error of the compiler leads back to them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::list::{Genre, Mutant, Place};

/// The text of a file with the mutants of `numbered` in it, and the numbers of those for which no
/// switch could be written.
pub fn file(text: &str, numbered: &[(usize, &Mutant)]) -> Result<(String, Vec<usize>), String> {
    let parsed = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut finder = Finder {
        mutants: HashMap::new(),
        regions: BTreeMap::new(),
        insertions: BTreeMap::new(),
        found: HashSet::new(),
        text,
    };
    for (number, mutant) in numbered {
        finder
            .mutants
            .entry((mutant.span.start, kind(mutant.genre)))
            .or_default()
            .push((*number, mutant));
    }
    finder.bodies();
    finder.visit_file(&parsed);
    let unswitched = numbered
        .iter()
        .map(|(number, _)| *number)
        .filter(|number| !finder.found.contains(number))
        .collect();
    Ok((finder.render(0..text.len(), None), unswitched))
}

/// Two genres may begin at one place; a guard and an operator in it, for one.
const fn kind(genre: Genre) -> u8 {
    match genre {
        Genre::FnValue => 0,
        Genre::BinaryOperator => 1,
        Genre::UnaryOperator => 2,
        Genre::MatchArm => 3,
        Genre::MatchArmGuard => 4,
        Genre::StructField => 5,
    }
}

/// What may be written instead of an expression, by number.
type Region = Vec<(usize, String)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// A match guard: `if` each branch is one of `true`, `false` and, for the deleted arm, the
    /// empty text.
    Guard,
    /// The value of a field, written as a choice.
    Field,
    /// `(if mutant { branch } else { expression })`
    Choice,
}

/// Regions in the order in which they are opened: by start, the longer before the shorter, a guard
/// before the operator that it consists of.
type Key = (usize, Reverse<usize>, Shape);

struct Finder<'t> {
    text: &'t str,
    mutants: HashMap<(Place, u8), Vec<(usize, &'t Mutant)>>,
    regions: BTreeMap<Key, Region>,
    insertions: BTreeMap<usize, String>,
    found: HashSet<usize>,
}

impl<'t> Finder<'t> {
    fn take(&mut self, span: proc_macro2::Span, genre: Genre) -> Vec<(usize, &'t Mutant)> {
        let start = span.start();
        let place = Place { line: start.line, column: start.column + 1 };
        self.mutants.get(&(place, kind(genre))).cloned().unwrap_or_default()
    }

    fn add(&mut self, range: Range<usize>, branches: Vec<(usize, String)>, shape: Shape) {
        self.found.extend(branches.iter().map(|(number, _)| *number));
        self.regions.insert((range.start, Reverse(range.end), shape), branches);
    }

    /// Functions: the span that cargo-mutants gives is the inside of the body.
    fn bodies(&mut self) {
        let offsets: Vec<usize> =
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let of_functions = self
            .mutants
            .iter()
            .filter(|((_, kind), _)| *kind == 0)
            .flat_map(|(_, mutants)| mutants);
        for (number, mutant) in of_functions {
            let place = mutant.span.start;
            let Some(&line) = offsets.get(place.line - 1) else { continue };
            let at = line
                + self.text[line..].char_indices().nth(place.column - 1).map_or(0, |(at, _)| at);
            let switch = format!(
                "/*{{{number}*/if crate::mutant({number}) {{ return {}; }}/*}}*/ ",
                mutant.replacement
            );
            self.insertions.entry(at).or_default().push_str(&switch);
            self.found.insert(*number);
        }
    }

    /// The text of `range`, switches included. `within` is the region whose expression it is.
    fn render(&self, range: Range<usize>, within: Option<Key>) -> String {
        // What is inserted where a region begins stands before the region.
        let is_done = |at| within.is_some_and(|outer| outer.0 == at);
        let mut out = String::new();
        let mut at = range.start;
        while at < range.end {
            let mut inner = self.regions.range(
                (at, Reverse(usize::MAX), Shape::Guard)
                    ..(range.end, Reverse(usize::MAX), Shape::Guard),
            );
            let next = inner.find(|(key, _)| within.is_none_or(|outer| **key > outer));
            let stop = next.map_or(range.end, |(key, _)| key.0);
            self.copy(at..stop, is_done(at), &mut out);
            at = stop;
            if let Some((key, region)) = next {
                if !is_done(at) {
                    out.push_str(self.insertions.get(&at).map_or("", String::as_str));
                }
                self.region(*key, region, &mut out);
                at = key.1.0;
            }
        }
        out
    }

    fn copy(&self, range: Range<usize>, is_start_taken: bool, out: &mut String) {
        let mut at = range.start;
        for (&place, inserted) in self.insertions.range(range.clone()) {
            if place == range.start && is_start_taken {
                continue;
            }
            out.push_str(&self.text[at..place]);
            out.push_str(inserted);
            at = place;
        }
        out.push_str(&self.text[at..range.end]);
    }

    fn region(&self, key: Key, region: &Region, out: &mut String) {
        let original = self.render(key.0..key.1.0, Some(key));
        let numbers: Vec<String> = region.iter().map(|(number, _)| number.to_string()).collect();
        out.push_str(&format!("/*{{{}*/", numbers.join(",")));
        match key.2 {
            Shape::Choice | Shape::Field => {
                out.push('(');
                for (number, branch) in region {
                    out.push_str(&format!(
                        "if crate::mutant({number}) {{ /*{{{number}*/{branch}/*}}*/ }} else "
                    ));
                }
                out.push_str(&format!("{{ {original} }})"));
            }
            Shape::Guard => {
                let mut guard = format!("({original})");
                for (number, branch) in region {
                    guard = match branch.as_str() {
                        "true" => format!("(crate::mutant({number}) || {guard})"),
                        _ => format!("(!crate::mutant({number}) && {guard})"),
                    };
                }
                out.push_str(&guard);
            }
        }
        out.push_str("/*}*/");
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let range = node.span().byte_range();
        let operator = node.op.span().byte_range();
        let mutants = self.take(node.op.span(), Genre::BinaryOperator);
        // `let` in a chain of conditions can stand neither in parentheses nor beside `||`.
        if !mutants.is_empty() && !has_let(&node.left) && !has_let(&node.right) {
            let (left, right) =
                (&self.text[range.start..operator.start], &self.text[operator.end..range.end]);
            let branches = mutants
                .iter()
                .map(|(number, mutant)| (*number, format!("{left}{}{right}", mutant.replacement)))
                .collect();
            self.add(range, branches, Shape::Choice);
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        let mutants = self.take(node.op.span(), Genre::UnaryOperator);
        if !mutants.is_empty() {
            let operand = &self.text[node.expr.span().byte_range()];
            let branches = mutants
                .iter()
                .map(|(number, mutant)| (*number, format!("{}{operand}", mutant.replacement)))
                .collect();
            self.add(node.span().byte_range(), branches, Shape::Choice);
        }
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        let deleted: Vec<usize> =
            self.take(node.span(), Genre::MatchArm).iter().map(|(number, _)| *number).collect();
        match &node.guard {
            Some((_, guard)) => {
                let guards = self.take(guard.span(), Genre::MatchArmGuard);
                let branches =
                    guards.iter().map(|(number, mutant)| (*number, mutant.replacement.clone()));
                let branches: Vec<_> = branches
                    .chain(deleted.into_iter().map(|number| (number, String::new())))
                    .collect();
                if !branches.is_empty() {
                    self.add(guard.span().byte_range(), branches, Shape::Guard);
                }
            }
            None => {
                for number in deleted {
                    let end = node.pat.span().byte_range().end;
                    self.insertions
                        .entry(end)
                        .or_default()
                        .push_str(&format!("/*{{{number}*/ if !crate::mutant({number})/*}}*/"));
                    self.found.insert(number);
                }
            }
        }
        visit::visit_arm(self, node);
    }

    /// An arm that may be deleted may leave a case open, which is said of what is matched.
    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        let deleted = node.arms.iter().flat_map(|arm| self.take(arm.span(), Genre::MatchArm));
        let numbers: Vec<String> = deleted.map(|(number, _)| number.to_string()).collect();
        if !numbers.is_empty() {
            let range = node.expr.span().byte_range();
            self.insertions
                .entry(range.start)
                .or_default()
                .push_str(&format!("/*{{{}*/", numbers.join(",")));
            self.insertions.entry(range.end).or_default().push_str("/*}*/");
        }
        visit::visit_expr_match(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        for field in &node.fields {
            let mutants = self.take(field.span(), Genre::StructField);
            if let (Some(rest), [(number, _)]) = (&node.rest, mutants.as_slice()) {
                let syn::Member::Named(member) = &field.member else { continue };
                let base = &self.text[rest.span().byte_range()];
                let value = field.expr.span().byte_range();
                if field.colon_token.is_none() {
                    self.insertions
                        .entry(value.start)
                        .or_default()
                        .push_str(&format!("{member}: "));
                }
                self.add(value, vec![(*number, format!("({base}).{member}"))], Shape::Field);
            }
        }
        visit::visit_expr_struct(self, node);
    }
}

fn has_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}
