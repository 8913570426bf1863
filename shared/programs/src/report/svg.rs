//! Drawings as SVG text: shapes, words, and panels with axes.

use std::fmt::Write;

/// Colours of the drawings: text and axes, the first and the second thing that is shown, what is expected.
pub mod colour {
    /// Text and axes.
    pub const INK: &str = "#333333";
    /// Lines that only guide the eye.
    pub const GRID: &str = "#dddddd";
    /// The first thing.
    pub const FIRST: &str = "#3b6ea5";
    /// The second thing.
    pub const SECOND: &str = "#d9822b";
    /// What is expected or asked for.
    pub const EXPECTED: &str = "#888888";
}

/// Width of a letter over the size of the font: a little more than the average of wide fonts, since nobody knows which one will be there.
const LETTER: f64 = 0.62;

/// How wide words are, about, in pixels.
pub fn extent(words: &str, size: usize) -> f64 {
    words.chars().count() as f64 * size as f64 * LETTER
}

/// Words that are at most so wide; of longer ones the middle is left out.
pub fn fitting(words: &str, size: usize, width: f64) -> String {
    let letters: Vec<char> = words.chars().collect();
    let room = (width / (size as f64 * LETTER)) as usize;
    if letters.len() <= room {
        return words.to_owned();
    }
    // The end of a path says more than its beginning.
    let first = room / 3;
    let last = room.saturating_sub(first + 1);
    letters[..first].iter().chain(&['…']).chain(&letters[letters.len() - last..]).collect()
}

/// A drawing. Coordinates are pixels from the upper left corner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svg {
    width: usize,
    height: usize,
    body: String,
}

/// Where a text begins, has its middle, or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Begins.
    Start,
    /// Has its middle.
    Middle,
    /// Ends.
    End,
}

impl Anchor {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

impl Svg {
    /// An empty drawing on white.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Adds an element; writing to a text cannot fail.
    fn add(&mut self, element: std::fmt::Arguments) {
        let _ = writeln!(self.body, "{element}");
    }

