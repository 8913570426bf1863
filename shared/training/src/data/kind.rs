//! The data sets by name, and the recipe each is trained with.

use std::fmt;
use std::str::FromStr;

use super::augment::{Augment, Border};
use er_graphs::error::{Error, Result};
use er_graphs::names::{self, Choice};
use er_networks::model::Image;

/// A data set that the toolkit can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// UCI optical digits, built in.
    Digits,
    /// MNIST digits.
    Mnist,
    /// Fashion-MNIST.
    FashionMnist,
    /// CIFAR-10.
    Cifar10,
    /// CIFAR-100, fine labels.
    Cifar100,
    /// Tiny ImageNet.
    TinyImageNet,
    /// ImageNet, ILSVRC 2012.
    ImageNet,
    /// Random images, for measuring speed.
    Synthetic,
}

/// How the images of a set are normalised and augmented: x = (byte/255 − mean)/std per channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Mean of each channel, in units of 255.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, in units of 255.
    pub std: Vec<f64>,
    /// What is done to training images.
    pub augment: Augment,
}

impl DataKind {
    /// All sets with their names, in the order in which they are listed.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice {
            value: Self::Digits,
            name: "digits",
            aliases: &[],
            about: "built in: UCI optical digits, 1,438 training and 359 test images",
        },
        Choice {
            value: Self::Mnist,
            name: "mnist",
            aliases: &[],
            about: "handwritten digits, 60,000 training and 10,000 test images (IDX files)",
        },
        Choice {
            value: Self::FashionMnist,
            name: "fashion_mnist",
            aliases: &["fashionmnist"],
            about: "clothing, 60,000 training and 10,000 test images (IDX files)",
        },
        Choice {
            value: Self::Cifar10,
            name: "cifar10",
            aliases: &["cifar-10"],
            about: "objects, 50,000 training and 10,000 test images (binary version)",
        },
        Choice {
            value: Self::Cifar100,
            name: "cifar100",
            aliases: &["cifar-100"],
            about: "objects, 50,000 training and 10,000 test images (binary version, fine labels)",
        },
        Choice {
            value: Self::TinyImageNet,
            name: "tiny_imagenet",
            aliases: &["tinyimagenet"],
            about: "100,000 training images; the 10,000 validation images serve as test images",
        },
        Choice {
            value: Self::ImageNet,
            name: "imagenet",
            aliases: &[],
            about: "1,281,167 training images; the 50,000 validation images serve as test images",
        },
        Choice {
            value: Self::Synthetic,
            name: "synthetic",
            aliases: &[],
            about: "built in: random images and labels, for measuring speed",
        },
    ];

    /// Its name in commands and configurations.
    pub const fn name(self) -> &'static str {
        Self::CHOICES[self as usize].name
    }

    /// What it is, in one line.
    pub const fn about(self) -> &'static str {
        Self::CHOICES[self as usize].about
    }

    /// Shape of its images; ImageNet and synthetic images can be asked for at other sizes.
    pub const fn image(self) -> Image {
        match self {
            Self::Digits => Image::new(1, 8, 8),
            Self::Mnist | Self::FashionMnist => Image::new(1, 28, 28),
            Self::Cifar10 | Self::Cifar100 | Self::Synthetic => Image::new(3, 32, 32),
            Self::TinyImageNet => Image::new(3, 64, 64),
            Self::ImageNet => Image::new(3, 224, 224),
        }
    }

    /// Number of classes; synthetic images can be asked for with another number.
    pub const fn classes(self) -> usize {
        match self {
            Self::Cifar100 => 100,
            Self::TinyImageNet => 200,
            Self::ImageNet => 1000,
            _ => 10,
        }
    }

    /// Where to get it; nothing for what is built in.
    pub const fn page(self) -> Option<&'static str> {
        match self {
            Self::Digits | Self::Synthetic => None,
            Self::Mnist => Some("http://yann.lecun.com/exdb/mnist"),
            Self::FashionMnist => Some("https://github.com/zalandoresearch/fashion-mnist"),
            Self::Cifar10 | Self::Cifar100 => Some("https://www.cs.toronto.edu/~kriz/cifar.html"),
            Self::TinyImageNet => Some("http://cs231n.stanford.edu/tiny-imagenet-200.zip"),
            Self::ImageNet => Some("https://image-net.org"),
        }
    }

    /// The hold-out its published runs use: a tenth of the training images, or 0 (the test images validate) for CIFAR-100,
    /// whose trainers know no hold-out, and for Tiny ImageNet and ImageNet, whose test images already are a validation set.
    pub const fn default_valid_split(self) -> f64 {
        match self {
            Self::Cifar100 | Self::TinyImageNet | Self::ImageNet => 0.0,
            _ => 0.1,
        }
    }

    /// Normalisation and augmentation for images of this shape.
    ///
    /// CIFAR-10 (reflected border) and CIFAR-100 (black border) as in the trainers of Liu et al., "Sparse Training via Boosting
    /// Pruning Plasticity with Neuroregeneration" (2021) and "The Unreasonable Effectiveness of Random Pruning" (2022); Tiny
    /// ImageNet as in Tanaka et al., "Pruning neural networks without any data" (2020). MNIST, Fashion-MNIST and the built-in
    /// digits are not augmented. ImageNet has its usual normalisation; its images are stored resized, so a shifted crop (border
    /// of an eighth of the side) and a flip stand in for the random resized crop, which needs the originals.
    pub fn recipe(self, image: Image) -> Recipe {
        // Of uniform bytes: √(65,535/12)/255.
        let uniform = (vec![0.5; image.channels], vec![0.2898; image.channels]);
        let shifted = |pad, border| Augment { pad, border, flip: true };
        let (mean, std, augment): (&[f64], &[f64], Augment) = match self {
            Self::Digits => (&[0.2878], &[0.3543], Augment::NONE),
            Self::Mnist => (&[0.1307], &[0.3081], Augment::NONE),
            Self::FashionMnist => (&[0.2860], &[0.3530], Augment::NONE),
            Self::Cifar10 => (&[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.2010], shifted(4, Border::Reflect)),
            Self::Cifar100 => (
                &[0.507_075_159_237_132_3, 0.486_548_873_314_950_95, 0.440_917_843_367_034_3],
                &[0.267_334_285_879_240_1, 0.256_438_462_917_088_3, 0.276_150_471_325_684_04],
                shifted(4, Border::Zero),
            ),
            Self::TinyImageNet => (&[0.480, 0.448, 0.397], &[0.276, 0.269, 0.282], shifted(4, Border::Zero)),
            Self::ImageNet => (&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225], shifted(image.height / 8, Border::Zero)),
            Self::Synthetic => (&uniform.0, &uniform.1, Augment::NONE),
        };
        Recipe { mean: mean.to_vec(), std: std.to_vec(), augment }
    }
}

