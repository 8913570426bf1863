//! What the program prints about itself: completions and manual pages.

use std::collections::BTreeSet;
use std::process::Command;

use super::{NAME, Place, documented};

/// What bash proposes for the last of these words.
fn proposed(place: &Place, words: &[&str]) -> BTreeSet<String> {
    let (last, before) = (words.len() - 1, words[words.len() - 2]);
    let script = format!(
        "source completions.bash; COMP_WORDS=({}); COMP_CWORD={last}; _{NAME} {NAME} '{}' {before}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words[last],
    );
    let ran = Command::new("bash").current_dir(place.path(".")).args(["-c", &script]).output().unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Bash takes the completions, which propose commands, every documented option and no other, and words where an option has some;
/// scripts for other shells name every option, too.
pub(crate) fn completions_propose_what_is_documented() {
    let place = Place::new();
    place.write("completions.bash", place.done("completions bash"));
    let checked = Command::new("bash").arg("-n").arg(place.path("completions.bash")).status().unwrap();
    assert!(checked.success());
    let documented = documented();
    let help = place.done("--help");
    for words in [vec![NAME, "--"], vec![NAME, "show", "--"]] {
        let options: BTreeSet<String> = proposed(&place, &words).iter().map(|word| word.replacen("--", "", 1)).collect();
        assert!(documented.iter().filter(|name| *name != "version").all(|name| options.contains(name)), "{options:?}");
        let others: Vec<_> = options.iter().filter(|name| !help.contains(&format!("--{name}")) && *name != "format").collect();
        assert!(others.is_empty(), "{others:?}");
    }
    assert_eq!(proposed(&place, &[NAME, "gr"]), BTreeSet::from(["graph".to_owned()]));
    assert_eq!(proposed(&place, &[NAME, "--engine", "d"]), BTreeSet::from(["dense".to_owned()]));
    assert_eq!(proposed(&place, &[NAME, "--flow-preservation", "f"]), BTreeSet::from(["false".to_owned()]));
    assert_eq!(proposed(&place, &[NAME, "completions", "z"]), BTreeSet::from(["zsh".to_owned()]));
    for shell in ["elvish", "fish", "powershell", "zsh"] {
        let script = place.done(&format!("completions {shell}"));
        assert!(documented.iter().all(|name| script.contains(name)), "{shell}");
    }
    let shells = "use one of bash, elvish, fish, powershell, zsh";
    place.refused("completions fsh", 2, &format!("SHELL: unknown value 'fsh'; {shells} (did you mean 'fish'?)"));
    let message = place.refused("completions", 2, "SHELL is missing");
    assert!(message.contains(shells), "{message}");
}

/// The manual page has every documented option and every command, and each command has a page.
pub(crate) fn the_manual_has_what_is_documented() {
    let place = Place::new();
    let page = place.done("man");
    assert!(page.starts_with(".ie ") && page.contains(&format!("\n.TH {NAME} 1 ")), "{page}");
    let roff = |text: &str| text.replace('-', "\\-");
    for name in documented() {
        assert!(page.contains(&format!("\\fB{}\\fR", roff(&format!("--{name}")))), "{name}");
    }
    for command in ["show", "graph", "flops", "data", "runs", "completions", "man"] {
        assert!(page.contains(&roff(&format!("\n{NAME}-{command}(1)\n"))), "{command}");
        let page = place.done(&format!("man {command}"));
        assert!(
            page.contains(&format!("\n.TH {NAME}-{command} 1 ")) && page.contains(&format!("\n\\fB{NAME} {command}\\fR")),
            "{page}"
        );
    }
    let commands = "use one of show, graph, flops, data, runs, completions, man";
    place.refused("man grap", 2, &format!("COMMAND: unknown value 'grap'; {commands} (did you mean 'graph'?)"));
}
