//! The built-in data set: UCI optical digits, 8×8 pixels (source and licence: `digits/ATTRIBUTION.md`).

use std::io::Read;

use flate2::read::GzDecoder;

use super::set::Split;
use er_graphs::error::{Error, Result};

/// 1,797 × 64 brightnesses 0..16, then 1,797 labels, as one gzip stream.
const PACKED: &[u8] = include_bytes!("digits/optdigits.gz");
const IMAGES: usize = 1797;
const PIXELS: usize = 64;
/// Brightness 16 becomes byte 240; every brightness stays an exact multiple.
const SCALE: u8 = 15;

/// Training and test images. The split is fixed: every fifth image (index mod 5 = 4) is a test image, 359 of 1,797; the other 1,438
/// are training images in file order.
pub(super) fn read() -> Result<(Split, Split)> {
    let mut bytes = Vec::with_capacity(IMAGES * (PIXELS + 1));
    GzDecoder::new(PACKED)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::failure(format!("the built-in digits are damaged: {error}")))?;
    if bytes.len() != IMAGES * (PIXELS + 1) {
        return Err(Error::failure(format!("the built-in digits are damaged: {} bytes", bytes.len())));
    }
    let (images, labels) = bytes.split_at(IMAGES * PIXELS);
    let (mut train, mut test) = (Split::default(), Split::default());
    for (i, (image, &label)) in images.chunks_exact(PIXELS).zip(labels).enumerate() {
        let split = if i % 5 == 4 { &mut test } else { &mut train };
        split.images.extend(image.iter().map(|&brightness| brightness * SCALE));
        split.labels.push(u32::from(label));
    }
    Ok((train, test))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataKind;

    // Expected values were computed from scikit-learn's text table of the same images.

    #[test]
    fn the_digits_are_those_of_the_published_table() {
        let (train, test) = read().unwrap();
        assert_eq!((train.len(), test.len()), (1438, 359));
        let sum = |split: &Split| split.images.iter().map(|&b| u64::from(b / SCALE)).sum::<u64>();
        assert_eq!((sum(&train), sum(&test)), (450_304, 111_414));
        assert!(train.images.iter().chain(&test.images).all(|&b| b % SCALE == 0 && b <= 16 * SCALE));
        assert_eq!(test.labels[..10], [4, 9, 4, 9, 4, 9, 6, 9, 7, 0]);
        let per_class: Vec<usize> = (0..10).map(|c| test.labels.iter().filter(|&&l| l == c).count()).collect();
        assert_eq!(per_class, [27, 21, 34, 52, 34, 28, 31, 43, 47, 42]);
        let first: Vec<u8> = test.images[..16].iter().map(|b| b / SCALE).collect();
        assert_eq!(first, [0, 0, 0, 1, 11, 0, 0, 0, 0, 0, 0, 7, 8, 0, 0, 0]);
    }

    #[test]
    fn the_recipe_is_the_mean_and_deviation_of_the_training_images() {
        let (train, _) = read().unwrap();
        let values: Vec<f64> = train.images.iter().map(|&b| f64::from(b) / 255.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        let recipe = DataKind::Digits.recipe(DataKind::Digits.image());
        assert!((recipe.mean[0] - mean).abs() < 5e-5 && (recipe.std[0] - variance.sqrt()).abs() < 5e-5);
    }
}
