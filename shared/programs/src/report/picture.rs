//! The picture of a mask: densities of its layers, degrees of one of them against chance, its edges; and how masks change.

use super::svg::{Anchor, Panel, Scale, Svg, colour, extent, fitting};
use er_graphs::graph::Biadjacency;

/// Largest number of cells along a side of a picture of edges.
const CELLS: usize = 120;

/// Where the panels of a picture end on the right.
const RIGHT: f64 = 980.0;

/// Shades of grey in it.
const SHADES: usize = 8;

/// Densities of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerDensity {
    /// Name of the layer.
    pub name: String,
    /// As asked for, if that is known.
    pub requested: Option<f64>,
    /// As it is.
    pub density: f64,
    /// Of the edges on a path from the image to the logits.
    pub effective: Option<f64>,
}

/// Degrees of one side of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Degrees {
    /// What has them.
    pub of: String,
    /// Degrees with the number of units that have them.
    pub counts: Vec<(usize, usize)>,
    /// Degrees with the number of units that would have them by chance.
    pub expected: Vec<(usize, f64)>,
    /// The same units in the mask that is compared with, as `counts`.
    pub other: Vec<(usize, usize)>,
}

/// How full the parts of a biadjacency matrix are, outputs downwards and inputs to the right.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells {
    rows: usize,
    columns: usize,
    density: Vec<f64>,
}

impl Cells {
    /// Cuts the matrix into at most 120 × 120 equal parts.
    pub fn new(graph: &Biadjacency) -> Self {
        let (rows, columns) = (graph.right().min(CELLS), graph.left().min(CELLS));
        let part = |node: usize, parts: usize, all: usize| node * parts / all;
        let (mut edges, mut pairs) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
        let mut widths = vec![0.0; columns];
        (0..graph.left()).for_each(|l| widths[part(l, columns, graph.left())] += 1.0);
        for r in 0..graph.right() {
            let row = part(r, rows, graph.right()) * columns;
            widths.iter().enumerate().for_each(|(c, width)| pairs[row + c] += width);
            graph.of_right(r).iter().for_each(|l| edges[row + part(*l as usize, columns, graph.left())] += 1.0);
        }
        Self { rows, columns, density: edges.iter().zip(&pairs).map(|(e, n)| e / n).collect() }
    }
}

/// The picture of a mask.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPicture {
    /// What it shows.
    pub title: String,
    /// All layers.
    pub layers: Vec<LayerDensity>,
    /// The layer that the rest is about.
    pub layer: String,
    /// Degrees of its two sides.
    pub degrees: [Degrees; 2],
    /// What bars of [`Degrees::other`] are, if there are some.
    pub other: Option<String>,
    /// Its edges.
    pub cells: Cells,
}

impl MaskPicture {
    /// Draws it.
    pub fn draw(&self) -> String {
        // A graph alone has a density and no others to compare it with.
        let several = self.layers.len() > 1;
        let names = Names::of(&self.layers);
        let top = if several { 270.0 + names.height } else { 36.0 };
        let mut svg = Svg::new(1000, (top + 350.0) as usize);
        headline(&mut svg, &self.title);
        if several {
            self.densities(&mut svg, &names);
            svg.text((20.0, top), Anchor::Start, 14, 0.0, &fitting(&format!("layer {}", self.layer), 14, 960.0));
        }
        for (degrees, x) in self.degrees.iter().zip([60.0, 390.0]) {
            degrees.draw(&mut svg, (x, top + 58.0), self.other.as_deref());
        }
        self.cells.draw(&mut svg, 720.0, top + 58.0, 240.0);
        svg.finish()
    }

    fn densities(&self, svg: &mut Svg, names: &Names) {
        let least = self.layers.iter().flat_map(|l| [Some(l.density), l.requested, l.effective]).flatten();
        let least = least.filter(|d| *d > 0.0).fold(0.1_f64, f64::min);
        let floor = 10_f64.powf(least.log10().floor()).max(1e-9);
        let up = Scale::Log(floor, 1.0);
        let across = Scale::Linear(-0.5, self.layers.len() as f64 - 0.5);
        let panel = Panel { x: names.left, y: 80.0, width: RIGHT - names.left, height: 160.0, across, up };
        let shown = |of: fn(&LayerDensity) -> Option<f64>| self.layers.iter().any(|layer| of(layer).is_some());
        let mut caption = vec![("kept", colour::FIRST)];
        if shown(|layer| layer.requested) {
            caption.extend([(", ", colour::INK), ("asked for (ring)", colour::EXPECTED)]);
        }
        if shown(|layer| layer.effective) {
            caption.extend([(", ", colour::INK), ("on a path from image to logits (small)", colour::SECOND)]);
        }
        panel.frame(svg, "density of each layer", &caption);
        for (k, layer) in self.layers.iter().enumerate() {
            let at = |density| panel.at(k as f64, density);
            svg.line(at(floor), at(layer.density), colour::GRID);
            if let Some(requested) = layer.requested {
                svg.dot(at(requested), 4.5, colour::EXPECTED, true);
            }
            svg.dot(at(layer.density), 3.0, colour::FIRST, false);
            if let Some(effective) = layer.effective {
                svg.dot(at(effective), 1.5, colour::SECOND, false);
            }
            if let Some(name) = names.shown.get(k / names.every).filter(|_| k.is_multiple_of(names.every)) {
                let (x, y) = at(floor);
                svg.text((x + 3.0, y + 12.0), Anchor::End, Names::SIZE, -Names::TURNED, name);
            }
        }
    }
}

