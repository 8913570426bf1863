//! Random images and labels: nothing can be learnt from them, but a step takes as long as with real ones.

use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::Options;
use super::file::zeroed;
use super::set::Split;
use er_graphs::error::{Error, Result};
use er_graphs::rng::{Purpose, stream};
use er_networks::model::Image;

/// Training and test images of uniform bytes with uniform labels; O(bytes). Image i is the same whatever the number of images.
pub(super) fn generate(image: Image, classes: usize, options: &Options) -> Result<(Split, Split)> {
    let split = |n: usize, first: u64| -> Result<Split> {
        if n == 0 {
            return Err(Error::usage("0 synthetic images: training and test need at least one each"));
        }
        let mut split = Split { images: zeroed("synthetic", n, image)?, labels: vec![0; n] };
        split.images.par_chunks_exact_mut(image.len()).zip(&mut split.labels).enumerate().for_each(|(i, (bytes, label))| {
            let mut rng = stream(options.seed, Purpose::Data, first + i as u64);
            *label = rng.random_range(0..classes as u32);
            rng.fill_bytes(bytes);
        });
        Ok(split)
    };
    Ok((split(options.train, 0)?, split(options.test, 1 << 32)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_depend_on_seed_and_index_only() {
        let image = Image::new(3, 4, 5);
        let make = |train, seed| generate(image, 7, &Options { train, test: 5, seed, ..Options::default() }).unwrap();
        let (few, many) = (make(10, 1), make(40, 1));
        assert_eq!(few.0.images[..], many.0.images[..10 * image.len()]);
        assert_eq!(few.0.labels[..], many.0.labels[..10]);
        assert_eq!(few.1, many.1);
        assert_ne!(few.0.images[..image.len()], few.1.images[..image.len()]);
        assert_ne!(few.0.images, make(10, 2).0.images);
        let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(|| make(40, 1));
        assert_eq!(one_thread, many);
    }

    #[test]
    fn bytes_and_labels_are_uniform() {
        let (train, _) = generate(Image::new(1, 16, 16), 4, &Options { train: 2000, test: 1, ..Options::default() }).unwrap();
        let mean = train.images.iter().map(|&b| f64::from(b)).sum::<f64>() / train.images.len() as f64;
        // Standard error 73.9/√512,000 ≈ 0.10; five of them.
        assert!((mean - 127.5).abs() < 0.52, "{mean}");
        for class in 0..4 {
            let count = train.labels.iter().filter(|&&l| l == class).count();
            assert!(count.abs_diff(500) < 97, "class {class}: {count}"); // five times √(2000·¼·¾)
        }
    }

    #[test]
    fn no_images_is_a_usage_error() {
        let error = generate(Image::new(1, 1, 1), 2, &Options { test: 0, ..Options::default() }).unwrap_err();
        assert_eq!(error.what(), "0 synthetic images: training and test need at least one each");
    }
}
