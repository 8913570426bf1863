//! `data`: which data sets are there, how they are normalised, and where to get the others.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueEnum};

use super::exit::Exit;
use super::output::{print, print_json};
use er_graphs::error::Result;
use er_graphs::printable::line;
use er_training::data::{Listed, listing, search_path};
use er_training::run::pretty;

/// What the help text ends with.
pub(super) const EXAMPLES: [&str; 3] = ["", "--data-dir data", "--format json"];

/// Where to look, and how to answer.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Folder of the data sets [default: $ER_DATA, ./data, /usr/share/datasets]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// How to write the answer
    #[arg(long, default_value = "text", ignore_case = true, value_name = "FORMAT")]
    format: ListFormat,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ListFormat {
    Text,
    Json,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("data"))
        .about("Lists the data sets: which of them are there, how they are normalised, and where to get the others")
}

pub(super) fn run(options: &Options) -> Result<Exit> {
    let er_data = std::env::var_os("ER_DATA");
    let roots = search_path(options.data_dir.as_deref(), er_data.as_deref());
    let sets = listing(&roots);
    match options.format {
        ListFormat::Text => print(text(&sets, &roots).trim_end())?,
        ListFormat::Json => print_json(&pretty(&sets)?)?,
    }
    Ok(Exit::Done)
}

/// A table; where exactly each set was looked for is in the JSON answer.
fn text(sets: &[Listed], roots: &[PathBuf]) -> String {
    let shown = |path: &Path| line(&path.display().to_string()).into_owned();
    let places: Vec<String> = roots.iter().map(|p| shown(p)).collect();
    let mut text = format!("looked in {} and their usual folders\n", places.join(", "));
    for set in sets {
        let state = match (&set.found, set.built_in, set.missing.is_empty()) {
            (_, true, _) => "built in".to_owned(),
            (Some(place), _, true) => format!("found     {}", shown(place)),
            (Some(place), ..) => format!("incomplete {}", shown(place)),
            (None, ..) => "missing".to_owned(),
        };
        let _ = writeln!(text, "{:<14} {:>9} {:>5} classes  {state}", set.name, set.image, set.classes);
        for (what, values) in [("mean", &set.mean), ("std", &set.std)] {
            let values: Vec<String> = values.iter().map(f64::to_string).collect();
            let _ = writeln!(text, "    {what:<7} {}", values.join(" "));
        }
        if !set.missing.is_empty() {
            let _ = writeln!(text, "    lacks   {}", set.missing.join(", "));
            let _ = writeln!(text, "    get it  {}", set.page.unwrap_or_default());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_found_or_missing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mnist")).unwrap();
        std::fs::write(folder.path().join("mnist/train-images-idx3-ubyte"), "").unwrap();
        let roots = search_path(Some(folder.path()), None);
        let text = text(&listing(&roots), &roots);
        let of = |name: &str| text.lines().skip_while(|l| !l.starts_with(name)).take(5).collect::<Vec<_>>().join("\n");
        assert!(text.starts_with(&format!("looked in {}", folder.path().display())), "{text}");
        assert!(of("digits").contains("built in") && of("cifar10").contains("missing"), "{text}");
        assert!(of("cifar10").contains("get it  https://"), "{text}");
        assert!(of("cifar10").contains("\n    mean    0.4914 0.4822 0.4465\n    std     0.2023 0.1994 0.201\n"), "{text}");
        assert!(of("mnist").contains("incomplete") && of("mnist").contains("t10k-images-idx3-ubyte"), "{text}");
    }
}