    /// A filled rectangle.
    pub fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str) {
        self.add(format_args!(r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" fill="{fill}"/>"#));
    }

    /// Runs of cells of a grid whose upper left corner and size of a cell are given: row, first column, number of columns.
    pub fn cells(&mut self, at: (f64, f64), size: (f64, f64), runs: &[(usize, usize, usize)], fill: &str) {
        let ((x, y), (width, height)) = (at, size);
        let mut steps = String::new();
        for (row, column, cells) in runs {
            let _ = write!(steps, "M{column} {row}h{cells}v1h-{cells}z");
        }
        self.add(format_args!(
            r#"<path transform="translate({x:.2} {y:.2}) scale({width:.4} {height:.4})" d="{steps}" fill="{fill}"/>"#
        ));
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(r#"<line x1="{x1:.2}" y1="{y1:.2}" x2="{x2:.2}" y2="{y2:.2}" stroke="{stroke}"/>"#));
    }

    /// A line through points.
    pub fn polyline(&mut self, points: &[(f64, f64)], stroke: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let points = points.join(" ");
        self.add(format_args!(r#"<polyline points="{points}" fill="none" stroke="{stroke}" stroke-width="1.5"/>"#));
    }

    /// A disc, or a ring if it is hollow.
    pub fn dot(&mut self, centre: (f64, f64), radius: f64, colour: &str, hollow: bool) {
        let (x, y) = centre;
        let fill = if hollow { "white" } else { colour };
        self.add(format_args!(r#"<circle cx="{x:.2}" cy="{y:.2}" r="{radius}" fill="{fill}" stroke="{colour}"/>"#));
    }

    /// Words, turned by some degrees around where they stand.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, size: usize, turned: f64, words: &str) {
        let ((x, y), anchor, words) = (at, anchor.name(), escaped(words));
        let turn = if turned == 0.0 { String::new() } else { format!(r#" transform="rotate({turned} {x:.2} {y:.2})""#) };
        self.add(format_args!(
            r#"<text x="{x:.2}" y="{y:.2}" font-size="{size}" text-anchor="{anchor}" fill="{}"{turn}>{words}</text>"#,
            colour::INK
        ));
    }

    /// Words beginning at a place, each part in the colour of what it speaks of.
    pub fn caption(&mut self, at: (f64, f64), size: usize, parts: &[(&str, &str)]) {
        let (x, y) = at;
        let parts: Vec<String> =
            parts.iter().map(|(words, fill)| format!(r#"<tspan fill="{fill}">{}</tspan>"#, escaped(words))).collect();
        self.add(format_args!(r#"<text x="{x:.2}" y="{y:.2}" font-size="{size}">{}</text>"#, parts.concat()));
    }

    /// The text of a file.
    pub fn finish(&self) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n{body}</svg>\n"
        )
    }
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// How values lie along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// Evenly, between two values.
    Linear(f64, f64),
    /// Whole numbers, evenly.
    Counts(f64, f64),
    /// By their logarithms, between two positive values.
    Log(f64, f64),
}

impl Scale {
    /// Where a value lies: 0 at the beginning, 1 at the end of the axis, between them what lies outside.
    fn place(self, value: f64) -> f64 {
        let place = match self {
            Self::Linear(from, to) | Self::Counts(from, to) => (value - from) / (to - from),
            Self::Log(from, to) => (value.max(f64::MIN_POSITIVE) / from).ln() / (to / from).ln(),
        };
        place.clamp(0.0, 1.0)
    }

    /// Values worth a mark: round ones, or powers of ten.
    fn marks(self) -> Vec<f64> {
        match self {
            Self::Log(from, to) => {
                let exponents = from.log10().ceil() as i32..=to.log10().floor() as i32;
                exponents.map(|e| 10_f64.powi(e)).collect()
            }
            Self::Linear(from, to) | Self::Counts(from, to) => {
                let least = if matches!(self, Self::Counts(..)) { 1.0 } else { 0.0 };
                let raw = f64::max((to - from) / 4.0, least);
                let unit = 10_f64.powf(raw.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * unit).into_iter().find(|s| *s >= raw).unwrap_or(10.0 * unit);
                let first = (from / step).ceil() as i64;
                (first..=(to / step).floor() as i64).map(|k| k as f64 * step).collect()
            }
        }
    }
}

/// A rectangle of a drawing with two axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Panel {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Extent to the right.
    pub width: f64,
    /// Extent downwards.
    pub height: f64,
    /// Values along the lower edge.
    pub across: Scale,
    /// Values along the left edge, the first of them below.
    pub up: Scale,
}

impl Panel {
    /// Where a pair of values lies in the drawing.
    pub fn at(&self, across: f64, up: f64) -> (f64, f64) {
        (self.x + self.width * self.across.place(across), self.y + self.height * (1.0 - self.up.place(up)))
    }

    /// Draws the left axis with its marks, the lower edge, a heading, and between it and the panel a caption, each part in the colour of what
    /// it speaks of.
    pub fn frame(&self, svg: &mut Svg, heading: &str, caption: &[(&str, &str)]) {
        let lines = if caption.is_empty() { 10.0 } else { 26.0 };
        svg.text((self.x, self.y - lines), Anchor::Start, 13, 0.0, &fitting(heading, 13, self.width + 20.0));
        if !caption.is_empty() {
            svg.caption((self.x, self.y - 9.0), 11, caption);
        }
        for value in self.up.marks() {
            let (_, y) = self.at(0.0, value);
            svg.line((self.x, y), (self.x + self.width, y), colour::GRID);
            svg.text((self.x - 6.0, y + 4.0), Anchor::End, 10, 0.0, &number(value));
        }
        let floor = self.y + self.height;
        svg.line((self.x, floor), (self.x + self.width, floor), colour::INK);
        svg.line((self.x, self.y), (self.x, floor), colour::INK);
    }

    /// Draws the marks of the lower axis and what it means.
    pub fn marks_across(&self, svg: &mut Svg, meaning: &str) {
        let floor = self.y + self.height;
        for value in self.across.marks() {
            let (x, _) = self.at(value, 0.0);
            svg.line((x, floor), (x, floor + 4.0), colour::INK);
            svg.text((x, floor + 16.0), Anchor::Middle, 10, 0.0, &number(value));
        }
        svg.text((self.x + self.width / 2.0, floor + 32.0), Anchor::Middle, 11, 0.0, meaning);
    }
}

/// A round number without noise.
fn number(value: f64) -> String {
    if value > 0.0 && value < 1e-4 {
        return format!("{value:e}");
    }
    let text = format!("{value:.6}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_between_the_ends_of_an_axis() {
        let linear = Scale::Linear(2.0, 4.0);
        assert!([(1.0, 0.0), (2.0, 0.0), (3.0, 0.5), (9.0, 1.0)].iter().all(|(v, p)| (linear.place(*v) - p).abs() < 1e-12));
        let log = Scale::Log(0.01, 1.0);
        assert!([(0.0, 0.0), (0.01, 0.0), (0.1, 0.5), (1.0, 1.0)].iter().all(|(v, p)| (log.place(*v) - p).abs() < 1e-12));
        assert_eq!(log.marks().len(), 3);
        assert_eq!(Scale::Linear(0.0, 10.0).marks().len(), 3);
        assert_eq!(Scale::Linear(0.0, 0.7).marks().len(), 4);
        assert_eq!(Scale::Counts(3.0, 4.0).marks(), [3.0, 4.0]);
        assert_eq!(Scale::Counts(0.0, 10.0).marks(), Scale::Linear(0.0, 10.0).marks());
    }

    #[test]
    fn words_are_escaped_and_numbers_round() {
        let mut svg = Svg::new(10, 20);
        svg.text((1.0, 2.0), Anchor::Middle, 9, -60.0, "a<b & c");
        let text = svg.finish();
        assert!(text.contains("a&lt;b &amp; c") && text.contains("rotate(-60 1.00 2.00)"), "{text}");
        assert_eq!([0.1, 100.0, 0.0, 2.5, 1e-9].map(number), ["0.1", "100", "0", "2.5", "1e-9"]);
    }

    #[test]
    fn long_words_are_cut_in_the_middle() {
        assert_eq!(fitting("short", 10, extent("short", 10) + 0.1), "short");
        let cut = fitting("runs/er_dst-resnet20-RigL/best.safetensors", 10, 124.1);
        assert_eq!((cut.as_str(), cut.chars().count()), ("runs/e…t.safetensors", 20));
    }

    #[test]
    fn panels_have_their_values_the_right_way_up() {
        let panel =
            Panel { x: 10.0, y: 20.0, width: 100.0, height: 50.0, across: Scale::Linear(0.0, 1.0), up: Scale::Linear(0.0, 2.0) };
        assert_eq!(panel.at(0.5, 0.0), (60.0, 70.0));
        assert_eq!(panel.at(1.0, 2.0), (110.0, 20.0));
    }
}
