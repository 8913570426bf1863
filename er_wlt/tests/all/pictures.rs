//! Pictures of masks: what is written in them can be read.

use crate::common::Place;

/// What a letter takes of the size of its font, in a usual font: width on average, height above and below the line.
const WIDTH: f64 = 0.58;
const ABOVE: f64 = 0.75;
const BELOW: f64 = 0.2;

/// A text with the corners of the rectangle around it, in order.
struct Text {
    words: String,
    corners: [(f64, f64); 4],
}

/// An attribute of an element.
fn attribute<'e>(element: &'e str, name: &str) -> Option<&'e str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn number(element: &str, name: &str) -> f64 {
    attribute(element, name).unwrap().parse().unwrap()
}

fn texts(svg: &str) -> Vec<Text> {
    svg.lines().filter(|line| line.starts_with("<text")).map(text).collect()
}

fn text(element: &str) -> Text {
    // What lies between the tags.
    let words: String = element.split('<').filter_map(|tag| tag.split_once('>')).map(|(_, words)| words).collect();
    let words = words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let (x, y, size) = (number(element, "x"), number(element, "y"), number(element, "font-size"));
    assert!(size >= 10.0, "{words} is too small to read");
    let width = words.chars().count() as f64 * size * WIDTH;
    let left = match attribute(element, "text-anchor") {
        Some("middle") => -width / 2.0,
        Some("end") => -width,
        _ => 0.0,
    };
    let turned: f64 =
        attribute(element, "transform").map_or(0.0, |t| t["rotate(".len()..].split(' ').next().unwrap().parse().unwrap());
    let (sin, cos) = turned.to_radians().sin_cos();
    let (above, below) = (-ABOVE * size, BELOW * size);
    let corners = [(left, above), (left + width, above), (left + width, below), (left, below)];
    Text { words, corners: corners.map(|(a, b)| (x + a * cos - b * sin, y + a * sin + b * cos)) }
}

/// Whether two rectangles share more than an edge: no side of one of them separates them.
fn overlap(a: &Text, b: &Text) -> bool {
    let sides = [a, b].into_iter().flat_map(|t| [(t.corners[0], t.corners[1]), (t.corners[1], t.corners[2])]);
    sides.map(|((x, y), (u, v))| (u - x, v - y)).all(|(dx, dy)| {
        let extent = |t: &Text| {
            let along = t.corners.map(|(x, y)| x * dx + y * dy);
            (along.into_iter().fold(f64::INFINITY, f64::min), along.into_iter().fold(f64::NEG_INFINITY, f64::max))
        };
        let (a, b) = (extent(a), extent(b));
        a.0 < b.1 && b.0 < a.1
    })
}

fn check(case: &str, svg: &str) {
    let (width, height) = (number(svg, "width"), number(svg, "height"));
    let texts = texts(svg);
    assert!(texts.len() > 10, "{case}");
    for (k, text) in texts.iter().enumerate() {
        let inside = |(x, y): (f64, f64)| x >= 0.0 && y >= 0.0 && x <= width && y <= height;
        assert!(text.corners.into_iter().all(inside), "{case}: {} runs over the edge", text.words);
        for other in &texts[..k] {
            assert!(!overlap(text, other), "{case}: {} overprints {}", text.words, other.words);
        }
    }
}

/// The picture that `graph` draws.
fn drawn(place: &Place, words: &str) -> String {
    place.done(&format!("graph {words} --svg picture.svg"));
    let svg = std::fs::read_to_string(place.path("picture.svg")).unwrap();
    check(words, &svg);
    svg
}

#[test]
fn texts_do_not_overprint_each_other_and_stay_inside() {
    let place = Place::new();
    for words in [
        "--model mlp-300-100 --data mnist",
        "--model lenet5 --data mnist --view channels",
        "--model vgg16 --data cifar10 --density 0.01 --layer feature.0",
        "--model resnet50 --data cifar10 --density 0.01",
        "--model resnet110 --data cifar10",
        "--model mobilenet-v2 --data cifar10",
    ] {
        drawn(&place, words);
    }
}

#[test]
fn long_names_of_files_are_shortened() {
    let place = Place::new();
    place.done("--sparse --fix --model mlp-32-16 --epochs 1 --max-steps 3 --save-masks 1 --quiet --out folder");
    let run = std::fs::read_dir(place.path("folder")).unwrap().map(|entry| entry.unwrap().path()).find(|p| p.is_dir()).unwrap();
    let name = format!("{}.safetensors", "the-masks-of-a-checkpoint-with-a-name-".repeat(4));
    std::fs::copy(run.join("masks/epoch-0.safetensors"), place.path(&name)).unwrap();
    let svg = drawn(&place, &format!("{name} --against {name}"));
    assert!(svg.contains(">the-ma") && svg.contains("…"), "{svg}");
    drawn(&place, &run.display().to_string());
}

/// One point in a panel says nothing.
#[test]
fn a_graph_alone_has_no_panel_of_densities() {
    let place = Place::new();
    for words in ["--shape 300x100 --density 0.1", "--shape 1x1 --density 1"] {
        let svg = drawn(&place, words);
        assert!(!svg.contains("density of each layer") && !svg.contains("<circle"), "{svg}");
    }
}

#[test]
fn the_picture_of_the_readme_is_what_its_command_draws() {
    let place = Place::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let command = "--model resnet20 --data cifar10 --density 0.05";
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&format!("er_wlt graph {command} --svg mask.svg\n")), "the README has another command");
    let kept = std::fs::read_to_string(root.join("docs/graph-erk.svg")).unwrap();
    assert!(drawn(&place, command) == kept, "draw docs/graph-erk.svg anew");
}