er_graphs::names::stored_as_text!(DataKind);

impl fmt::Display for DataKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DataKind {
    type Err = Error;

    fn from_str(typed: &str) -> Result<Self> {
        names::parse("data set", Self::CHOICES, typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for choice in DataKind::CHOICES {
            assert_eq!((choice.value.name(), choice.value.about()), (choice.name, choice.about));
            assert_eq!(choice.value.to_string().parse::<DataKind>(), Ok(choice.value));
        }
        for typed in ["Fashion-MNIST", "fashionmnist", "FASHION_MNIST"] {
            assert_eq!(typed.parse::<DataKind>(), Ok(DataKind::FashionMnist));
        }
        assert_eq!("CIFAR-100".parse::<DataKind>(), Ok(DataKind::Cifar100));
        let error = "cifra10".parse::<DataKind>().unwrap_err();
        assert_eq!(error.to_string(), "unknown data set \"cifra10\"\n  did you mean \"cifar10\"?");
    }

    #[test]
    fn recipes_fit_their_images() {
        for kind in DataKind::CHOICES.iter().map(|choice| choice.value) {
            let recipe = kind.recipe(kind.image());
            assert_eq!((recipe.mean.len(), recipe.std.len()), (kind.image().channels, kind.image().channels), "{kind}");
            assert!(recipe.std.iter().all(|&s| s > 0.0) && recipe.augment.check(kind.image()).is_ok(), "{kind}");
        }
        assert_eq!(DataKind::ImageNet.recipe(Image::new(3, 224, 224)).augment.pad, 28);
    }
}
