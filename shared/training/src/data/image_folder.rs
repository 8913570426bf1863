//! Decoding folders of JPEG and PNG files, in parallel and in a fixed order.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use rayon::prelude::*;

use super::file::{self, GET_AGAIN, zeroed};
use super::memory::{Held, Memory};
use super::set::Split;
use er_graphs::error::{Error, Result};
use er_networks::model::Image;

/// Pixels on a side of an image that is not of the exact size; the largest of ImageNet have less than 10,000.
const MOST_SIDE: u32 = 1 << 14;
/// Pixels of such an image.
const MOST_PIXELS: u64 = 100_000_000;
/// Bytes of an image's file.
const MOST_BYTES: u64 = 1 << 25;
/// How often a file may be in memory while it is decoded: what was read, with room to grow, the decoder's copy, and copies of its
/// metadata.
const COPIES: u64 = 5;
/// What a PNG decoder may take for rows, colour profiles and texts.
const PNG_ALLOCATIONS: u64 = 1 << 22;

/// What all threads together may take to decode images. It is enough for any image within the bounds above.
static MEMORY: Memory = Memory::new(3 << 29);

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
    // The file is read twice, since a thread that waited for memory with what it has read in its hands could wait for ever.
    let needed = {
        let mut file = file::open(path, MOST_BYTES)?;
        let _held = take(path, COPIES * file.length() + PNG_ALLOCATIONS)?;
        let bytes = file.next(file.length())?;
        decoder(path, &bytes, image, fit)?.1
    };
    let held = take(path, needed)?;
    let bytes = file::read(path, MOST_BYTES)?;
    let (decoder, needed) = decoder(path, &bytes, image, fit)?;
    if needed > held.bytes() {
        return Err(bad("it was changed while it was read".into()));
    }
    let decoded = DynamicImage::from_decoder(decoder);
    let rgb = decoded.map_err(|error| bad(format!("not a readable image ({error})")))?.into_rgb8();
    let (width, height) = (image.width as u32, image.height as u32);
    let rgb = match fit {
        Fit::Crop => crop_and_resize(&rgb, width, height),
        Fit::Exact => rgb,
    };
    let plane = image.height * image.width;
    for (i, pixel) in rgb.pixels().enumerate() {
        for (c, &value) in pixel.0.iter().enumerate() {
            out[c * plane + i] = value;
        }
    }
    Ok(())
}

fn take(path: &Path, bytes: u64) -> Result<Held<'static>> {
    MEMORY.take(bytes).ok_or_else(|| {
        Error::failure(format!("{}: image that needs {:.1} GB of memory", path.display(), bytes as f64 / 1e9)).help(GET_AGAIN)
    })
}

/// What decodes an image of which only the header has been looked at, and the bytes of memory that reading, decoding, cutting and
/// resizing it take at most.
///
/// # Errors
/// Failure: not a whole image, or one of a size that this set cannot have.
fn decoder<'a>(path: &Path, bytes: &'a [u8], image: Image, fit: Fit) -> Result<(impl ImageDecoder + 'a, u64)> {
    let bad = |what: String| Error::failure(format!("{}: {what}", path.display())).help(GET_AGAIN);
    // The decoder fills what a truncated JPEG lacks with grey; its end marker tells.
    let tail = &bytes[bytes.len().saturating_sub(1024)..];
    if bytes.starts_with(&[0xff, 0xd8]) && !tail.windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err(bad(format!("{} bytes of a JPEG file without its end", bytes.len())));
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| Error::io("read", path, &error))?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(PNG_ALLOCATIONS);
    reader.limits(limits);
    let jpeg = reader.format() == Some(ImageFormat::Jpeg);
    let decoder = reader.into_decoder().map_err(|error| bad(format!("not a readable image ({error})")))?;
    let (w, h) = decoder.dimensions();
    let (width, height) = (image.width as u32, image.height as u32);
    match fit {
        Fit::Exact if (w, h) != (width, height) => Err(bad(format!("image of {w}x{h}, {width}x{height} expected"))),
        Fit::Crop if w.max(h) > MOST_SIDE || u64::from(w) * u64::from(h) > MOST_PIXELS => {
            Err(bad(format!("image of {w}x{h}, at most {MOST_PIXELS} pixels and {MOST_SIDE} on a side expected")))
        }
        _ => {
            let memory = memory(&decoder, jpeg, height) + COPIES * bytes.len() as u64 + PNG_ALLOCATIONS;
            Ok((decoder, memory))
        }
    }
}

