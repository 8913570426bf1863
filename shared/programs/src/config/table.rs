//! The options of a command as a table: names, look-up, and what each accepts. Taken from the same `clap` definition that makes
//! the help text, so that command line, files and help cannot disagree.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use super::{OptionId, values};
use er_graphs::error::nearest;

/// Turns every `bool` flag into an option that also takes a word: `--sparse`, `--sparse true`, `--sparse=no`.
pub(crate) fn with_word_booleans(command: Command) -> Command {
    command.mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .value_parser(values::boolean)
            .num_args(0..=1)
            .default_value("false")
            .default_missing_value("true")
            .hide_default_value(true)
            .value_name("BOOL"),
        _ => arg,
    })
}

/// Turns a `bool` flag into one that is on unless it is given as false. For programs that give a shared option another default.
pub fn on_unless_switched_off(command: Command, option: OptionId) -> Command {
    command.mut_arg(option, |arg| {
        let on = arg.action(ArgAction::Set).value_parser(values::boolean).num_args(0..=1);
        on.default_value("true").default_missing_value("true").value_name("BOOL")
    })
}

/// What a typed option name stands for.
pub(super) enum Found<'a> {
    /// This option.
    One(&'a Arg),
    /// The beginning of several options.
    Several(Vec<&'a str>),
    /// No option; the nearest one if there is one.
    None(Option<&'a str>),
}

/// The options of one command.
#[derive(Clone, Copy)]
pub(super) struct Table<'a>(pub(super) &'a Command);

/// Names are compared without regard to case and to `-` or `_`.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

fn names(arg: &Arg) -> impl Iterator<Item = &str> {
    arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default())
}

impl<'a> Table<'a> {
    /// Every option; `--help` and `--version` are questions instead.
    fn options(self) -> impl Iterator<Item = &'a Arg> {
        self.0.get_arguments().filter(|arg| !is_question(arg))
    }

    /// The option with this long name (or alias).
    pub(super) fn exact(self, name: &str) -> Option<&'a Arg> {
        let name = fold(name);
        self.options().find(|a| names(a).any(|n| fold(n) == name))
    }

    /// What a word that is no option is the value of.
    pub(super) fn bare(self) -> Option<&'a Arg> {
        self.options().find(|a| a.is_positional())
    }

    /// The option with this short name.
    pub(super) fn short(self, name: char) -> Option<&'a Arg> {
        self.options().find(|a| a.get_short() == Some(name))
    }

    /// The option with this name, or the only one whose name begins like this. Hidden options need their full name.
    pub(super) fn find(self, name: &str) -> Found<'a> {
        if let Some(arg) = self.exact(name) {
            return Found::One(arg);
        }
        let typed = fold(name);
        let begins = |a: &&Arg| !a.is_hide_set() && names(a).any(|n| fold(n).starts_with(&typed));
        let candidates: Vec<&Arg> = self.options().filter(begins).collect();
        match candidates[..] {
            [] => Found::None(self.nearest(name)),
            [one] => Found::One(one),
            _ => Found::Several(candidates.iter().filter_map(|a| a.get_long()).collect()),
        }
    }

    /// The nearest name among the documented options.
    pub(super) fn nearest(self, name: &str) -> Option<&'a str> {
        nearest(name, self.options().filter(|a| !a.is_hide_set()).filter_map(|a| a.get_long()))
    }
}

/// An option as messages name it: `--density`, or what a word without an option is, such as `FILE`.
pub(super) fn label(arg: &Arg) -> String {
    let value = || arg.get_value_names().and_then(|names| names.first()).map_or(arg.get_id().as_str(), |name| name.as_str());
    arg.get_long().map_or_else(|| value().to_owned(), |long| format!("--{long}"))
}

/// Whether this is `--help` or `--version`.
pub(super) fn is_question(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version)
}

/// Whether an option may stand without a value.
pub(crate) fn is_switch(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|n| n.min_values() == 0)
}

/// Whether words without an option are this one's values, however many they are.
pub(super) fn takes_several(arg: &Arg) -> bool {
    arg.is_positional() && matches!(arg.get_action(), ArgAction::Append)
}

/// The value of an option as one word of a command line.
pub(super) fn as_word(arg: &Arg, text: &str) -> String {
    arg.get_long().map_or_else(|| text.to_owned(), |long| format!("--{long}={text}"))
}

/// Whether this is a list without entries, which is the same as not giving the option; it takes back what a file gives.
pub(super) fn is_empty_list(arg: &Arg, text: &str) -> bool {
    arg.get_value_delimiter().is_some() && text.trim().is_empty()
}

/// Asks an option's own parser whether it accepts this text.
///
/// # Errors
/// Why it does not, as the end of a sentence that began with the option's name.
pub(super) fn accepts(arg: &Arg, text: &str) -> Result<(), String> {
    if is_empty_list(arg, text) {
        return Ok(());
    }
    let word = as_word(arg, text);
    let alone = Command::new("option").no_binary_name(true).disable_help_flag(true).arg(arg.clone());
    alone.try_get_matches_from([word]).map(|_| ()).map_err(|e| {
        if let Some(source) = e.source() {
            return source.to_string();
        }
        if text.is_empty() {
            return "the value is empty".to_owned();
        }
        if let Some(ContextValue::Strings(valid)) = e.get(ContextKind::ValidValue) {
            let meant = nearest(text, valid.iter().map(String::as_str));
            let near = meant.map(|m| format!(" (did you mean '{m}'?)")).unwrap_or_default();
            return format!("unknown value '{text}'; use one of {}{near}", valid.join(", "));
        }
        format!("'{text}' is not accepted")
    })
}
