//! The names of scores when a network is pruned.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::{DropScope, DropScore, Magnitude};
use er_graphs::error::{Error, Result};
use er_graphs::names;
use er_graphs::registry::{self, Door, Selected};

/// What edges are pruned by: a score that is compared as the method says. Some have another name here than where edges are dropped, as
/// in the published programs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PruneScore(Selected<dyn DropScore>);

/// Names where edges are dropped, and those here.
const PUBLISHED: [[&str; 2]; 2] = [["Taylor_FO", "snip"], ["synflow", "SynFlow"]];

impl PruneScore {
    /// |w|.
    pub const MAGNITUDE: Self = Self(Selected::new(&Magnitude));

    /// All scores that a network can be pruned by, with their names here.
    pub fn named() -> impl Iterator<Item = (&'static str, &'static dyn DropScore)> {
        let scores = <dyn DropScore>::registry().iter().filter(|score| score.scope() == DropScope::Layer);
        scores.map(|score| (name(score), score))
    }
}

fn name(score: &dyn DropScore) -> &'static str {
    PUBLISHED.iter().find(|[dropped, _]| *dropped == score.name()).map_or(score.name(), |[_, pruned]| pruned)
}

impl FromStr for PruneScore {
    type Err = Error;

    fn from_str(typed: &str) -> Result<Self> {
        let (asked, _) = registry::split(typed);
        if Self::named().any(|(_, score)| names::is_one_of(asked, score.name(), score.aliases())) {
            return typed.parse().map(Self);
        }
        Err(names::unknown("pruning score", Self::named().map(|(name, score)| (name, score.aliases())), asked))
    }
}

names::stored_as_text!(PruneScore);

impl fmt::Display for PruneScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        write!(f, "{}{}", name(&*self.0), &text[self.0.name().len()..])
    }
}

impl Deref for PruneScore {
    type Target = Selected<dyn DropScore>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_published_programs() {
        for (typed, written) in
            [("magnitude", "magnitude"), ("snip", "snip"), ("Taylor_FO", "snip"), ("SynFlow", "SynFlow"), ("synflow", "SynFlow")]
        {
            let score: PruneScore = typed.parse().unwrap();
            assert_eq!((score.to_string(), written.parse().unwrap()), (written.to_owned(), score), "{typed}");
        }
        let error = "SET".parse::<PruneScore>().unwrap_err();
        assert_eq!(error.to_string(), "unknown pruning score \"SET\"\n  choose one of magnitude, snip, SynFlow");
        let error = "threshold".parse::<PruneScore>().unwrap_err();
        assert_eq!(error.what(), "unknown pruning score \"threshold\"");
        assert_eq!(PruneScore::MAGNITUDE.to_string(), "magnitude");
    }
}
