//! A data set in memory.

use std::ops::Range;

use super::augment::Augment;
use er_graphs::error::{Error, Result};
use er_networks::model::Image;

/// Images and their labels, as read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Bytes of all images, `(image, channel, row, column)` row-major.
    pub images: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u32>,
}

impl Split {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Which images a loader walks through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The training images without the hold-out: shuffled anew every epoch and augmented.
    Train,
    /// The hold-out, or the test images where nothing is held out: in file order, not augmented.
    Validation,
    /// The test images: in file order, not augmented.
    Test,
}

/// Training and test images with the recipe for them.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// Name, for messages and manifests.
    pub name: String,
    /// Shape of every image.
    pub image: Image,
    /// Number of classes; labels are below it.
    pub classes: usize,
    /// Training images in file order, the hold-out last.
    pub train: Split,
    /// Test images.
    pub test: Split,
    /// Mean of each channel, in units of 255.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, in units of 255.
    pub std: Vec<f64>,
    /// What is done to training images.
    pub augment: Augment,
    /// How many of the last training images are held out for validation.
    pub hold_out: usize,
}

impl DataSet {
    /// Holds out this fraction of the training images, rounded to whole images: the last ones in file order. They are neither
    /// trained on nor augmented. With 0, nothing is held out and the test images serve as validation images.
    ///
    /// # Errors
    /// Usage: a fraction outside [0, 1), or so close to its ends that no image would be held out or trained on.
    pub fn with_valid_split(mut self, fraction: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&fraction) {
            return Err(Error::usage(format!("validation split {fraction} is outside 0..1 (1 excluded)")));
        }
        let n = self.train.len();
        let hold_out = (fraction * n as f64).round() as usize;
        if hold_out == n || (hold_out == 0 && fraction > 0.0) {
            let what = if hold_out == n { "train on" } else { "hold out" };
            return Err(Error::usage(format!(
                "validation split {fraction} of {n} images of {} leaves none to {what}",
                self.name
            )));
        }
        self.hold_out = hold_out;
        Ok(self)
    }

    /// Where the images of a part are.
    pub fn part(&self, part: Part) -> (&Split, Range<usize>) {
        let kept = self.train.len() - self.hold_out;
        match part {
            Part::Train => (&self.train, 0..kept),
            Part::Validation if self.hold_out > 0 => (&self.train, kept..self.train.len()),
            Part::Validation | Part::Test => (&self.test, 0..self.test.len()),
        }
    }

    /// Whether the set is what a loader may rely on; O(images).
    ///
    /// # Errors
    /// Failure: sizes that disagree, labels out of range, an unusable normalisation or augmentation.
    pub fn check(&self) -> Result<()> {
        let bad = |what: String| Err(Error::failure(format!("data set {}: {what}", self.name)));
        for (which, split) in [("training", &self.train), ("test", &self.test)] {
            let (n, bytes) = (split.len(), split.images.len());
            if n == 0 || n > u32::MAX as usize {
                return bad(format!("{n} {which} images, between 1 and {} expected", u32::MAX));
            }
            if self.image.is_empty() || n.checked_mul(self.image.len()) != Some(bytes) {
                return bad(format!("{bytes} bytes of {which} images for {n} labels and images of {}", self.image));
            }
            if let Some((i, label)) = split.labels.iter().enumerate().find(|&(_, &label)| label as usize >= self.classes) {
                return bad(format!("label {label} of {which} image {i} is outside 0..{}", self.classes.saturating_sub(1)));
            }
        }
        if self.hold_out >= self.train.len() {
            return bad(format!("{} of {} training images are held out", self.hold_out, self.train.len()));
        }
        let usable = |values: &[f64]| values.len() == self.image.channels && values.iter().all(|v| v.is_finite());
        if !usable(&self.mean) || !usable(&self.std) || self.std.iter().any(|&s| s <= 0.0) {
            return bad(format!("mean {:?} and std {:?} cannot normalise images of {}", self.mean, self.std, self.image));
        }
        self.augment.check(self.image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(n: usize) -> DataSet {
        let split = |n: usize| Split { images: vec![7; 4 * n], labels: vec![1; n] };
        let (mean, std) = (vec![0.5], vec![0.25]);
        DataSet {
            name: "toy".into(),
            image: Image::new(1, 2, 2),
            classes: 2,
            train: split(n),
            test: split(3),
            mean,
            std,
            augment: Augment::NONE,
            hold_out: 0,
        }
    }

    #[test]
    fn the_hold_out_is_the_end_of_the_training_images() {
        let held = set(50).with_valid_split(0.1).unwrap();
        assert_eq!((held.part(Part::Train).1, held.part(Part::Validation).1), (0..45, 45..50));
        assert!(std::ptr::eq(held.part(Part::Validation).0, &raw const held.train));
        assert_eq!(held.part(Part::Test).1, 0..3);
        // 0.7 is below seven tenths in binary; rounding, not truncation, must decide.
        assert_eq!(set(10).with_valid_split(0.7).unwrap().hold_out, 7);
        let none = held.with_valid_split(0.0).unwrap();
        assert_eq!((none.part(Part::Train).1, none.part(Part::Validation).1), (0..50, 0..3));
        assert!(std::ptr::eq(none.part(Part::Validation).0, &raw const none.test));
    }

    #[test]
    fn impossible_hold_outs_are_usage_errors() {
        let error = |fraction| set(10).with_valid_split(fraction).unwrap_err().to_string();
        assert_eq!(error(1.0), "validation split 1 is outside 0..1 (1 excluded)");
        assert_eq!(error(-0.1), "validation split -0.1 is outside 0..1 (1 excluded)");
        assert_eq!(error(f64::NAN), "validation split NaN is outside 0..1 (1 excluded)");
        assert_eq!(error(0.99), "validation split 0.99 of 10 images of toy leaves none to train on");
        assert_eq!(error(0.01), "validation split 0.01 of 10 images of toy leaves none to hold out");
    }

    #[test]
    fn inconsistent_sets_are_found() {
        set(5).check().unwrap();
        let broken = |change: fn(&mut DataSet)| {
            let mut s = set(5);
            change(&mut s);
            s.check().unwrap_err().to_string()
        };
        assert_eq!(broken(|s| s.train = Split::default()), "data set toy: 0 training images, between 1 and 4294967295 expected");
        assert_eq!(
            broken(|s| s.test.images.truncate(11)),
            "data set toy: 11 bytes of test images for 3 labels and images of 1x2x2"
        );
        assert_eq!(broken(|s| s.train.labels[4] = 2), "data set toy: label 2 of training image 4 is outside 0..1");
        assert_eq!(broken(|s| s.hold_out = 5), "data set toy: 5 of 5 training images are held out");
        assert_eq!(broken(|s| s.std[0] = 0.0), "data set toy: mean [0.5] and std [0.0] cannot normalise images of 1x2x2");
        assert!(broken(|s| s.mean.push(0.5)).contains("cannot normalise"));
    }
}
