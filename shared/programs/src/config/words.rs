//! The words of a command line as option values, by the rules of the published programs: `--name value` and `--name=value`, dashes
//! and underscores alike, unambiguous beginnings of names, booleans as words or bare flags, negative numbers as values, lists
//! separated by commas or spaces.

use clap::Arg;

use super::of_programs::of_program;
use super::problems::Problems;
use super::table::{Found, Table, is_switch, takes_several};
use super::values;

/// One option as given on the command line.
pub(super) struct Word<'a> {
    pub(super) arg: &'a Arg,
    pub(super) text: String,
}

/// Whether the user asks a question about the program instead of running it: `--help` or `--version` among the words.
pub(super) fn question(words: &[String]) -> Option<Question> {
    words.iter().find_map(|w| match w.as_str() {
        "-h" | "--help" => Some(Question::Help),
        "-V" | "--version" => Some(Question::Version),
        _ => None,
    })
}

/// What can be asked about a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Help,
    Version,
}

/// Reads all words, for a command of this program; what is wrong goes to `problems`.
pub(super) fn parse<'a>(table: Table<'a>, program: Table, words: &[String], problems: &mut Problems) -> Vec<Word<'a>> {
    let mut given = Vec::new();
    let mut rest = words.iter().map(String::as_str).peekable();
    while let Some(word) = rest.next() {
        let (shown, attached, arg) = match name(table, program, word) {
            Ok(found) => found,
            Err((what, help)) => {
                match help {
                    Some(help) => problems.add_with_help(what, help),
                    None => problems.add(what),
                }
                // The value of an unknown option is no separate mistake.
                rest.next_if(|next| word.starts_with('-') && !word.contains('=') && is_value(next));
                continue;
            }
        };
        if arg.is_positional() && !takes_several(arg) && given.iter().any(|w: &Word| w.arg.is_positional()) {
            problems.add(format!("unexpected argument '{word}'"));
            continue;
        }
        let text = match attached {
            Some(text) => Some(text.to_owned()),
            None if is_switch(arg) => rest.next_if(|next| values::boolean(next).is_ok()).or(Some("true")).map(str::to_owned),
            None if arg.get_value_delimiter().is_some() => {
                let values: Vec<&str> = std::iter::from_fn(|| rest.next_if(|next| is_value(next))).collect();
                Some(values.join(",")).filter(|_| !values.is_empty())
            }
            None => rest.next_if(|next| is_value(next)).map(str::to_owned),
        };
        match text {
            Some(text) => given.push(Word { arg, text }),
            None => problems.add(format!("{shown} needs a value")),
        }
    }
    given
}

type NotFound = (String, Option<String>);

/// The option that a word names: how it was written, the value attached to it, the option.
fn name<'a, 'w>(table: Table<'a>, program: Table, word: &'w str) -> Result<(&'w str, Option<&'w str>, &'a Arg), NotFound> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, attached) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
        let shown = &word[..2 + name.len()];
        if table.exact(name).is_none() && program.exact(name).is_some() {
            let (command, runs) = (table.0.get_name(), program.0.get_name());
            let what = format!("'{shown}' is an option of runs, and {command} trains nothing");
            return Err((what, Some(format!("leave it out; {runs} {command} --help lists what it takes"))));
        }
        return match table.find(name) {
            _ if name.is_empty() => Err((format!("unexpected argument '{word}'"), None)),
            Found::One(arg) => Ok((shown, attached, arg)),
            Found::Several(of) => Err((format!("option '{shown}' is short for several: --{}", of.join(", --")), None)),
            Found::None(near) => {
                let near = near.map(|n| format!("did you mean '--{n}'?"));
                let elsewhere = of_program(name).map(|programs| format!("it is an option of {programs}"));
                Err((format!("unknown option '{shown}'"), elsewhere.or(near)))
            }
        };
    }
    if let Some(arg) = table.bare().filter(|_| !word.starts_with('-')) {
        return Ok(("", Some(word), arg));
    }
    let unexpected = || {
        let help = if program.0.find_subcommand(word).is_some() {
            format!("commands come first: {} {word} …", program.0.get_name())
        } else {
            "options begin with '--'".to_owned()
        };
        (format!("unexpected argument '{word}'"), Some(help))
    };
    let short = word.strip_prefix('-').and_then(|s| s.chars().next()).ok_or_else(unexpected)?;
    let shown = &word[..=short.len_utf8()];
    let attached = Some(&word[shown.len()..]).filter(|v| !v.is_empty()).map(|v| v.strip_prefix('=').unwrap_or(v));
    table.short(short).map(|arg| (shown, attached, arg)).ok_or_else(|| (format!("unknown option '{shown}'"), None))
}

