//! Data sets: readers for the formats they are published in, the fixed recipes of normalisation and augmentation, and a
//! loader whose batches depend on nothing but the seed, the epoch and the step.
//!
//! Images stay bytes in memory, a quarter of the size of floats, and are normalised while a batch is filled. One file reads
//! one format; [`load`] finds the files and checks what came out of them.

mod augment;
mod cifar;
mod digits;
mod file;
mod idx;
mod image_folder;
mod imagenet;
mod kind;
mod loader;
mod locate;
mod memory;
mod prefetch;
mod set;
mod synthetic;
mod tiny_imagenet;

use std::path::PathBuf;

pub use augment::{Augment, Border, Shift};
pub use kind::{DataKind, Recipe};
pub use loader::Loader;
pub use locate::{Listed, listing, search_path};
pub use prefetch::Prefetch;
pub use set::{DataSet, Part, Split};

use er_graphs::error::{Error, Result};
use er_graphs::names::{self, Choice};
use er_networks::model::Image;

/// What a data set leaves to choose. Asking a set for what it does not leave to choose is a usage error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Shape of the images: any for synthetic ones (3×32×32 by default), any square of three channels for ImageNet (224×224).
    pub input: Option<Image>,
    /// Number of classes of synthetic images (10 by default).
    pub classes: Option<usize>,
    /// Number of synthetic training images.
    pub train: usize,
    /// Number of synthetic test images.
    pub test: usize,
    /// Seed of synthetic images.
    pub seed: u64,
    /// Whether training images are augmented as the set's recipe says.
    pub augment: bool,
    /// How pixels are normalised.
    pub normalise: Normalise,
}

/// How pixels are normalised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Normalise {
    /// With the mean and standard deviation of the set.
    #[default]
    Own,
    /// With 0.5 as mean and standard deviation of each channel, as the published program of strong lottery tickets does.
    Half,
}

impl Normalise {
    /// All ways with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::Own, name: "own", aliases: &[], about: "mean and standard deviation of the set" },
        Choice { value: Self::Half, name: "half", aliases: &[], about: "0.5 and 0.5: values from -1 to 1" },
    ];
}

names::named!(Normalise, "normalisation");

impl Default for Options {
    fn default() -> Self {
        Self { input: None, classes: None, train: 2560, test: 512, seed: 0, augment: true, normalise: Normalise::Own }
    }
}

impl Options {
    /// How images of this set and shape are normalised and augmented: as the set's own recipe says, but for what is chosen here.
    #[must_use]
    pub fn recipe(&self, kind: DataKind, image: Image) -> Recipe {
        let Recipe { mut mean, mut std, augment } = kind.recipe(image);
        if self.normalise == Normalise::Half {
            mean.fill(0.5);
            std.fill(0.5);
        }
        Recipe { mean, std, augment: if self.augment { augment } else { Augment::NONE } }
    }

    /// Shape of the images and number of classes that [`load`] will give, known without any file.
    ///
    /// # Errors
    /// Usage: an input size or number of classes that this set cannot have.
    pub fn shape(&self, kind: DataKind) -> Result<(Image, usize)> {
        let (mut image, mut classes) = (kind.image(), kind.classes());
        if let Some(asked) = self.input.filter(|&asked| asked != image) {
            let fits = match kind {
                DataKind::Synthetic => true,
                DataKind::ImageNet => asked.channels == image.channels && asked.height == asked.width,
                _ => false,
            };
            if !fits {
                let help = match kind {
                    DataKind::ImageNet => "other sizes must be square and have three channels".to_owned(),
                    _ => format!("leave the input out or use {image}"),
                };
                return Err(Error::usage(format!("input {asked}: images of {kind} are {image}")).help(help));
            }
            if [asked.channels, asked.height, asked.width].iter().any(|n| !(1..=1024).contains(n)) {
                return Err(Error::usage(format!("input {asked}: channels, height and width must be from 1 to 1024")));
            }
            image = asked;
        }
        if let Some(asked) = self.classes.filter(|&asked| asked != classes) {
            if kind != DataKind::Synthetic {
                return Err(Error::usage(format!("{asked} classes: {kind} has {classes}"))
                    .help("only synthetic images have as many classes as you like"));
            }
            if !(1..=100_000).contains(&asked) {
                return Err(Error::usage(format!("{asked} classes of synthetic images are outside 1..100000")));
            }
            classes = asked;
        }
        Ok((image, classes))
    }
}

