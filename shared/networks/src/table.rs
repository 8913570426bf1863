//! Tables for people.

use std::borrow::Cow;

use er_graphs::printable;

/// The first column to the left, the others to the right, two spaces between them; no line break at the end. Every row has a cell for each
/// head; control characters in cells are [shown](printable::line()).
///
/// ```
/// let rows = [vec!["fc1.weight".to_owned(), "64".to_owned()], vec!["fc2.weight".to_owned(), "1024".to_owned()]];
/// let table = er_networks::table::table(&["layer", "edges"], &rows);
/// assert_eq!(table, "layer       edges\nfc1.weight     64\nfc2.weight   1024");
/// ```
#[must_use]
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    aligned(heads, rows, |column| column == 0)
}

/// [`table`], with these columns to the left.
#[must_use]
pub fn aligned(heads: &[&str], rows: &[Vec<String>], is_left: impl Fn(usize) -> bool) -> String {
    let rows: Vec<Vec<Cow<str>>> = rows.iter().map(|row| row.iter().map(|cell| printable::line(cell)).collect()).collect();
    let width = |c: usize| rows.iter().map(|row| row[c].chars().count()).chain([heads[c].chars().count()]).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate();
        let padded =
            cells.map(|(c, (cell, width))| if is_left(c) { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(&mut heads.iter().copied());
    let rows = rows.iter().map(|row| line(&mut row.iter().map(|cell| &**cell)));
    std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")
}

/// The shape of a tensor.
#[must_use]
pub fn shape(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_table_are_aligned() {
        let rows = [vec!["a".to_owned(), "1.25".to_owned()], vec!["longer".to_owned(), "2".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "name       n\na       1.25\nlonger     2");
        assert_eq!(table(&["name"], &[vec!["a\nb".to_owned()]]), "name\na\\nb");
        assert_eq!(aligned(&["name", "n"], &rows, |column| column == 1), "  name  n\n     a  1.25\nlonger  2");
    }
}
