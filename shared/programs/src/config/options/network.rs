//! Options about the network and its data.

use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;

use crate::config::{OptionId, Resolver, listing, values};
use crate::{option, options};
use er_graphs::error::Result;
use er_networks::init::InitMethod;
use er_networks::model::{self, Image, ModelSpec};
use er_training::data::{DataKind, Normalise};

/// Images on which the best epoch is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectOn {
    /// Those held out.
    Validation,
    /// The test images, as the published programs of dynamic sparse training do: the accuracy that is reported is then too high.
    Test,
}

/// A network, and the data set whose images and classes it is for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data and model")]
pub struct NetworkOptions {
    /// Data set: digits (built in), mnist, fashion_mnist, cifar10, cifar100, tiny_imagenet, imagenet or synthetic
    #[arg(long, default_value = "digits", value_parser = values::parsed::<DataKind>, value_name = "NAME")]
    pub data: DataKind,
    /// Shape of the images; only imagenet and synthetic leave a choice [default: that of the data set]
    #[arg(long, value_parser = values::image, value_name = "CxHxW")]
    pub input: Option<Image>,
    /// Number of classes; only synthetic leaves a choice [default: that of the data set]
    #[arg(long, value_parser = values::count, value_name = "N")]
    pub classes: Option<usize>,
    /// Network.
    #[arg(long, value_name = "NAME",
          help = format!("Network, such as resnet18 or mlp-300-100: {} [default: one that suits the images]", listing::models()))]
    pub model: Option<String>,
}

impl NetworkOptions {
    /// Which options these are.
    pub fn ids(&self) -> [OptionId; 4] {
        options![self.data, self.input, self.classes, self.model]
    }

    /// The name of the network, where `usual` is the one that suits the images.
    pub fn name(&self, usual: &str) -> String {
        self.model.clone().unwrap_or_else(|| usual.to_owned())
    }

    /// The network that has this name where another is the usual one for the images: see [`NetworkOptions::name`].
    ///
    /// # Errors
    /// A shape or number of classes that the data set does not have; a network that does not exist or does not fit.
    pub fn network(&self, name: impl FnOnce(&str) -> String) -> Result<ModelSpec> {
        let asked = er_training::data::Options { input: self.input, classes: self.classes, ..Default::default() };
        let (image, classes) = asked.shape(self.data)?;
        model::build(&name(model::default_for(image)), image, classes)
    }
}

/// What to train on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data and model")]
pub struct DataOptions {
    /// The network and its data set.
    #[command(flatten)]
    pub network: NetworkOptions,
    /// Fraction of the training images held out for validation; 0: validate on the test images [default: 0.1, or 0 for
    /// cifar100, tiny_imagenet and imagenet]
    #[arg(long, value_parser = values::below_one, value_name = "FRACTION")]
    pub valid_split: Option<f64>,
    /// Whether training images are shifted and mirrored, where the recipe of the data set says so
    #[arg(long, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean, value_name = "BOOL")]
    pub augment: bool,
    /// What is subtracted from the pixels and what they are then divided by, channel by channel: own (mean and standard deviation
    /// of the data set) or half (0.5 and 0.5: values from -1 to 1)
    #[arg(long, default_value = "own", value_parser = values::parsed::<Normalise>, value_name = "NAME")]
    pub normalise: Normalise,
    /// Images on which the best epoch is chosen: validation or test
    #[arg(long, default_value = "validation", ignore_case = true, value_name = "IMAGES")]
    pub select_on: SelectOn,
}

/// A network and the images that it is trained on.
#[derive(Debug, Clone)]
pub struct Images {
    /// The network.
    pub spec: ModelSpec,
    /// What to ask the data set for.
    pub options: er_training::data::Options,
    /// Fraction of the training images that is held out.
    pub valid_split: f64,
    /// Whether the best epoch is chosen on the test images.
    pub select_on_test: bool,
}

impl DataOptions {
    /// The network that has this name where another is the usual one for the images; and what to ask the data set for.
    ///
    /// # Errors
    /// As [`NetworkOptions::network`].
    pub fn resolve(&self, name: impl FnOnce(&str) -> String, seed: u64, resolver: &mut Resolver) -> Result<Images> {
        let kind = resolver.keep(option!(self.network.data));
        let valid_split = resolver.keep_or(option!(self.valid_split), kind.default_valid_split());
        let augment = resolver.keep(option!(self.augment));
        let normalise = resolver.keep(option!(self.normalise));
        let select_on = resolver.keep(option!(self.select_on));
        let spec = self.network.network(name)?;
        let (input, classes) = (spec.input(), spec.classes());
        resolver.keep_as(option!(self.network.input), input.to_string());
        resolver.keep_as(option!(self.network.classes), classes);
        resolver.keep_as(option!(self.network.model), spec.name());
        let (input, classes) = (Some(input), Some(classes));
        let options = er_training::data::Options { input, classes, seed, augment, normalise, ..Default::default() };
        Ok(Images { spec, options, valid_split, select_on_test: select_on == SelectOn::Test })
    }
}

/// What the weights that exist begin with.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Initialisation")]
pub struct InitOptions {
    /// First weights: default (the model's own), normal, uniform, bimodal, looks-linear, kaiming-normal, kaiming-uniform,
    /// xavier-normal, xavier-uniform, orthogonal or scaled
    #[arg(long, default_value = "default", value_parser = values::parsed::<InitMethod>, value_name = "NAME")]
    pub init_method: InitMethod,
    /// Whether the first weights of each layer are moved towards an orthogonal matrix
    #[arg(long)]
    pub ortho_repair: bool,
    /// Same as --init-method scaled: Kaiming's variance for the edges that exist
    #[arg(long)]
    pub scaled: bool,
}

impl InitOptions {
    /// The way weights are drawn, which two options can name.
    pub fn method(&self, resolver: &mut Resolver) -> InitMethod {
        let (method, scaled) = (option!(self.init_method), option!(self.scaled));
        if self.scaled && resolver.is_given(method) && self.init_method != InitMethod::Scaled {
            let what = format!("{} means --init-method scaled, but {} is asked for", resolver.show(scaled), self.init_method);
            resolver.problems.add_with_help(what, "give one of the two");
        }
        resolver.leave_out(scaled);
        let drawn = if self.scaled { InitMethod::Scaled } else { self.init_method };
        resolver.keep_as(method, drawn);
        drawn
    }
}
