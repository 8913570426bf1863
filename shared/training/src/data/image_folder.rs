//! Decoding folders of JPEG and PNG files, in parallel and in a fixed order.

use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{ImageReader, RgbImage};
use rayon::prelude::*;

use super::file::{GET_AGAIN, zeroed};
use super::set::Split;
use er_graphs::error::{Error, Result};
use er_networks::model::Image;

/// How decoded images get their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// They must have it.
    Exact,
    /// The centre is cut out, 7/8 of the shorter side (224 of 256), and resized.
    Crop,
}

/// Image files with their classes, decoded to RGB (grey ones have three equal channels). The order is that of `files`, whatever the
/// number of threads.
pub(super) fn decode(set: &str, files: &[(PathBuf, u32)], image: Image, fit: Fit) -> Result<Split> {
    let mut images = zeroed(set, files.len(), image)?;
    let failed = images
        .par_chunks_exact_mut(image.len())
        .zip(files)
        .map(|(out, (path, _))| decode_one(path, image, fit, out))
        .find_first(Result::is_err);
    match failed {
        Some(Err(error)) => Err(error),
        _ => Ok(Split { images, labels: files.iter().map(|&(_, label)| label).collect() }),
    }
}

fn decode_one(path: &Path, image: Image, fit: Fit, out: &mut [u8]) -> Result<()> {
    let bad = |what: String| Error::failure(format!("{}: {what}", path.display())).help(GET_AGAIN);
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    // The decoder fills what a truncated JPEG lacks with grey; its end marker tells.
    let tail = &bytes[bytes.len().saturating_sub(1024)..];
    if bytes.starts_with(&[0xff, 0xd8]) && !tail.windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err(bad(format!("{} bytes of a JPEG file without its end", bytes.len())));
    }
    let reader = ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format();
    let decoded = reader.map_err(|error| Error::io("read", path, &error))?.decode();
    let rgb = decoded.map_err(|error| bad(format!("not a readable image ({error})")))?.into_rgb8();
    let (width, height) = (image.width as u32, image.height as u32);
    let rgb = match fit {
        Fit::Crop => crop_and_resize(&rgb, width, height),
        Fit::Exact if rgb.dimensions() == (width, height) => rgb,
        Fit::Exact => return Err(bad(format!("image of {}x{}, {width}x{height} expected", rgb.width(), rgb.height()))),
    };
    let plane = image.height * image.width;
    for (i, pixel) in rgb.pixels().enumerate() {
        for (c, &value) in pixel.0.iter().enumerate() {
            out[c * plane + i] = value;
        }
    }
    Ok(())
}

/// Cuts the largest window of this aspect ratio out of the centre, less an eighth of its sides, and resizes it (bilinear,
/// area-averaging when shrinking). Cutting first bounds the work for images much longer than wide.
fn crop_and_resize(rgb: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (w, h) = rgb.dimensions();
    let scale = (f64::from(w) / f64::from(width)).min(f64::from(h) / f64::from(height)) * 7.0 / 8.0;
    let side = |n: u32, most: u32| ((f64::from(n) * scale).round() as u32).clamp(1, most);
    let (wide, high) = (side(width, w), side(height, h));
    let window = image::imageops::crop_imm(rgb, (w - wide) / 2, (h - high) / 2, wide, high);
    image::imageops::resize(&*window, width, height, FilterType::Triangle)
}

/// The JPEG and PNG files of a folder, by name.
pub(super) fn image_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let image = |path: &PathBuf| {
        path.extension().is_some_and(|e| ["jpeg", "jpg", "png"].iter().any(|known| e.eq_ignore_ascii_case(known)))
    };
    Ok(entries(folder)?.into_iter().filter(image).collect())
}

/// Everything in a folder, by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error: std::io::Error| Error::io("read folder", folder, &error);
    let mut paths = std::fs::read_dir(folder)
        .map_err(cannot)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(cannot)?;
    paths.sort();
    Ok(paths)
}

