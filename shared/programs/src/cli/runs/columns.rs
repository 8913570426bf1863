//! The table as people read it, and its order.

use std::cmp::Ordering;

use super::super::spread::Spread;
use super::configurations::{Configuration, Differences, Results};
use er_graphs::density::rounded;
use er_graphs::error::{Error, Result, nearest};
use er_graphs::printable::line;
use er_networks::table::aligned;
use er_training::run::State;

/// What stands where there is nothing.
const NONE: &str = "–";

/// What a row has in a column.
#[derive(Debug, Clone, Default, PartialEq)]
struct Cell {
    /// Empty where there is nothing.
    text: String,
    /// What it is sorted by, where it is a number.
    number: Option<f64>,
}

impl Cell {
    fn number(value: Option<f64>, text: impl Fn(f64) -> String) -> Self {
        Self { text: value.map(text).unwrap_or_default(), number: value }
    }

    /// Numbers before words.
    fn order(&self, other: &Self) -> Ordering {
        match (self.number, other.number) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.text.cmp(&other.text),
        }
    }
}

/// A column.
#[derive(Debug)]
struct Column {
    /// What `--sort` calls it.
    name: String,
    /// What the numbers are in; empty without a unit.
    unit: &'static str,
    cells: Vec<Cell>,
}

impl Column {
    fn new(name: &str, cells: impl Iterator<Item = Cell>) -> Self {
        Self { name: name.to_owned(), unit: "", cells: cells.collect() }
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(|cell| cell.text.is_empty())
    }

    /// Whether it has words, which begin at the left.
    fn has_words(&self) -> bool {
        self.cells.iter().any(|cell| cell.number.is_none() && !cell.text.is_empty())
    }
}

