//! Which requirements are examined.

/// Those that are wanted, by number: `S3.14`, or `S3` for all of S3, or `S` for all about sessions.
///
/// ```
/// use ubf_conformance::selection::Selection;
///
/// let cites = |rules: &[&str]| rules.iter().map(|&rule| rule.to_owned()).collect::<Vec<_>>();
/// let only = Selection { only: cites(&["N4"]), without: cites(&["N4.4", "N7"]) };
/// assert!(only.wants(&cites(&["N4.2", "P5.1"])));
/// assert!(!only.wants(&cites(&["P5.1"])));
/// assert!(!only.wants(&cites(&["N4.2", "N4.4"])));
/// assert!(!only.wants(&cites(&["N4.1", "N7.2"])));
/// assert!(Selection::default().wants(&cites(&["N7.2"])));
/// assert!(Selection { only: cites(&["N"]), ..Selection::default() }.wants(&cites(&["N7.2"])));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// What is examined cites one of these; anything, if there is none.
    pub only: Vec<String>,
    /// It cites none of these: an implementation may leave them out.
    pub without: Vec<String>,
}

impl Selection {
    /// Whether what cites these requirements is examined.
    #[must_use]
    pub fn wants(&self, cited: &[String]) -> bool {
        let is_cited = |rule: &String| cites(cited, rule);
        (self.only.is_empty() || self.only.iter().any(is_cited))
            && !self.without.iter().any(is_cited)
    }

    /// What nothing of all this cites.
    pub(crate) fn uncited<'a>(
        &'a self,
        all: &(impl Iterator<Item = &'a Vec<String>> + Clone),
    ) -> impl Iterator<Item = &'a str> {
        let is_uncited = |rule: &&String| !all.clone().any(|cited| cites(cited, rule));
        self.only.iter().chain(&self.without).filter(is_uncited).map(String::as_str)
    }
}

/// Whether this may be a requirement that no vector can show: one of all this cites its rule.
pub(crate) fn is_of_rule<'a>(
    mut all: impl Iterator<Item = &'a Vec<String>>,
    requirement: &str,
) -> bool {
    requirement.rsplit_once('.').is_some_and(|(rule, _)| all.any(|cited| cites(cited, rule)))
}

fn cites(cited: &[String], rule: &str) -> bool {
    let is_letter = rule.len() == 1;
    let is_part =
        |it: &String| it.strip_prefix(rule).is_some_and(|rest| is_letter || rest.starts_with('.'));
    cited.iter().any(|it| it == rule || is_part(it))
}
