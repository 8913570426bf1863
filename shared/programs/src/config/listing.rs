//! The lists of names in help texts. They are made whenever a command line is read, so that what a program has added is in them.

use er_graphs::names::Choice;
use er_graphs::registry::{Door, Named};
use er_networks::model;
use er_networks::topology::rule::PruneScore;

/// Everything behind a door: names, what it is, and how parameters are written.
pub fn all<T: Door + ?Sized>() -> String {
    join(T::registry().iter().map(|item| entry(item.name(), item, Some(item.about()))))
}

/// These names, and how parameters are written.
pub fn names<'a>(of: impl IntoIterator<Item = &'a dyn Named>) -> String {
    join(of.into_iter().map(|item| entry(item.name(), item, None)))
}

/// The names in a table, and what they stand for.
pub fn choices<T>(of: &[Choice<T>]) -> String {
    join(of.iter().map(|c| spelled(c.name, c.aliases, &[c.about.to_owned()])))
}

/// What networks can be pruned by.
pub fn prune_scores() -> String {
    join(PruneScore::named().map(|(name, score)| entry(name, score, Some(score.about()))))
}

/// The names of all models.
pub fn models() -> String {
    join(model::names().into_iter().map(|family| family.pattern.to_owned()))
}

/// Something with parameters under the name it has here.
fn entry<T: Named + ?Sized>(name: &str, item: &T, about: Option<&str>) -> String {
    let parameters: Vec<String> = item.parameters().iter().map(|p| format!("{}={}", p.name, p.default)).collect();
    let written = (!parameters.is_empty()).then(|| format!("{name}:{}", parameters.join(",")));
    let aliases: Vec<&str> = item.aliases().iter().copied().filter(|alias| *alias != name).collect();
    spelled(name, &aliases, &about.map(str::to_owned).into_iter().chain(written).collect::<Vec<_>>())
}

fn spelled(name: &str, aliases: &[&str], notes: &[String]) -> String {
    let names = std::iter::once(name).chain(aliases.iter().copied()).collect::<Vec<_>>().join(" or ");
    if notes.is_empty() { names } else { format!("{names} ({})", notes.join("; ")) }
}

fn join(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_networks::schedule::Decay;
    use er_networks::topology::SparseInit;
    use er_networks::topology::rule::Redistribute;

    #[test]
    fn names_come_with_aliases_what_they_are_and_their_parameters() {
        for decay in [
            "linear or exponential (a straight line)",
            "inverse-power (a straight line to the power k, also written inverse-power-3; inverse-power:k=3)",
        ] {
            assert!(all::<dyn Decay>().contains(decay), "{}", all::<dyn Decay>());
        }
        let masks = names(SparseInit::named().map(|n| n as &dyn Named));
        assert!(masks.contains("ERK or fixed_ERK (ERK:power=1), ER, uniform or ER_init, balanced or "), "{masks}");
        assert!(prune_scores().contains("magnitude (|w|)") && prune_scores().contains("SynFlow ("), "{}", prune_scores());
        assert!(choices(Redistribute::CHOICES).ends_with("nonzeros or nonzero (by the number of a layer's edges)"));
        assert!(models().contains("vgg<11|13|16|19>[-bias], vgg-<c|d|like>, resnet<") && models().ends_with("-slt"));
    }
}