/// Names of layers below their densities, and the room that they take.
struct Names {
    shown: Vec<String>,
    /// Of so many layers one has its name shown.
    every: usize,
    /// Where the panel begins, so that none of them runs over the left edge.
    left: f64,
    /// How far down they reach.
    height: f64,
}

impl Names {
    const SIZE: usize = 10;
    /// Degrees.
    const TURNED: f64 = 55.0;

    fn of(layers: &[LayerDensity]) -> Self {
        let every = layers.len().div_ceil(56);
        let shown: Vec<String> =
            layers.iter().step_by(every.max(1)).map(|l| fitting(l.name.trim_end_matches(".weight"), Self::SIZE, 250.0)).collect();
        let (down, back) = Self::TURNED.to_radians().sin_cos();
        let widest = shown.iter().map(|name| extent(name, Self::SIZE)).fold(0.0, f64::max);
        let pitch = (RIGHT - 60.0) / layers.len().max(1) as f64;
        let over = |(k, name): (usize, &String)| extent(name, Self::SIZE) * back - ((k * every) as f64 + 0.5) * pitch + 16.0;
        let left = shown.iter().enumerate().map(over).fold(60.0, f64::max);
        Self { every, left, height: 14.0 + widest * down, shown }
    }
}

impl Degrees {
    fn draw(&self, svg: &mut Svg, at: (f64, f64), other: Option<&str>) {
        let seen = || self.counts.iter().chain(&self.other);
        let expected = || self.expected.iter().filter(|(_, n)| *n >= 0.5);
        let ends = || seen().map(|(d, _)| *d).chain(expected().map(|(d, _)| *d));
        let (from, to) = (ends().min().unwrap_or(0), ends().max().unwrap_or(0) + 1);
        // Bins of equal width, so that a hundred degrees are no hundred hairlines.
        let width = (to - from).div_ceil(40).max(1);
        let bins = (to - from).div_ceil(width);
        let binned = |counts: &mut dyn Iterator<Item = (usize, f64)>| {
            let mut sums = vec![0.0; bins];
            counts.filter(|(d, _)| (from..to).contains(d)).for_each(|(d, n)| sums[(d - from) / width] += n);
            sums
        };
        let of = |counts: &[(usize, usize)]| binned(&mut counts.iter().map(|(d, n)| (*d, *n as f64)));
        let (counts, others) = (of(&self.counts), of(&self.other));
        let chance = binned(&mut self.expected.iter().copied());
        let most = counts.iter().chain(&others).chain(&chance).copied().fold(1.0, f64::max);
        let across = Scale::Counts(from as f64, (from + bins * width) as f64);
        let panel = Panel { x: at.0, y: at.1, width: 270.0, height: 230.0, across, up: Scale::Counts(0.0, 1.08 * most) };
        let other = other.map(|name| fitting(name, 11, panel.width + 40.0 - extent("this mask, , by chance", 11)));
        let mut caption = vec![("this mask", colour::FIRST), (", ", colour::INK), ("by chance (line)", colour::INK)];
        if let Some(name) = &other {
            caption =
                vec![("this mask", colour::FIRST), (", ", colour::INK), (name, colour::SECOND), (", by chance", colour::INK)];
        }
        panel.frame(svg, &format!("degrees of {}", self.of), &caption);
        let middle = |bin: usize| from as f64 + (bin as f64 + 0.5) * width as f64;
        for (bin, count) in counts.iter().enumerate() {
            let (left, top) = panel.at((from + bin * width) as f64, *count);
            let (right, floor) = panel.at((from + (bin + 1) * width) as f64, 0.0);
            svg.rect(left + 0.5, top, (right - left - 1.0).max(0.5), floor - top, colour::FIRST);
        }
        let points = |values: &[f64]| -> Vec<_> { values.iter().enumerate().map(|(b, n)| panel.at(middle(b), *n)).collect() };
        svg.polyline(&points(&chance), colour::INK);
        if other.is_some() {
            svg.polyline(&points(&others), colour::SECOND);
        }
        panel.marks_across(svg, "edges of a unit");
    }
}

impl Cells {
    /// Neighbouring cells of a row that are chosen: row, first column, number of columns.
    fn runs(&self, row: usize, chosen: impl Fn(f64) -> bool) -> Vec<(usize, usize, usize)> {
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (column, _) in self.density[row * self.columns..][..self.columns].iter().enumerate().filter(|(_, d)| chosen(**d)) {
            match runs.last_mut() {
                Some((_, first, cells)) if *first + *cells == column => *cells += 1,
                _ => runs.push((row, column, 1)),
            }
        }
        runs
    }