/// Whether a word can be the value of the option before it: anything that does not look like an option. Negative numbers do not.
fn is_value(word: &str) -> bool {
    !word.starts_with('-') || word == "-" || word.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, Command};

    use super::*;
    use crate::config::table::with_word_booleans;

    fn command() -> Command {
        with_word_booleans(
            Command::new("test")
                .arg(Arg::new("epochs").long("epochs").default_value("3"))
                .arg(Arg::new("sparse").long("sparse").action(ArgAction::SetTrue))
                .arg(Arg::new("sparse_init").long("sparse-init"))
                .arg(Arg::new("s_init_value").long("sInit-value").short('s'))
                .arg(Arg::new("list").long("list").value_delimiter(','))
                .arg(Arg::new("l1").long("l1").hide(true)),
        )
    }

    fn parsed(words: &[&str]) -> Result<Vec<(String, String)>, String> {
        let command = command();
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let mut problems = Problems::new();
        let given = parse(Table(&command), Table(&command), &words, &mut problems);
        problems.finish().map_err(|e| e.to_string())?;
        Ok(given.into_iter().map(|w| (w.arg.get_id().to_string(), w.text)).collect())
    }

    #[test]
    fn the_rules_of_the_published_programs() {
        for (words, id, text) in [
            (&["--epoch", "160"][..], "epochs", "160"),
            (&["--epochs=160"], "epochs", "160"),
            (&["--sparse_init", "ERK"], "sparse_init", "ERK"),
            (&["--sparse-init=a=b"], "sparse_init", "a=b"),
            (&["--SINIT_value", "-200"], "s_init_value", "-200"),
            (&["-s", "-1e-3"], "s_init_value", "-1e-3"),
            (&["-s5"], "s_init_value", "5"),
            (&["--sparse"], "sparse", "true"),
            (&["--sparse", "False"], "sparse", "False"),
            (&["--sparse=0"], "sparse", "0"),
            (&["--list", "0.5", "0.2,0.1"], "list", "0.5,0.2,0.1"),
            (&["--l1", "0"], "l1", "0"),
        ] {
            assert_eq!(parsed(words), Ok(vec![(id.to_owned(), text.to_owned())]), "{words:?}");
        }
        assert_eq!(parsed(&["--sparse", "--epochs", "2"]).map(|g| g.len()), Ok(2));
    }

    #[test]
    fn words_without_an_option_may_be_several() {
        let given = |several: bool| {
            let action = if several { ArgAction::Append } else { ArgAction::Set };
            let command = with_word_booleans(
                Command::new("test")
                    .arg(Arg::new("folders").action(action))
                    .arg(Arg::new("each").long("each").action(ArgAction::SetTrue)),
            );
            let mut problems = Problems::new();
            let words = ["a", "--each", "b,c"].map(str::to_owned);
            let given: Vec<String> =
                parse(Table(&command), Table(&command), &words, &mut problems).into_iter().map(|w| w.text).collect();
            problems.finish().map(|()| given).map_err(|e| e.to_string())
        };
        assert_eq!(given(true).unwrap(), ["a", "true", "b,c"]);
        assert_eq!(given(false).unwrap_err(), "unexpected argument 'b,c'");
    }

    #[test]
    fn mistakes_are_named() {
        for (words, message) in [
            (&["--epocs", "3"][..], "unknown option '--epocs'\n  did you mean '--epochs'?"),
            (&["--s", "1"], "option '--s' is short for several: --sparse, --sparse-init, --sInit-value"),
            (&["--epochs"], "--epochs needs a value"),
            (&["--epochs", "--sparse"], "--epochs needs a value"),
            (&["show"], "unexpected argument 'show'\n  options begin with '--'"),
            (&["--"], "unexpected argument '--'"),
            (&["-x"], "unknown option '-x'"),
        ] {
            assert_eq!(parsed(words), Err(message.to_owned()), "{words:?}");
        }
        assert_eq!(parsed(&["--what=1", "--epochs"]), Err("unknown option '--what'\n--epochs needs a value".into()));
    }
}