/// Reads a data set from the first folder of `roots` that holds it (see [`search_path`]), with its own recipe
/// ([`DataKind::recipe`]) and no hold-out ([`DataSet::with_valid_split`] sets one).
///
/// # Errors
/// Usage: options that this set does not have. Failure: not found, incomplete, unreadable, of the wrong size or format, or larger
/// than the free memory; the message names the file with the expected and the found value.
pub fn load(kind: DataKind, roots: &[PathBuf], options: &Options) -> Result<DataSet> {
    let (image, classes) = options.shape(kind)?;
    let (train, test) = match kind {
        DataKind::Digits => digits::read()?,
        DataKind::Synthetic => synthetic::generate(image, classes, options)?,
        DataKind::Mnist | DataKind::FashionMnist => idx::read(kind, &locate::find(kind, roots)?)?,
        DataKind::Cifar10 => cifar::read(&locate::find(kind, roots)?, &cifar::CIFAR10)?,
        DataKind::Cifar100 => cifar::read(&locate::find(kind, roots)?, &cifar::CIFAR100)?,
        DataKind::TinyImageNet => tiny_imagenet::read(&locate::find(kind, roots)?, tiny_imagenet::PUBLISHED)?,
        DataKind::ImageNet => imagenet::read(&locate::find(kind, roots)?, image, classes)?,
    };
    let Recipe { mean, std, augment } = options.recipe(kind, image);
    let set = DataSet { name: kind.to_string(), image, classes, train, test, mean, std, augment, hold_out: 0 };
    set.check()?;
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_graphs::error::Kind;

    #[test]
    fn every_set_states_the_shape_it_loads() {
        for kind in [DataKind::Digits, DataKind::Synthetic] {
            let set = load(kind, &[], &Options { train: 3, test: 2, ..Options::default() }).unwrap();
            assert_eq!((set.image, set.classes, set.name.as_str()), (kind.image(), kind.classes(), kind.name()));
        }
        let options =
            Options { input: Some(Image::new(1, 9, 7)), classes: Some(4), train: 3, test: 2, seed: 5, ..Options::default() };
        let set = load(DataKind::Synthetic, &[], &options).unwrap();
        assert_eq!((set.image, set.classes), (Image::new(1, 9, 7), 4));
    }

    #[test]
    fn options_without_effect_are_refused() {
        let shape = |kind, input, classes| Options { input, classes, ..Options::default() }.shape(kind);
        assert_eq!(shape(DataKind::Cifar10, Some(Image::new(3, 32, 32)), Some(10)).unwrap(), (Image::new(3, 32, 32), 10));
        assert_eq!(shape(DataKind::ImageNet, Some(Image::new(3, 64, 64)), None).unwrap().0, Image::new(3, 64, 64));
        for (kind, input, classes, text) in [
            (DataKind::Cifar10, Some(Image::new(3, 64, 64)), None, "input 3x64x64: images of cifar10 are 3x32x32"),
            (DataKind::ImageNet, Some(Image::new(3, 64, 32)), None, "input 3x64x32: images of imagenet are 3x224x224"),
            (DataKind::Mnist, None, Some(5), "5 classes: mnist has 10"),
            (
                DataKind::Synthetic,
                Some(Image::new(3, 0, 2)),
                None,
                "input 3x0x2: channels, height and width must be from 1 to 1024",
            ),
            (DataKind::Synthetic, None, Some(0), "0 classes of synthetic images are outside 1..100000"),
        ] {
            let error = shape(kind, input, classes).unwrap_err();
            assert_eq!((error.kind(), error.what()), (Kind::Usage, text));
        }
    }
}
