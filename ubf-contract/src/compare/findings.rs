//! Collects what is found.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use ubf_codec::{Term, Text};

use super::report::{Change, Direction, Finding, Report, Severity, Verdict};
use crate::inclusion::Found;
use crate::span::Span;

/// What is reported once: the same change by the same rules is one change, whatever state it shows
/// in.
type Key = (Direction, Change, Option<(u32, u32)>, Option<(u32, u32)>, Option<Text>);

pub(super) struct Findings {
    direction: Direction,
    found: Vec<Finding>,
    /// Where in `found` each change is.
    places: BTreeMap<Key, usize>,
}

impl Default for Findings {
    fn default() -> Self {
        Self { direction: Direction::Backward, found: Vec::new(), places: BTreeMap::new() }
    }
}

/// Where a finding belongs: the rules of the client's and of the server's contract.
#[derive(Clone, Copy, Default)]
pub(super) struct Rules {
    pub(super) client: Option<Span>,
    pub(super) server: Option<Span>,
}

/// A finding that is being put together.
pub(super) struct Draft<'f> {
    findings: &'f mut Findings,
    finding: Finding,
}

impl Findings {
    pub(super) fn turn(&mut self, direction: Direction) {
        self.direction = direction;
    }

    pub(super) fn rename(&mut self) {
        self.draft(Change::ServiceRenamed, Rules::default()).add(&Found::Term(None));
    }

    pub(super) fn draft(&mut self, change: Change, rules: Rules) -> Draft<'_> {
        let (old, new) = match self.direction {
            Direction::Backward => (rules.client, rules.server),
            Direction::Forward => (rules.server, rules.client),
        };
        let finding = Finding {
            direction: self.direction,
            change,
            is_shown: true,
            state: None,
            next: None,
            request: None,
            message: None,
            old,
            new,
        };
        Draft { findings: self, finding }
    }

    /// Whether nothing was found that breaks.
    pub(super) fn is_fine(&self) -> bool {
        self.found.iter().all(|finding| finding.change.severity() == Severity::Warning)
    }

    pub(super) fn report(self) -> Report {
        let verdict = |direction: Direction| {
            let own = || {
                let breaks = |finding: &&Finding| {
                    finding.direction == direction && finding.change.severity() > Severity::Warning
                };
                self.found.iter().filter(breaks)
            };
            if own().any(|finding| finding.is_shown) {
                Verdict::Breaks
            } else if own().next().is_some() {
                Verdict::NotShown
            } else {
                Verdict::Serves
            }
        };
        let (backward, forward) = (verdict(Direction::Backward), verdict(Direction::Forward));
        Report { backward, forward, findings: self.found }
    }
}

impl Draft<'_> {
    pub(super) fn state(mut self, state: &Text) -> Self {
        self.finding.state = Some(state.clone());
        self
    }

    pub(super) fn next(mut self, next: &Text) -> Self {
        self.finding.next = Some(next.clone());
        self
    }

    pub(super) fn request(mut self, request: Option<Term>) -> Self {
        self.finding.request = request;
        self
    }

    pub(super) fn message(mut self, message: &Found) -> Self {
        self.finding.message = term(message);
        self
    }

    /// Adds it, unless nothing was found that shows it.
    pub(super) fn add(mut self, found: &Found) {
        if *found == Found::Nothing {
            return;
        }
        self.finding.is_shown = *found != Found::GaveUp;
        let place = |span: Option<Span>| span.map(|span| (span.start, span.end));
        let Finding { direction, change, old, new, ref next, .. } = self.finding;
        let key = (direction, change, place(old), place(new), next.clone());
        let all = &mut self.findings.found;
        let place = *self.findings.places.entry(key).or_insert(all.len());
        match all.get_mut(place) {
            None => all.push(self.finding),
            Some(known) if self.finding.is_shown && !known.is_shown => *known = self.finding,
            Some(_) => {}
        }
    }
}

pub(super) fn term(found: &Found) -> Option<Term> {
    match found {
        Found::Term(term) => term.clone(),
        Found::Nothing | Found::GaveUp => None,
    }
}