/// Bytes that the pixels of an image take at most, from the decoder's first to those resized to this height.
fn memory(decoder: &impl ImageDecoder, jpeg: bool, height: u32) -> u64 {
    let (w, h) = decoder.dimensions();
    let (w, h) = (u64::from(w), u64::from(h));
    // A progressive JPEG keeps coefficients of two bytes for up to four components, whose sides are multiples of up to 32; any one
    // has some rows of blocks.
    let decoding = if jpeg { 8 * (w + 32) * (h + 32) + 4096 * w } else { 0 };
    let rgb = if decoder.color_type() == ColorType::Rgb8 { 0 } else { 3 * w * h };
    // Rows are resized first, to four floats a pixel.
    let resizing = 16 * w * u64::from(height);
    decoder.total_bytes() + decoding.max(rgb + resizing)
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

    /// A small image whose header claims another size.
    fn claiming(path: &Path, small: &DynamicImage, width: u16, height: u16) {
        small.save(path).unwrap();
        let mut bytes = std::fs::read(path).unwrap();
        if bytes.starts_with(&[0xff, 0xd8]) {
            let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
            bytes[frame + 5..][..4].copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
        } else {
            bytes[16..24].copy_from_slice(&[u32::from(width).to_be_bytes(), u32::from(height).to_be_bytes()].concat());
            let mut sum = flate2::Crc::new();
            sum.update(&bytes[12..29]);
            bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
        }
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn images_larger_than_those_of_the_set_are_refused_by_their_headers() {
        let dir = tempfile::tempdir().unwrap();
        let small = DynamicImage::new_luma8(8, 8);
        for name in ["a.png", "a.jpeg"] {
            let path = dir.path().join(name);
            let error = |fit| decode("x", &[(path.clone(), 0)], Image::new(3, 8, 8), fit).unwrap_err().what().to_string();
            for (width, height) in [(13_000, 13_000), (22_000, 22_000), (16_385, 1)] {
                claiming(&path, &small, width, height);
                let expected = "at most 100000000 pixels and 16384 on a side expected";
                assert_eq!(error(Fit::Crop), format!("{}: image of {width}x{height}, {expected}", path.display()));
                assert_eq!(error(Fit::Exact), format!("{}: image of {width}x{height}, 8x8 expected", path.display()));
            }
        }
    }

    #[test]
    fn one_image_of_any_size_that_may_be_fits_into_the_memory() {
        let dir = tempfile::tempdir().unwrap();
        let largest = |name: &str, small: &DynamicImage, width, height| {
            let path = dir.path().join(name);
            claiming(&path, small, width, height);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.resize(MOST_BYTES as usize - 2, 0);
            bytes.extend([0xff, 0xd9]);
            decoder(&path, &bytes, Image::new(3, 1024, 1024), Fit::Crop).map(|(_, needed)| needed).unwrap()
        };
        for (width, height) in [(10_000, 10_000), (16_384, 6_103), (6_103, 16_384)] {
            let coefficients = 8 * u64::from(width) * u64::from(height);
            let colour = largest("a.jpeg", &DynamicImage::new_rgb8(8, 8), width, height);
            let deep = largest("a.png", &DynamicImage::new_rgba16(8, 8), width, height);
            assert!(colour > coefficients && deep > coefficients, "{colour}, {deep}");
            for needed in [colour, deep] {
                drop(take(dir.path(), needed).unwrap());
            }
        }
        // More than a hundred of the usual ones fit beside each other.
        let usual = dir.path().join("b.jpeg");
        write(&usual, 500, 375, [1, 2, 3]);
        let bytes = std::fs::read(&usual).unwrap();
        assert!(decoder(&usual, &bytes, Image::new(3, 224, 224), Fit::Crop).unwrap().1 < 12_000_000);
    }

    #[cfg(unix)]
    #[test]
    fn only_files_of_a_possible_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::os::unix::fs::symlink("/dev/zero", at("zeros.png")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe.png")).status().unwrap().success());
        std::fs::File::create(at("long.png")).unwrap().set_len(1 << 40).unwrap();
        let error = |name: &str| decode("x", &[(at(name), 0)], Image::new(3, 8, 8), Fit::Crop).unwrap_err();
        for name in ["zeros.png", "pipe.png"] {
            let expected = format!("{} is a pipe, socket or device, not a regular file", at(name).display());
            assert_eq!(error(name).what(), expected);
        }
        let expected = format!("{} holds 1099511627776 bytes, at most 33554432 expected", at("long.png").display());
        assert_eq!(error("long.png").what(), expected);
        write(&at("file.png"), 8, 8, [9; 3]);
        std::os::unix::fs::symlink("file.png", at("link.png")).unwrap();
        assert_eq!(decode("x", &[(at("link.png"), 0)], Image::new(3, 8, 8), Fit::Exact).unwrap().images, [9; 192]);
    }

    #[test]
    fn classes_take_turns() {
        let path = |name: &str| PathBuf::from(name);
        let order = in_turn(vec![vec![path("a0"), path("a1"), path("a2")], vec![path("b0")], vec![path("c0"), path("c1")]]);
        let names: Vec<_> = order.iter().map(|(p, class)| (p.to_str().unwrap(), *class)).collect();
        assert_eq!(names, [("a0", 0), ("b0", 1), ("c0", 2), ("a1", 0), ("c1", 2), ("a2", 0)]);
    }
}