/// Every column that the rows could have.
fn columns(rows: &[Configuration<'_>], differences: &Differences, each: bool) -> Vec<Column> {
    let column = |name: &str, cell: &dyn Fn(&Configuration<'_>) -> Cell| Column::new(name, rows.iter().map(cell));
    let words = |text: String| Cell { text, number: None };
    let mut columns = Vec::new();
    if differences.programs {
        columns.push(column("program", &|row| words(row.first().program().to_owned())));
    }
    columns.extend(differences.options.iter().map(|name| column(name, &|row| option(row, name))));
    if each {
        columns.push(column("seed", &|row| {
            let seed = row.first().seed;
            Cell { text: seed.map(|seed| seed.to_string()).unwrap_or_default(), number: seed.map(|seed| seed as f64) }
        }));
    } else {
        columns.push(column("seeds", &|row| seeds(row)));
    }
    columns.push(percent("accuracy", rows, |results| results.test_accuracy));
    columns.push(percent("validation", rows, |results| results.validation_accuracy));
    columns.push(column("requested", &|row| Cell::number(row.density_requested(), |d| rounded(d).to_string())));
    columns.push(column("achieved", &|row| Cell::number(row.density(), |d| format!("{d:.6}"))));
    columns.push(column("edges", &|row| Cell::number(row.edges(), |edges| format!("{edges:.0}"))));
    columns.push(column("best-epoch", &|row| Cell::number(row.best_epoch(), epoch)));
    columns.push(column("status", &|row| words(status(row))));
    if each {
        columns.push(column("folder", &|row| words(row.first().record.path.display().to_string())));
    }
    columns
}

fn option(row: &Configuration<'_>, name: &str) -> Cell {
    let Some(setting) = row.first().options.get(name) else { return Cell::default() };
    Cell { text: setting.text(), number: setting.value.as_f64() }
}

/// How many, of how many if not all have finished.
fn seeds(row: &Configuration<'_>) -> Cell {
    let (finished, all) = (row.finished(), row.runs.len());
    let text = if finished == all { all.to_string() } else { format!("{finished}/{all}") };
    Cell { text, number: Some(finished as f64) }
}

/// A fraction in percent: mean, and standard deviation where there are several seeds; means stand below each other.
fn percent(name: &str, rows: &[Configuration<'_>], number: impl Fn(Results) -> Option<f64> + Copy) -> Column {
    let spreads: Vec<Option<Spread>> = rows.iter().map(|row| row.spread(number)).collect();
    let deviation = |spread: &Spread| spread.std.map(|std| format!(" ± {:.2}", 100.0 * std)).unwrap_or_default();
    let width = spreads.iter().flatten().map(|spread| deviation(spread).chars().count()).max().unwrap_or(0);
    let cell = |spread: &Option<Spread>| {
        let text = spread.map(|spread| format!("{:.2}{:<width$}", 100.0 * spread.mean, deviation(&spread)));
        Cell { text: text.unwrap_or_default(), number: spread.map(|spread| spread.mean) }
    };
    Column { unit: " %", ..Column::new(name, spreads.iter().map(cell)) }
}

/// A mean of epochs need not be whole.
fn epoch(mean: f64) -> String {
    if mean.fract() == 0.0 { mean.to_string() } else { format!("{mean:.1}") }
}

/// Whether all have finished, or how those stand that have not.
fn status(row: &Configuration<'_>) -> String {
    let others = [State::Running, State::Died, State::Interrupted, State::Failed].into_iter().filter_map(|state| {
        let runs: Vec<_> = row.runs.iter().filter(|run| run.record.state == state).collect();
        let steps = runs.iter().filter_map(|run| run.step());
        let (least, most) = (steps.clone().min()?, steps.max()?);
        let number = if row.runs.len() == 1 { String::new() } else { format!("{} ", runs.len()) };
        let range = if least == most { most.to_string() } else { format!("{least}–{most}") };
        let all = runs.iter().find_map(|run| run.record.manifest.scope.steps).map(|all| format!(" of {all}")).unwrap_or_default();
        Some(format!("{number}{}, {range}{all} steps", state.name()))
    });
    let others: Vec<String> = others.collect();
    if others.is_empty() { State::Finished.name().to_owned() } else { others.join("; ") }
}

/// A table without columns that say nothing.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A row for each of these.
    pub(super) fn of(rows: &[Configuration<'_>], differences: &Differences, each: bool) -> Self {
        let mut columns = columns(rows, differences, each);
        let numbers = |column: &Column| column.cells.iter().map(|cell| cell.number).collect::<Vec<_>>();
        let options: Vec<_> = columns.iter().filter(|c| differences.options.contains(&c.name)).map(numbers).collect();
        columns.retain(|column| {
            // Where an option says what was asked for, once is enough.
            let is_said = |option: &Vec<Option<f64>>| {
                column.cells.iter().zip(option).all(|(cell, option)| cell.number.is_none() || cell.number == *option)
            };
            !(column.is_empty() || column.name == "requested" && options.iter().any(is_said))
        });
        Self { columns, rows: rows.len() }
    }

    /// Aligned, under a line on what it is of.
    pub(super) fn text(&self, heading: &str) -> String {
        let heads = self.heads();
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let table = aligned(&heads, &self.cells(), |column| self.columns[column].has_words());
        format!("{heading}\n\n{table}")
    }

    /// A table of Markdown, which is aligned as text, too.
    pub(super) fn markdown(&self) -> String {
        let escaped = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
            rows.iter().map(|row| row.iter().map(|cell| line(cell.trim_end()).replace('|', "\\|")).collect()).collect()
        };
        let heads = escaped(vec![self.heads()]).concat();
        let rows = escaped(self.cells());
        let widths: Vec<usize> = (0..heads.len())
            .map(|c| rows.iter().chain([&heads]).map(|row| row[c].chars().count()).max().unwrap_or(0).max(3))
            .collect();
        let line = |cells: &[String]| {
            let padded = cells.iter().enumerate().map(|(c, cell)| {
                let width = widths[c];
                if self.columns[c].has_words() { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
        };
        let rule: Vec<String> = widths
            .iter()
            .zip(&self.columns)
            .map(|(width, column)| {
                let dashes = "-".repeat(width - 1);
                if column.has_words() { format!(":{dashes}") } else { format!("{dashes}:") }
            })
            .collect();
        [line(&heads), line(&rule)].into_iter().chain(rows.iter().map(|row| line(row))).collect::<Vec<_>>().join("\n")
    }

    fn heads(&self) -> Vec<String> {
        self.columns.iter().map(|column| format!("{}{}", column.name, column.unit)).collect()
    }

    fn cells(&self) -> Vec<Vec<String>> {
        let text = |cell: &Cell| if cell.text.is_empty() { NONE.to_owned() } else { cell.text.clone() };
        (0..self.rows).map(|row| self.columns.iter().map(|column| text(&column.cells[row])).collect()).collect()
    }
}

/// In which order rows come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sorting<'a> {
    /// By which column; as they are without one.
    pub(super) column: Option<&'a str>,
    /// The other way round.
    pub(super) reverse: bool,
}

impl Sorting<'_> {
    /// The rows in order: those that have nothing in the column last, and equal ones as they were.
    ///
    /// # Errors
    /// If there is no such column.
    pub(super) fn sort<'r>(
        self,
        mut rows: Vec<Configuration<'r>>,
        differences: &Differences,
        each: bool,
    ) -> Result<Vec<Configuration<'r>>> {
        let Some(name) = self.column else {
            if self.reverse {
                rows.reverse();
            }
            return Ok(rows);
        };
        let columns = columns(&rows, differences, each);
        let folded = name.trim().to_lowercase().replace(['_', ' '], "-");
        let Some(column) = columns.iter().find(|column| column.name.to_lowercase() == folded) else {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("columns are {}", names.join(", ")),
            };
            return Err(Error::usage(format!("--sort: there is no column '{name}'")).help(help));
        };
        let mut keyed: Vec<(&Cell, Configuration<'r>)> = column.cells.iter().zip(rows).collect();
        keyed.sort_by(|(a, _), (b, _)| match (a.text.is_empty(), b.text.is_empty()) {
            (false, false) if self.reverse => b.order(a),
            (false, false) => a.order(b),
            (a, b) => a.cmp(&b),
        });
        Ok(keyed.into_iter().map(|(_, row)| row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::configurations::Run;
    use super::super::configurations::tests::run;
    use super::*;
    use serde_json::json;

    fn runs() -> Vec<Run> {
        let of = |folder: &str, density: f64, seed: u64, state| {
            run(folder, "er_dst", &json!({"density": density, "model": "mlp", "seed": seed}), state)
        };
        vec![
            of("a", 0.1, 1, State::Finished),
            of("b", 0.1, 12, State::Finished),
            of("c", 0.05, 5, State::Interrupted),
            of("d", 0.2, 7, State::Finished),
            of("e", 0.2, 8, State::Died),
            of("f", 0.2, 9, State::Died),
        ]
    }

    fn table(each: bool, column: Option<&str>, reverse: bool) -> Result<(String, String)> {
        let runs = runs();
        let configurations = Configuration::of(&runs);
        let differences = Differences::between(&configurations);
        let rows = if each { Configuration::each(&runs) } else { configurations };
        let rows = Sorting { column, reverse }.sort(rows, &differences, each)?;
        let table = Table::of(&rows, &differences, each);
        Ok((table.text(&differences.heading(&rows, each)), table.markdown()))
    }

    #[test]
    fn configurations_as_text() {
        let expected = "er_dst; model mlp; 6 runs of 3 configurations\n\n\
            density  seeds   accuracy %  validation %  achieved  edges  best-epoch  status\n\
            \x20   0.1      2  6.50 ± 7.78  50.00 ± 0.00  0.100200   1000           3  finished\n\
            \x20  0.05    0/1            –  25.00                –      –           1  interrupted, 10 of 40 steps\n\
            \x20   0.2    1/3  7.00         50.00         0.100200   1000           3  2 died, 10 of 40 steps";
        assert_eq!(table(false, None, false).unwrap().0, expected);
    }

    #[test]
    fn every_run_as_markdown() {
        let expected = "\
            | density | seed | accuracy % | validation % | achieved | edges | best-epoch | status                      | folder |\n\
            | ------: | ---: | ---------: | -----------: | -------: | ----: | ---------: | :-------------------------- | :----- |\n\
            |    0.05 |    5 |          – |        25.00 |        – |     – |          1 | interrupted, 10 of 40 steps | c      |";
        let table = table(true, Some("density"), false).unwrap().1;
        assert_eq!(table.lines().take(3).collect::<Vec<_>>().join("\n"), expected);
        assert_eq!(table.lines().count(), 8);
    }

    #[test]
    fn rows_are_sorted_by_a_column_and_what_has_nothing_there_is_last() {
        let first_cells = |column, reverse| -> Vec<String> {
            let text = table(false, column, reverse).unwrap().0;
            text.lines().skip(3).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
        };
        assert_eq!(first_cells(None, true), ["0.2", "0.05", "0.1"]);
        assert_eq!(first_cells(Some("Density"), false), ["0.05", "0.1", "0.2"]);
        assert_eq!(first_cells(Some("accuracy"), false), ["0.1", "0.2", "0.05"]);
        assert_eq!(first_cells(Some("accuracy"), true), ["0.2", "0.1", "0.05"]);
        assert_eq!(first_cells(Some("status"), false), ["0.2", "0.1", "0.05"]);
        let error = table(false, Some("acuracy"), false).unwrap_err();
        assert_eq!((error.what(), error.help_text()), ("--sort: there is no column 'acuracy'", Some("did you mean 'accuracy'?")));
        let error = table(false, Some("folder"), false).unwrap_err();
        assert!(error.help_text().unwrap().starts_with("columns are density, seeds, accuracy, "), "{error}");
    }
}