    fn draw(&self, svg: &mut Svg, x: f64, y: f64, side: f64) {
        svg.text((x, y - 26.0), Anchor::Start, 13, 0.0, "edges");
        svg.text((x, y - 9.0), Anchor::Start, 11, 0.0, "outputs down, inputs across");
        let (width, height) = (side / self.columns.max(1) as f64, side / self.rows.max(1) as f64);
        let fullest = self.density.iter().copied().fold(0.0, f64::max);
        let shade = |density: f64| (density / fullest * SHADES as f64).ceil() as usize;
        for level in 1..=SHADES {
            let runs: Vec<_> = (0..self.rows).flat_map(|row| self.runs(row, |density| shade(density) == level)).collect();
            let grey = 240 - 220 * level / SHADES;
            svg.cells((x, y), (width, height), &runs, &format!("rgb({grey},{grey},{grey})"));
        }
        let (right, floor) = (x + side, y + side);
        for (from, to) in [((x, y), (right, y)), ((right, y), (right, floor)), ((right, floor), (x, floor)), ((x, floor), (x, y))]
        {
            svg.line(from, to, colour::INK);
        }
        let text = format!("black: {fullest:.3} of the pairs in a cell");
        svg.text((x + side / 2.0, floor + 16.0), Anchor::Middle, 10, 0.0, &text);
    }
}

/// Writes what a picture shows above it; of a long path the middle is left out.
fn headline(svg: &mut Svg, title: &str) {
    svg.text((20.0, 26.0), Anchor::Start, 16, 0.0, &fitting(title, 16, RIGHT - 20.0));
}

/// One quantity over a training: (step, value).
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its values, by step.
    pub points: Vec<(f64, f64)>,
}

/// How masks change in a training: a panel a quantity.
pub fn training_picture(title: &str, series: &[Series]) -> String {
    let (columns, width, height) = (2, 400.0, 150.0);
    let rows = series.len().div_ceil(columns);
    let mut svg = Svg::new(1000, 70 + rows * 230);
    headline(&mut svg, title);
    let last = series.iter().flat_map(|s| &s.points).map(|p| p.0).fold(1.0, f64::max);
    for (k, Series { name, points }) in series.iter().enumerate() {
        let most = points.iter().map(|p| p.1).fold(0.0, f64::max);
        let up = Scale::Linear(0.0, if most > 0.0 { 1.08 * most } else { 1.0 });
        let (x, y) = (70.0 + (k % columns) as f64 * 490.0, 75.0 + (k / columns) as f64 * 230.0);
        let panel = Panel { x, y, width, height, across: Scale::Counts(0.0, last), up };
        panel.frame(&mut svg, name, &[]);
        panel.marks_across(&mut svg, "steps");
        let points: Vec<_> = points.iter().map(|(step, value)| panel.at(*step, *value)).collect();
        svg.polyline(&points, colour::FIRST);
        for point in points {
            svg.dot(point, 2.5, colour::FIRST, false);
        }
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_the_densities_of_parts() {
        let graph = Biadjacency::from_edges(240, 3, [(0, 0), (1, 0), (2, 0), (239, 2)]);
        let cells = Cells::new(&graph);
        assert_eq!((cells.rows, cells.columns), (3, 120));
        assert_eq!(cells.density[..3], [1.0, 0.5, 0.0]);
        assert_eq!((cells.density[2 * 120 + 119], cells.density.iter().filter(|d| **d > 0.0).count()), (0.5, 3));
        let empty = Cells::new(&Biadjacency::from_edges(0, 4, []));
        assert!(empty.density.is_empty());
    }

    #[test]
    fn pictures_show_what_they_are_given() {
        let layer = |name: &str, density| LayerDensity { name: name.into(), requested: Some(0.1), density, effective: None };
        let degrees = |of: &str| Degrees {
            of: of.into(),
            counts: vec![(3, 4), (5, 2)],
            expected: vec![(3, 2.5), (4, 3.0)],
            other: vec![(9, 1)],
        };
        let picture = MaskPicture {
            title: "ERK <0.1>".into(),
            layers: vec![layer("conv1.weight", 0.1), layer("fc.weight", 0.0)],
            layer: "fc.weight".into(),
            degrees: [degrees("inputs"), degrees("outputs")],
            other: Some("a trained mask".into()),
            cells: Cells::new(&Biadjacency::from_edges(2, 2, [(0, 1)])),
        };
        let text = picture.draw();
        for expected in ["ERK &lt;0.1&gt;", ">conv1<", "layer fc.weight", "degrees of outputs", ">a trained mask<"] {
            assert!(text.contains(expected), "{expected}");
        }
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        let text = training_picture("run", &[Series { name: "density".into(), points: vec![(0.0, 0.0), (5.0, 0.0)] }]);
        assert!(text.contains("density") && !text.contains("NaN"), "{text}");
    }
}