/// One file of every class in turn, so that the end of the order, which is what gets held out, has all classes.
pub(super) fn in_turn(classes: Vec<Vec<PathBuf>>) -> Vec<(PathBuf, u32)> {
    let mut files: Vec<(usize, u32, PathBuf)> = classes
        .into_iter()
        .enumerate()
        .flat_map(|(class, files)| files.into_iter().enumerate().map(move |(rank, path)| (rank, class as u32, path)))
        .collect();
    files.sort_unstable_by_key(|&(rank, class, _)| (rank, class));
    files.into_iter().map(|(_, class, path)| (path, class)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::file::tests::damage;

    /// Writes an image of one colour; the format follows from the name.
    pub(in crate::data) fn write(path: &Path, width: u32, height: u32, colour: [u8; 3]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(width, height, image::Rgb(colour)).save(path).unwrap();
    }

    #[test]
    fn files_keep_their_order_on_any_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<(PathBuf, u32)> = (0..20).map(|i| (dir.path().join(format!("{}.png", (i * 7) % 20)), i)).collect();
        for (i, (path, _)) in files.iter().enumerate() {
            write(path, 4, 4, [i as u8, 100 + i as u8, 200]);
        }
        let image = Image::new(3, 4, 4);
        let all = decode("x", &files, image, Fit::Exact).unwrap();
        for (i, bytes) in all.images.chunks(48).enumerate() {
            assert_eq!(bytes, [[i as u8; 16], [100 + i as u8; 16], [200; 16]].concat());
            assert_eq!(all.labels[i], i as u32);
        }
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(alone.install(|| decode("x", &files, image, Fit::Exact)).unwrap(), all);
        for broken in [17, 5] {
            std::fs::write(&files[broken].0, b"").unwrap();
        }
        let error = decode("x", &files, image, Fit::Exact).unwrap_err();
        assert!(error.what().starts_with(&files[5].0.display().to_string()), "{error}");
    }

    #[test]
    fn grey_images_become_rgb() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["g.png", "g.JPEG"] {
            let path = dir.path().join(name);
            image::GrayImage::from_pixel(2, 2, image::Luma([77])).save(&path).unwrap();
            assert_eq!(decode("x", &[(path, 0)], Image::new(3, 2, 2), Fit::Exact).unwrap().images, [77; 12]);
        }
    }

    #[test]
    fn the_format_is_in_the_content_not_in_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let (png, jpeg) = (dir.path().join("a.png"), dir.path().join("a.JPEG"));
        write(&png, 2, 2, [1, 2, 3]);
        std::fs::rename(&png, &jpeg).unwrap();
        assert_eq!(decode("x", &[(jpeg, 0)], Image::new(3, 1, 2), Fit::Crop).unwrap().images, [1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn the_centre_of_the_shorter_side_is_kept() {
        // Left third red, middle green, right blue: a square crop of the 3:1 image is green.
        let rgb = RgbImage::from_fn(96, 32, |x, _| image::Rgb([0, 1, 2].map(|c| if x / 32 == c { 255 } else { 0 })));
        let out = crop_and_resize(&rgb, 14, 14);
        assert_eq!(out.dimensions(), (14, 14));
        assert!(out.pixels().all(|p| p.0 == [0, 255, 0]));
        // Seven eighths of 16 rows: the outermost one is cut off at each end.
        let rows = RgbImage::from_fn(16, 16, |_, y| image::Rgb([10 * y as u8; 3]));
        let out = crop_and_resize(&rows, 14, 14);
        assert_eq!((out.get_pixel(0, 0).0[0], out.get_pixel(0, 13).0[0]), (10, 140));
        for (w, h) in [(1, 1), (1, 65_535), (65_535, 1), (5, 4)] {
            assert_eq!(crop_and_resize(&RgbImage::new(w, h), 32, 32).dimensions(), (32, 32));
        }
    }

    #[test]
    fn damaged_images_are_errors_or_images() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.png", "a.jpeg"] {
            let path = dir.path().join(name);
            write(&path, 8, 8, [200, 30, 60]);
            let read = || decode("x", &[(path.clone(), 0)], Image::new(3, 8, 8), Fit::Exact);
            damage(&path, read, |_| true);
        }
        let path = dir.path().join("a.png");
        let error = decode("x", &[(path.clone(), 0)], Image::new(3, 8, 9), Fit::Exact).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: image of 8x8, 9x8 expected\n  {GET_AGAIN}", path.display()));
    }

    #[test]
    fn classes_take_turns() {
        let path = |name: &str| PathBuf::from(name);
        let order = in_turn(vec![vec![path("a0"), path("a1"), path("a2")], vec![path("b0")], vec![path("c0"), path("c1")]]);
        let names: Vec<_> = order.iter().map(|(p, class)| (p.to_str().unwrap(), *class)).collect();
        assert_eq!(names, [("a0", 0), ("b0", 1), ("c0", 2), ("a1", 0), ("c1", 2), ("a2", 0)]);
    }
}
